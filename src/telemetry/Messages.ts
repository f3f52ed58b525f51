/**
 * Remarks and lines of the log as people read them.
 *
 *     warning: the near side of the blob service failed, the far side is used: …
 *     debug: trying again: … (client=127.0.0.1)
 */
import type { Event } from "../wire/Events.ts"

type Message = Extract<Event, { readonly _tag: "Message" }>

/** Whether it is for a display of that verbosity. Lines of the log were sorted out before they were written. */
export const isShown = ({ level, log }: Message, verbosity: number): boolean =>
  log !== undefined || level === "warning" || level === "error" || level === "trace" || verbosity >= (level === "info" ? 1 : 3)

const valueText = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? String(value)))

/** Without a line end. What a log line is goes before it, save for what is merely so; what goes with it stands behind. */
export const messageText = ({ level, text, log }: Message): string => {
  if (log === undefined) return text
  const annotations = Object.entries(log.annotations).map(([name, value]) => `${name}=${valueText(value)}`)
  return `${level === "info" ? "" : `${level}: `}${text}${annotations.length === 0 ? "" : ` (${annotations.join(", ")})`}`
}
