/**
 * The log of a command: Effect's, on standard error, in the form that `--log-format` says. While progress is shown it goes through that; before and after, here.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as References from "effect/References"
import { eventLogger } from "../telemetry/EventLogger.ts"
import * as JsonProgress from "../telemetry/JsonProgress.ts"
import { isShown, messageText } from "../telemetry/Messages.ts"
import { type Event, EventSink } from "../wire/Events.ts"
import { LogFormat, LogLevelFlag, Quiet, Verbose } from "./CommonFlags.ts"
import { harmless, tell } from "./StandardStreams.ts"

/** The least level of lines: `--log-level`, else as talkative as the rest. */
const leastLevel = Effect.gen(function* () {
  const given = yield* LogLevelFlag
  if (Option.isSome(given)) return given.value
  if (yield* Quiet) return "Warn"
  const more: ReadonlyArray<LogLevel.LogLevel> = ["Info", "Info", "Debug", "Trace"]
  return more[Math.min((yield* Verbose).length, 3)]!
})

/** Shows remarks where no display does. */
const plainSink = Effect.gen(function* () {
  const verbosity = (yield* Quiet) ? 0 : 1 + (yield* Verbose).length
  if ((yield* LogFormat) === "json") return JsonProgress.make(tell, Date.now)
  return (event: Event): void => {
    if (event._tag === "Message" && isShown(event, verbosity)) tell(harmless(messageText(event), false))
  }
})

/** The logger around a whole command, and where its lines go while nothing else shows them. */
export const logLayer = Layer.mergeAll(
  Logger.layer([eventLogger, Logger.tracerLogger]),
  Layer.effect(References.MinimumLogLevel, leastLevel),
  Layer.effect(EventSink, plainSink)
)
