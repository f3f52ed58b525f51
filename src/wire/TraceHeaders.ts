/**
 * The W3C `traceparent` header: a call names the span that it is made in, a server goes on below it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

export const traceHeader = "traceparent"

/** The header's value for the current span, if there is one. */
export const current: Effect.Effect<Option.Option<string>> = Effect.map(Effect.option(Effect.currentSpan), (span) =>
  Option.filter(
    Option.map(span, ({ traceId, spanId, sampled }) => `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`),
    (text) => form.test(text)
  )
)

const form = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})/

/** Runs a call below the span that its header names; a header that is none is ignored, as the standard wants. */
export const continued =
  (header: string | undefined) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> => {
    const parts = header === undefined || header.startsWith("ff") ? null : form.exec(header)
    if (parts === null) return self as Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>>
    return Effect.withParentSpan(
      self,
      Tracer.externalSpan({ traceId: parts[1]!, spanId: parts[2]!, sampled: (Number.parseInt(parts[3]!, 16) & 1) === 1 })
    )
  }
