/**
 * Events as plain lines, one each, in the order in which they happen: for logs, pipes and terminals that nothing fancier is known of.
 *
 *     building hello-2.10
 *     hello-2.10> checking for gcc... gcc
 *     fetching hello-2.10.tar.gz
 *     hello-2.10 was cancelled
 *
 * Failures are not shown here: the command tells them at its end, with the reason.
 */
import type { Event, WorkKind } from "../wire/Events.ts"

export interface PlainOptions {
  /** 0: nothing but warnings and traces; 1: what begins, and logs; 2: what ends too; 3: debugging messages too. */
  readonly verbosity: number
  readonly color: boolean
  /** Takes one line, without its line end. */
  readonly write: (line: string) => void
  /** Makes a text from outside harmless for where `write` writes to. */
  readonly harmless: (text: string) => string
}

const verbs: { readonly [kind in WorkKind]: readonly [doing: string, done: string] } = {
  build: ["building", "built"],
  fetch: ["fetching", "fetched"],
  substitute: ["copying", "copied"],
  "add-source": ["adding", "added"]
}

/** A sink that writes lines. */
export const make = (options: PlainOptions): ((event: Event) => void) => {
  const { verbosity, write, harmless } = options
  const names = new Map<number, { readonly kind: WorkKind; readonly name: string; readonly since: number }>()
  const paint = (code: string, text: string) => (options.color ? `\x1b[${code}m${text}\x1b[0m` : text)
  const seconds = (since: number) => `${((Date.now() - since) / 1000).toFixed(1)} s`

  return (event) => {
    switch (event._tag) {
      case "Started":
        names.set(event.id, { kind: event.kind, name: event.name, since: Date.now() })
        // Copies of local sources are too many and too quick to be news.
        if (verbosity >= (event.kind === "add-source" ? 2 : 1)) write(`${verbs[event.kind][0]} ${paint("1", harmless(event.name))}`)
        return
      case "LogLine": {
        if (verbosity < 1) return
        const prefix = paint("2", `${harmless(names.get(event.id)?.name ?? "")}>`)
        write(`${prefix} ${harmless(event.line)}`)
        return
      }
      case "Done":
      case "Failed":
      case "Cancelled": {
        const work = names.get(event.id)
        names.delete(event.id)
        if (work === undefined || verbosity < 2) return
        const name = harmless(work.name)
        if (event._tag === "Done") write(`${verbs[work.kind][1]} ${name} in ${seconds(work.since)}`)
        else write(`${name} ${event._tag === "Failed" ? paint("31", "failed") : "was cancelled"} after ${seconds(work.since)}`)
        return
      }
      case "Message":
        if (event.level === "warning" || event.level === "trace" || verbosity >= (event.level === "info" ? 1 : 3))
          write(harmless(event.text))
        return
      case "Progress":
        return
    }
  }
}
