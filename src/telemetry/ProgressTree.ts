/**
 * Progress as a tree of text, for terminals: what is under way by kind of work, what failed, and a line that sums up. Pure: a state, a size and the time give lines.
 *
 *     evaluating ./default.nix  3 s
 *     fetching
 *     └─ hello-2.10.tar.gz  0.4/0.7 MiB  57 %  1.1 MiB/s
 *     building 2, 5 waiting
 *     ├─ gcc-12.2.0  1 min 03 s  checking for getenv... yes
 *     └─ zlib-1.3
 *     built 3 of 10, reused 7, 1 min 10 s
 */
import type { WorkKind } from "../wire/Events.ts"
import { displayWidth, fitted, oneLine } from "./DisplayWidth.ts"
import { meanRateOf, type Model, rateOf, transferredOf, type Work } from "./ProgressModel.ts"
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

/** Failures that stay in view. */
const shownFailures = 3

type Part = readonly [text: string, sgr?: string | undefined]

const glyphs = (unicode: boolean) =>
  unicode ? { branch: "├─ ", last: "└─ ", failed: "✗ ", mark: "…" } : { branch: "|- ", last: "`- ", failed: "x ", mark: "~" }

export const paint = (text: string, sgr: string, color: boolean): string => (color && text !== "" ? `\x1b[${sgr}m${text}\x1b[0m` : text)

const dim = "2"
const bold = "1"
const red = "31"
const green = "32"

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

/** What each kind of work is called while it goes on, in the order of the groups. */
const groups: ReadonlyArray<readonly [kind: WorkKind, doing: string]> = [
  ["add-source", "reading"],
  ["substitute", "copying"],
  ["fetch", "fetching"],
  ["build", "building"]
]

/** The time, from a second on. */
const timer = (since: number, now: number): ReadonlyArray<Part> =>
  now - since < unremarkable ? [] : [[`  ${elapsedText(now - since)}`, dim]]

/** The last line that says something; of one that overwrites itself, what is to be seen. */
const spoken = (log: ReadonlyArray<string>): string => {
  for (const line of log.toReversed()) {
    for (const piece of line.split("\r").reverse()) {
      const text = oneLine(piece)
      if (text !== "") return text
    }
  }
  return ""
}

const transferParts = (work: Work, now: number): ReadonlyArray<Part> => {
  const { done, total } = work
  if (done === 0) return timer(work.since, now)
  const known = total !== undefined && total >= done && total > 0
  const amount = known ? `  ${bytesOfText(done, total)}  ${Math.floor((done / total) * 100)} %` : `  ${bytesText(done)}`
  const rate = now - work.since < unremarkable ? "" : `  ${bytesText(rateOf(work, now))}/s`
  return [[amount + rate], ...timer(work.since, now)]
}

const workParts = (work: Work, now: number): ReadonlyArray<Part> => {
  if (work.kind !== "build") return [[work.name, bold], ...transferParts(work, now)]
  const line = spoken(work.log)
  return [[work.name, bold], ...timer(work.since, now), ...(line === "" ? [] : [[`  ${line}`, dim] as const])]
}

interface Group {
  readonly kind: WorkKind
  readonly doing: string
  readonly works: ReadonlyArray<Work>
}

const groupsOf = (model: Model, now: number): Array<Group> =>
  groups.flatMap(([kind, doing]) => {
    const works = [...model.running.values()].filter(
      // Copies of local sources are too many and too quick to be news.
      (work) => work.kind === kind && (kind !== "add-source" || now - work.since >= unremarkable)
    )
    return works.length > 0 || (kind === "build" && model.waiting > 0) ? [{ kind, doing, works }] : []
  })

/** Rows for the works of each group: all that they need, else the room shared so that no group has two fewer than another that was cut. */
const share = (wanted: ReadonlyArray<number>, room: number): ReadonlyArray<number> => {
  const rows = wanted.map(() => 0)
  for (let left = room; left > 0;) {
    let poorest = -1
    for (const [i, want] of wanted.entries()) if (rows[i]! < want && (poorest === -1 || rows[i]! < rows[poorest]!)) poorest = i
    if (poorest === -1) break
    rows[poorest]!++
    left--
  }
  return rows
}

