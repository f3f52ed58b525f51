/**
 * A tracer that keeps the spans that ended, for tests to look at: what ran, below what, and how it ended.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

/** A span that has ended. */
export interface MemorySpan {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly traceId: string
  readonly spanId: string
  /** `undefined`: this span is the first of its trace here and elsewhere. */
  readonly parentSpanId: string | undefined
  /** Names of the spans around it in this process, the nearest first. */
  readonly ancestors: ReadonlyArray<string>
  readonly attributes: ReadonlyMap<string, unknown>
  readonly outcome: "success" | "failure" | "interrupted"
  /** What the work gave, or why it failed. */
  readonly exit: Exit.Exit<unknown, unknown>
  /** Nanoseconds since 1970. */
  readonly startTime: bigint
  readonly endTime: bigint
}

/** The spans of the program around it. */
export class MemorySpans extends Context.Service<
  MemorySpans,
  {
    /** Those that have ended so far, in the order of their ends. */
    readonly ended: Effect.Effect<ReadonlyArray<MemorySpan>>
    /** Those of a name, in the order of their ends. */
    named(name: string): Effect.Effect<ReadonlyArray<MemorySpan>>
    /** Names of those that were begun and have not ended: none are left when all work was brought to its end. */
    readonly open: Effect.Effect<ReadonlyArray<string>>
  }
>()("yix/telemetry/MemorySpans") {}

const ancestorsOf = (span: Tracer.Span): ReadonlyArray<string> => {
  const names: Array<string> = []
  for (let at = Option.getOrUndefined(span.parent); at?._tag === "Span"; at = Option.getOrUndefined(at.parent)) names.push(at.name)
  return names
}

/** Sets the tracer and gives `MemorySpans`, which begins empty with each build of the layer. */
export const layer: Layer.Layer<MemorySpans> = Layer.effectContext(
  Effect.sync(() => {
    const ended: Array<MemorySpan> = []
    const open = new Set<Tracer.Span>()
    const tracer = Tracer.make({
      ...Tracer.nativeTracer,
      span: (options) => {
        const span = Tracer.nativeTracer.span(options)
        open.add(span)
        const end = span.end.bind(span)
        span.end = (endTime, exit) => {
          if (!open.delete(span)) return
          const { startTime } = span.status
          end(endTime, exit)
          ended.push({
            name: span.name,
            kind: span.kind,
            traceId: span.traceId,
            spanId: span.spanId,
            parentSpanId: Option.getOrUndefined(span.parent)?.spanId,
            ancestors: ancestorsOf(span),
            attributes: new Map(span.attributes),
            outcome: Exit.isSuccess(exit) ? "success" : Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "failure",
            exit,
            startTime,
            endTime
          })
        }
        return span
      }
    })
    return Context.make(Tracer.Tracer, tracer).pipe(
      Context.add(
        MemorySpans,
        MemorySpans.of({
          ended: Effect.sync(() => [...ended]),
          named: (name) => Effect.sync(() => ended.filter((span) => span.name === name)),
          open: Effect.sync(() => [...open].map((span) => span.name))
        })
      )
    )
  })
)
