/**
 * Input for the decoders that are written as generators: bytes are pushed in as they come and taken out in the sizes that a format needs.
 *
 * A decoder is a generator that yields a piece of output, or `undefined` when it wants more input. So a format reads top to bottom like its
 * specification, nothing is read ahead of need, and whoever drives it may pause between any two pieces. Pure.
 */

/** The compressed data is damaged, cut off, or needs something that is not supported. The driver adds the format. */
export class Malformed extends Error {
  readonly kind: "corrupt" | "truncated" | "unsupported"

  constructor(kind: "corrupt" | "truncated" | "unsupported", detail: string) {
    super(detail)
    this.kind = kind
  }
}

/** Output pieces; `undefined` asks for more input. */
export type Decoder = Generator<Uint8Array | undefined, void>

export class Input {
  private pieces: Array<Uint8Array> = []
  /** Bytes of the first piece that were taken already. */
  private offset = 0
  /** Bytes that can be taken at once. */
  available = 0
  /** Whether nothing more will be pushed. */
  ended = false

  push(piece: Uint8Array): void {
    if (piece.length === 0) return
    this.pieces.push(piece)
    this.available += piece.length
  }

  end(): void {
    this.ended = true
  }

  /** Waits until `count` bytes are there or the input has ended. */
  *fill(count: number): Generator<undefined, void> {
    while (this.available < count && !this.ended) yield undefined
  }

  /** The next `count` bytes. They may share memory with what was pushed. */
  *take(count: number, what: string): Generator<undefined, Uint8Array> {
    yield* this.fill(count)
    if (this.available < count) throw new Malformed("truncated", `the data ends in the middle of ${what}`)
    return this.pull(count)
  }

  /** As `take`, for bytes that are known to be there. */
  pull(count: number): Uint8Array {
    this.available -= count
    const first = this.pieces[0]
    if (first !== undefined && first.length - this.offset > count) {
      const part = first.subarray(this.offset, this.offset + count)
      this.offset += count
      return part
    }
    if (first !== undefined && first.length - this.offset === count) {
      const part = first.subarray(this.offset)
      this.pieces.shift()
      this.offset = 0
      return part
    }
    const whole = new Uint8Array(count)
    let at = 0
    while (at < count) {
      const piece = this.pieces[0]!
      const part = piece.subarray(this.offset, this.offset + count - at)
      whole.set(part, at)
      at += part.length
      this.offset += part.length
      if (this.offset === piece.length) {
        this.pieces.shift()
        this.offset = 0
      }
    }
    return whole
  }

  /** At least one and at most `limit` bytes, without copying; some must be there. */
  pullSome(limit: number): Uint8Array {
    return this.pull(Math.min(limit, this.pieces[0]!.length - this.offset))
  }

  /** Puts bytes back in front, so that they are taken next. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    const first = this.pieces[0]
    if (first !== undefined && this.offset > 0) this.pieces[0] = first.subarray(this.offset)
    this.offset = 0
    this.pieces.unshift(bytes)
    this.available += bytes.length
  }
}
