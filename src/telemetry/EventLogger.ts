/** Effect's log as events: its lines go where all else that happens goes, so that they neither break a display nor get into a command's output. */
import * as Cause from "effect/Cause"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import * as Context from "effect/Context"
import { type Event, EventSink } from "../wire/Events.ts"

const levels: ReadonlyMap<LogLevel.LogLevel, Extract<Event, { readonly _tag: "Message" }>["level"]> = new Map([
  ["Fatal", "error"],
  ["Error", "error"],
  ["Warn", "warning"],
  ["Info", "info"]
])

const textOf = (value: unknown): string =>
  typeof value === "string" ? value : value instanceof Error ? value.message : (JSON.stringify(value) ?? String(value))

/** Emits each line to the sink of the fiber that writes it. */
export const eventLogger: Logger.Logger<unknown, void> = Logger.make(({ message, logLevel, cause, fiber }) => {
  const parts = (Array.isArray(message) ? message : [message]).map(textOf)
  if (cause.reasons.length > 0) parts.push(Cause.pretty(cause))
  const span = Option.getOrUndefined(Context.getOption(fiber.context, Tracer.ParentSpan))
  fiber.getRef(EventSink)({
    _tag: "Message",
    level: levels.get(logLevel) ?? "debug",
    text: parts.join(" "),
    log: {
      annotations: fiber.getRef(References.CurrentLogAnnotations),
      ...(span === undefined ? {} : { traceId: span.traceId, spanId: span.spanId })
    }
  })
})
