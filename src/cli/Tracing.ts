/**
 * Traces of a command, as the common flags, the environment and the composition say. A command without traces loads nothing for them.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { configMayTrace } from "../config/ConfigFile.ts"
import { settingsOf } from "../telemetry/TraceSettings.ts"
import { EventSink } from "../wire/Events.ts"
import { Otlp, Quiet, TraceOut } from "./CommonFlags.ts"
import { foundConfig, stateDirectory } from "./Configuration.ts"
import { logLayer } from "./Logs.ts"

/** The tracer of the composition, if it has one. */
const composedTracer = Effect.gen(function* () {
  const found = yield* foundConfig
  if (found === undefined || !configMayTrace(found)) return undefined
  const [{ load }, { layersOf }] = yield* Effect.promise(() =>
    Promise.all([import("../config/LoadConfig.ts"), import("../config/CompositionLayers.ts")])
  )
  const composition = yield* load(found, { stateDirectory: yield* stateDirectory })
  return composition.instances.has("tracers.root") ? layersOf(composition).service("tracers", "root") : undefined
})

/**
 * The log and the tracer around a whole command. `composed`: the tracers of the configuration take part; not where a command is to look at the configuration, whatever
 * is wrong with it.
 */
export const tracingLayer = (composed: boolean) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const settings = settingsOf({ otlp: Option.getOrUndefined(yield* Otlp), file: Option.getOrUndefined(yield* TraceOut) }, process.env)
      const emit = yield* EventSink
      const quiet = yield* Quiet
      const remark = (text: string): void => {
        if (!quiet) emit({ _tag: "Message", level: "warning", text, log: { annotations: {} } })
      }
      if (settings.remark !== undefined) remark(settings.remark)
      const tracer = composed ? yield* composedTracer : undefined
      if (settings.otlp === undefined && settings.file === undefined && tracer === undefined) return Layer.empty
      const [{ layer }, { TraceRemarks, TracesStayHere }] = yield* Effect.promise(() =>
        Promise.all([import("../telemetry/Tracing.ts"), import("../telemetry/TraceRoute.ts")])
      )
      return layer(settings, tracer).pipe(
        Layer.provide([Layer.succeed(TraceRemarks, remark), Layer.succeed(TracesStayHere, settings.silent)])
      )
    })
  ).pipe(Layer.provideMerge(logLayer))
