/**
 * Where the spans of a run go: what a tracer of the composition is, and how several become one tracer.
 *
 * Spans get their identifiers from one maker, and every sink is told of each span when it ends; so a span is the same one wherever it is looked at.
 */
import * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import type * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"

/** A span that has ended. */
export interface EndedSpan {
  readonly span: Tracer.Span
  readonly status: Extract<Tracer.SpanStatus, { readonly _tag: "Ended" }>
  /** Things that happened in it: name, nanoseconds since 1970, attributes. */
  readonly events?: ReadonlyArray<readonly [name: string, time: bigint, attributes: Record<string, unknown> | undefined]>
}

/** Takes spans as they end. Never fails, never waits. */
export interface TraceSink {
  /** Two sinks of one name are the same place, which is told once. */
  readonly name: string
  /** Spans that the caller's trace does not sample are wanted, too. */
  readonly unsampled: boolean
  readonly ended: (span: EndedSpan) => void
}

/** What names of sinks that are collectors begin with; their address follows. */
export const otlpName = "otlp "

/** What a tracer of the composition contributes. */
export class TraceRoute extends Context.Service<
  TraceRoute,
  {
    /** Makes the spans, where this must not be Effect's own maker. */
    readonly maker: Tracer.Tracer | undefined
    readonly sinks: ReadonlyArray<TraceSink>
    /** Where lines of the log go besides. */
    readonly loggers: ReadonlyArray<Logger.Logger<unknown, void>>
  }
>()("yix/telemetry/TraceRoute") {}

export type Route = TraceRoute["Service"]

/** A tracer that keeps nothing. */
export const nowhere: Route = { maker: undefined, sinks: [], loggers: [] }

/** Takes what the user should know of traces, one line each. */
export const TraceRemarks = Context.Reference<(text: string) => void>("yix/telemetry/TraceRemarks", { defaultValue: () => () => {} })

/** Nothing may be sent to anybody: `--otlp=false`. Tracers that send are then as if they were not there. */
export const TracesStayHere = Context.Reference<boolean>("yix/telemetry/TracesStayHere", { defaultValue: () => false })

/** Two tracers want to make the spans. */
export class TracersConflict extends Schema.TaggedError<TracersConflict>()("TracersConflict", {}) {
  override get message(): string {
    return "two tracers of type 'otel-sdk' cannot work at the same time; export the span processors of both from one module"
  }
}

/** Several tracers at once. */
export const combined = (routes: ReadonlyArray<Route>): Route | TracersConflict => {
  const makers = new Set(routes.flatMap(({ maker }) => (maker === undefined ? [] : [maker])))
  if (makers.size > 1) return new TracersConflict()
  const sinks = new Map<string, TraceSink>()
  const loggers: Array<Logger.Logger<unknown, void>> = []
  for (const route of routes) {
    const fresh = route.sinks.filter(({ name }) => !sinks.has(name))
    for (const sink of fresh) sinks.set(sink.name, sink)
    if (fresh.length > 0 || route.sinks.length === 0) loggers.push(...route.loggers)
  }
  return { maker: [...makers][0], sinks: [...sinks.values()], loggers: [...new Set(loggers)] }
}

/** The tracer of a route; Effect's own, which keeps nothing, where the route leads nowhere. */
export const tracerOf = ({ maker = Tracer.nativeTracer, sinks }: Route): Tracer.Tracer => {
  if (sinks.length === 0) return maker
  return Tracer.make({
    ...maker,
    span: (options) => {
      const span = maker.span(options)
      const told = span.sampled ? sinks : sinks.filter((sink) => sink.unsampled)
      return told.length === 0 ? span : telling(span, told)
    }
  })
}

const telling = (span: Tracer.Span, sinks: ReadonlyArray<TraceSink>): Tracer.Span => {
  const events: Array<readonly [string, bigint, Record<string, unknown> | undefined]> = []
  const event = span.event.bind(span)
  span.event = (name, time, attributes) => {
    if (span.status._tag === "Started") events.push([name, time, attributes])
    event(name, time, attributes)
  }
  const end = span.end.bind(span)
  span.end = (endTime: bigint, exit: Exit.Exit<unknown, unknown>) => {
    if (span.status._tag === "Ended") return
    const { startTime } = span.status
    end(endTime, exit)
    const ended: EndedSpan = { span, status: { _tag: "Ended", startTime, endTime, exit }, events }
    for (const sink of sinks) sink.ended(ended)
  }
  return span
}
