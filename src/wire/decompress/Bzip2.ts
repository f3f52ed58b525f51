/**
 * bzip2, for old NARs and old tarballs, decoded by `unbzip2-stream`. Several streams one after the other are one file; block and stream checksums are verified.
 *
 * The library's stream gathers what a block unfolds to (up to 47 MB) in an array of numbers, which takes a gigabyte, and calls the end of the data in the middle
 * of a block a type error. So its block decoder is used directly, with bytes for bytes and with input of which it is known how much there is. A block is decoded
 * in one go, which takes some 100 ms. The "randomised" blocks of versions before 0.9.5 are refused.
 */
import bitIterator, { type BitReader } from "unbzip2-stream/lib/bit_iterator.js"
import bzip2 from "unbzip2-stream/lib/bzip2.js"
import { type Decoder, type Input, Malformed } from "./Input.ts"

const pieceSize = 256 * 1024
const unit = 100_000

/** More than the longest block of a level takes: every symbol with the longest code, and tables. */
const longestBlock = (level: number): number => level * 250_000 + 50_000

/** What the library throws, which tells little, in our words. */
const describe = (error: unknown, detail: string): Malformed => {
  if (error instanceof Malformed) return error
  const message = error instanceof Error ? error.message : String(error)
  if (message.includes("obsolete")) {
    return new Malformed("unsupported", "it has randomised blocks, as only bzip2 before 0.9.5 made them")
  }
  return new Malformed("corrupt", message.includes("crc32") ? "the contents do not match their checksum" : detail)
}

/** What a block unfolds to, in pieces. */
class Pieces {
  private full: Array<Uint8Array> = []
  private piece = new Uint8Array(pieceSize)
  private used = 0

  readonly give = (byte: number): void => {
    if (this.used === pieceSize) {
      this.full.push(this.piece)
      this.piece = new Uint8Array(pieceSize)
      this.used = 0
    }
    this.piece[this.used++] = byte
  };

  /** The pieces given so far, each let go as it is taken. */
  *take(): Generator<Uint8Array, void> {
    const { full, piece, used } = this
    this.full = []
    this.piece = new Uint8Array(pieceSize)
    this.used = 0
    full.reverse()
    for (let next = full.pop(); next !== undefined; next = full.pop()) yield next
    if (used > 0) yield piece.subarray(0, used)
  }
}

/** Decodes bzip2 data pushed into `input`. */
export function* decodeBzip2(input: Input): Decoder {
  /** Bytes that the library got. */
  let handed = 0
  let bits: BitReader | undefined
  const next = (): Uint8Array => {
    if (input.available === 0) throw new Malformed("truncated", "the data end before the end mark")
    const piece = input.pullSome(input.available)
    handed += piece.length
    return piece
  }
  const unread = (): number => input.available + handed - (bits?.bytesRead ?? 0)
  /** Waits until `count` bytes are there that were not read yet, or the input has ended. */
  const ensure = function* (count: number): Generator<undefined, void> {
    while (unread() < count && !input.ended) yield undefined
  }
  const pieces = new Pieces()
  let work = new Int32Array(0)
  for (let streams = 0; ; streams++) {
    yield* ensure(4)
    if (streams > 0 && unread() === 0) return
    let level: number
    try {
      bits ??= bitIterator(next)
      level = bzip2.header(bits)
    } catch (error) {
      throw describe(error, streams === 0 ? "it does not begin like a bzip2 file" : "something that is not bzip2 follows it")
    }
    if (work.length !== level * unit) work = new Int32Array(level * unit)
    let checksum = 0
    for (;;) {
      yield* ensure(longestBlock(level))
      let after: number | null
      try {
        after = bzip2.decompress(bits, pieces.give, work, work.length, checksum)
      } catch (error) {
        throw describe(error, "a block is damaged")
      }
      if (after === null) break
      checksum = after
      yield* pieces.take()
    }
  }
}
