/**
 * The attributes still to be evaluated, for several who take them. Depth first: what lies in a set comes before what follows the set, so one taker sees all in the order
 * of their names, and little has to be kept.
 */
import * as Effect from "effect/Effect"
import type { AttributePath, AttributeRequest } from "./AttributeJob.ts"

/** An attribute, and how often a worker died of it. */
export interface Job {
  readonly request: AttributeRequest
  readonly deaths: number
}

export class AttributeQueue {
  /** The next one is the last. */
  readonly #jobs: Array<Job>
  #underWay = 0
  readonly #waiting = new Set<() => void>()

  constructor(roots: ReadonlyArray<AttributePath>) {
    this.#jobs = roots.map((path) => ({ request: { path, isRoot: true }, deaths: 0 })).reverse()
  }

  /** How many wait to be taken. */
  get left(): number {
    return this.#jobs.length
  }

  /** The next one; waits while those under way may bring more. `undefined` when all are done. Whoever took one ends it by `done` or `again`. */
  readonly take: Effect.Effect<Job | undefined> = Effect.callback((resume) => {
    const attempt = (): boolean => {
      if (this.left === 0 && this.#underWay > 0) return false
      resume(Effect.succeed(this.#next()))
      return true
    }
    if (attempt()) return
    const woken = (): void => {
      if (attempt()) this.#waiting.delete(woken)
    }
    this.#waiting.add(woken)
    return Effect.sync(() => void this.#waiting.delete(woken))
  })

  /** One that was taken is done, and was a set with these names. */
  done(path: AttributePath, names: ReadonlyArray<string>): void {
    for (const name of names.toReversed()) this.#jobs.push({ request: { path: [...path, name], isRoot: false }, deaths: 0 })
    this.#ended()
  }

  /** One that was taken has to be taken by somebody else. */
  again(job: Job): void {
    this.#jobs.push(job)
    this.#ended()
  }

  #ended(): void {
    this.#underWay--
    for (const woken of [...this.#waiting]) woken()
  }

  #next(): Job | undefined {
    const job = this.#jobs.pop()
    if (job !== undefined) this.#underWay++
    return job
  }
}
