/**
 * Progress on a terminal: a tree that is redrawn at most ten times a second, above it what stays: warnings, traces, the last log lines of builds that failed. While no
 * work is under way the terminal belongs to others: then there is no tree, and messages are written at once.
 *
 * Nothing is written before the first tenth of a second is over, so quick commands leave no trace. When the display ends, by whatever end the process itself can
 * see, the live area is gone, the cursor is back, and one line sums up. Writes go to one place only, the given terminal.
 */
import type { Event } from "../wire/Events.ts"
import type { Display, Outcome } from "./Display.ts"
import * as LiveScreen from "./LiveScreen.ts"
import { isShown, messageText } from "./Messages.ts"
import { verbs } from "./PlainProgress.ts"
import { initial, isIdle, reduce } from "./ProgressModel.ts"
import { paint, type Style, summaryLine, treeLines } from "./ProgressTree.ts"
import { durationText } from "./Quantities.ts"

/** What may happen to a terminal, and to the process behind it. */
export interface TerminalEvents {
  readonly resized: () => void
  /** The process is about to be stopped (Ctrl-Z); afterwards it is told `resumed`, if it ever goes on. */
  readonly suspended: () => void
  readonly resumed: () => void
  /** The process ends now, without another turn. */
  readonly ending: () => void
}

export interface Terminal {
  /** Columns and rows, at least 1. */
  readonly size: () => { readonly width: number; readonly height: number }
  /** Writes at once. */
  readonly write: (text: string) => void
  /** Until the returned function is called. */
  readonly watch: (events: TerminalEvents) => () => void
}

export interface LiveOptions extends Style {
  /** 1: what is under way, warnings and traces; 2: log lines and what ends too; 3: debugging messages too. */
  readonly verbosity: number
  /** Makes a text from outside harmless for the terminal. */
  readonly harmless: (text: string) => string
  readonly terminal: Terminal
}

/** Milliseconds between two pictures. */
const frame = 100

/** Milliseconds that a failure waits to be shown above the tree: a command that ends with it needs about as long to end its other work, and tells it itself. */
const reserve = 1000

/** A line for above the tree. `due`: not to be shown before. `repeated`: the command's error message has it too. */
interface News {
  readonly text: string
  readonly due: number
  readonly repeated: boolean
}

export const make = (options: LiveOptions, now: () => number): Display => {
  const { terminal, color, verbosity, harmless } = options
  let model = initial(now())
  let screen = LiveScreen.empty
  let news: Array<News> = []
  let stopped = false

  const tell = (text: string, repeated = false): void => {
    for (const line of text.split("\n")) news.push({ text: line, due: repeated ? now() + reserve : 0, repeated })
  }

  const logLine = (name: string, line: string): string =>
    `${paint(`${name}>`, "2", color)} ${harmless(line.slice(line.lastIndexOf("\r") + 1))}`

  /** What of an event stays on the terminal. The state is that before the event. */
  const report = (event: Event): void => {
    switch (event._tag) {
      case "LogLine":
        if (verbosity >= 2) tell(logLine(model.running.get(event.id)?.name ?? "", event.line))
        return
      case "Failed": {
        const work = model.running.get(event.id)
        if (work === undefined || work.kind === "evaluate") return
        if (verbosity < 2) for (const line of work.log) tell(logLine(work.name, line), true)
        tell(`${work.name} ${paint("failed", "31", color)} after ${durationText(now() - work.since)}`, true)
        return
      }
      case "Done": {
        const work = model.running.get(event.id)
        if (work !== undefined && verbosity >= 2) tell(`${verbs[work.kind][1]} ${work.name} in ${durationText(now() - work.since)}`)
        return
      }
      case "Message":
        if (isShown(event, verbosity)) tell(harmless(messageText(event)))
        return
    }
  }

  const view = () => ({ ...terminal.size(), color, unicode: options.unicode })

  const draw = (): void => {
    if (stopped) return
    const time = now()
    const above = news.filter(({ due }) => due <= time).map(({ text }) => text)
    news = news.filter(({ due }) => due > time)
    const size = view()
    const lines = isIdle(model) ? [] : treeLines(model, size, time)
    const [bytes, next] = LiveScreen.update(screen, { above, lines, width: size.width })
    screen = next
    if (bytes !== "") terminal.write(bytes)
  }

  /** All work is over, for now: whoever asked for it may write to the terminal next, what failed included. */
  const rest = (): void => {
    news = news.filter(({ repeated }) => !repeated)
    if (screen.lines.length > 0 || news.length > 0) draw()
  }

  /** Takes the tree away and writes what has to be said; `terminal.write` is not called where neither is there. */
  const retire = (lines: ReadonlyArray<string>): void => {
    if (screen.lines.length > 0 || lines.length > 0) terminal.write(LiveScreen.leave(screen, lines, terminal.size().width))
    screen = LiveScreen.empty
    news = []
  }

  const end = (outcome: Outcome): void => {
    if (stopped) return
    stopped = true
    unwatch()
    // A command that failed tells the same in a moment.
    const lines = news.filter(({ repeated }) => !(repeated && outcome === "failed")).map(({ text }) => text)
    const summary = summaryLine(model, view(), now())
    retire(summary === undefined ? lines : [...lines, summary])
  }

  const unwatch = terminal.watch({
    // The next picture finds the new size, and is a whole one.
    resized: () => {},
    suspended: () => {
      retire(news.map(({ text }) => text))
    },
    resumed: draw,
    ending: () => end("interrupted")
  })

  return {
    every: frame,
    emit: (event) => {
      if (stopped) return
      report(event)
      model = reduce(model, event, now())
      if (isIdle(model)) rest()
    },
    tick: draw,
    end
  }
}
