/**
 * Shows what happens on standard error, as the common flags say: as a tree on a terminal, else as lines.
 */
import * as Effect from "effect/Effect"
import { type Display, withDisplay } from "../telemetry/Display.ts"
import * as JsonProgress from "../telemetry/JsonProgress.ts"
import * as LiveProgress from "../telemetry/LiveProgress.ts"
import * as PlainProgress from "../telemetry/PlainProgress.ts"
import { LogFormat, Quiet, Verbose } from "./CommonFlags.ts"
import { harmless, runsForNobody, showsUnicode, tell } from "./StandardStreams.ts"
import { colorWanted, liveTerminal } from "./Terminal.ts"

/** Runs `use` with its events shown. */
export const withProgress = Effect.fnUntraced(function* <A, E, R>(use: Effect.Effect<A, E, R>) {
  const color = yield* colorWanted
  const verbosity = (yield* Quiet) ? 0 : 1 + (yield* Verbose).length
  const format = yield* LogFormat
  const wanted = format === "tree" || (format === "auto" && !runsForNobody())
  const terminal = verbosity > 0 && wanted ? liveTerminal() : undefined
  const display = (now: () => number): Display => {
    if (format === "json") return { emit: JsonProgress.make(tell, now), every: 60_000, tick: () => {}, end: () => {} }
    const safely = (text: string) => harmless(text, color)
    return terminal === undefined
      ? PlainProgress.make({ verbosity, color, write: tell, harmless: safely }, now)
      : LiveProgress.make({ verbosity, color, unicode: showsUnicode(), harmless: safely, terminal }, now)
  }
  return yield* withDisplay(display, use)
})
