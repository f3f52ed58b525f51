/**
 * Looking for the kept result of an evaluation before it is run, and using it: what the evaluation would have said is said again, and the realiser gets to know what it
 * would have been told.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StorePath } from "../nix/StorePath.ts"
import { withLocalStamps } from "../store/LocalStamps.ts"
import { PathInfoService } from "../store/PathInfoService.ts"
import { EventSink } from "../wire/Events.ts"
import type { StoreStamp } from "./Dependencies.ts"
import type { StoreView } from "./DependencyCheck.ts"
import type { EvaluationJob, EvaluationResult } from "./Evaluation.ts"
import { type Found, takeFound } from "./FoundEvaluation.ts"
import { lineEvent, type OpenWorld, stampOfInfo, type World } from "./Questions.ts"
import { Realiser } from "./Realiser.ts"

/** Store paths asked for at the same time. */
const askedAtOnce = 16

const stampsFrom = Effect.fnUntraced(function* (paths: Iterable<StorePath>, world: Context.Context<World>) {
  const infos = Context.get(world, PathInfoService)
  const stamps = new Map<StorePath, StoreStamp>()
  const look = (path: StorePath) =>
    Effect.map(infos.get(path), (info) => {
      if (Option.isSome(info)) stamps.set(path, stampOfInfo(info.value))
    })
  yield* Effect.forEach(paths, look, { concurrency: askedAtOnce, discard: true })
  const view: StoreView = { hasAll: (paths) => paths.every((path) => stamps.has(path)), stamp: (path) => stamps.get(path) }
  return view
})

const use = Effect.fnUntraced(function* (job: EvaluationJob, found: Found, world: OpenWorld) {
  const paths = found.asks
  if (paths.length > 0) {
    const directory = job.evaluationCache?.database
    const quick = found.held ?? (directory === undefined ? undefined : withLocalStamps(directory, (store) => found.holds(store)))
    const held = quick ?? found.holds(yield* Effect.flatMap(world, (world) => stampsFrom(paths, world)))
    if (!held) return undefined
  }
  const { result, lines } = found.record
  if (result._tag === "Derivations") {
    const knowledge = found.knowledge()
    if (knowledge === undefined) return undefined
    const realiser = Context.get(yield* world, Realiser)
    realiser.addDerivations(knowledge.derivations)
    realiser.addFetches(knowledge.fetches)
  }
  const sink = yield* EventSink
  for (const line of lines) sink(lineEvent(line))
  sink({
    _tag: "Message",
    level: "debug",
    text: "nothing that it depends on has changed: the result of the evaluation is the one that was kept"
  })
  found.used()
  return result
})

/** The kept result of a job, where everything that it depended on is the same. A store that cannot be asked is as one that is not the same. */
export const keptResult = (job: EvaluationJob, world: OpenWorld): Effect.Effect<EvaluationResult | undefined> => {
  if (job.evaluationCache === undefined) return Effect.succeed(undefined)
  return Effect.acquireUseRelease(
    Effect.promise(() => takeFound(job)),
    (found) => (found === undefined ? Effect.succeed(undefined) : Effect.catch(use(job, found, world), () => Effect.succeed(undefined))),
    (found) => Effect.sync(() => found?.close())
  ).pipe(Effect.tap((result) => Effect.annotateCurrentSpan("evaluation.kept", result !== undefined)))
}
