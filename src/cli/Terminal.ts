/**
 * What standard error is and how it may be written to.
 */
import { isatty } from "node:tty"
import * as Effect from "effect/Effect"
import type { Terminal, TerminalEvents } from "../telemetry/LiveProgress.ts"
import { Color } from "./CommonFlags.ts"
import { tellPart } from "./Output.ts"

/** Whether standard error shows colours: as `--color` says, else on a terminal that is not dumb, unless `NO_COLOR` is set. */
export const colorWanted: Effect.Effect<boolean, never, typeof Color.Identifier> = Effect.map(Color, (choice) => {
  if (choice !== "auto") return choice === "always"
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  if ((NO_COLOR ?? "") !== "") return false
  if ((FORCE_COLOR ?? "") !== "" && FORCE_COLOR !== "0") return true
  return isatty(2) && TERM !== "dumb"
})

/** Whether the locale says that the terminal shows UTF-8. */
export const showsUnicode = (): boolean => {
  const { LC_ALL, LC_CTYPE, LANG } = process.env
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || "")
}

/** Whether this is a run of continuous integration, whose terminal, where there is one, is a log that people read later. */
export const runsForNobody = (): boolean => !["", "0", "false"].includes(process.env["CI"] ?? "")

/** Standard error as a terminal on which the cursor can be moved; `undefined` where it is none. */
export const liveTerminal = (): Terminal | undefined => {
  if (!isatty(2) || process.env["TERM"] === "dumb") return undefined
  return {
    // Terminals that do not know their size say 0.
    size: () => ({ width: process.stderr.columns || 80, height: process.stderr.rows || 24 }),
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
