/**
 * `yix store import`: takes in what `yix store export` or `nix-store --export` wrote; all of it or nothing.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import { importPaths } from "../../../store/Transfer.ts"
import { printLine } from "../../Output.ts"
import { standardInput } from "../../StandardInput.ts"
import { withStore } from "../../World.ts"

/** Standard input is no export that can be taken in. */
export class ImportFailed extends Schema.TaggedError<ImportFailed>()("ImportFailed", { detail: Schema.String }) {
  override get message(): string {
    return `cannot import from standard input: ${this.detail}; nothing was added`
  }
}

export const importCommand = Command.make(
  "import",
  {},
  Effect.fn("yix store import")(function* () {
    const infos = yield* withStore(Effect.mapError(importPaths(standardInput), (error) => new ImportFailed({ detail: error.message })))
    for (const info of infos) yield* printLine(info.path)
  })
).pipe(Command.withDescription("Read store paths from standard input, as yix store export and nix-store --export write them"))
