/**
 * The tracer of a run that is traced: what flags and environment ask for, and the tracers of the composition, as one. Loaded only then.
 *
 * Promises: all spans of a run belong to one trace, which continues the caller's (`TRACEPARENT`), and every tracer gets the same ones.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import * as Headers from "effect/http/Headers"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import { TracePropagation } from "../wire/TracePropagation.ts"
import * as TraceRoute from "./TraceRoute.ts"
import type { TraceSettings } from "./TraceSettings.ts"

/**
 * The tracer that `settings` ask for together with those of `composed`, the caller's span as parent, and the loggers that go with them. What the user should know
 * goes to `TraceRemarks`.
 */
export const layer = <E>(settings: TraceSettings, composed: Layer.Layer<TraceRoute.TraceRoute, E> | undefined) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const routes: Array<TraceRoute.Route> = []
      if (composed !== undefined) routes.push(Context.get(yield* Layer.build(composed), TraceRoute.TraceRoute))
      // A composed collector takes the environment into account itself.
      const sent = routes.some(({ sinks }) => sinks.some(({ name }) => name.startsWith(TraceRoute.otlpName)))
      if (settings.otlp !== undefined && !sent) {
        const { otlpRoute } = yield* Effect.promise(() => import("./OtlpSink.ts"))
        routes.push(yield* otlpRoute(settings.otlp))
      }
      if (settings.file !== undefined) {
        const { chromeRoute } = yield* Effect.promise(() => import("./TraceFile.ts"))
        routes.push(yield* chromeRoute(settings.file))
      }
      const route = TraceRoute.combined(routes)
      if (route instanceof TraceRoute.TracersConflict) return yield* route
      const loggers = new Set([...(yield* Logger.CurrentLoggers), ...route.loggers])
      const context = Context.make(Tracer.Tracer, TraceRoute.tracerOf(route)).pipe(
        Context.add(TracePropagation, settings.propagate),
        Context.add(Logger.CurrentLoggers, loggers)
      )
      const parent =
        settings.parent === undefined ? Option.none() : HttpTraceContext.w3c(Headers.fromInput({ traceparent: settings.parent }))
      return Option.isNone(parent) ? context : Context.add(context, Tracer.ParentSpan, parent.value)
    })
  )
