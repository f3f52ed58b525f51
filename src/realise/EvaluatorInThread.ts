/**
 * The evaluator service without a thread of its own: for tests, and for hosts that have no worker threads. It cannot block, so a suspension goes to the root and
 * the job runs again when answers are there: the same result, at the price of repeated work. Recursion is as deep as the caller's stack allows.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { hashPath } from "../store/HashPath.ts"
import { EventSink } from "../wire/Events.ts"
import { isTraced } from "../wire/TracePropagation.ts"
import { evaluating } from "./Announce.ts"
import type { EvaluationJob, EvaluationResult } from "./Evaluation.ts"
import { EvaluationFailed, Evaluator } from "./Evaluation.ts"
import { EvaluationHost } from "./EvaluationHost.ts"
import { prepare } from "./EvaluationRun.ts"
import type { FromEvaluator } from "./EvaluatorProtocol.ts"
import type { World } from "./Questions.ts"
import { makeQuestions, withoutLabel } from "./Questions.ts"
import { Realiser } from "./Realiser.ts"

class InThreadHost extends EvaluationHost {
  override readonly wait = undefined
  readonly #post: (message: FromEvaluator) => unknown

  constructor(job: EvaluationJob, timed: boolean, post: (message: FromEvaluator) => unknown) {
    super(job, hashPath, timed)
    this.#post = post
  }

  protected override post(message: FromEvaluator): void {
    this.#post(message)
  }

  override interrupted(): boolean {
    return false
  }
}

/** The evaluator over the realiser and the stores around it, in the calling thread. */
export const layer: Layer.Layer<Evaluator, never, World> = Layer.effect(
  Evaluator,
  Effect.gen(function* () {
    const context = yield* Effect.context<World>()
    const realiser = Context.get(context, Realiser)

    const run = Effect.fn("Evaluator.run")(function* (job: EvaluationJob) {
      const sink = yield* EventSink
      /** Called when an answer has come; replaced while the job waits. */
      let answered: () => void = () => {}
      let unseen = 0
      const questions = makeQuestions(yield* Effect.context<never>(), Effect.succeed(context), sink, (id, answer) => {
        host.deliver(id, answer)
        unseen++
        answered()
      })
      const host = new InThreadHost(job, yield* isTraced, questions.take)
      const someAnswer = Effect.callback<void>((resume) => {
        answered = () => resume(Effect.void)
        if (unseen > 0) answered()
      })
      const body = Effect.gen(function* () {
        const prepared = prepare(job, host)
        for (;;) {
          unseen = 0
          const result = prepared.step()
          if (result === undefined) {
            yield* someAnswer
            continue
          }
          host.tellFiles()
          if (result._tag === "Result") {
            yield* Effect.orDie(questions.flush)
            realiser.addDerivations(result.derivations)
            return result.result
          }
          return yield* new EvaluationFailed(
            result._tag === "Failed"
              ? { rendered: withoutLabel(result.rendered), exitCode: result.exitCode }
              : { rendered: "interrupted", exitCode: 130 }
          )
        }
      })
      const done: EvaluationResult = yield* body.pipe(Effect.ensuring(questions.close))
      return done
    })
    return Evaluator.of({ run: (job) => evaluating(job, run(job)) })
  })
)
