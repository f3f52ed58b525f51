/**
 * Spans, lines of the log and counts to an OTLP collector over HTTP, or into a file in the form of OTLP. Loaded only where that is wanted.
 *
 * Promises: ending waits for a collector no longer than `patience`; a collector that cannot be reached costs a remark and nothing else.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as OtlpExporter from "effect/observability/OtlpExporter"
import * as OtlpLogger from "effect/observability/OtlpLogger"
import * as OtlpMetrics from "effect/observability/OtlpMetrics"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import { spanMetrics } from "./SpanMetrics.ts"
import { type EndedSpan, nowhere, otlpName, type Route, TraceRemarks, type TraceSink } from "./TraceRoute.ts"
import type { OtlpSettings, OtlpTarget } from "./TraceSettings.ts"

/** Why telemetry did not arrive, if so: the state of the latest post. */
class Delivery {
  state: "none" | "under way" | "arrived" | { readonly failed: string } = "none"

  get problem(): string | undefined {
    if (typeof this.state === "object") return this.state.failed
    return this.state === "under way" ? "it did not answer in time" : undefined
  }

  /** A client that keeps the state. */
  readonly client = Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) =>
      HttpClient.transform(client, (post) =>
        Effect.suspend(() => {
          this.state = "under way"
          return Effect.onExit(post, (exit) =>
            Effect.sync(() => {
              if (Exit.isSuccess(exit))
                this.state = exit.value.status < 400 ? "arrived" : { failed: `it answered with ${exit.value.status}` }
              else if (!Cause.hasInterruptsOnly(exit.cause)) this.state = { failed: "it cannot be reached" }
            })
          )
        })
      )
    )
  ).pipe(Layer.provide(FetchHttpClient.layer))
}

const serialization = ({ encoding }: OtlpTarget) => (encoding === "json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf)

/**
 * A span that another maker made, told to this tracer as one of its own: with the identifiers that it has. They are properties of the instance, before the getters of
 * the class, so nothing of the exporter's insides is relied on.
 */
const retold = (tracer: Tracer.Tracer, { span, status, events }: EndedSpan): void => {
  const { name, parent, annotations, links, kind, traceId, spanId, attributes } = span
  const copy = tracer.span({ name, parent, annotations, links: [...links], startTime: status.startTime, kind, root: false, sampled: true })
  Object.defineProperty(copy, "traceId", { value: traceId })
  Object.defineProperty(copy, "spanId", { value: spanId })
  for (const [key, value] of attributes) copy.attribute(key, value)
  for (const [name, time, attributes] of events ?? []) copy.event(name, time, attributes)
  copy.end(status.endTime, status.exit)
}

/** A sink over a tracer of Effect's exporter that posts with the client around it. */
export const sinkOf = (name: string, settings: Omit<OtlpSettings, "logs" | "metrics">) =>
  Effect.map(
    OtlpTracer.make({
      url: settings.url,
      headers: settings.headers,
      compression: settings.compression,
      exportInterval: settings.interval,
      maxBatchSize: settings.batch,
      shutdownTimeout: settings.patience,
      resource: { serviceName: settings.serviceName }
    }),
    (tracer): TraceSink => ({ name, unsampled: false, ended: (ended) => retold(tracer, ended) })
  )

/** The logger for lines of sampled traces, and of none. */
const sampled = (logger: Logger.Logger<unknown, void>): Logger.Logger<unknown, void> =>
  Logger.make((options) => {
    const span = Option.getOrUndefined(Context.getOption(options.fiber.context, Tracer.ParentSpan))
    if (span?.sampled !== false) logger.log(options)
  })

/**
 * The route to a collector. Closing its scope posts the rest. That happens on a fiber of its own: the command's may have been interrupted, and its
 * trace is then wanted all the more.
 */
export const otlpRoute = (settings: OtlpSettings): Effect.Effect<Route, never, Scope.Scope> =>
  Effect.gen(function* () {
    const remark = yield* TraceRemarks
    const delivery = new Delivery()
    const lost = (detail: string) => remark(`traces could not be sent to '${settings.url}': ${detail}`)
    const own = yield* Scope.make()
    const close = Scope.close(own, Exit.void).pipe(
      // The exporter keeps to this by itself, apart from what the platform's client does on the way out.
      Effect.timeoutOption(settings.patience * 1.5),
      Effect.withTracerEnabled(false)
    )
    yield* Effect.addFinalizer(() =>
      Effect.map(
        Effect.promise(() => Effect.runPromiseExit(close)),
        () => delivery.problem !== undefined && lost(delivery.problem)
      )
    )
    const within = <A>(target: OtlpTarget, client: Layer.Layer<HttpClient.HttpClient>, make: Effect.Effect<A, never, ExporterNeeds>) =>
      Effect.flatMap(Layer.buildWithScope(Layer.mergeAll(OtlpExporter.layerFlusher, client, serialization(target)), own), (context) =>
        Effect.provideContext(make, context)
      ).pipe(Scope.provide(own))
    const resource = { serviceName: settings.serviceName }
    const route = Effect.gen(function* () {
      const sink = yield* within(settings, delivery.client, sinkOf(`${otlpName}${settings.url}`, settings))
      const sinks = [sink]
      const loggers: Array<Logger.Logger<unknown, void>> = []
      const { logs, metrics, patience } = settings
      if (logs !== undefined) {
        const { url, headers, compression } = logs
        const options = { url, headers, compression, exportInterval: settings.interval, shutdownTimeout: patience, resource }
        loggers.push(sampled(yield* within(logs, FetchHttpClient.layer, OtlpLogger.make(options))))
      }
      if (metrics !== undefined) {
        const { url, headers, compression } = metrics
        const options = { url, headers, compression, exportInterval: 10_000, shutdownTimeout: patience, resource }
        yield* within(metrics, FetchHttpClient.layer, OtlpMetrics.make(options))
        sinks.push(spanMetrics)
      }
      return { maker: undefined, sinks, loggers }
    })
    return yield* Effect.catchCause(route, (cause) =>
      // The environment may be malformed in what the exporter reads by itself (OTEL_RESOURCE_ATTRIBUTES).
      Effect.sync(() => {
        lost(String(Cause.squash(cause)))
        return nowhere
      })
    )
  })

type ExporterNeeds = OtlpExporter.Flusher | HttpClient.HttpClient | OtlpSerialization.OtlpSerialization | Scope.Scope
