/**
 * A builder's output as lines: the last of them for error messages, each of them for the event stream. Lines are cut at `maxLine` bytes, a
 * carriage return at the end is dropped, bytes that are not UTF-8 become U+FFFD. Messages of Nix's own (`@nix {…}`) are not for readers.
 */

const maxLine = 64 * 1024
/** How many lines an error message shows. */
export const keptLines = 25

const newline = 10

export class LogLines {
  readonly #onLine: (line: string) => void
  readonly #decoder = new TextDecoder()
  readonly #last: Array<string> = []
  #rest: Array<Uint8Array> = []
  #restLength = 0

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(bytes: Uint8Array): void {
    let start = 0
    for (;;) {
      const end = bytes.indexOf(newline, start)
      if (end === -1) break
      this.#hold(bytes.subarray(start, end))
      this.#finishLine()
      start = end + 1
    }
    if (start < bytes.length) this.#hold(Uint8Array.from(bytes.subarray(start)))
  }

  /** A last line without its line end counts too. */
  end(): void {
    if (this.#restLength > 0) this.#finishLine()
  }

  /** At most `keptLines`. */
  get lastLines(): ReadonlyArray<string> {
    return this.#last
  }

  #hold(piece: Uint8Array): void {
    while (this.#restLength + piece.length > maxLine) {
      const room = maxLine - this.#restLength
      this.#rest.push(piece.subarray(0, room))
      this.#restLength = maxLine
      this.#finishLine()
      piece = piece.subarray(room)
    }
    this.#rest.push(piece)
    this.#restLength += piece.length
  }

  #finishLine(): void {
    const bytes = this.#rest.length === 1 ? this.#rest[0]! : Buffer.concat(this.#rest)
    this.#rest = []
    this.#restLength = 0
    const text = this.#decoder.decode(bytes)
    const line = text.endsWith("\r") ? text.slice(0, -1) : text
    if (line.startsWith("@nix {")) return
    this.#last.push(line)
    if (this.#last.length > keptLines) this.#last.shift()
    this.#onLine(line)
  }
}
