/**
 * A terminal of the simplest kind, for tests: it understands what `LiveScreen` writes, and throws on everything else. Wrapped rows are not joined again.
 */
import { displayWidth } from "../../src/telemetry/DisplayWidth.ts"

export class VirtualTerminal {
  /** All rows since the beginning, those that scrolled away too. */
  #rows: Array<string> = [""]
  #row = 0
  #column = 0
  cursorShown = true
  synchronized = false
  width: number
  height: number

  constructor(width: number, height: number) {
    this.width = width
    this.height = height
  }

  /** Rows without what is blank at their ends. */
  get rows(): ReadonlyArray<string> {
    const rows = this.#rows.map((row) => row.trimEnd())
    while (rows.length > 0 && rows.at(-1) === "") rows.pop()
    return rows
  }

  get cursor(): readonly [row: number, column: number] {
    return [this.#row, this.#column]
  }

  /** Wraps rows that are too wide, as terminals do; the cursor stays where it was in its text. */
  resize(width: number, height: number): void {
    const rows: Array<string> = []
    for (const [i, row] of this.#rows.entries()) {
      if (i === this.#row) this.#row = rows.length
      let rest = row
      while (displayWidth(rest) > width) {
        let cut = rest.length
        while (displayWidth(rest.slice(0, cut)) > width) cut--
        rows.push(rest.slice(0, cut))
        rest = rest.slice(cut)
      }
      rows.push(rest)
    }
    this.#rows = rows
    this.width = width
    this.height = height
  }

  write(text: string): void {
    for (const [token] of text.matchAll(/\x1b\[[?]?[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+|\x1b/g)) this.#obey(token)
  }

  #obey(token: string): void {
    const up = /^\x1b\[(\d+)A$/.exec(token)
    if (up !== null) {
      const top = Math.max(0, this.#rows.length - this.height)
      this.#row = Math.max(top, this.#row - Number(up[1]))
    } else if (token === "\r") this.#column = 0
    else if (token === "\n") {
      this.#row++
      if (this.#row === this.#rows.length) this.#rows.push("")
    } else if (token === "\x1b[J") {
      this.#rows.length = this.#row + 1
      this.#rows[this.#row] = this.#left()
    } else if (token === "\x1b[K") this.#rows[this.#row] = this.#left()
    else if (token === "\x1b[?25h" || token === "\x1b[?25l") this.cursorShown = token.endsWith("h")
    else if (token === "\x1b[?2026h" || token === "\x1b[?2026l") this.synchronized = token.endsWith("h")
    else if (/^\x1b\[[0-9;]*m$/.test(token)) return
    else if (token.startsWith("\x1b")) throw new Error(`not expected: ${JSON.stringify(token)}`)
    else {
      if (this.#column !== 0) throw new Error("texts begin at the left")
      const width = displayWidth(token)
      const row = this.#rows[this.#row]!
      // Writing over a longer row leaves its end.
      this.#rows[this.#row] = token + (displayWidth(row) > width ? "#".repeat(displayWidth(row) - width) : "")
      this.#written = token
      this.#column = width
    }
  }

  #written = ""

  /** What stands left of the cursor. */
  #left(): string {
    return this.#column === 0 ? "" : this.#written
  }
}
