/**
 * The bytes that turn what a terminal shows into what it shall show: lines that stay and scroll away, and below them a live area that is written anew. Only lines that
 * changed are written; each update is one synchronized update (`CSI ? 2026`), which terminals that do not know it pass over. Pure.
 *
 * Between updates the cursor, hidden while there is a live area, stands in the first column of the live area's last line: it stays there when a terminal that became narrower wraps the lines.
 */
import { stripVTControlCharacters } from "node:util"
import { displayWidth } from "./DisplayWidth.ts"

/** What the live area shows, and the width of the terminal when it was written. */
export interface Screen {
  readonly lines: ReadonlyArray<string>
  readonly width: number
}

export const empty: Screen = { lines: [], width: 0 }

export interface Update {
  /** Lines that go above the live area and stay. They may be wider than the terminal. */
  readonly above: ReadonlyArray<string>
  /** Narrower than `width`. */
  readonly lines: ReadonlyArray<string>
  readonly width: number
}

const begin = "\x1b[?2026h"
const end = "\x1b[?2026l"
const hideCursor = "\x1b[?25l"
const showCursor = "\x1b[?25h"
const eraseBelow = "\x1b[J"
const eraseRest = "\x1b[K"

const up = (rows: number): string => (rows > 0 ? `\x1b[${rows}A` : "")

/** Rows between the live area's first one and the cursor's, at another width than it was written for: terminals wrap lines that became too long. */
const rowsAbove = (screen: Screen, width: number): number => {
  let rows = 0
  for (const line of screen.lines.slice(0, -1))
    rows += width >= screen.width ? 1 : Math.max(1, Math.ceil(displayWidth(stripVTControlCharacters(line)) / Math.max(1, width)))
  return rows
}

/** To the first column of the live area's first line, with nothing below. */
const wipe = (screen: Screen, width: number): string => (screen.lines.length === 0 ? "" : `\r${up(rowsAbove(screen, width))}${eraseBelow}`)

/** What to write ("" where nothing changed), and what is to be seen then. */
export const update = (screen: Screen, { above, lines, width }: Update): readonly [bytes: string, screen: Screen] => {
  const next: Screen = { lines, width }
  const old = screen.lines
  if (above.length > 0 || width !== screen.width || lines.length < old.length || old.length === 0) {
    if (above.length === 0 && lines.length === 0 && old.length === 0) return ["", next]
    const kept = above.map((line) => `${line}\r\n`).join("")
    const cursor = lines.length > 0 ? hideCursor : showCursor
    return [`${begin}${wipe(screen, width)}${kept}${lines.join("\r\n")}\r${cursor}${end}`, next]
  }
  const first = lines.findIndex((line, i) => line !== old[i])
  if (first === -1) return ["", next]
  let bytes = ""
  // The row that the cursor is in, counted from the live area's first.
  let row = old.length - 1
  for (let i = first; i < lines.length; i++) {
    if (lines[i] === old[i]) continue
    bytes += i > row ? "\r" + "\n".repeat(i - row) : `\r${up(row - i)}`
    bytes += lines[i]! + eraseRest
    row = i
  }
  return [`${begin}${bytes}\r${"\n".repeat(lines.length - 1 - row)}${end}`, next]
}

/** Leaves the live area: it is wiped, `above` and then the cursor stand where it was. */
export const leave = (screen: Screen, above: ReadonlyArray<string>, width: number): string => {
  const text = above.map((line) => `${line}\r\n`).join("")
  return `${begin}${wipe(screen, width)}${text}${showCursor}${end}`
}
