/**
 * `yix derivation show`: derivations as JSON, in the form of `nix derivation show`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { printDerivations } from "../../nix/DerivationJson.ts"
import type { Derivation } from "../../nix/Derivation.ts"
import type { StorePath } from "../../nix/StorePath.ts"
import { Realiser } from "../../realise/Realiser.ts"
import { PathInfoService } from "../../store/PathInfoService.ts"
import { Switch } from "../CommonFlags.ts"
import { evaluationFlags } from "../EvaluationFlags.ts"
import { installablesOf } from "../Installables.ts"
import { printLine } from "../Output.ts"
import { defaultRealiseInput, realiseOptionsOf } from "../RealiseFlags.ts"
import { UsageError } from "../Usage.ts"
import { withEvaluator } from "../World.ts"

const show = Command.make(
  "show",
  { ...evaluationFlags, recursive: Switch("recursive").pipe(Flag.withAlias("R"), Flag.withDescription("Show all that they need, too")) },
  Effect.fn("yix derivation show")(function* (input) {
    const options = yield* realiseOptionsOf(defaultRealiseInput(), false)
    const shown = yield* withEvaluator(
      Effect.gen(function* () {
        const realiser = yield* Realiser
        const infos = yield* PathInfoService
        const waiting: Array<StorePath> = []
        for (const { target } of yield* installablesOf(input, { readOnly: false })) {
          const drvPath = target._tag === "Derivation" ? target.drvPath : Option.getOrUndefined(yield* infos.get(target.path))?.deriver
          if (drvPath === undefined) {
            return yield* new UsageError({ detail: `it is not known which derivation made '${target._tag === "Path" ? target.path : ""}'` })
          }
          waiting.push(drvPath)
        }
        const found = new Map<StorePath, Derivation>()
        for (let drvPath = waiting.pop(); drvPath !== undefined; drvPath = waiting.pop()) {
          if (found.has(drvPath)) continue
          const derivation = yield* realiser.derivation(drvPath)
          found.set(drvPath, derivation)
          if (input.recursive) waiting.push(...derivation.inputDerivations.keys())
        }
        return found
      }),
      options
    )
    yield* printLine(printDerivations(new Map([...shown].sort(([a], [b]) => (a < b ? -1 : 1)))))
  })
).pipe(Command.withDescription("Print derivations as JSON"))

export const derivationCommand = Command.make("derivation").pipe(
  Command.withDescription("Look at derivations"),
  Command.withSubcommands([show])
)
