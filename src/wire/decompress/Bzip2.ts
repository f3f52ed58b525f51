/**
 * bzip2, for old NARs and old tarballs. One block (at most 900 kB) is gathered and its symbols are decoded in one go; its text is given out in
 * pieces, so that a block that unfolds to many megabytes stays small in memory. Several streams one after the other are one file.
 * Block and stream checksums are verified. The "randomised" blocks of versions before 0.9.5 are refused.
 * Source: the format as described in "BZIP2: Format Specification" (J. Tsai, 2016).
 */
import { type Decoder, type Input, Malformed } from "./Input.ts"

const corrupt = (detail: string): Malformed => new Malformed("corrupt", detail)

const crcTable = new Int32Array(256)
for (let i = 0; i < 256; i++) {
  let c = i << 24
  for (let bit = 0; bit < 8; bit++) c = c < 0 ? (c << 1) ^ 0x04c11db7 : c << 1
  crcTable[i] = c
}

const longestCode = 20
const lookupBits = 10
const pieceSize = 256 * 1024

/** A canonical Huffman code: short codes by table, long ones by comparing with the last code of each length. */
class Code {
  /** For the next 10 bits: symbol × 32 + length, or 0 when the code is longer. */
  readonly lookup = new Uint16Array(1 << lookupBits)
  /** First value of 20 bits that no code of this length reaches, by length. */
  readonly limit = new Int32Array(longestCode + 2)
  /** What to subtract from a code of this length for its place in `symbols`. */
  readonly base = new Int32Array(longestCode + 2)
  readonly symbols: Uint16Array

  constructor(lengths: Uint8Array) {
    this.symbols = new Uint16Array(lengths.length)
    let place = 0
    let code = 0
    for (let length = 1; length <= longestCode; length++) {
      this.base[length] = code - place
      for (let symbol = 0; symbol < lengths.length; symbol++) {
        if (lengths[symbol] !== length) continue
        if (code >= 1 << length) throw corrupt("a Huffman table has too many codes")
        this.symbols[place++] = symbol
        if (length <= lookupBits) {
          const from = code << (lookupBits - length)
          this.lookup.fill(symbol * 32 + length, from, from + (1 << (lookupBits - length)))
        }
        code++
      }
      this.limit[length] = code << (longestCode - length)
      code <<= 1
    }
  }
}

/** Bits, most significant first, out of bytes of which enough are there. Beyond the end come zeros; `overrun` tells. */
class Bits {
  bytes: Uint8Array
  /** Next byte that goes into the buffer. */
  at = 0
  buffer = 0
  count = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  read(count: number): number {
    while (this.count < count) {
      this.buffer = (this.buffer << 8) | (this.at < this.bytes.length ? this.bytes[this.at]! : 0)
      this.at++
      this.count += 8
    }
    this.count -= count
    return (this.buffer >>> this.count) & ((1 << count) - 1)
  }

  overrun(): boolean {
    return this.at - (this.count >> 3) > this.bytes.length
  }

  /** Drops what was read and appends more. */
  refill(more: Uint8Array): void {
    const from = this.at - (this.count >> 3)
    const kept = this.count & 7
    const rest = this.bytes.subarray(Math.min(from, this.bytes.length))
    const bytes = new Uint8Array(rest.length + more.length)
    bytes.set(rest)
    bytes.set(more, rest.length)
    this.bytes = bytes
    this.buffer >>>= this.count - kept
    this.count = kept
    this.at = 0
  }

  get available(): number {
    return this.bytes.length - (this.at - (this.count >> 3))
  }

  toByteBoundary(): void {
    this.count -= this.count & 7
  }
}

class Block {
  private readonly text: Uint32Array
  private readonly capacity: number
  private length = 0
  private given = 0
  private cursor = 0
  private run = 0
  private previous = -1
  private pending = 0
  private crcNow = -1

  constructor(level: number) {
    this.capacity = level * 100_000
    this.text = new Uint32Array(this.capacity)
  }

