/**
 * The .xz container: streams of blocks with checks, an index and a footer; several streams and padding between them are allowed.
 *
 * Everything that can be checked is: header and index checksums, the contents' CRC-32, CRC-64 or SHA-256, sizes against headers, index
 * and footer. Filters other than LZMA2 (branch converters, delta) are refused by name.
 * Source: "The .xz File Format" 1.2.0.
 */
import { hasher } from "../../nix/Crypto.ts"
import { type Decoder, Input, Malformed } from "./Input.ts"
import { Lzma2 } from "./Lzma2.ts"

const corrupt = (detail: string): Malformed => new Malformed("corrupt", detail)

const crc32Table = new Uint32Array(256)
// CRC-64 four bytes at a time: table n (of 256 entries) gives the effect of a byte that n more bytes follow.
const crc64Low = new Int32Array(1024)
const crc64High = new Int32Array(1024)
for (let i = 0; i < 256; i++) {
  let c = i
  let low = i
  let high = 0
  for (let bit = 0; bit < 8; bit++) {
    c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
    const carry = low & 1
    low = (low >>> 1) | (high << 31)
    high >>>= 1
    if (carry) {
      low ^= 0xd7870f42
      high ^= 0xc96c5795
    }
  }
  crc32Table[i] = c
  crc64Low[i] = low
  crc64High[i] = high
}
for (let i = 256; i < 1024; i++) {
  const low = crc64Low[i - 256]!
  const high = crc64High[i - 256]!
  crc64Low[i] = ((low >>> 8) | (high << 24)) ^ crc64Low[low & 255]!
  crc64High[i] = (high >>> 8) ^ crc64High[low & 255]!
}

/** CRC-32 (IEEE 802.3) of `bytes`, continuing from the CRC of what came before. */
export const crc32 = (bytes: Uint8Array, before = 0): number => {
  let crc = ~before
  for (let i = 0; i < bytes.length; i++) crc = crc32Table[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8)
  return ~crc >>> 0
}

/** What is computed over a block's contents and stands behind it. */
interface Check {
  readonly size: number
  update(bytes: Uint8Array): void
  digest(): Uint8Array
}

const littleEndian = (...words: ReadonlyArray<number>): Uint8Array => {
  const bytes = new Uint8Array(4 * words.length)
  const view = new DataView(bytes.buffer)
  words.forEach((word, i) => view.setUint32(4 * i, word >>> 0, true))
  return bytes
}

const makeCheck = (kind: number): Check => {
  switch (kind) {
    case 0:
      return { size: 0, update: () => {}, digest: () => new Uint8Array(0) }
    case 1: {
      let crc = 0
      return {
        size: 4,
        update: (bytes) => {
          crc = crc32(bytes, crc)
        },
        digest: () => littleEndian(crc)
      }
    }
    case 4: {
      let low = -1
      let high = -1
      return {
        size: 8,
        update: (bytes) => {
          let l = low
          let h = high
          let i = 0
          for (const end = bytes.length - 3; i < end; i += 4) {
            const x = l ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24))
            const [a, b, c, d] = [768 + (x & 255), 512 + ((x >>> 8) & 255), 256 + ((x >>> 16) & 255), x >>> 24]
            l = h ^ crc64Low[a]! ^ crc64Low[b]! ^ crc64Low[c]! ^ crc64Low[d]!
            h = crc64High[a]! ^ crc64High[b]! ^ crc64High[c]! ^ crc64High[d]!
          }
          for (; i < bytes.length; i++) {
            const index = (l ^ bytes[i]!) & 255
            l = ((l >>> 8) | (h << 24)) ^ crc64Low[index]!
            h = (h >>> 8) ^ crc64High[index]!
          }
          low = l
          high = h
        },
        digest: () => littleEndian(~low, ~high)
      }
    }
    case 10: {
      const sha256 = hasher("sha256")
      return { size: 32, update: (bytes) => sha256.update(bytes), digest: () => sha256.digest() }
    }
    default:
      throw new Malformed("unsupported", `it is checked by an unknown method (number ${kind})`)
  }
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i])

const uint32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0

/** Reads a variable-length integer; sizes beyond 2^53 are taken for damage. */
const readInteger = (bytes: Uint8Array, at: number, end: number): readonly [value: number, next: number] => {
  let value = 0
  for (let i = 0; i < 9 && at + i < end; i++) {
    const byte = bytes[at + i]!
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) {
      if ((byte === 0 && i > 0) || value > Number.MAX_SAFE_INTEGER) break
      return [value, at + i + 1]
    }
  }
  throw corrupt("a number in a header is malformed")
}

const filterNames: ReadonlyMap<number, string> = new Map([
  [3, "delta"],
  [4, "x86 branches"],
  [5, "PowerPC branches"],
  [6, "IA-64 branches"],
  [7, "ARM branches"],
  [8, "ARM Thumb branches"],
  [9, "SPARC branches"],
  [10, "ARM64 branches"],
  [11, "RISC-V branches"]
])

interface BlockHeader {
  readonly size: number
  readonly compressed: number | undefined
  readonly uncompressed: number | undefined
  readonly dictionary: number
}

