/**
 * Evaluation of all attributes of a root by several worker processes.
 *
 * Promises: every attribute is told of once, as soon as it is done; one that fails costs nothing but itself; one whose worker died is tried once more, in a new worker,
 * before it counts as failed. A worker has one attribute at a time, and gets the next only when the last one's result was taken: a slow taker slows the evaluation, and
 * nothing piles up. When the effect ends, by whatever end, there are no workers.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type ByteString, toUnicode } from "../../nix/Bytes.ts"
import { announced, type Reporter } from "../Announce.ts"
import { evaluationName } from "../EvaluatorProtocol.ts"
import type { OpenWorld } from "../Questions.ts"
import {
  type AttributeDerivation,
  attributeName,
  type AttributePath,
  type AttributeRequest,
  type AttributeSettings
} from "./AttributeJob.ts"
import { AttributeQueue, type Job, type Taker } from "./AttributeQueue.ts"
import { startWorker, type WorkerProcess } from "./WorkerProcess.ts"

/** Workers that may die of one attribute. */
const deathsAllowed = 2

/** What became of an attribute, with what was asked. */
export type AttributeResult = AttributeRequest &
  (
    | { readonly _tag: "Derivation"; readonly derivation: AttributeDerivation }
    | {
        readonly _tag: "Failed"
        /** Plain words with their label, or the JSON that the settings ask for. */
        readonly rendered: string
        /** Its workers died: nobody knows what it is. */
        readonly fatal: boolean
      }
  )

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

const evaluateAll = <E, R>(options: AttributeRunOptions<E, R>, world: OpenWorld, reporter: Reporter): Effect.Effect<void, E, R> => {
  const { settings, memory, take } = options
  const queue = new AttributeQueue(options.roots)
  let done = 0
  let underWay = 0

  const one = Effect.fnUntraced(function* (taker: Taker, worker: WorkerProcess, job: Job) {
    const { path } = job.request
    const failed = (rendered: string, fatal: boolean) => take({ ...job.request, _tag: "Failed", rendered, fatal })
    underWay++
    // Work of its own, so that it is seen what each worker is at and waits for.
    const name = path.length === 0 ? "the root" : toUnicode(attributeName(path))
    const asked = yield* announced("evaluate", name, undefined, () => worker.ask(job.request)).pipe(
      Effect.result,
      Effect.ensuring(Effect.sync(() => void underWay--))
    )
    let names: ReadonlyArray<ByteString> = []
    if (Result.isFailure(asked)) {
      const error = asked.failure
      if (error._tag === "AttributeFailed") yield* failed(error.rendered, false)
      else if (job.deaths + 1 < deathsAllowed) return taker.again({ ...job, deaths: job.deaths + 1 })
      else yield* failed(`error: the worker that evaluated this attribute died, and so did the next one: ${error.reason}`, true)
    } else if (asked.success._tag === "Derivation") yield* take({ ...job.request, ...asked.success })
    else if (asked.success._tag === "Set") names = asked.success.names
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
