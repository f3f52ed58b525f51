/**
 * Spans as Chrome trace events, the JSON that https://ui.perfetto.dev and chrome://tracing open
 * (format: "Trace Event Format", https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU).
 *
 * Viewers nest events of one track by time alone, and work here overlaps. So a span lies on its parent's track where it fits between what is there already,
 * and on a track of its own otherwise: on each track every two events nest or do not meet.
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { EndedSpan } from "./TraceRoute.ts"

interface Placed {
  readonly spanId: string
  readonly end: bigint
}

/** The track of each span: `spans` must be sorted by start, longer ones first. */
const tracksOf = (spans: ReadonlyArray<EndedSpan>): ReadonlyArray<number> => {
  /** What is open on each track at the time of the current span, outermost first. */
  const tracks: Array<Array<Placed>> = []
  const trackOf = new Map<string, number>()
  const enter = (track: number, placed: Placed): number => {
    ;(tracks[track] ??= []).push(placed)
    trackOf.set(placed.spanId, track)
    return track
  }
  return spans.map(({ span, status }) => {
    const placed = { spanId: span.spanId, end: status.endTime }
    const parent = Option.getOrUndefined(span.parent)?.spanId
    const home = parent === undefined ? undefined : trackOf.get(parent)
    for (const open of tracks) while (open.length > 0 && open.at(-1)!.end <= status.startTime) open.pop()
    const around = home === undefined ? undefined : tracks[home]!.at(-1)
    if (around !== undefined && around.spanId === parent && placed.end <= around.end) return enter(home!, placed)
    const free = tracks.findIndex((open) => open.length === 0)
    return enter(free === -1 ? tracks.length : free, placed)
  })
}

const failureOf = (exit: Exit.Exit<unknown, unknown>): { readonly error?: string } => {
  if (Exit.isSuccess(exit)) return {}
  if (Cause.hasInterruptsOnly(exit.cause)) return { error: "cancelled" }
  const failure = Cause.squash(exit.cause)
  return { error: failure instanceof Error ? failure.message : String(failure) }
}

const plain = (value: unknown): unknown => (typeof value === "bigint" ? String(value) : value)

/** The text of a trace file. Times are microseconds since the first span began; `otherData` has that moment. */
export const render = (spans: ReadonlyArray<EndedSpan>): string => {
  const sorted = [...spans].sort((a, b) =>
    a.status.startTime !== b.status.startTime
      ? a.status.startTime < b.status.startTime
        ? -1
        : 1
      : a.status.endTime > b.status.endTime
        ? -1
        : 1
  )
  const origin = sorted[0]?.status.startTime ?? 0n
  const micros = (time: bigint): number => Number(time - origin) / 1000
  const tracks = tracksOf(sorted)
  const events = sorted.map(({ span, status }, i) => {
    const end = micros(status.endTime)
    const start = micros(status.startTime)
    return JSON.stringify({
      name: span.name,
      cat: span.kind,
      ph: "X",
      ts: start,
      dur: Math.round((end - start) * 1000) / 1000,
      pid: 1,
      tid: tracks[i]! + 1,
      args: {
        ...Object.fromEntries([...span.attributes].map(([key, value]) => [key, plain(value)])),
        ...failureOf(status.exit),
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: Option.getOrUndefined(span.parent)?.spanId
      }
    })
  })
  const processName = JSON.stringify({ name: "process_name", ph: "M", pid: 1, tid: 0, args: { name: "yix" } })
  const otherData = JSON.stringify({ startTimeUnixNano: String(origin) })
  return `{"displayTimeUnit":"ms","otherData":${otherData},"traceEvents":[\n${[processName, ...events].join(",\n")}\n]}\n`
}