  /** Reads a block's symbols (its magic and checksum were read) and undoes the move-to-front and the sorting. */
  read(bits: Bits): void {
    if (bits.read(1) === 1) throw new Malformed("unsupported", "it has randomised blocks, as only bzip2 before 0.9.5 made them")
    const origin = bits.read(24)
    const groups = bits.read(16)
    const front = new Uint8Array(256)
    let used = 0
    for (let i = 0; i < 16; i++) {
      if ((groups & (0x8000 >> i)) === 0) continue
      const map = bits.read(16)
      for (let j = 0; j < 16; j++) if ((map & (0x8000 >> j)) !== 0) front[used++] = i * 16 + j
    }
    if (used === 0) throw corrupt("a block uses no symbols")
    const alphabet = used + 2
    const tables = bits.read(3)
    if (tables < 2 || tables > 6) throw corrupt("a block has an impossible number of Huffman tables")
    const selectorCount = bits.read(15)
    if (selectorCount === 0) throw corrupt("a block has no selectors")
    const selectors = new Uint8Array(selectorCount)
    const order = [0, 1, 2, 3, 4, 5]
    for (let i = 0; i < selectorCount; i++) {
      let j = 0
      while (bits.read(1) === 1) if (++j >= tables) throw corrupt("a selector is out of range")
      const table = order[j]!
      order.splice(j, 1)
      order.unshift(table)
      selectors[i] = table
    }
    const codes: Array<Code> = []
    for (let i = 0; i < tables; i++) {
      const lengths = new Uint8Array(alphabet)
      let length = bits.read(5)
      for (let symbol = 0; symbol < alphabet; symbol++) {
        for (;;) {
          if (length < 1 || length > longestCode) throw corrupt("a Huffman code has an impossible length")
          if (bits.read(1) === 0) break
          length += bits.read(1) === 0 ? 1 : -1
        }
        lengths[symbol] = length
      }
      codes.push(new Code(lengths))
    }
    const counts = this.readSymbols(bits, codes, selectors, front, alphabet)
    if (bits.overrun()) throw new Malformed("truncated", "the data ends in the middle of a block")
    if (origin >= this.length) throw corrupt("a block's origin is out of range")
    this.invert(counts, origin)
  }

  private readSymbols(bits: Bits, codes: ReadonlyArray<Code>, selectors: Uint8Array, front: Uint8Array, alphabet: number): Int32Array {
    const text = this.text
    const capacity = this.capacity
    const bytes = bits.bytes
    const end = alphabet - 1
    const counts = new Int32Array(256)
    let { at, buffer, count } = bits
    // Keep 32 bits at most in the buffer, of which `count` are valid.
    let length = 0
    let group = 0
    let left = 0
    let code = codes[0]!
    let lookup = code.lookup
    let run = 0
    let weight = 1
    try {
      for (;;) {
        if (left === 0) {
          if (group >= selectors.length) throw corrupt("a block has more symbols than its selectors allow")
          code = codes[selectors[group++]!]!
          lookup = code.lookup
          left = 50
        }
        left--
        while (count < 24) {
          buffer = (buffer << 8) | (at < bytes.length ? bytes[at]! : 0)
          at++
          count += 8
        }
        let symbol: number
        const entry = lookup[(buffer >>> (count - lookupBits)) & ((1 << lookupBits) - 1)]!
        if (entry !== 0) {
          count -= entry & 31
          symbol = entry >> 5
        } else {
          const window = (buffer >>> (count - longestCode)) & ((1 << longestCode) - 1)
          let size = lookupBits + 1
          while (size <= longestCode && window >= code.limit[size]!) size++
          if (size > longestCode) throw corrupt("a Huffman code is not in its table")
          count -= size
          symbol = code.symbols[(window >> (longestCode - size)) - code.base[size]!]!
        }
        if (symbol <= 1) {
          run += weight << symbol
          weight <<= 1
          if (run > capacity) throw corrupt("a block is longer than its stream allows")
          continue
        }
        if (run > 0) {
          if (length + run > capacity) throw corrupt("a block is longer than its stream allows")
          const byte = front[0]!
          counts[byte] = counts[byte]! + run
          text.fill(byte, length, length + run)
          length += run
          run = 0
          weight = 1
        }
        if (symbol === end) break
        if (length >= capacity) throw corrupt("a block is longer than its stream allows")
        const place = symbol - 1
        const byte = front[place]!
        if (place < 16) for (let i = place; i > 0; i--) front[i] = front[i - 1]!
        else front.copyWithin(1, 0, place)
        front[0] = byte
        counts[byte] = counts[byte]! + 1
        text[length++] = byte
      }
    } finally {
      bits.at = at
      bits.buffer = buffer
      bits.count = count
    }
    this.length = length
    return counts
  }

