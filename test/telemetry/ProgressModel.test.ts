import { assert, describe, it } from "@effect/vitest"
import { initial, meanRateOf, type Model, rateOf, reduce, transferredOf } from "../../src/telemetry/ProgressModel.ts"
import type { Event } from "../../src/wire/Events.ts"

const after = (events: ReadonlyArray<readonly [at: number, event: Event]>, model: Model = initial(0)): Model =>
  events.reduce((model, [at, event]) => reduce(model, event, at), model)

const build = (id: number, path: string): Event => ({ _tag: "Started", id, kind: "build", name: `build-${id}`, path })
const plan = (path: string): Event => ({ _tag: "Planned", path, name: path, inputs: [], sources: [] })

describe("derivations that wait", () => {
  it("wait from their plan until they begin, are reused or are dropped", () => {
    const planned = after([
      [0, plan("a")],
      [0, plan("b")],
      [0, plan("c")],
      [0, plan("a")]
    ])
    assert.strictEqual(planned.waiting, 3)
    const begun = after([[1, build(1, "a")]], planned)
    assert.strictEqual(begun.waiting, 2)
    const reused = after([[2, { _tag: "Reused", path: "b", outputs: ["b-out"] }]], begun)
    assert.deepStrictEqual([reused.waiting, reused.reused], [1, 1])
    const dropped = after(
      [
        [3, { _tag: "Dropped", path: "c" }],
        [3, { _tag: "Dropped", path: "c" }],
        [3, { _tag: "Dropped", path: "a" }]
      ],
      reused
    )
    assert.strictEqual(dropped.waiting, 0)
  })

  it("count as reused once, and not at all when this run made them", () => {
    const { reused } = after([
      [0, { _tag: "Reused", path: "a", outputs: ["a-out"] }],
      [1, { _tag: "Reused", path: "a", outputs: ["a-out"] }],
      [2, build(1, "b")],
      [3, { _tag: "Done", id: 1 }],
      [4, { _tag: "Reused", path: "b", outputs: ["b-out"] }],
      [5, { _tag: "Started", id: 2, kind: "fetch", name: "c", path: "c-out" }],
      [6, { _tag: "Done", id: 2 }],
      [7, { _tag: "Reused", path: "c.drv", outputs: ["c-out"] }]
    ])
    assert.strictEqual(reused, 1)
  })
})

describe("the ends of work", () => {
  it("are counted by kind, and events of unknown numbers change nothing", () => {
    const model = after([
      [0, build(1, "a")],
      [0, build(2, "b")],
      [0, build(3, "c")],
      [0, { _tag: "Started", id: 4, kind: "evaluate", name: "e", path: undefined }],
      [1, { _tag: "Done", id: 1 }],
      [1, { _tag: "LogLine", id: 2, line: "the last words" }],
      [1, { _tag: "Failed", id: 2, message: "\nit broke\x1b[2J\nlast lines" }],
      [1, { _tag: "Cancelled", id: 3 }],
      [1, { _tag: "Failed", id: 4, message: "because of that" }]
    ])
    assert.deepStrictEqual([model.built, model.failed, model.running.size], [1, 1, 0])
    assert.deepStrictEqual(model.failures, [
      { kind: "build", name: "build-2", path: "b", order: 1, message: "it broke", log: ["the last words"] }
    ])
    for (const event of [
      { _tag: "Done", id: 9 },
      { _tag: "Progress", id: 9, done: 1, total: 2 },
      { _tag: "LogLine", id: 9, line: "x" }
    ] as const) {
      assert.strictEqual(reduce(model, event, 5), model)
    }
  })

  it("keep no more than the last lines of a log", () => {
    let model = after([[0, build(1, "a")]])
    for (let i = 0; i < 1000; i++) model = reduce(model, { _tag: "LogLine", id: 1, line: String(i) }, i)
    const { log } = model.running.get(1)!
    assert.deepStrictEqual([log.length, log[0], log.at(-1)], [25, "975", "999"])
  })
})

describe("transfers", () => {
  const fetching = after([[0, { _tag: "Started", id: 1, kind: "fetch", name: "f", path: undefined }]])

  it("have the rate of the last three seconds, and a stalled one slows down", () => {
    let model = fetching
    // 1000 bytes a second, then ten times that.
    for (let t = 100; t <= 10_000; t += 100) model = reduce(model, { _tag: "Progress", id: 1, done: t, total: 100_000 }, t)
    for (let t = 10_100; t <= 20_000; t += 100)
      model = reduce(model, { _tag: "Progress", id: 1, done: 10_000 + (t - 10_000) * 10, total: undefined }, t)
    const work = model.running.get(1)!
    assert.approximately(rateOf(work, 20_000), 10_000, 900)
    assert.strictEqual(work.total, 100_000)
    assert.isAtMost(work.samples.length, 14)
    assert.isBelow(rateOf(work, 22_000), 6000)
    assert.strictEqual(rateOf(work, 40_000), 0)
  })

  it("that begin again from nothing have no negative rate", () => {
    const model = after(
      [
        [1000, { _tag: "Progress", id: 1, done: 5000, total: undefined }],
        [1500, { _tag: "Progress", id: 1, done: 100, total: undefined }]
      ],
      fetching
    )
    assert.strictEqual(rateOf(model.running.get(1)!, 1500), 0)
  })

  it("have a mean rate over the time in which something came", () => {
    const model = after(
      [
        [1000, { _tag: "Started", id: 2, kind: "substitute", name: "s", path: undefined }],
        [2000, { _tag: "Progress", id: 1, done: 3000, total: undefined }],
        [2000, { _tag: "Done", id: 1 }],
        [4000, { _tag: "Progress", id: 2, done: 5000, total: undefined }],
        [4000, { _tag: "Done", id: 2 }],
        [50_000, { _tag: "Message", level: "info", text: "long after" }]
      ],
      fetching
    )
    assert.strictEqual(transferredOf(model), 8000)
    assert.strictEqual(meanRateOf(model, 60_000), 2000)
    assert.strictEqual(meanRateOf(initial(5), 5), 0)
  })
})
