/**
 * Shows what happens on standard error, as the common flags say.
 */
import * as Effect from "effect/Effect"
import * as JsonProgress from "../telemetry/JsonProgress.ts"
import * as PlainProgress from "../telemetry/PlainProgress.ts"
import { EventSink } from "../wire/Events.ts"
import { LogFormat, Quiet, Verbose } from "./CommonFlags.ts"
import { harmless, tell } from "./Output.ts"
import { colorWanted } from "./Terminal.ts"

/** Runs `use` with its events shown. */
export const withProgress = Effect.fnUntraced(function* <A, E, R>(use: Effect.Effect<A, E, R>) {
  const color = yield* colorWanted
  const verbosity = (yield* Quiet) ? 0 : 1 + (yield* Verbose).length
  const sink =
    (yield* LogFormat) === "json"
      ? JsonProgress.make(tell)
      : PlainProgress.make({ verbosity, color, write: tell, harmless: (text) => harmless(text, color) })
  return yield* Effect.provideService(use, EventSink, sink)
})
