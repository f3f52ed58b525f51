/**
 * `yix store export`: store paths as one stream that `yix store import` and `nix-store --import` take.
 */
import { isatty } from "node:tty"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { closure } from "../../../store/Closure.ts"
import { exportPaths } from "../../../store/Transfer.ts"
import { Switch } from "../../CommonFlags.ts"
import { printBytes } from "../../Output.ts"
import { parsePath, pathInfoOf } from "../../StoreQueries.ts"
import { UsageError } from "../../Usage.ts"
import { withStore } from "../../World.ts"

export const exportCommand = Command.make(
  "export",
  {
    paths: Argument.String("PATH").pipe(
      Argument.atLeast(1),
      Argument.withDescription("Store paths, those that others refer to first; see --closure")
    ),
    closure: Switch("closure").pipe(Flag.withDescription("Export all that they refer to, too, in the right order"))
  },
  Effect.fn("yix store export")(function* (input) {
    if (isatty(1)) return yield* new UsageError({ detail: "an export is not for a terminal; write it to a file or a pipe" })
    yield* withStore(
      Effect.gen(function* () {
        const asked = yield* Effect.forEach(input.paths, (text) => Effect.flatMap(parsePath(text), pathInfoOf))
        const infos = input.closure ? yield* closure(asked.map((info) => info.path)) : asked
        yield* Stream.runForEach(exportPaths(infos), printBytes)
      })
    )
  })
).pipe(Command.withDescription("Write store paths to standard output, for yix store import or nix-store --import"))
