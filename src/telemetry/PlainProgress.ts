/**
 * Events as plain lines, one each, in the order in which they happen: for logs, pipes and terminals that nothing fancier is known of.
 *
 *     building hello-2.10
 *     hello-2.10> checking for gcc... gcc
 *     fetching hello-2.10.tar.gz
 *     still fetching hello-2.10.tar.gz (0.3/0.7 MiB, 12 s)
 *     hello-2.10 was cancelled
 *
 * Failures are not shown here: the command tells them at its end, with the reason.
 */
import type { Event, WorkKind } from "../wire/Events.ts"
import type { Display } from "./Display.ts"
import { isShown, messageText } from "./Messages.ts"
import { initial, reduce, type Work } from "./ProgressModel.ts"
import { paint, summaryLine } from "./ProgressTree.ts"
import { bytesOfText, bytesText, durationText, elapsedText } from "./Quantities.ts"

export interface PlainOptions {
  /** 0: nothing but warnings and traces; 1: what begins, logs, and a sign of life; 2: what ends too; 3: debugging messages too. */
  readonly verbosity: number
  readonly color: boolean
  /** Takes one line, without its line end. */
  readonly write: (line: string) => void
  /** Makes a text from outside harmless for where `write` writes to. */
  readonly harmless: (text: string) => string
}

/** Milliseconds of silence after which a line tells what is still going on. */
const heartbeat = 10_000

/** Pieces of work that this line names. */
const named = 3

export const verbs: { readonly [kind in WorkKind]: readonly [doing: string, done: string] } = {
  build: ["building", "built"],
  fetch: ["fetching", "fetched"],
  substitute: ["copying", "copied"],
  "add-source": ["adding", "added"],
  evaluate: ["evaluating", "evaluated"]
}

/** Copies of local sources are too many and too quick to be news, evaluations are what every command begins with. */
const quiet: ReadonlySet<WorkKind> = new Set<WorkKind>(["add-source", "evaluate"])

export const make = (options: PlainOptions, now: () => number): Display => {
  const { verbosity, harmless, color } = options
  let model = initial(now())
  let lastWritten = now()

  const write = (line: string): void => {
    lastWritten = now()
    options.write(line)
  }

  const report = (event: Event): void => {
    switch (event._tag) {
      case "Started":
        if (verbosity >= (quiet.has(event.kind) ? 2 : 1)) write(`${verbs[event.kind][0]} ${paint(harmless(event.name), "1", color)}`)
        return
      case "LogLine": {
        if (verbosity < 1) return
        const prefix = paint(`${model.running.get(event.id)?.name ?? ""}>`, "2", color)
        write(`${prefix} ${harmless(event.line)}`)
        return
      }
      case "Done":
      case "Failed":
      case "Cancelled": {
        const work = model.running.get(event.id)
        if (work === undefined || verbosity < 2) return
        const time = durationText(now() - work.since)
        if (event._tag === "Done") write(`${verbs[work.kind][1]} ${work.name} in ${time}`)
        else write(`${work.name} ${event._tag === "Failed" ? paint("failed", "31", color) : "was cancelled"} after ${time}`)
        return
      }
      case "Message":
        if (isShown(event, verbosity)) write(harmless(messageText(event)))
        return
    }
  }

  const stillText = (work: Work): string => {
    const { done, total } = work
    if (work.kind === "evaluate" && total !== undefined)
      return `evaluating ${work.name} (${done} of ${total}, ${elapsedText(now() - work.since)})`
    const bytes = done === 0 ? "" : `${total !== undefined && total >= done ? bytesOfText(done, total) : bytesText(done)}, `
    return `${verbs[work.kind][0]} ${work.name} (${bytes}${elapsedText(now() - work.since)})`
  }

  return {
    every: 1000,
    emit: (event) => {
      report(event)
      model = reduce(model, event, now())
    },
    tick: () => {
      if (verbosity < 1 || now() - lastWritten < heartbeat || model.running.size === 0) return
      const all = [...model.running.values()]
      const worldly = all.filter((work) => work.kind !== "evaluate")
      const works = worldly.length > 0 ? worldly : all
      const more = works.length > named ? ` and ${works.length - named} more` : ""
      write(`still ${works.slice(0, named).map(stillText).join(", ")}${more}`)
    },
    end: () => {
      const summary = summaryLine(model, { width: 10_000, height: 1, color, unicode: true }, now())
      if (verbosity >= 1 && summary !== undefined && model.built + model.fetched + model.copied + model.failed > 0) write(summary)
    }
  }
}
