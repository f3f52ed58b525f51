import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { NativeSpan } from "effect/Tracer"
import { assert, describe, it } from "@effect/vitest"
import { render } from "../../src/telemetry/ChromeTrace.ts"
import type { EndedSpan } from "../../src/telemetry/TraceRoute.ts"

class DiskFull extends Data.TaggedError("DiskFull") {
  override get message(): string {
    return "no space left"
  }
}

const span = (
  name: string,
  [startTime, endTime]: readonly [number, number],
  parent?: EndedSpan,
  exit: Exit.Exit<unknown, unknown> = Exit.void
): EndedSpan => {
  const made = new NativeSpan({
    name,
    parent: Option.fromNullishOr(parent?.span),
    annotations: Context.empty(),
    links: [],
    startTime: BigInt(startTime) * 1000n,
    kind: "internal",
    sampled: true
  })
  made.end(BigInt(endTime) * 1000n, exit)
  return { span: made, status: made.status as EndedSpan["status"] }
}

interface Drawn {
  readonly name: string
  readonly ph: string
  readonly ts: number
  readonly dur: number
  readonly tid: number
  readonly args: Readonly<Record<string, unknown>>
}

const drawn = (spans: ReadonlyArray<EndedSpan>): ReadonlyArray<Drawn> =>
  (JSON.parse(render(spans)) as { readonly traceEvents: ReadonlyArray<Drawn> }).traceEvents.filter((event) => event.ph === "X")

const tracks = (spans: ReadonlyArray<EndedSpan>): Readonly<Record<string, number>> =>
  Object.fromEntries(drawn(spans).map((event) => [event.name, event.tid]))

describe("a Chrome trace", () => {
  it("counts microseconds from the first span, whatever the order in which spans ended", () => {
    const root = span("root", [5000, 9000])
    const events = drawn([span("child", [6000, 7500], root), root])
    assert.deepStrictEqual(
      events.map(({ name, ts, dur }) => [name, ts, dur]),
      [
        ["root", 0, 4000],
        ["child", 1000, 1500]
      ]
    )
    assert.strictEqual(events[1]?.args["parentSpanId"], root.span.spanId)
  })

  it("nests what is sequential on one track and gives what overlaps tracks of their own", () => {
    const root = span("root", [0, 100])
    const left = span("left", [10, 50], root)
    const right = span("right", [20, 60], root)
    const inRight = span("in right", [30, 40], right)
    const later = span("later", [70, 80], root)
    assert.deepStrictEqual(tracks([left, inRight, right, later, root]), { root: 1, left: 1, right: 2, "in right": 2, later: 1 })
  })

  it("puts a span that outlives its parent on another track", () => {
    const root = span("root", [0, 50])
    assert.deepStrictEqual(tracks([root, span("shared", [10, 80], root)]), { root: 1, shared: 2 })
  })

  it("says how spans failed", () => {
    const root = span("root", [0, 9], undefined, Exit.fail(new DiskFull()))
    const cancelled = span("cancelled", [1, 2], root, Exit.failCause(Cause.interrupt(1)))
    assert.deepStrictEqual(
      drawn([root, cancelled]).map((event) => event.args["error"]),
      ["no space left", "cancelled"]
    )
  })

  it("is valid without spans", () => {
    assert.deepStrictEqual(drawn([]), [])
  })
})
