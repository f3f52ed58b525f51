/**
 * The nodes of the graph as others see them: each piece of work announces itself, its progress and its end on the event stream,
 * and is a span of the trace.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type Event, EventSink, type WorkKind } from "../wire/Events.ts"
import type { EvaluationJob } from "./Evaluation.ts"
import { evaluationName } from "./EvaluatorProtocol.ts"
import type { SessionRequest } from "./Session.ts"

let lastId = 0

/** The number of the piece of work that the current fiber belongs to. */
export const CurrentWork = Context.Reference<number | undefined>("yix/realise/CurrentWork", { defaultValue: () => undefined })

/** What a piece of work may tell while it is under way. */
export interface Reporter {
  progress(done: number, total: number | undefined): void
  line(line: string): void
}

/** Runs `work` between `Started` and one of `Done`, `Failed`, `Cancelled`. */
export const announced = <A, E extends { readonly message: string }, R>(
  kind: WorkKind,
  name: string,
  path: string | undefined,
  work: (reporter: Reporter) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(EventSink, (emit) => {
    const id = ++lastId
    const reporter: Reporter = {
      progress: (done, total) => emit({ _tag: "Progress", id, done, total }),
      line: (line) => emit({ _tag: "LogLine", id, line })
    }
    emit({ _tag: "Started", id, kind, name, path })
    return Effect.suspend(() => work(reporter)).pipe(
      Effect.provideService(CurrentWork, id),
      Effect.onExit((exit) => Effect.sync(() => emit(ending(id, exit)))),
      Effect.withSpan(`realise.${kind}`, { attributes: path === undefined ? { name } : { name, path } })
    )
  })

/** Runs an evaluation, named after its file. */
export const evaluating = <A, E extends { readonly message: string }, R>(
  job: EvaluationJob,
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => announced("evaluate", evaluationName(job.source), undefined, () => work)

/** Runs a request of a session. What is asked while a line is being typed is no news. */
export const answering = <A, E extends { readonly message: string }, R>(
  request: SessionRequest,
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  switch (request._tag) {
    case "Complete":
    case "LastError":
      return work
    case "Load":
      return announced("evaluate", evaluationName(request.source), undefined, () => work)
    default:
      return announced("evaluate", "an expression", undefined, () => work)
  }
}

/** Runs the build of a derivation, from the wait for its inputs on, between `Planned` and, where it did not come to an end, `Dropped`. */
export const planned = <A, E, R>(
  plan: Omit<Extract<Event, { readonly _tag: "Planned" }>, "_tag">,
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(EventSink, (emit) => {
    emit({ _tag: "Planned", ...plan })
    return Effect.onExit(work, (exit) => Effect.sync(() => Exit.isFailure(exit) && emit({ _tag: "Dropped", path: plan.path })))
  })

const ending = <A, E extends { readonly message: string }>(id: number, exit: Exit.Exit<A, E>): Event => {
  if (Exit.isSuccess(exit)) return { _tag: "Done", id }
  if (Cause.hasInterruptsOnly(exit.cause)) return { _tag: "Cancelled", id }
  const failure = Cause.squash(exit.cause)
  return { _tag: "Failed", id, message: failure instanceof Error ? failure.message : String(failure) }
}
