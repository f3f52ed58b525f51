/**
 * Tracers: type `otlp` sends to a collector, `file` writes a file, `otel-sdk` hands over to the OpenTelemetry SDK, `combined` is several at once.
 * What each stands on is loaded when it is opened.
 */
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import {
  combined as combinedRoute,
  nowhere,
  TraceRemarks,
  TraceRoute,
  TracersConflict,
  TracesStayHere
} from "../../telemetry/TraceRoute.ts"
import { otlpSettings } from "../../telemetry/TraceSettings.ts"
import { driver } from "../Driver.ts"

const kind = "tracers"

const positive = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 999_999_999 }))

const endpoint = Schema.String.check(
  Schema.makeFilter((url) =>
    /^https?:$/.test(URL.parse(url)?.protocol ?? "") ? undefined : "expected an address that begins with http:// or https://"
  )
)

/** Keys mean what the variable of the same name means; the variable goes before the key. */
export const otlp = driver({
  kind,
  type: "otlp",
  fields: {
    /** The collector; `/v1/traces` is added. Default: http://localhost:4318 */
    endpoint: Schema.optionalKey(endpoint),
    protocol: Schema.optionalKey(Schema.Literals(["http/protobuf", "http/json"])),
    headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
    compression: Schema.optionalKey(Schema.Literals(["gzip", "none"])),
    /** Milliseconds that a command may wait at its end for the collector. */
    timeout: Schema.optionalKey(positive),
    /** Milliseconds between posts, and spans in a post. */
    interval: Schema.optionalKey(positive),
    batch: Schema.optionalKey(positive),
    service_name: Schema.optionalKey(Schema.NonEmptyString),
    /** Lines of the log go to the collector, too. Default: true. */
    logs: Schema.optionalKey(Schema.Boolean),
    /** Counts and durations, too. Default: false. */
    metrics: Schema.optionalKey(Schema.Boolean)
  },
  layer: (keys) =>
    Layer.effect(
      TraceRoute,
      Effect.gen(function* () {
        if (yield* TracesStayHere) return nowhere
        const settings = otlpSettings(process.env, { ...keys, endpoint: keys.endpoint ?? "http://localhost:4318" })
        if (typeof settings === "string") {
          ;(yield* TraceRemarks)(`no traces are sent: ${settings}`)
          return nowhere
        }
        const { otlpRoute } = yield* Effect.promise(() => import("../../telemetry/OtlpSink.ts"))
        return yield* otlpRoute(settings)
      })
    )
})

export const file = driver({
  kind,
  type: "file",
  fields: {
    /** Relative to the configuration. `{pid}` in it becomes the number of the process. */
    path: Schema.NonEmptyString,
    /** `chrome`: for ui.perfetto.dev, written at the end, in the place of what was there. `otlp`: a line of OTLP in JSON for every batch of spans, added to what is there. */
    format: Schema.Literals(["chrome", "otlp"]).pipe(Schema.withDecodingDefaultKey(Effect.succeed("chrome" as const)))
  },
  complete: (config, place) => ({ ...config, path: path.resolve(place.directory, config.path) }),
  layer: (config) =>
    Layer.effect(
      TraceRoute,
      Effect.gen(function* () {
        const { chromeRoute, linesRoute } = yield* Effect.promise(() => import("../../telemetry/TraceFile.ts"))
        const at = config.path.replaceAll("{pid}", String(process.pid))
        return yield* config.format === "chrome" ? chromeRoute(at) : linesRoute(at)
      })
    )
})

export const otelSdk = driver({
  kind,
  type: "otel-sdk",
  fields: {
    /** A JavaScript module, relative to the configuration, that exports span processors or a whole tracer provider. */
    module: Schema.NonEmptyString
  },
  complete: (config, place) => ({ ...config, module: path.resolve(place.directory, config.module) }),
  layer: ({ module }) =>
    Layer.effect(
      TraceRoute,
      Effect.gen(function* () {
        if (yield* TracesStayHere) return nowhere
        const { sdkRoute } = yield* Effect.promise(() => import("../../telemetry/SdkTracer.ts"))
        return yield* sdkRoute(module)
      })
    )
})

export const combined = driver({
  kind,
  type: "combined",
  fields: {
    /** Each of them gets every span. */
    tracers: Schema.NonEmptyArray(Schema.NonEmptyString)
  },
  references: { tracers: kind },
  layer: ({ tracers }, around) =>
    Layer.fromBuildMemo((memoMap, scope) =>
      Effect.gen(function* () {
        const routes = yield* Effect.forEach(tracers, (name) =>
          Effect.map(Layer.buildWithMemoMap(around.service(kind, name), memoMap, scope), (context) => Context.get(context, TraceRoute))
        )
        const route = combinedRoute(routes)
        return route instanceof TracersConflict ? yield* route : Context.make(TraceRoute, route)
      })
    )
})
