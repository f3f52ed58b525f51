/**
 * `yix store cat`: the contents of files in the store.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { fromUnicode } from "../../../nix/Bytes.ts"
import { cat } from "../../../store/Lookup.ts"
import { printBytes } from "../../Output.ts"
import { withStore } from "../../World.ts"

export const catCommand = Command.make(
  "cat",
  { paths: Argument.String("PATH").pipe(Argument.atLeast(1), Argument.withDescription("Files in the store")) },
  Effect.fn("yix store cat")(function* ({ paths }) {
    yield* withStore(Effect.forEach(paths, (path) => Stream.runForEach(cat(fromUnicode(path)), printBytes), { discard: true }))
  })
).pipe(Command.withDescription("Print files in the store"))