/** At most `height - 1` lines (one at least), each at most `width - 1` columns wide. */
export const treeLines = (model: Model, view: View, now: number): ReadonlyArray<string> => {
  const { branch, last, failed } = glyphs(view.unicode)
  const line = (...parts: ReadonlyArray<Part>) => lineOf(parts, view)
  const summary = line(...sumUp(model, now, false))
  let room = Math.max(1, view.height - 1) - 1
  const take = (lines: ReadonlyArray<string>): ReadonlyArray<string> => {
    const taken = lines.slice(0, Math.max(0, room))
    room -= taken.length
    return taken
  }
  // What failed matters most; what is evaluated stands first.
  const failures = take(
    model.failures.slice(-shownFailures).map((failure) => line([`${failed}${failure.name}`, red], [`  ${failure.message}`]))
  )
  const evaluations = take(
    [...model.running.values()]
      .filter((work) => work.kind === "evaluate")
      .slice(0, 1)
      .map((work) => line([`evaluating ${work.name}`], ...timer(work.since, now)))
  )
  const shown = groupsOf(model, now)
  // Too low for a header and a line of each: the summary has the numbers.
  while (shown.length > 0 && room < 2 * shown.length) shown.shift()
  const rows = share(
    shown.map(({ works }) => works.length),
    room - shown.length
  )
  const body = shown.flatMap(({ kind, doing, works }, at) => {
    const cut = works.length > rows[at]!
    const listed = cut ? works.slice(0, rows[at]! - 1) : works
    const waiting = kind === "build" && model.waiting > 0 ? `${works.length > 0 ? "," : ""} ${model.waiting} waiting` : ""
    const heading = works.length === 0 ? "builds:" : works.length === 1 ? doing : `${doing} ${works.length}`
    const children = listed.map((work, i) => line([!cut && i === listed.length - 1 ? last : branch, dim], ...workParts(work, now)))
    return [line([heading], [waiting, dim]), ...children, ...(cut ? [line([`${last}and ${works.length - listed.length} more`, dim])] : [])]
  })
  return [...evaluations, ...body, ...failures, summary]
}

const sumUp = (model: Model, now: number, ended: boolean): ReadonlyArray<Part> => {
  const { built, fetched, copied, reused, failed, waiting } = model
  const builds = [...model.running.values()].filter((work) => work.kind === "build").length
  const left = ended ? 0 : builds + waiting
  const bytes = transferredOf(model)
  const parts: Array<Part> = []
  const add = (text: string, sgr?: string) => parts.push([`${parts.length > 0 ? ", " : ""}${text}`, sgr])
  if (failed > 0) add(`failed ${failed}`, red)
  if (built > 0 || left > 0)
    add(left > 0 ? `built ${built} of ${built + left}` : `built ${built}`, ended && failed === 0 ? green : undefined)
  const rate = (count: number) => (bytes > 0 && count > 0 ? ` (${bytesText(bytes)}, ${bytesText(meanRateOf(model, now))}/s)` : "")
  if (copied > 0) add(`copied ${copied}${fetched > 0 ? "" : rate(copied)}`)
  if (fetched > 0) add(`fetched ${fetched}${rate(fetched)}`)
  if (reused > 0) add(`reused ${reused}`)
  const time = ended ? durationText(now - model.since) : elapsedText(now - model.since)
  return [...parts, [`${parts.length > 0 ? ", " : ""}${time}`, dim]]
}

/** The one line that stays when all is over; `undefined` where nothing was done that is worth a line. */
export const summaryLine = (model: Model, view: View, now: number): string | undefined =>
  model.built + model.fetched + model.copied + model.reused + model.failed === 0 ? undefined : lineOf(sumUp(model, now, true), view)