  /** Undoes the sorting: each entry's upper bits become the place of the byte that follows. */
  private invert(counts: Int32Array, origin: number): void {
    const text = this.text
    let sum = 0
    for (let byte = 0; byte < 256; byte++) {
      const count = counts[byte]!
      counts[byte] = sum
      sum += count
    }
    for (let i = 0; i < this.length; i++) {
      const byte = text[i]! & 255
      const place = counts[byte]!
      counts[byte] = place + 1
      text[place] = text[place]! | (i << 8)
    }
    this.cursor = text[origin]! >>> 8
    this.given = 0
    this.run = 0
    this.previous = -1
    this.pending = 0
    this.crcNow = -1
  }

  /** The checksum of all that was written. */
  get crc(): number {
    return ~this.crcNow >>> 0
  }

  /** Writes the next bytes of the block's contents into `out`; how many. Fewer than fit: the block is done. */
  write(out: Uint8Array): number {
    const text = this.text
    const length = this.length
    let { given, cursor, run, previous, pending, crcNow } = this
    let at = 0
    while (at < out.length) {
      if (pending > 0) {
        pending--
        out[at++] = previous
        crcNow = (crcNow << 8) ^ crcTable[(crcNow >>> 24) ^ previous]!
        continue
      }
      if (given >= length) break
      const entry = text[cursor]!
      cursor = entry >>> 8
      given++
      const byte = entry & 255
      if (run === 4) {
        // After four equal bytes stands how many more there are.
        pending = byte
        run = 0
        continue
      }
      run = byte === previous ? run + 1 : 1
      previous = byte
      out[at++] = byte
      crcNow = (crcNow << 8) ^ crcTable[(crcNow >>> 24) ^ byte]!
    }
    this.given = given
    this.cursor = cursor
    this.run = run
    this.previous = previous
    this.pending = pending
    this.crcNow = crcNow
    return at
  }
}

/** Decodes bzip2 data pushed into `input`. */
export function* decodeBzip2(input: Input): Decoder {
  const bits = new Bits(new Uint8Array(0))
  const ensure = function* (count: number): Generator<undefined, void> {
    if (bits.available >= count) return
    yield* input.fill(count - bits.available)
    bits.refill(input.pull(Math.min(input.available, count)))
  }
  let block: Block | undefined
  let level = 0
  for (let streams = 0; ; streams++) {
    yield* ensure(14)
    if (streams > 0 && bits.available <= 0) return
    if (bits.available < 14) throw new Malformed("truncated", "the data ends in the middle of the header")
    const magic = bits.read(24)
    const digit = bits.read(8) - 0x30
    if (magic !== 0x425a68 || digit < 1 || digit > 9) {
      throw corrupt(streams === 0 ? "it does not begin like a bzip2 file" : "something that is not bzip2 follows it")
    }
    if (digit !== level) {
      level = digit
      block = new Block(level)
    }
    let combined = 0
    for (;;) {
      // More than the longest block: every symbol with the longest code, and tables.
      yield* ensure(level * 250_000 + 50_000)
      const high = bits.read(24)
      const low = bits.read(24)
      const crc = ((bits.read(16) << 16) | bits.read(16)) >>> 0
      if (bits.overrun()) throw new Malformed("truncated", "the data ends before the end mark")
      if (high === 0x177245 && low === 0x385090) {
        if (crc !== combined) throw corrupt("the checksum of the whole is wrong")
        bits.toByteBoundary()
        break
      }
      if (high !== 0x314159 || low !== 0x265359) throw corrupt("a block does not begin as it should")
      try {
        block!.read(bits)
      } catch (error) {
        // Beyond the end stand zeros, which may look like damage first.
        throw bits.overrun() ? new Malformed("truncated", "the data ends in the middle of a block") : error
      }
      for (;;) {
        const piece = new Uint8Array(pieceSize)
        const size = block!.write(piece)
        if (size > 0) yield size === pieceSize ? piece : piece.subarray(0, size)
        if (size < pieceSize) break
      }
      if (block!.crc !== crc) throw corrupt("a block's contents do not match their checksum")
      combined = (((combined << 1) | (combined >>> 31)) ^ crc) >>> 0
    }
  }
}
