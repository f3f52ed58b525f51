import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { AttributeQueue, type Job, type Taker } from "../../src/realise/jobs/AttributeQueue.ts"

const shown = (job: Job | undefined): string | undefined => job?.request.path.join(".")

/** Takes until nothing is left; `sets` says which paths are sets. */
const takeAll = Effect.fnUntraced(function* (taker: Taker, sets: Record<string, ReadonlyArray<string>>, taken: Array<string>) {
  for (;;) {
    const job = yield* taker.take
    if (job === undefined) return
    taken.push(shown(job)!)
    yield* Effect.yieldNow
    taker.done(job.request.path, sets[shown(job)!] ?? [])
  }
})

describe("the attributes to be evaluated", () => {
  const sets = { "": ["a", "b", "c", "d"], b: ["x", "y"], "b.y": ["deep"] }

  it.effect("are taken depth first by one taker", () =>
    Effect.gen(function* () {
      const queue = new AttributeQueue([[]])
      const taken: Array<string> = []
      yield* takeAll(queue.taker(), sets, taken)
      assert.deepStrictEqual(taken, ["", "a", "b", "b.x", "b.y", "b.y.deep", "c", "d"])
      const roots = new AttributeQueue([["b"], ["a"]])
      const fromRoots: Array<string> = []
      yield* takeAll(roots.taker(), sets, fromRoots)
      assert.deepStrictEqual(fromRoots, ["b", "b.x", "b.y", "b.y.deep", "a"])
    })
  )

  it.effect("are each taken once by several, until the last who may bring more is done", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 100 }, (_, i) => `n${i}`)
      const queue = new AttributeQueue([[]])
      const taken = Array.from({ length: 5 }, (): Array<string> => [])
      yield* Effect.forEach(taken, (own) => takeAll(queue.taker(), { "": names, n50: names }, own), { concurrency: "unbounded" })
      assert.deepStrictEqual(taken.flat().toSorted(), ["", ...names, ...names.map((name) => `n50.${name}`)].toSorted())
      assert.isAbove(Math.min(...taken.map(({ length }) => length)), 10)
    })
  )

  it.effect("go to others in stretches of neighbours", () =>
    Effect.gen(function* () {
      const queue = new AttributeQueue([[]])
      const [first, second, third] = [queue.taker(), queue.taker(), queue.taker()]
      yield* first.take
      first.done([], ["a", "b", "c", "d", "e", "f", "g", "h"])
      const take = Effect.fnUntraced(function* (taker: Taker) {
        const job = (yield* taker.take)!
        taker.done(job.request.path, [])
        return shown(job)
      })
      assert.deepStrictEqual([yield* take(second), yield* take(first), yield* take(third), yield* take(second), yield* take(third)], ["e", "a", "c", "f", "d"]) // prettier-ignore
      assert.deepStrictEqual([yield* take(third), yield* take(second), yield* take(first)], ["h", "g", "b"])
      assert.strictEqual(queue.left, 0)
    })
  )

  it.effect("come back when their taker lost them, and wake who waits", () =>
    Effect.gen(function* () {
      const queue = new AttributeQueue([["only"]])
      const [first, second] = [queue.taker(), queue.taker()]
      const job = (yield* first.take)!
      const waiting = yield* Effect.forkChild(second.take)
      yield* Effect.yieldNow
      first.again({ ...job, deaths: 1 })
      assert.deepStrictEqual(yield* Fiber.join(waiting), { ...job, deaths: 1 })
      const left = yield* Effect.forkChild(first.take)
      yield* Effect.yieldNow
      second.done(["only"], [])
      assert.isUndefined(yield* Fiber.join(left))
    })
  )
})
