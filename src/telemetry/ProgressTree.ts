/**
 * Progress as lines of text, for terminals: a tree that stands on its goals, as it grows in nix-output-monitor, and a line that sums up. Above each piece of work stands what it waits for.
 * Pure: a state, a size and the time give lines.
 *
 *      ┌─ ↓ gcc-12.2.0.tar.xz  20.0/130.0 MiB  15 %  5.0 MiB/s  4 s
 *      ├─ ▸ zlib-1.3  1 min 03 s  checking for getenv... yes
 *     ┌─ · gcc-12.2.0  waits for 2
 *     · hello-2.10  waits for 1
 *      ┌─ ▸ generated.nix  2 s
 *     ▸ evaluating ./default.nix  3 s
 *     ✗ broken-1.0  builder failed with exit code 2
 *       > make: *** [all] Error 2
 *     failed 1, built 3 of 10, reused 7, 1 min 10 s
 */
import { displayWidth, fitted, oneLine } from "./DisplayWidth.ts"
import type { Plan } from "./ProgressGraph.ts"
import { type Failure, meanRateOf, type Model, rateOf, transferredOf, type Work } from "./ProgressModel.ts"
import { forestOf, type Shown, type Tree } from "./ProgressForest.ts"
import { bytesOfText, bytesText, durationText, elapsedText } from "./Quantities.ts"

export interface Style {
  readonly color: boolean
  /** False: ASCII only, for terminals without UTF-8. */
  readonly unicode: boolean
}

export interface View extends Style {
  /** Columns and rows of the terminal. */
  readonly width: number
  readonly height: number
}

/** Milliseconds of which nothing is told: most work is quicker. */
const unremarkable = 1000

/** Failures that stay in view, and lines that each may show of its log. */
const shownFailures = 3
const tailLines = 5

type Part = readonly [text: string, sgr?: string | undefined]

// Of one column everywhere: emoji such as the usual signs for "play" and "pause" are two columns wide on some terminals.
const glyphs = (unicode: boolean) =>
  unicode
    ? { first: "┌─ ", other: "├─ ", beside: "│  ", running: "▸ ", transfer: "↓ ", waiting: "· ", failed: "✗ ", mark: "…" }
    : { first: ",- ", other: "|- ", beside: "|  ", running: "> ", transfer: "v ", waiting: ". ", failed: "x ", mark: "~" }

export const paint = (text: string, sgr: string, color: boolean): string => (color && text !== "" ? `\x1b[${sgr}m${text}\x1b[0m` : text)

const dim = "2"
const bold = "1"
const red = "31"
const green = "32"
const yellow = "33"
const blue = "34"

/** The parts beside each other, cut where the terminal ends. The last column stays free, since terminals differ in what follows on writing to it. */
const lineOf = (parts: ReadonlyArray<Part>, view: View): string => {
  const { mark } = glyphs(view.unicode)
  let left = view.width - 1
  let line = ""
  for (const [text, sgr] of parts) {
    const piece = fitted(text, left, mark)
    line += sgr === undefined ? piece : paint(piece, sgr, view.color)
    left -= displayWidth(piece)
    if (piece !== text) break
  }
  return line
}

/** The time, from a second on. */
const timer = (since: number, now: number): ReadonlyArray<Part> =>
  now - since < unremarkable ? [] : [[`  ${elapsedText(now - since)}`, dim]]

/** The last lines that say something, at most `count`; of one that overwrites itself, what is to be seen. */
const spoken = (log: ReadonlyArray<string>, count: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (let i = log.length - 1; i >= 0 && lines.length < count; i--) {
    const text = log[i]!.split("\r").map(oneLine).findLast((piece) => piece !== "") // prettier-ignore
    if (text !== undefined) lines.unshift(text)
  }
  return lines
}

const transferParts = (work: Work, now: number): ReadonlyArray<Part> => {
  const { done, total } = work
  if (done === 0) return timer(work.since, now)
  const known = total !== undefined && total >= done && total > 0
  const amount = known ? `  ${bytesOfText(done, total)}  ${Math.floor((done / total) * 100)} %` : `  ${bytesText(done)}`
  const rate = now - work.since < unremarkable ? "" : `  ${bytesText(rateOf(work, now))}/s`
  return [[amount + rate], ...timer(work.since, now)]
}

const workParts = (work: Work, now: number, style: Style): ReadonlyArray<Part> => {
  const { running, transfer } = glyphs(style.unicode)
  switch (work.kind) {
    case "build":
      return [
        [running, yellow],
        [work.name, bold],
        ...timer(work.since, now),
        ...spoken(work.log, 1).map((line) => [`  ${line}`, dim] as const)
      ]
    case "fetch":
    case "substitute":
      return [[transfer, yellow], [work.name, bold], ...transferParts(work, now)]
    case "add-source":
      return [[running, yellow], ["reading "], [work.name, bold], ...timer(work.since, now)]
    case "evaluate": {
      const far = work.total === undefined ? "" : `  ${work.done} of ${work.total}`
      return [[running, yellow], ["evaluating "], [work.name, bold], [far], ...timer(work.since, now)]
    }
  }
}

const planParts = (plan: Plan, unfinished: number, style: Style): ReadonlyArray<Part> => [
  [glyphs(style.unicode).waiting, blue],
  [plan.name],
  [unfinished > 0 ? `  waits for ${unfinished}` : "  waits its turn", dim]
]

