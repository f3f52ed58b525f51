/**
 * `yix derivation show`: derivations as JSON, in the form of `nix derivation show`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { installNode } from "../../castore/crypto/Node.ts"
import { parseDerivation } from "../../nix/Aterm.ts"
import { fromBytes, fromUnicode } from "../../nix/Bytes.ts"
import { drvPathOf } from "../../nix/HashModulo.ts"
import { printDerivations } from "../../nix/DerivationJson.ts"
import type { Derivation } from "../../nix/Derivation.ts"
import type { StorePath } from "../../nix/StorePath.ts"
import { Realiser } from "../../realise/Realiser.ts"
import { PathInfoService } from "../../store/PathInfoService.ts"
import { Switch } from "../CommonFlags.ts"
import { evaluationFlags } from "../EvaluationFlags.ts"
import { installablesOf, parseStoreTarget } from "../Installables.ts"
import { printTextLine } from "../Output.ts"
import { defaultRealiseInput, realiseOptionsOf } from "../RealiseFlags.ts"
import { UsageError } from "../Usage.ts"
import { withEvaluator } from "../World.ts"

/** A `.drv` file of the host does not hold a derivation. */
export class BadDerivationFile extends Schema.TaggedError<BadDerivationFile>()("BadDerivationFile", {
  file: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot read the derivation in '${this.file}': ${this.detail}`
  }
}

/** Shows a derivation that lies in a file outside of any store, under the path that its text has in a store. */
const showFile = Effect.fnUntraced(function* (file: string) {
  const printed = yield* Effect.try({
    try: () => {
      installNode()
      const text = fromBytes(fs.readFileSync(file))
      const derivation = parseDerivation(text, fromUnicode(path.basename(file, ".drv")))
      return printDerivations(new Map([[drvPathOf(derivation, text), derivation]]))
    },
    catch: (error) => new BadDerivationFile({ file, detail: error instanceof Error ? error.message : String(error) })
  })
  yield* printTextLine(printed)
})

/** Derivations as JSON, sorted by their paths; with all that they need, if wanted. */
export const showDerivations = Effect.fnUntraced(function* (drvPaths: ReadonlyArray<StorePath>, recursive: boolean) {
  const realiser = yield* Realiser
  const waiting = [...drvPaths]
  const found = new Map<StorePath, Derivation>()
  for (let drvPath = waiting.pop(); drvPath !== undefined; drvPath = waiting.pop()) {
    if (found.has(drvPath)) continue
    const derivation = yield* realiser.derivation(drvPath)
    found.set(drvPath, derivation)
    if (recursive) waiting.push(...derivation.inputDerivations.keys())
  }
  return printDerivations(new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1))))
})

const show = Command.make(
  "show",
  { ...evaluationFlags, recursive: Switch("recursive").pipe(Flag.withAlias("R"), Flag.withDescription("Show all that they need, too")) },
  Effect.fn("yix derivation show")(function* (input) {
    const file = input.input
    if (file?.endsWith(".drv") === true && parseStoreTarget(file) === undefined) return yield* showFile(file)
    const options = yield* realiseOptionsOf(defaultRealiseInput(), false)
    const shown = yield* withEvaluator(
      Effect.gen(function* () {
        const infos = yield* PathInfoService
        const waiting: Array<StorePath> = []
        for (const { target } of yield* installablesOf(input, { readOnly: false })) {
          const drvPath = target._tag === "Derivation" ? target.drvPath : Option.getOrUndefined(yield* infos.get(target.path))?.deriver
          if (drvPath === undefined) {
            return yield* new UsageError({ detail: `it is not known which derivation made '${target._tag === "Path" ? target.path : ""}'` })
          }
          waiting.push(drvPath)
        }
        return yield* showDerivations(waiting, input.recursive)
      }),
      options
    )
    yield* printTextLine(shown)
  })
).pipe(Command.withDescription("Print derivations as JSON"))

export const derivationCommand = Command.make("derivation").pipe(
  Command.withDescription("Look at derivations"),
  Command.withSubcommands([show])
)
