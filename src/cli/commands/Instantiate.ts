/**
 * `yix instantiate`: prints the paths of derivations; writes the `.drv` files only with `--write`, since nothing here needs them to build.
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Evaluator } from "../../realise/Evaluation.ts"
import { Realiser, RealiseOptions } from "../../realise/Realiser.ts"
import { substituterFlags, withSubstituters } from "../Caches.ts"
import { Switch } from "../CommonFlags.ts"
import { evaluationFlags, jobOf } from "../EvaluationFlags.ts"
import { printedDerivation } from "../EvaluationInput.ts"
import { print, printTextLine } from "../Output.ts"
import { defaultRealiseInput, realiseOptionsOf } from "../RealiseFlags.ts"
import { withEvaluator } from "../World.ts"

export const instantiateFlags = {
  ...evaluationFlags,
  ...substituterFlags,
  write: Switch("write").pipe(Flag.withDescription("Write the derivations, and all that they need, to the store")),
  json: Switch("json").pipe(Flag.withDescription("Print JSON: attribute, name, drvPath, outputs"))
}

export const instantiateCommand = Command.make(
  "instantiate",
  instantiateFlags,
  Effect.fn("yix instantiate")(function* (input) {
    const options = yield* realiseOptionsOf(defaultRealiseInput(), false)
    const job = yield* jobOf(input, { kind: "derivations" }, { readOnly: false })
    const derivations = yield* withEvaluator(
      withSubstituters(
        input,
        Effect.gen(function* () {
          const evaluator = yield* Evaluator
          const realiser = yield* Realiser
          const result = yield* evaluator.run(job)
          const found = result._tag === "Derivations" ? result.derivations : []
          if (input.write) {
            yield* Effect.forEach(new Set(found.map(({ drvPath }) => drvPath)), (drvPath) => realiser.writeDerivation(drvPath))
          }
          return found
        })
      ),
      options
    ).pipe(Effect.provideService(RealiseOptions, options))
    if (input.json) {
      const list = derivations.map(({ attr, name, drvPath, outputs }) => ({
        attr,
        name,
        drvPath,
        outputs: Object.fromEntries(outputs.map((output) => [output.name, output.path ?? null]))
      }))
      return yield* printTextLine(JSON.stringify(list))
    }
    for (const derivation of derivations) yield* print(printedDerivation(derivation))
  })
).pipe(Command.withDescription("Print the paths of derivations"))