/** `header` is the whole block header, its checksum included. */
const parseBlockHeader = (header: Uint8Array): BlockHeader => {
  const end = header.length - 4
  if (crc32(header.subarray(0, end)) !== uint32(header, end)) throw corrupt("a block header's checksum is wrong")
  const flags = header[1]!
  if ((flags & 0x3c) !== 0) throw new Malformed("unsupported", "a block uses features of a later .xz version")
  let at = 2
  let compressed: number | undefined
  let uncompressed: number | undefined
  if ((flags & 0x40) !== 0) {
    ;[compressed, at] = readInteger(header, at, end)
    if (compressed === 0) throw corrupt("a block announces no data")
  }
  if ((flags & 0x80) !== 0) [uncompressed, at] = readInteger(header, at, end)
  let dictionary: number | undefined
  for (let i = 0; i <= (flags & 3); i++) {
    const [id, afterId] = readInteger(header, at, end)
    const [size, properties] = readInteger(header, afterId, end)
    if (properties + size > end) throw corrupt("a block header is too short for its filters")
    at = properties + size
    if (id !== 0x21)
      throw new Malformed("unsupported", `it uses the filter '${filterNames.get(id) ?? `number ${id}`}', which yix does not know`)
    const bits = header[properties]!
    if (size !== 1 || bits > 40) throw corrupt("the LZMA2 filter's properties are malformed")
    dictionary = bits === 40 ? 2 ** 32 - 1 : (2 | (bits & 1)) * 2 ** ((bits >> 1) + 11)
    if (i < (flags & 3)) throw corrupt("LZMA2 is not the last filter")
  }
  for (; at < end; at++) if (header[at] !== 0) throw corrupt("a block header's padding is not zero")
  return { size: header.length, compressed, uncompressed, dictionary: dictionary! }
}

/** Decodes .xz data pushed into `input`. */
export function* decodeXz(input: Input): Decoder {
  for (let streams = 0; ; streams++) {
    if (streams > 0) {
      // Between streams: padding with zeros in groups of four, or the end.
      yield* input.fill(4)
      if (input.available === 0) return
      const four = yield* input.take(4, "the padding between streams")
      if (uint32(four, 0) === 0) continue
      input.unread(four)
    }
    const header = yield* input.take(12, "the .xz header")
    if (uint32(header, 0) !== 0x587a37fd || header[4] !== 0x5a || header[5] !== 0) {
      throw corrupt(streams === 0 ? "it does not begin like an .xz file" : "something that is not .xz follows it")
    }
    if (crc32(header.subarray(6, 8)) !== uint32(header, 8)) throw corrupt("the .xz header's checksum is wrong")
    if (header[6] !== 0 || header[7]! > 15) throw new Malformed("unsupported", "it is of a later .xz version")
    const checkKind = header[7]!
    const blocks: Array<readonly [unpadded: number, uncompressed: number]> = []
    let indexStart: Uint8Array
    for (;;) {
      const sizeByte = yield* input.take(1, "a block header")
      if (sizeByte[0] === 0) {
        indexStart = sizeByte
        break
      }
      const rest = yield* input.take(sizeByte[0]! * 4 + 3, "a block header")
      const whole = new Uint8Array(rest.length + 1)
      whole[0] = sizeByte[0]!
      whole.set(rest, 1)
      const block = parseBlockHeader(whole)
      const check = makeCheck(checkKind)
      let compressed = 0
      let uncompressed = 0
      const lzma = new Lzma2(block.dictionary)
      const used = (bytes: number): void => {
        compressed += bytes
      }
      for (const piece of lzma.decode(input, used)) {
        if (piece !== undefined) {
          uncompressed += piece.length
          check.update(piece)
        }
        if (block.compressed !== undefined && compressed > block.compressed) throw corrupt("a block is longer than it announces")
        if (block.uncompressed !== undefined && uncompressed > block.uncompressed) throw corrupt("a block holds more than it announces")
        yield piece
      }
      if (block.compressed !== undefined && compressed !== block.compressed) throw corrupt("a block is not as long as it announces")
      if (block.uncompressed !== undefined && uncompressed !== block.uncompressed)
        throw corrupt("a block does not hold as much as it announces")
      const padding = yield* input.take(-compressed & 3, "a block's padding")
      if (padding.some((byte) => byte !== 0)) throw corrupt("a block's padding is not zero")
      const digest = yield* input.take(check.size, "a block's checksum")
      if (!equal(digest, check.digest())) throw corrupt("the contents do not match their checksum")
      blocks.push([block.size + compressed + check.size, uncompressed])
    }
    // The index repeats what was just read, number by number.
    let crc = crc32(indexStart)
    let indexSize = 1
    const integer = function* (): Generator<undefined, number> {
      const bytes: Array<number> = []
      do {
        const byte = yield* input.take(1, "the index")
        bytes.push(byte[0]!)
        crc = crc32(byte, crc)
        indexSize++
      } while (bytes.at(-1)! >= 0x80 && bytes.length < 9)
      return readInteger(Uint8Array.from(bytes), 0, bytes.length)[0]
    }
    if ((yield* integer()) !== blocks.length) throw corrupt("the index does not fit the blocks")
    for (const [unpadded, uncompressed] of blocks) {
      if ((yield* integer()) !== unpadded || (yield* integer()) !== uncompressed) throw corrupt("the index does not fit the blocks")
    }
    const padding = yield* input.take(-indexSize & 3, "the index")
    if (padding.some((byte) => byte !== 0)) throw corrupt("the index's padding is not zero")
    crc = crc32(padding, crc)
    indexSize += padding.length
    if (uint32(yield* input.take(4, "the index"), 0) !== crc) throw corrupt("the index's checksum is wrong")
    const footer = yield* input.take(12, "the .xz footer")
    if (footer[10] !== 0x59 || footer[11] !== 0x5a) throw corrupt("the .xz footer is malformed")
    if (crc32(footer.subarray(4, 10)) !== uint32(footer, 0)) throw corrupt("the .xz footer's checksum is wrong")
    if (uint32(footer, 4) * 4 + 4 !== indexSize + 4 || footer[8] !== 0 || footer[9] !== checkKind)
      throw corrupt("the .xz footer does not fit its stream")
  }
}