const failureParts = (failure: Failure, style: Style): ReadonlyArray<Part> => [
  [`${glyphs(style.unicode).failed}${failure.name}`, red],
  [`  ${failure.message}`]
]

const partsOf = (shown: Shown, now: number, style: Style): ReadonlyArray<Part> => {
  switch (shown._tag) {
    case "Work":
      return workParts(shown.work, now, style)
    case "Plan":
      return planParts(shown.plan, shown.unfinished, style)
    case "Failure":
      return failureParts(shown.failure, style)
  }
}

/** At most `height - 1` lines (one at least), each at most `width - 1` columns wide. */
export const treeLines = (model: Model, view: View, now: number): ReadonlyArray<string> => {
  const { first, other, beside } = glyphs(view.unicode)
  const line = (...parts: ReadonlyArray<Part>) => lineOf(parts, view)
  const summary = line(...sumUp(model, now, false, view.width - 1))
  const room = Math.max(1, view.height - 1) - 1
  if (room === 0) return [summary]
  const failures = model.failures.slice(-Math.min(shownFailures, room))
  // Log lines take no more than an eighth of the screen.
  const each = failures.length === 0 ? 0 : Math.min(tailLines, Math.floor(room / 8 / failures.length))
  const tails = new Map(failures.map((failure) => [failure, spoken(failure.log, each)]))
  const tailed = [...tails.values()].reduce((count, lines) => count + lines.length, 0)
  const depth = Math.max(1, Math.floor(view.width / 2 / first.length))
  const forest = forestOf(model, { rows: room - tailed, failures: failures.length, depth }, now)

  const lines: Array<string> = []
  /** A tree from its top on. `above` stands before what it waits for, `own` before itself, `below` before what comes between it and its dependent. */
  const draw = ({ shown, needs }: Tree, above: string, own: string, below: string): void => {
    for (const [i, need] of needs.entries())
      draw(need, `${above}${i === 0 ? "   " : beside}`, `${above}${i === 0 ? first : other}`, `${above}${beside}`)
    lines.push(line([own, dim], ...partsOf(shown, now, view)))
    if (shown._tag === "Failure") for (const text of tails.get(shown.failure) ?? []) lines.push(line([`${below}  > ${text}`, dim]))
  }
  for (const tree of forest.trees) draw(tree, "", "", "")
  const { running, waiting } = forest
  if (running + waiting === 0 || lines.length === room) return [...lines, summary]
  const hidden = waiting === 0 ? " running" : running === 0 ? " waiting" : `: ${running} running, ${waiting} waiting`
  return [line([`${view.unicode ? "…" : "..."} and ${running + waiting} more${hidden}`, dim]), ...lines, summary]
}

interface Count {
  readonly text: string
  readonly sgr?: string | undefined
  /** Those with the greatest number go first where there is too little room. */
  readonly dispensable: number
}

const sumUp = (model: Model, now: number, ended: boolean, columns: number): ReadonlyArray<Part> => {
  const { built, fetched, copied, evaluated, reused, failed } = model
  const running = { build: 0, fetch: 0, substitute: 0, "add-source": 0, evaluate: 0 }
  if (!ended) for (const { kind } of model.running.values()) running[kind]++
  const bytes = transferredOf(model)
  const counts: Array<Count> = []
  /** So many of so many; nothing where there is neither. */
  const add = (what: string, done: number, left: number, dispensable: number, sgr?: string): boolean => {
    if (done + left === 0) return false
    counts.push({ text: left > 0 ? `${what} ${done} of ${done + left}` : `${what} ${done}`, sgr, dispensable })
    return true
  }
  add("failed", failed, 0, 0, red)
  add("built", built, ended ? 0 : running.build + model.waiting, 0, ended && failed === 0 ? green : undefined)
  const transferred = [add("copied", copied, running.substitute, 1), add("fetched", fetched, running.fetch, 1)]
  if (bytes > 0 && transferred.includes(true))
    counts.push({ text: `(${bytesText(bytes)}, ${bytesText(meanRateOf(model, now))}/s)`, dispensable: 3 })
  add("reused", reused, 0, 2)
  // One evaluation is what every command begins with.
  if (!ended && evaluated + running.evaluate > 1) add("evaluated", evaluated, running.evaluate, 4)
  const time = ended ? durationText(now - model.since) : elapsedText(now - model.since)
  const partsWithout = (dispensable: number): ReadonlyArray<Part> => {
    const kept = counts.filter((count) => count.dispensable < dispensable)
    const parts = kept.map(({ text, sgr }, i): Part => [`${i === 0 ? "" : text.startsWith("(") ? " " : ", "}${text}`, sgr])
    return [...parts, [`${parts.length > 0 ? ", " : ""}${time}`, dim]]
  }
  for (let dispensable = 5; dispensable > 1; dispensable--) {
    const parts = partsWithout(dispensable)
    if (parts.reduce((width, [text]) => width + text.length, 0) <= columns) return parts
  }
  return partsWithout(1)
}

/** The one line that stays when all is over; `undefined` where nothing was done that is worth a line. */
export const summaryLine = (model: Model, view: View, now: number): string | undefined =>
  model.built + model.fetched + model.copied + model.reused + model.failed === 0
    ? undefined
    : lineOf(sumUp(model, now, true, view.width - 1), view)
