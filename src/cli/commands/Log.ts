/**
 * `yix log`: prints what the builder of a derivation wrote.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { isDerivationPath, type StorePath } from "../../nix/StorePath.ts"
import { BuildLogs } from "../../realise/BuildLogs.ts"
import { PathInfoService } from "../../store/PathInfoService.ts"
import { printBytes } from "../Output.ts"
import { parsePath } from "../StoreQueries.ts"
import { withStore } from "../World.ts"

/** The store has no log of a build. */
export class NoLog extends Schema.TaggedError<NoLog>()("NoLog", { path: Schema.String }) {
  override get message(): string {
    return `there is no build log for '${this.path}' in this store`
  }
}

/** The log of a derivation, or of the one that made a path. */
export const readLog = Effect.fnUntraced(function* (path: StorePath) {
  const logs = yield* BuildLogs
  const infos = yield* PathInfoService
  const drvPath = isDerivationPath(path) ? path : Option.getOrUndefined(yield* infos.get(path))?.deriver
  const bytes = drvPath === undefined ? undefined : yield* logs.read(drvPath)
  return bytes === undefined ? yield* new NoLog({ path }) : bytes
})

export const logCommand = Command.make(
  "log",
  { path: Argument.String("PATH").pipe(Argument.withDescription("A derivation, or an output of one")) },
  Effect.fn("yix log")(function* ({ path }) {
    yield* printBytes(yield* withStore(Effect.flatMap(parsePath(path), readLog)))
  })
).pipe(Command.withDescription("Print the log of a build"))
