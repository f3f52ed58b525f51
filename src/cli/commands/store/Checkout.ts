/**
 * `yix store checkout`: writes a tree of the store to a place of the host.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { copyTo } from "../../../castore/view/Checkout.ts"
import { fromUnicode } from "../../../nix/Bytes.ts"
import { locate } from "../../../store/Lookup.ts"
import { Switch } from "../../CommonFlags.ts"
import { withStore } from "../../World.ts"

export const checkoutCommand = Command.make(
  "checkout",
  {
    path: Argument.String("PATH").pipe(Argument.withDescription("A store path, or a path below one")),
    destination: Argument.String("DESTINATION").pipe(Argument.withDescription("Where nothing is yet")),
    writable: Switch("writable").pipe(Flag.withDescription("Make the copy writable, for changing it"))
  },
  Effect.fn("yix store checkout")(function* ({ path: source, destination, writable }) {
    yield* withStore(
      Effect.flatMap(locate(fromUnicode(source)), ({ node }) => copyTo(node, fromUnicode(path.resolve(destination)), { writable }))
    )
  })
).pipe(Command.withDescription("Write a tree of the store to this machine's file system"))
