/**
 * The evaluator service: runs jobs in a worker thread with a large stack and answers its questions through the `Realiser` and the stores.
 *
 * The thread starts with the layer, so that it boots while the stores open, and serves one job after another; one that overflowed its stack or had
 * to be stopped is thrown away. Interrupting a job sets the interrupt flag, and ends the thread where it does not react.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { EventSink } from "../wire/Events.ts"
import { isTraced } from "../wire/TracePropagation.ts"
import { evaluating } from "./Announce.ts"
import type { EvaluationJob, EvaluationResult } from "./Evaluation.ts"
import { EvaluationFailed, Evaluator } from "./Evaluation.ts"
import type { FromEvaluator, ToEvaluator } from "./EvaluatorProtocol.ts"
import { Flag } from "./EvaluatorProtocol.ts"
import { startThread, type Thread } from "./EvaluatorThread.ts"
import type { OpenWorld, World } from "./Questions.ts"
import { makeQuestions, withoutLabel } from "./Questions.ts"

/** Milliseconds that an interrupted evaluation may take to notice. */
const patience = 300

const signal = (thread: Thread): void => {
  Atomics.add(thread.flags, Flag.Signal, 1)
  Atomics.notify(thread.flags, Flag.Signal)
}

/** Runs one job on a thread. `broken` is called when the thread cannot be used again. */
const runJob = Effect.fnUntraced(function* (thread: Thread, job: EvaluationJob, world: OpenWorld, broken: () => void) {
  const sink = yield* EventSink
  const context = yield* Effect.context<never>()
  const timed = yield* isTraced
  const questions = makeQuestions(context, world, sink, (id, reply) => {
    const message: ToEvaluator = { _tag: "Answer", id, answer: reply }
    thread.port.postMessage(message)
    signal(thread)
  })

  const evaluate = Effect.callback<EvaluationResult, EvaluationFailed>((resume) => {
    const done = (effect: Effect.Effect<EvaluationResult, EvaluationFailed>): void => {
      thread.port.removeAllListeners("message")
      thread.worker.removeAllListeners("error")
      thread.worker.removeAllListeners("exit")
      resume(effect)
    }
    const fail = (rendered: string, exitCode: number): void => done(Effect.fail(new EvaluationFailed({ rendered, exitCode })))
    const crashed = (reason: string): void => {
      broken()
      fail(`the evaluator's thread ended: ${reason}`, 1)
    }
    thread.worker.once("error", (error: Error & { code?: string }) =>
      crashed(
        error.code === "ERR_WORKER_OUT_OF_MEMORY"
          ? "out of memory; give it more with NODE_OPTIONS=--max-old-space-size=8192 (MiB)"
          : error.message
      )
    )
    thread.worker.once("exit", (code) => crashed(`exit code ${code}`))
    thread.port.on("message", (received: FromEvaluator) => {
      const message = questions.take(received)
      switch (message?._tag) {
        case "Result":
          return done(Effect.succeed(message.result))
        case "Failed":
          if (message.unusable) broken()
          return fail(withoutLabel(message.rendered), message.exitCode)
        case "Interrupted":
          return fail("interrupted", 130)
      }
    })
    Atomics.store(thread.flags, Flag.Interrupt, 0)
    const message: ToEvaluator = { _tag: "Run", job, timed }
    thread.port.postMessage(message)
    thread.worker.postMessage("run")
    return Effect.callback<void>((stopped) => {
      const end = (): void => {
        clearTimeout(timer)
        stopped(Effect.void)
      }
      const timer = setTimeout(() => {
        broken()
        end()
      }, patience)
      thread.port.removeAllListeners("message")
      thread.port.on("message", (late: FromEvaluator) => {
        if (late._tag === "Files") questions.take(late)
        if (late._tag === "Interrupted" || late._tag === "Result" || late._tag === "Failed") {
          thread.port.removeAllListeners("message")
          end()
        }
      })
      Atomics.store(thread.flags, Flag.Interrupt, 1)
      signal(thread)
    })
  })

  const result = yield* Effect.ensuring(evaluate, questions.close)
  // Derivations that go back to the caller are for the realiser to know; values need nobody.
  if (result._tag === "Derivations") {
    yield* Effect.mapError(questions.flush, (error) => new EvaluationFailed({ rendered: error.message, exitCode: 1 }))
  }
  return result
})

const make = Effect.fnUntraced(function* (world: OpenWorld) {
  let idle: Thread | undefined = startThread()
  const all = new Set<Thread>([idle])
  const drop = (thread: Thread): void => {
    all.delete(thread)
    void thread.worker.terminate()
  }
  yield* Effect.addFinalizer(() => Effect.promise(() => Promise.all([...all].map((thread) => thread.worker.terminate()))))
  const one = Semaphore.makeUnsafe(1)

  const run = Effect.fn("Evaluator.run")(function* (job: EvaluationJob) {
    const thread = idle ?? startThread()
    idle = undefined
    all.add(thread)
    let usable = true
    return yield* runJob(thread, job, world, () => {
      usable = false
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          if (usable) idle = thread
          else drop(thread)
        })
      )
    )
  })
  return Evaluator.of({ run: (job) => Semaphore.withPermit(one)(evaluating(job, run(job))) })
})

/** The evaluator over the realiser and the stores around it. */
export const layer: Layer.Layer<Evaluator, never, World> = Layer.effect(
  Evaluator,
  Effect.flatMap(Effect.context<World>(), (context) => make(Effect.succeed(context)))
)

/** The evaluator over a world that is opened when an evaluation first asks for something far, and closed with the evaluator. */
export const layerOver = <E extends { readonly message: string }, R>(world: Layer.Layer<World, E, R>): Layer.Layer<Evaluator, never, R> =>
  Layer.effect(
    Evaluator,
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const context = yield* Effect.context<R>()
      return yield* make(yield* Effect.cached(Effect.provideContext(Layer.buildWithScope(world, scope), context)))
    })
  )
