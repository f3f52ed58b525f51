/**
 * Traces of a command, as the common flags and the environment say. A command without traces loads nothing for them.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as JsonProgress from "../telemetry/JsonProgress.ts"
import { settingsOf } from "../telemetry/TraceSettings.ts"
import { LogFormat, Otlp, Quiet, TraceOut } from "./CommonFlags.ts"
import { tell } from "./Output.ts"

/** The tracer around a whole command. */
export const tracingLayer = Layer.unwrap(
  Effect.gen(function* () {
    const flags = { otlp: Option.getOrUndefined(yield* Otlp), file: Option.getOrUndefined(yield* TraceOut) }
    const settings = settingsOf(flags, process.env)
    const quiet = yield* Quiet
    const json = (yield* LogFormat) === "json"
    const remark = (text: string): void => {
      if (json) JsonProgress.make(tell, Date.now)({ _tag: "Message", level: "warning", text })
      else if (!quiet) tell(`warning: ${text}`)
    }
    if (settings.remark !== undefined) remark(settings.remark)
    if (settings.otlp === undefined && settings.file === undefined) return Layer.empty
    const { layer } = yield* Effect.promise(() => import("../telemetry/Tracing.ts"))
    return layer(settings, remark)
  })
)
