/**
 * The evaluator service: runs jobs in a worker thread with a large stack and answers its questions through the `Realiser` and the stores.
 *
 * The thread starts with the layer, so that it boots while the stores open, and serves one job after another; one that overflowed its stack or had
 * to be stopped is thrown away. Interrupting a job sets the interrupt flag, and ends the thread where it does not react.
 */
import { isDeepStrictEqual } from "node:util"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { type Event, EventSink } from "../wire/Events.ts"
import { isTraced } from "../wire/TracePropagation.ts"
import { answering, evaluating } from "./Announce.ts"
import type { EvaluationJob, EvaluationResult } from "./Evaluation.ts"
import { EvaluationFailed, Evaluator } from "./Evaluation.ts"
import { isFoundAhead } from "./FoundEvaluation.ts"
import type { FromEvaluator, ToEvaluator } from "./EvaluatorProtocol.ts"
import { endedText, withoutLabel } from "./EvaluatorProtocol.ts"
import { keptResult } from "./KeptEvaluation.ts"
import type { EvaluatorSession, SessionReply, SessionRequest, SessionSettings, SessionView } from "./Session.ts"
import { startThread, type Thread } from "./EvaluatorThread.ts"
import type { OpenWorld, World } from "./Questions.ts"
import { makeQuestions } from "./Questions.ts"
import { BuildNothing } from "./Realiser.ts"

/** Milliseconds that an interrupted evaluation may take to notice. */
const patience = 300

/** The same in a session, where ending the thread costs all that was bound. */
const sessionPatience = 10_000

type Task = Extract<ToEvaluator, { readonly _tag: "Run" | "Session" }>

type TaskEnd = { readonly _tag: "Result"; readonly result: EvaluationResult } | { readonly _tag: "Reply"; readonly reply: SessionReply }

/** Ends a thread that has nothing more to do. */
const retire = async (thread: Thread): Promise<void> => {
  await thread.saved()
  await thread.terminate()
}

/**
 * Runs one job or one request of a session on a thread; one that it has begun already goes on. `broken` is called when the thread cannot be used again. Interrupted,
 * the task may take `patience` milliseconds to notice.
 */
const runTask = Effect.fnUntraced(function* (thread: Thread, task: Task, world: OpenWorld, patience: number, broken: () => void) {
  const sink = yield* EventSink
  const context = yield* Effect.context<never>()
  const questions = makeQuestions(context, world, sink, (id, answer, stamps) => thread.answer({ _tag: "Answer", id, answer, stamps }))

  const evaluate = Effect.callback<TaskEnd, EvaluationFailed>((resume) => {
    const done = (effect: Effect.Effect<TaskEnd, EvaluationFailed>): void => {
      thread.listen(undefined)
      resume(effect)
    }
    const fail = (rendered: string, exitCode: number): void => done(Effect.fail(new EvaluationFailed({ rendered, exitCode })))
    const received = (told: FromEvaluator): void => {
      const message = questions.take(told)
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
    }
    if (thread.ahead === undefined) thread.begin(task)
    thread.ahead = undefined
    thread.listen({
      received,
      ended: (reason) => {
        broken()
        fail(endedText(reason), 1)
      }
    })
    return Effect.callback<void>((stopped) => {
      const end = (): void => {
        clearTimeout(timer)
        thread.listen(undefined)
        stopped(Effect.void)
      }
      const timer = setTimeout(() => {
        broken()
        end()
      }, patience)
      thread.listen({
        received: (late) => {
          if (late._tag === "Files") questions.take(late)
          if (late._tag === "Interrupted" || late._tag === "Result" || late._tag === "Reply" || late._tag === "Failed") end()
        },
        ended: () => {
          broken()
          end()
        }
      })
      thread.interrupt()
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
  /** A thread for this task, which it may have begun already. */
  readonly take: (task: Task, sink: (event: Event) => void) => Thread
  readonly drop: (thread: Thread) => void
}

const mismatched = Effect.die(new Error("the evaluator answered something else than it was asked"))

const lost: Event = {
  _tag: "Message",
  level: "warning",
  text: "warning: the evaluation did not stop by itself; it was ended, and with it everything that was bound"
}

/** A defect, but for the time that it takes a harmless one. */
const begunInVain: Event = {
  _tag: "Message",
  level: "debug",
  text: "what was evaluated ahead is not what is wanted; it is evaluated again"
}

/** A session: a thread of its own, which is replaced when it cannot be used again. */
const sessionOn = Effect.fnUntraced(function* (threads: Threads, world: OpenWorld, settings: SessionSettings) {
  let thread: Thread | undefined
  const one = Semaphore.makeUnsafe(1)
  yield* Effect.addFinalizer(() => Effect.sync(() => thread !== undefined && threads.drop(thread)))

  const ask = Effect.fn("Session.ask")(function* (request: SessionRequest, view: SessionView) {
    const sink = yield* EventSink
    const task: Task = { _tag: "Session", settings, request, view, timed: yield* isTraced }
    const own = (thread ??= threads.take(task, sink))
    const end = yield* runTask(own, task, world, sessionPatience, () => {
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
  // Where a result was found, a thread is likely not to be needed.
  let idle: Thread | undefined = isFoundAhead() ? undefined : startThread()
  const all = new Set<Thread>(idle === undefined ? [] : [idle])
  const drop = (thread: Thread): void => {
    all.delete(thread)
    void thread.terminate()
  }
  yield* Effect.addFinalizer(() => Effect.promise(() => Promise.all([...all].map(retire))))
  const one = Semaphore.makeUnsafe(1)

  const run = Effect.fn("Evaluator.run")(function* (job: EvaluationJob) {
    const task: Task = { _tag: "Run", job, timed: yield* isTraced }
    // Whoever began the task found none.
    const kept = idle?.ahead === undefined ? yield* keptResult(job, world) : undefined
    if (kept !== undefined) return kept
    const thread = threads.take(task, yield* EventSink)
    let usable = true
    const end = yield* runTask(thread, task, world, patience, () => {
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
    take: (task, sink) => {
      if (idle?.ahead !== undefined && !isDeepStrictEqual(idle.ahead, task)) {
        sink(begunInVain)
        drop(idle)
      }
      const thread = idle !== undefined && all.has(idle) ? idle : startThread()
      idle = undefined
      all.add(thread)
      return thread
    },
    drop
  }
  return Evaluator.of({
    run: (job) => Semaphore.withPermit(one)(evaluating(job, Effect.provideService(run(job), BuildNothing, job.readOnly))),
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
