/**
 * Whether the trace of this run is made known to the servers that it asks over HTTP, in the `traceparent` header of W3C trace context.
 *
 * It is where spans go anywhere, and never otherwise. The header has random numbers only; whoever does not want even that switches it off (`OTEL_PROPAGATORS=none`).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

/** False: the header is not sent. */
export const TracePropagation = Context.Reference<boolean>("yix/wire/TracePropagation", { defaultValue: () => true })

/** Whether spans go anywhere: somebody provided a tracer. */
export const isTraced: Effect.Effect<boolean> = Effect.map(Effect.service(Tracer.Tracer), (tracer) => tracer !== Tracer.nativeTracer)

/** Whether requests carry the trace. */
export const isPropagated: Effect.Effect<boolean> = Effect.flatMap(TracePropagation, (wanted) =>
  wanted ? isTraced : Effect.succeed(false)
)
