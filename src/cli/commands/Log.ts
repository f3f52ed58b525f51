/**
 * `yix log`: prints what the builder of a derivation wrote.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { fromUnicode } from "../../nix/Bytes.ts"
import { isDerivationPath, isStorePath } from "../../nix/StorePath.ts"
import { BuildLogs } from "../../realise/BuildLogs.ts"
import { PathInfoService } from "../../store/PathInfoService.ts"
import { printBytes } from "../Output.ts"
import { UsageError } from "../Usage.ts"
import { withStore } from "../World.ts"

class NoLog extends Schema.TaggedError<NoLog>()("NoLog", { path: Schema.String }) {
  override get message(): string {
    return `there is no build log for '${this.path}' in this store`
  }
}

export const logCommand = Command.make(
  "log",
  { path: Argument.String("PATH").pipe(Argument.withDescription("A derivation, or an output of one")) },
  Effect.fn("yix log")(function* ({ path }) {
    const storePath = fromUnicode(path)
    if (!isStorePath(storePath)) return yield* new UsageError({ detail: `'${path}' is not a store path` })
    const bytes = yield* withStore(
      Effect.gen(function* () {
        const logs = yield* BuildLogs
        const infos = yield* PathInfoService
        const drvPath = isDerivationPath(storePath) ? storePath : Option.getOrUndefined(yield* infos.get(storePath))?.deriver
        return drvPath === undefined ? undefined : yield* logs.read(drvPath)
      })
    )
    if (bytes === undefined) return yield* new NoLog({ path })
    yield* printBytes(bytes)
  })
).pipe(Command.withDescription("Print the log of a build"))
