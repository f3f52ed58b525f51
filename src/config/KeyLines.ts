/**
 * On which line of a TOML text each table and key stands, for messages about what a parsed document says. The text must be valid TOML: it is walked, not checked.
 */

/** Parts of a key → line, from 1. */
export class KeyLines {
  readonly #lines = new Map<string, number>()

  constructor(text: string) {
    new Walk(text, (path, line) => {
      const key = JSON.stringify(path)
      if (!this.#lines.has(key)) this.#lines.set(key, line)
    }).document()
  }

  /** The line of the key, or of the nearest table around it that the text names; 0 when there is none. */
  lineOf(path: ReadonlyArray<string>): number {
    for (let length = path.length; length > 0; length--) {
      const line = this.#lines.get(JSON.stringify(path.slice(0, length)))
      if (line !== undefined) return line
    }
    return 0
  }
}

const bare = /[A-Za-z0-9_-]/

class Walk {
  readonly #text: string
  readonly #found: (path: ReadonlyArray<string>, line: number) => void
  #at = 0
  #line = 1

  constructor(text: string, found: (path: ReadonlyArray<string>, line: number) => void) {
    this.#text = text
    this.#found = found
  }

  document(): void {
    let table: ReadonlyArray<string> = []
    for (this.#blank(true); this.#at < this.#text.length; this.#blank(true)) {
      if (this.#peek() !== "[") {
        this.#pair(table)
        continue
      }
      const line = this.#line
      while (this.#peek() === "[") this.#at++
      table = this.#key([])
      this.#tell(table, 0, line)
      while (this.#peek() === "]") this.#at++
    }
  }

  #peek(): string | undefined {
    return this.#text[this.#at]
  }

  /** Skips spaces and comments, and line ends where they mean nothing. */
  #blank(lineEnds: boolean): void {
    for (let c = this.#peek(); c !== undefined; c = this.#peek()) {
      if (c === "#") while (this.#at < this.#text.length && this.#peek() !== "\n") this.#at++
      else if (c === " " || c === "\t" || c === "\r" || (lineEnds && c === "\n")) this.#step()
      else return
    }
  }

  #step(): void {
    if (this.#text[this.#at++] === "\n") this.#line++
  }

  /** Tells of a path and of the tables that its parts imply. */
  #tell(path: ReadonlyArray<string>, from: number, line: number): void {
    for (let length = from + 1; length <= path.length; length++) this.#found(path.slice(0, length), line)
  }

  #key(table: ReadonlyArray<string>): ReadonlyArray<string> {
    const path = [...table]
    for (;;) {
      this.#blank(false)
      const c = this.#peek()
      if (c === '"' || c === "'") {
        const start = this.#at
        this.#string()
        const raw = this.#text.slice(start, this.#at)
        path.push(c === "'" ? raw.slice(1, -1) : unescaped(raw))
      } else {
        const start = this.#at
        while (bare.test(this.#peek() ?? "")) this.#at++
        path.push(this.#text.slice(start, this.#at))
      }
      this.#blank(false)
      if (this.#peek() !== ".") return path
      this.#at++
    }
  }

  #pair(table: ReadonlyArray<string>): void {
    const line = this.#line
    const start = this.#at
    const path = this.#key(table)
    this.#tell(path, table.length, line)
    if (this.#peek() === "=") this.#at++
    this.#value(path)
    // Always onward, even through a text that is not TOML after all.
    if (this.#at === start) this.#step()
  }

  #value(path: ReadonlyArray<string>): void {
    this.#blank(false)
    const c = this.#peek()
    if (c === '"' || c === "'") this.#string()
    else if (c === "{" || c === "[") {
      const end = c === "{" ? "}" : "]"
      this.#at++
      for (let index = 0; this.#at < this.#text.length; index++) {
        this.#blank(true)
        if (this.#peek() === end) break
        if (end === "}") this.#pair(path)
        else {
          this.#found([...path, String(index)], this.#line)
          this.#value([...path, String(index)])
        }
        this.#blank(true)
        if (this.#peek() !== ",") break
        this.#at++
      }
      this.#at++
    } else while (this.#at < this.#text.length && !/[\n,\]}#]/.test(this.#peek()!)) this.#at++
  }

  #string(): void {
    const quote = this.#peek()!
    const long = this.#text.startsWith(quote.repeat(3), this.#at)
    const end = long ? quote.repeat(3) : quote
    this.#at += end.length
    while (this.#at < this.#text.length && !this.#text.startsWith(end, this.#at)) {
      if (quote === '"' && this.#peek() === "\\") this.#step()
      this.#step()
    }
    this.#at += end.length
    // `""""` at the end: up to two quotes belong to the string.
    if (long) while (this.#peek() === quote) this.#at++
  }
}

/** A basic string as its text; one with escapes that JSON lacks stays as it is written. */
const unescaped = (raw: string): string => {
  try {
    return JSON.parse(raw) as string
  } catch {
    return raw.slice(1, -1)
  }
}
