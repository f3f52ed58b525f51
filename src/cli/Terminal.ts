/**
 * What standard error is and how it may be written to.
 */
import * as Effect from "effect/Effect"
import type { Terminal, TerminalEvents } from "../telemetry/LiveProgress.ts"
import { Color } from "./CommonFlags.ts"
import { colorFor, isTerminal, tellPart, terminalSize } from "./StandardStreams.ts"

/** Whether standard error shows colours, as `--color` says. */
export const colorWanted: Effect.Effect<boolean, never, typeof Color.Identifier> = Effect.map(Color, colorFor)

/** Standard error as a terminal on which the cursor can be moved; `undefined` where it is none. */
export const liveTerminal = (): Terminal | undefined => {
  if (!isTerminal(2) || process.env["TERM"] === "dumb") return undefined
  return {
    size: terminalSize,
    write: tellPart,
    watch
  }
}

const watch = (events: TerminalEvents): (() => void) => {
  // Node refreshes the size by itself, before it tells.
  const onResize = () => events.resized()
  const onStop = () => {
    events.suspended()
    process.kill(process.pid, "SIGSTOP")
  }
  const onContinue = () => events.resumed()
  const onExit = () => events.ending()
  const onQuit = () => {
    events.ending()
    // Listening had taken its effect away; the end above has stopped listening.
    process.kill(process.pid, "SIGQUIT")
  }
  process.stderr.on("resize", onResize)
  process.on("SIGTSTP", onStop)
  process.on("SIGCONT", onContinue)
  process.on("SIGQUIT", onQuit)
  process.on("exit", onExit)
  return () => {
    process.stderr.off("resize", onResize)
    process.off("SIGTSTP", onStop)
    process.off("SIGCONT", onContinue)
    process.off("SIGQUIT", onQuit)
    process.off("exit", onExit)
  }
}
