/**
 * `yix eval`: prints the value of an expression as `nix-instantiate --eval` does.
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Evaluator } from "../../realise/Evaluation.ts"
import { RealiseOptions } from "../../realise/Realiser.ts"
import { substituterFlags, substitutersOf, withSubstituters, withTrust } from "../Caches.ts"
import { Switch } from "../CommonFlags.ts"
import { evaluationFlags, jobOf, printModeFrom } from "../EvaluationFlags.ts"
import { printedText } from "../EvaluationInput.ts"
import { print } from "../Output.ts"
import { defaultRealiseInput, realiseOptionsOf } from "../RealiseFlags.ts"
import { withEvaluator, withEvaluatorAlone } from "../World.ts"

export const evalFlags = {
  ...evaluationFlags,
  ...substituterFlags,
  strict: Switch("strict").pipe(Flag.withDescription("Evaluate lists and attribute sets all the way down")),
  json: Switch("json").pipe(Flag.withDescription("Print JSON")),
  raw: Switch("raw").pipe(Flag.withDescription("Print a string as it is, without quotes and line end")),
  xml: Switch("xml").pipe(Flag.withDescription("Print XML")),
  noLocation: Switch("no-location").pipe(Flag.withDescription("XML without the places of attributes and functions")),
  readOnly: Switch("read-only").pipe(
    Flag.withDescription("Copy nothing into the store and build nothing: only what was built before can be imported")
  )
}

export const evalCommand = Command.make(
  "eval",
  evalFlags,
  Effect.fn("yix eval")(function* (input) {
    const mode = yield* printModeFrom(input)
    const job = yield* jobOf(input, mode, { readOnly: input.readOnly })
    const options = yield* realiseOptionsOf(defaultRealiseInput(), false)
    const run = Effect.flatMap(Evaluator, (evaluator) => evaluator.run(job))
    // What caches give goes into the store, which is otherwise opened only when an evaluation needs it.
    const evaluated =
      substitutersOf(input).length === 0
        ? withTrust(input, withEvaluatorAlone(run, options))
        : withEvaluator(withSubstituters(input, run), options)
    const result = yield* Effect.provideService(evaluated, RealiseOptions, options)
    if (result._tag !== "Values") return
    for (const text of result.texts) yield* print(printedText(text, mode))
  })
).pipe(Command.withDescription("Evaluate an expression and print its value"))
