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
import { answering, evaluating } from "./Announce.ts"
import { DependencyRecorder } from "./DependencyRecorder.ts"
import type { EvaluationJob } from "./Evaluation.ts"
import { EvaluationFailed, Evaluator } from "./Evaluation.ts"
import { keep } from "./EvaluationCache.ts"
import type { HostSettings } from "./EvaluationHost.ts"
import { EvaluationHost } from "./EvaluationHost.ts"
import type { RunResult } from "./EvaluationRun.ts"
import { prepare } from "./EvaluationRun.ts"
import type { FromEvaluator } from "./EvaluatorProtocol.ts"
import { keptResult } from "./KeptEvaluation.ts"
import { withoutLabel } from "./EvaluatorProtocol.ts"
import type { World } from "./Questions.ts"
import { makeQuestions } from "./Questions.ts"
import { BuildNothing, Realiser } from "./Realiser.ts"
import type { EvaluatorSession, SessionRequest, SessionSettings, SessionView } from "./Session.ts"
import type { SessionRun } from "./SessionRun.ts"
import { openSession as openRun } from "./SessionRun.ts"

class InThreadHost extends EvaluationHost {
  override readonly wait = undefined
  override readonly engine = undefined
  #post: (message: FromEvaluator) => unknown

  constructor(job: HostSettings, timed: boolean, post: (message: FromEvaluator) => unknown, recorder?: DependencyRecorder) {
    super(job, hashPath, timed, recorder)
    this.#post = post
  }

  /** From now on somebody else takes the questions. */
  postTo(post: (message: FromEvaluator) => unknown): void {
    this.#post = post
  }

  protected override post(message: FromEvaluator): void {
    this.#post(message)
  }

  protected override stopped(): boolean {
    return false
  }
}

/** Runs one job or one request of a session. */
const runTask = Effect.fnUntraced(function* (
  context: Context.Context<World>,
  task: (
    post: (message: FromEvaluator) => unknown,
    timed: boolean
  ) => { readonly host: InThreadHost; readonly step: () => RunResult | undefined }
) {
  const realiser = Context.get(context, Realiser)
  const sink = yield* EventSink
  /** Called when an answer has come; replaced while the task waits. */
  let answered: () => void = () => {}
  let unseen = 0
  const questions = makeQuestions(yield* Effect.context<never>(), Effect.succeed(context), sink, (id, answer, stamps) => {
    host.deliver(id, answer, stamps)
    unseen++
    answered()
  })
  const { host, step } = task(questions.take, yield* isTraced)
  const someAnswer = Effect.callback<void>((resume) => {
    answered = () => resume(Effect.void)
    if (unseen > 0) answered()
  })
  const body = Effect.gen(function* () {
    for (;;) {
      unseen = 0
      const result = step()
      if (result === undefined) {
        yield* someAnswer
        continue
      }
      host.tellFiles()
      if (result._tag === "Result" || result._tag === "Reply") {
        yield* Effect.orDie(questions.flush)
        realiser.addDerivations(result.derivations)
        return result
      }
      return yield* new EvaluationFailed(
        result._tag === "Failed"
          ? { rendered: withoutLabel(result.rendered), exitCode: result.exitCode }
          : { rendered: "interrupted", exitCode: 130 }
      )
    }
  })
  return yield* body.pipe(Effect.ensuring(questions.close))
})

const mismatched = Effect.die(new Error("the evaluator answered something else than it was asked"))

/** The evaluator over the realiser and the stores around it, in the calling thread. */
export const layer: Layer.Layer<Evaluator, never, World> = Layer.effect(
  Evaluator,
  Effect.gen(function* () {
    const context = yield* Effect.context<World>()

    const run = Effect.fn("Evaluator.run")(function* (job: EvaluationJob) {
      const kept = yield* keptResult(job, Effect.succeed(context))
      if (kept !== undefined) return kept
      const recorder = job.evaluationCache === undefined ? undefined : new DependencyRecorder()
      const end = yield* runTask(context, (post, timed) => {
        const host = new InThreadHost(job, timed, post, recorder)
        return { host, step: prepare(job, host).step }
      })
      if (end._tag !== "Result") return yield* mismatched
      if (recorder !== undefined) keep(job, end, recorder)
      return end.result
    })

    const openSession = (settings: SessionSettings): EvaluatorSession => {
      let session: { readonly host: InThreadHost; readonly run: SessionRun } | undefined
      const ask = Effect.fn("Session.ask")(function* (request: SessionRequest, view: SessionView) {
        const end = yield* runTask(context, (post, timed) => {
          if (session === undefined) {
            const host = new InThreadHost({ ...settings, readOnly: false }, timed, post)
            session = { host, run: openRun(settings, host) }
          } else session.host.postTo(post)
          return { host: session.host, step: session.run.ask(request, view).step }
        })
        return end._tag === "Reply" ? end.reply : yield* mismatched
      })
      return {
        ask: (request, view) => answering(request, ask(request, view))
      }
    }
    return Evaluator.of({
      run: (job) => evaluating(job, Effect.provideService(run(job), BuildNothing, job.readOnly)),
      openSession: (settings) => Effect.sync(() => openSession(settings))
    })
  })
)
