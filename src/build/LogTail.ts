/**
 * The end of a log, in bounded memory, for error messages.
 */

/** Bytes kept. */
const capacity = 16 * 1024
/** Lines shown. */
const lineCount = 25

export class LogTail {
  #parts: Array<Uint8Array> = []
  #size = 0
  /** Bytes seen so far. */
  total = 0

  /** Keeps a copy: the caller may use the buffer again. */
  push(bytes: Uint8Array): void {
    this.total += bytes.length
    // Not `slice`, which for a Buffer is a view.
    this.#parts.push(Uint8Array.from(bytes.subarray(Math.max(0, bytes.length - capacity))))
    this.#size += Math.min(bytes.length, capacity)
    while (this.#size - this.#parts[0]!.length >= capacity) this.#size -= this.#parts.shift()!.length
  }

  /** The last lines, the oldest first; bytes that are not UTF-8 become U+FFFD. */
  lines(): ReadonlyArray<string> {
    const lines = Buffer.concat(this.#parts).toString("utf8").split("\n")
    if (lines[lines.length - 1] === "") lines.pop()
    // The first one may be cut.
    if (this.total > this.#size) lines.shift()
    return lines.slice(-lineCount)
  }
}
