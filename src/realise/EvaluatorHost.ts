/**
 * The evaluator service: runs jobs in a worker thread with a large stack and answers its questions through the `Realiser` and the stores.
 *
 * The thread starts with the layer, so that it boots while the stores open, and serves one job after another; one that overflowed its stack or had
 * to be stopped is thrown away. Interrupting a job sets the interrupt flag, and ends the thread where it does not react.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { type Event, EventSink } from "../wire/Events.ts"
import { isTraced } from "../wire/TracePropagation.ts"
import { answering, evaluating } from "./Announce.ts"
import type { EvaluationJob, EvaluationResult } from "./Evaluation.ts"
import { EvaluationFailed, Evaluator } from "./Evaluation.ts"
import type { FromEvaluator, ToEvaluator } from "./EvaluatorProtocol.ts"
import { Flag, withoutLabel } from "./EvaluatorProtocol.ts"
import type { EvaluatorSession, SessionReply, SessionRequest, SessionSettings, SessionView } from "./Session.ts"
import { startThread, type Thread } from "./EvaluatorThread.ts"
import type { OpenWorld, World } from "./Questions.ts"
import { makeQuestions } from "./Questions.ts"

/** Milliseconds that an interrupted evaluation may take to notice. */
const patience = 300

/** The same in a session, where ending the thread costs all that was bound. */
const sessionPatience = 10_000

const signal = (thread: Thread): void => {
  Atomics.add(thread.flags, Flag.Signal, 1)
  Atomics.notify(thread.flags, Flag.Signal)
}

type Task = { readonly _tag: "Run"; readonly job: EvaluationJob } | Omit<ToEvaluator & { readonly _tag: "Session" }, "timed">

type TaskEnd = { readonly _tag: "Result"; readonly result: EvaluationResult } | { readonly _tag: "Reply"; readonly reply: SessionReply }

/** Milliseconds that the end of a program waits for a thread to write what the next run may use. */
const savingPatience = 3000

/** Ends a thread that has nothing more to do. */
const retire = async (thread: Thread): Promise<void> => {
  await Atomics.waitAsync(thread.flags, Flag.Saving, 1, savingPatience).value
  await thread.worker.terminate()
}

/**
 * Runs one job or one request of a session on a thread. `broken` is called when the thread cannot be used again. Interrupted, the task may take `patience`
 * milliseconds to notice.
 */
const runTask = Effect.fnUntraced(function* (thread: Thread, task: Task, world: OpenWorld, patience: number, broken: () => void) {
  const sink = yield* EventSink
  const context = yield* Effect.context<never>()
  const timed = yield* isTraced
  const questions = makeQuestions(context, world, sink, (id, reply) => {
    const message: ToEvaluator = { _tag: "Answer", id, answer: reply }
    thread.port.postMessage(message)
    signal(thread)
  })

  const evaluate = Effect.callback<TaskEnd, EvaluationFailed>((resume) => {
    const done = (effect: Effect.Effect<TaskEnd, EvaluationFailed>): void => {
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
        case "Reply":
          return done(Effect.succeed(message))
        case "Failed":
          if (message.unusable) broken()
          return fail(withoutLabel(message.rendered), message.exitCode)
        case "Interrupted":
          return fail("interrupted", 130)
      }
    })
    Atomics.store(thread.flags, Flag.Interrupt, 0)
    const message: ToEvaluator = { ...task, timed }
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
        if (late._tag === "Interrupted" || late._tag === "Result" || late._tag === "Reply" || late._tag === "Failed") {
          thread.port.removeAllListeners("message")
          end()
        }
      })
      Atomics.store(thread.flags, Flag.Interrupt, 1)
      signal(thread)
    })
  })

  const end = yield* Effect.ensuring(evaluate, questions.close)
  // Derivations that go back to the caller are for the realiser to know; values need nobody. A session may come back to what it told in passing.
  if (end._tag === "Reply" || end.result._tag === "Derivations") {
    yield* Effect.mapError(questions.flush, (error) => new EvaluationFailed({ rendered: error.message, exitCode: 1 }))
  }
  return end
})

/** Where tasks get their threads. */
interface Threads {
  readonly take: () => Thread
  readonly drop: (thread: Thread) => void
}

const mismatched = Effect.die(new Error("the evaluator answered something else than it was asked"))

const lost: Event = {
  _tag: "Message",
  level: "warning",
  text: "warning: the evaluation did not stop by itself; it was ended, and with it everything that was bound"
}

/** A session: a thread of its own, which is replaced when it cannot be used again. */
const sessionOn = Effect.fnUntraced(function* (threads: Threads, world: OpenWorld, settings: SessionSettings) {
  let thread: Thread | undefined
  const one = Semaphore.makeUnsafe(1)
  yield* Effect.addFinalizer(() => Effect.sync(() => thread !== undefined && threads.drop(thread)))

  const ask = Effect.fn("Session.ask")(function* (request: SessionRequest, view: SessionView) {
    const sink = yield* EventSink
    const own = (thread ??= threads.take())
    const end = yield* runTask(own, { _tag: "Session", settings, request, view }, world, sessionPatience, () => {
      thread = undefined
      threads.drop(own)
      sink(lost)
    })
    return end._tag === "Reply" ? end.reply : yield* mismatched
  })
  return {
    ask: (request, view) => Semaphore.withPermit(one)(answering(request, ask(request, view)))
  } satisfies EvaluatorSession
})

const make = Effect.fnUntraced(function* (world: OpenWorld) {
  let idle: Thread | undefined = startThread()
  const all = new Set<Thread>([idle])
  const drop = (thread: Thread): void => {
    all.delete(thread)
    void thread.worker.terminate()
  }
  yield* Effect.addFinalizer(() => Effect.promise(() => Promise.all([...all].map(retire))))
  const one = Semaphore.makeUnsafe(1)

  const run = Effect.fn("Evaluator.run")(function* (job: EvaluationJob) {
    const thread = threads.take()
    let usable = true
    const end = yield* runTask(thread, { _tag: "Run", job }, world, patience, () => {
      usable = false
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          if (usable) idle = thread
          else drop(thread)
        })
      )
    )
    return end._tag === "Result" ? end.result : yield* mismatched
  })
  const threads: Threads = {
    take: () => {
      const thread = idle ?? startThread()
      idle = undefined
      all.add(thread)
      return thread
    },
    drop
  }
  return Evaluator.of({
    run: (job) => Semaphore.withPermit(one)(evaluating(job, run(job))),
    openSession: (settings) => sessionOn(threads, world, settings)
  })
})

/** The evaluator over the realiser and the stores around it. */
export const layer: Layer.Layer<Evaluator, never, World> = Layer.effect(
  Evaluator,
  Effect.flatMap(Effect.context<World>(), (context) => make(Effect.succeed(context)))
)

/** The evaluator over a world that `open` opens; it is run at each question. */
export const layerOpening = (open: OpenWorld): Layer.Layer<Evaluator> => Layer.effect(Evaluator, make(open))

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
