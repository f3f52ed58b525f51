/**
 * Evaluation of all attributes of a root by several worker processes.
 *
 * Promises: every attribute is told of once, as soon as it is done; one that fails costs nothing but itself; one whose worker died is tried once more, in a new worker,
 * before it counts as failed. A worker has one attribute at a time, and gets the next only when the last one's result was taken: a slow taker slows the evaluation, and
 * nothing piles up. When the effect ends, by whatever end, there are no workers.
 */
import * as Effect from "effect/Effect"
import { type ByteString, toUnicode } from "../../nix/Bytes.ts"
import { announced, evaluationName, type Reporter } from "../Announce.ts"
import type { OpenWorld } from "../Questions.ts"
import type { AttributeDerivation, AttributePath, AttributeSettings } from "./AttributeJob.ts"
import { AttributeQueue, type Job, type Taker } from "./AttributeQueue.ts"
import { type Asked, startWorker, type WorkerProcess } from "./WorkerProcess.ts"

/** Workers that may die of one attribute. */
const deathsAllowed = 2

export type AttributeResult =
  | { readonly _tag: "Derivation"; readonly path: AttributePath; readonly derivation: AttributeDerivation }
  | {
      readonly _tag: "Failed"
      readonly path: AttributePath
      /** As `EvaluationFailed` has it, with its label. */
      readonly rendered: ByteString
      /** Its workers died: nobody knows what it is. */
      readonly fatal: boolean
      /** It is one of the roots. */
      readonly isRoot: boolean
    }

export interface AttributeRunOptions<E, R> {
  readonly settings: AttributeSettings
  /** Where to begin; the expression itself is the empty path. */
  readonly roots: ReadonlyArray<AttributePath>
  /** Processes at the same time. */
  readonly workers: number
  /** Bytes of memory beyond which a worker is replaced by a fresh one after the attribute that it has. */
  readonly memory: number
  /** Takes a result; the worker that brought it waits. */
  readonly take: (result: AttributeResult) => Effect.Effect<void, E, R>
}

/** An attribute path as people write it: names with dots stand in quotes. */
export const attributeName = (path: AttributePath): ByteString =>
  path.map((name) => (name === "" || name.includes(".") ? `"${name}"` : name)).join(".")

/** For whoever sees the work; the result is told in another way. */
class AttributeFailed extends Error {}

const evaluateAll = <E, R>(options: AttributeRunOptions<E, R>, world: OpenWorld, reporter: Reporter): Effect.Effect<void, E, R> => {
  const { settings, memory, take } = options
  const queue = new AttributeQueue(options.roots)
  let done = 0
  let underWay = 0

  /** Announced as work of its own, so that it is seen what each worker is at and waits for. */
  const ask = (worker: WorkerProcess, job: Job): Effect.Effect<Asked> => {
    let asked: Asked | undefined
    const { path } = job.request
    return announced("evaluate", path.length === 0 ? "the root" : toUnicode(attributeName(path)), undefined, () =>
      Effect.flatMap(worker.ask(job.request), (end) => {
        asked = end
        return end._tag === "Reply"
          ? Effect.void
          : Effect.fail(new AttributeFailed(end._tag === "Died" ? end.reason : toUnicode(end.rendered)))
      })
    ).pipe(
      Effect.catch(() => Effect.void),
      Effect.map(() => asked!)
    )
  }

  const one = Effect.fnUntraced(function* (taker: Taker, worker: WorkerProcess, job: Job) {
    const { path, isRoot } = job.request
    underWay++
    const end = yield* Effect.ensuring(
      ask(worker, job),
      Effect.sync(() => void underWay--)
    )
    if (end._tag === "Died" && job.deaths + 1 < deathsAllowed) return taker.again({ ...job, deaths: job.deaths + 1 })
    let names: ReadonlyArray<ByteString> = []
    switch (end._tag) {
      case "Reply":
        if (end.reply._tag === "Derivation") yield* take({ _tag: "Derivation", path, derivation: end.reply.derivation })
        if (end.reply._tag === "Set") names = end.reply.names
        break
      case "Failed":
        yield* take({ _tag: "Failed", path, rendered: end.rendered, fatal: false, isRoot })
        break
      case "Died":
        yield* take({
          _tag: "Failed",
          path,
          rendered: `error: the worker that evaluated this attribute died, and so did the next one: ${end.reason}`,
          fatal: true,
          isRoot
        })
    }
    done++
    taker.done(path, names)
    reporter.progress(done, done + underWay + queue.left)
  })

  /** The life of one process, from an attribute on, as long as it can be used. */
  const life = (taker: Taker, first: Job) =>
    Effect.scoped(
      Effect.gen(function* () {
        const worker = yield* startWorker({ settings, memory }, world)
        let job: Job | undefined = first
        while (job !== undefined) {
          yield* one(taker, worker, job)
          if (!worker.usable()) return true
          job = yield* taker.take
        }
        return false
      })
    )

  const lives = Effect.gen(function* () {
    const taker = queue.taker()
    for (let more = true; more;) {
      const job: Job | undefined = yield* taker.take
      more = job !== undefined && (yield* life(taker, job))
    }
  })

  return Effect.forEach(Array.from({ length: options.workers }), () => lives, { concurrency: "unbounded", discard: true })
}

/** Evaluates all attributes below the roots, or ends with the first failure of `take`. */
export const evaluateAttributes = <E extends { readonly message: string }, R>(options: AttributeRunOptions<E, R>, world: OpenWorld) =>
  announced("evaluate", evaluationName(options.settings.source), undefined, (reporter) => evaluateAll(options, world, reporter))
