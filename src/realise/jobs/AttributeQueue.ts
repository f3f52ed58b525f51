/**
 * The attributes still to be evaluated, shared out among several takers.
 *
 * Each taker has a stretch of its own, depth first: what lies in a set comes before what follows the set. So one taker sees all in the order of their names. Who has
 * nothing left takes the far half of the longest stretch: names that are close to each other have more in common, and what they have in common is evaluated again by
 * each who meets it (measured: a tenth of the work of 300 packages of nixpkgs on two takers).
 */
import * as Effect from "effect/Effect"
import type { AttributePath, AttributeRequest } from "./AttributeJob.ts"

/** An attribute, and how often a worker died of it. */
export interface Job {
  readonly request: AttributeRequest
  readonly deaths: number
}

/** One of those who take. Whoever took a job ends it by `done` or `again`. */
export interface Taker {
  /** The next one; waits while those under way may bring more. `undefined` when all are done. */
  readonly take: Effect.Effect<Job | undefined>
  /** The job that was taken is done, and was a set with these names. */
  readonly done: (path: AttributePath, names: ReadonlyArray<string>) => void
  /** The job that was taken has to be taken once more. */
  readonly again: (job: Job) => void
}

export class AttributeQueue {
  /** The last one of a stretch is its next. The first taker begins with the first. */
  readonly #stretches: Array<Array<Job>>
  #takers = 0
  #underWay = 0
  readonly #waiting = new Set<() => void>()

  constructor(roots: ReadonlyArray<AttributePath>) {
    this.#stretches = [roots.map((path) => ({ request: { path, isRoot: true }, deaths: 0 })).reverse()]
  }

  /** How many wait to be taken. */
  get left(): number {
    return this.#stretches.reduce((sum, { length }) => sum + length, 0)
  }

  /** Another one who takes. */
  taker(): Taker {
    const own = (this.#stretches[this.#takers++] ??= [])
    const ended = (): void => {
      this.#underWay--
      for (const woken of [...this.#waiting]) woken()
    }
    return {
      take: this.#take(own),
      done: (path, names) => {
        for (const name of names.toReversed()) own.push({ request: { path: [...path, name], isRoot: false }, deaths: 0 })
        ended()
      },
      again: (job) => {
        own.push(job)
        ended()
      }
    }
  }

  readonly #take = (own: Array<Job>): Effect.Effect<Job | undefined> =>
    Effect.callback((resume) => {
      const attempt = (): boolean => {
        const job = this.#next(own)
        if (job === undefined && this.#underWay > 0) return false
        if (job !== undefined) this.#underWay++
        resume(Effect.succeed(job))
        return true
      }
      if (attempt()) return
      const woken = (): void => {
        if (attempt()) this.#waiting.delete(woken)
      }
      this.#waiting.add(woken)
      return Effect.sync(() => void this.#waiting.delete(woken))
    })

  #next(own: Array<Job>): Job | undefined {
    if (own.length === 0) {
      const longest = this.#stretches.reduce((a, b) => (b.length > a.length ? b : a))
      for (const job of longest.splice(0, Math.ceil(longest.length / 2))) own.push(job)
    }
    return own.pop()
  }
}
