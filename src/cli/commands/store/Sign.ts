/**
 * `yix store sign`: vouches for paths of the store with a secret key, so that others take them from a cache.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { closure } from "../../../store/Closure.ts"
import { readKey } from "../../../store/pathinfo/KeyfileSigning.ts"
import { PathInfoService } from "../../../store/PathInfoService.ts"
import { sign } from "../../../store/Signing.ts"
import { Switch } from "../../CommonFlags.ts"
import { printLine } from "../../Output.ts"
import { parsePath, pathInfoOf } from "../../StoreQueries.ts"
import { UsageError } from "../../Usage.ts"
import { withStore } from "../../World.ts"

export const signCommand = Command.make(
  "sign",
  {
    paths: Argument.String("PATH").pipe(Argument.atLeast(0), Argument.withDescription("Store paths")),
    keyFile: Flag.String("key-file").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("The secret key, as yix store generate-key and nix-store --generate-binary-cache-key write it")
    ),
    closure: Switch("closure").pipe(Flag.withDescription("All that they refer to, too")),
    all: Switch("all").pipe(Flag.withDescription("All that the store has"))
  },
  Effect.fn("yix store sign")(function* (input) {
    if (input.all === input.paths.length > 0) return yield* new UsageError({ detail: "name store paths, or say --all" })
    const paths = yield* Effect.forEach(input.paths, parsePath)
    const key = yield* readKey(input.keyFile)
    yield* withStore(
      Effect.gen(function* () {
        const pathInfos = yield* PathInfoService
        const asked = yield* Effect.forEach(paths, pathInfoOf)
        const named = input.closure ? yield* closure(asked.map(({ path }) => path)) : asked
        yield* Stream.runForEach(
          input.all ? pathInfos.list() : Stream.fromIterable(named),
          Effect.fnUntraced(function* (info) {
            const signed = sign(info, key)
            if (signed === info) return
            yield* pathInfos.put(signed)
            yield* printLine(info.path)
          })
        )
      })
    )
  })
).pipe(Command.withDescription("Sign paths of the store with a secret key; prints those that it had not signed before"))
