/**
 * The .xz container: streams of blocks with checks, an index and a footer; several streams and padding between them are allowed.
 *
 * The decoding is done by `xz-decompress` (`XzEngine.ts`), which also verifies block headers, sizes, CRC-32 and CRC-64. What it does not offer stands here: where a
 * block ends, so that data cut off at any byte are told from damaged ones and several streams are read; SHA-256 (the engine is told that there is no check);
 * dictionaries that are announced larger than the engine takes (told to be as large as it takes: a match that reaches farther is an error there); the
 * index and footer, against what was read. Filters other than LZMA2 (branch converters, delta) are refused by name.
 * Source: "The .xz File Format" 1.2.0.
 */
import { crc32 } from "node:zlib"
import { hasher } from "../../nix/Crypto.ts"
import { type Decoder, Input, Malformed } from "./Input.ts"
import { engineDictionary, XzEngine } from "./XzEngine.ts"

/** The largest dictionary that may be announced: 128 MiB, twice that of `xz -9`. */
export const dictionaryLimit = 128 * 1024 * 1024

/** `engineDictionary` as a block header writes it. */
const engineDictionaryBits = 28

const corrupt = (detail: string): Malformed => new Malformed("corrupt", detail)

/** Bytes of a block's check, by its kind. */
const checkSizes: ReadonlyMap<number, number> = new Map([
  [0, 0],
  [1, 4],
  [4, 8],
  [10, 32]
])
const checkNone = 0
const checkSha256 = 10

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

/** A header whose last four bytes are its checksum, with that made right. */
const sealed = (header: Uint8Array, from: number): Uint8Array => {
  const end = header.length - 4
  new DataView(header.buffer, header.byteOffset).setUint32(end, crc32(header.subarray(from, end)), true)
  return header
}

interface BlockHeader {
  readonly dictionary: number
  /** As the engine can take it. */
  readonly bytes: Uint8Array
}

/** `header` is the whole block header, its checksum included. */
const readBlockHeader = (header: Uint8Array): BlockHeader => {
  const end = header.length - 4
  if (crc32(header.subarray(0, end)) !== uint32(header, end)) throw corrupt("a block header's checksum is wrong")
  const flags = header[1]!
  if ((flags & 0x3c) !== 0) throw new Malformed("unsupported", "a block uses features of a later .xz version")
  let at = 2
  // The sizes of the block, which the engine verifies.
  if ((flags & 0x40) !== 0) at = readInteger(header, at, end)[1]
  if ((flags & 0x80) !== 0) at = readInteger(header, at, end)[1]
  const [id, afterId] = readInteger(header, at, end)
  const [size, properties] = readInteger(header, afterId, end)
  if (id !== 0x21) {
    throw new Malformed("unsupported", `it uses the filter '${filterNames.get(id) ?? `number ${id}`}', which yix does not know`)
  }
  const bits = header[properties]!
  if ((flags & 3) !== 0 || size !== 1 || properties >= end || bits > 40) throw corrupt("the LZMA2 filter stands wrongly in a block header")
  const dictionary = bits === 40 ? 2 ** 32 - 1 : (2 | (bits & 1)) * 2 ** ((bits >> 1) + 11)
  if (dictionary <= engineDictionary) return { dictionary, bytes: header }
  if (dictionary > dictionaryLimit) {
    throw new Malformed("unsupported", `it needs a dictionary of ${dictionary} bytes; more than ${dictionaryLimit} is refused`)
  }
  const bytes = new Uint8Array(header)
  bytes[properties] = engineDictionaryBits
  return { dictionary, bytes: sealed(bytes, 0) }
}

/** The LZMA2 data of one block as they come, cut in pieces anywhere: chunks that tell their length, up to the end mark. */
function* lzma2Data(input: Input): Generator<Uint8Array | undefined, void> {
  for (;;) {
    const control = (yield* input.take(1, "a block"))[0]!
    yield Uint8Array.of(control)
    if (control === 0) return
    if (control > 2 && control < 0x80) throw corrupt("an LZMA2 chunk begins wrongly")
    // Sizes of the contents and of the data, less one, high byte first; then LZMA's properties where they are new.
    const compressed = control >= 0x80
    const header = yield* input.take(compressed ? (control >= 0xc0 ? 5 : 4) : 2, "an LZMA2 chunk")
    yield header
    const sizeAt = compressed ? 2 : 0
    for (let left = ((header[sizeAt]! << 8) | header[sizeAt + 1]!) + 1; left > 0;) {
      yield* input.fill(1)
      if (input.available === 0) throw new Malformed("truncated", "the data ends in the middle of an LZMA2 chunk")
      const piece = input.pullSome(left)
      left -= piece.length
      yield piece
    }
  }
}

/** Decodes one block, `header` being its header; gives its sizes as the index has them. */
function* decodeBlock(
  input: Input,
  engine: XzEngine,
  header: Uint8Array,
  checkKind: number
): Generator<Uint8Array | undefined, readonly [unpadded: number, uncompressed: number]> {
  const { bytes, dictionary } = readBlockHeader(header)
  yield* engine.feed(bytes, "a block header is malformed")
  const sha256 = checkKind === checkSha256 ? hasher("sha256") : undefined
  let compressed = 0
  let uncompressed = 0
  try {
    for (const data of lzma2Data(input)) {
      if (data === undefined) {
        yield undefined
        continue
      }
      compressed += data.length
      for (const piece of engine.feed(data, "a block's data are damaged")) {
        uncompressed += piece.length
        sha256?.update(piece)
        yield piece
      }
    }
  } catch (error) {
    if (error instanceof Malformed && error.kind === "corrupt" && dictionary > engineDictionary) {
      throw new Malformed("unsupported", `it refers back over more than ${engineDictionary} bytes, or is damaged`)
    }
    throw error
  }
  yield* engine.feed(yield* input.take(-compressed & 3, "a block's padding"), "a block's padding is not zero")
  const check = yield* input.take(checkSizes.get(checkKind)!, "a block's checksum")
  const mismatch = "the contents do not match their checksum"
  if (sha256 === undefined) yield* engine.feed(check, mismatch)
  else if (!equal(check, sha256.digest())) throw corrupt(mismatch)
  return [header.length + compressed + check.length, uncompressed]
}

/** Reads the index, of which the first byte was read, and the footer; both repeat what was read before, number by number. */
function* readIndex(input: Input, blocks: ReadonlyArray<readonly [number, number]>, checkKind: number): Generator<undefined, void> {
  let crc = crc32(Uint8Array.of(0))
  let size = 1
  const integer = function* (): Generator<undefined, number> {
    const bytes: Array<number> = []
    do bytes.push((yield* input.take(1, "the index"))[0]!)
    while (bytes.at(-1)! >= 0x80 && bytes.length < 9)
    const whole = Uint8Array.from(bytes)
    crc = crc32(whole, crc)
    size += whole.length
    return readInteger(whole, 0, whole.length)[0]
  }
  if ((yield* integer()) !== blocks.length) throw corrupt("the index does not fit the blocks")
  for (const [unpadded, uncompressed] of blocks) {
    if ((yield* integer()) !== unpadded || (yield* integer()) !== uncompressed) throw corrupt("the index does not fit the blocks")
  }
  const padding = yield* input.take(-size & 3, "the index")
  if (padding.some((byte) => byte !== 0)) throw corrupt("the index's padding is not zero")
  crc = crc32(padding, crc)
  size += padding.length
  if (uint32(yield* input.take(4, "the index"), 0) !== crc) throw corrupt("the index's checksum is wrong")
  const footer = yield* input.take(12, "the .xz footer")
  if (footer[10] !== 0x59 || footer[11] !== 0x5a) throw corrupt("the .xz footer is malformed")
  if (crc32(footer.subarray(4, 10)) !== uint32(footer, 0)) throw corrupt("the .xz footer's checksum is wrong")
  if (uint32(footer, 4) * 4 + 4 !== size + 4 || footer[8] !== 0 || footer[9] !== checkKind) {
    throw corrupt("the .xz footer does not fit its stream")
  }
}

/** Loads the engine; gives what decodes the .xz data pushed into an `Input`. Rejects where there is no WebAssembly. */
export const loadXz = async (): Promise<(input: Input) => Decoder> => {
  const engine = await XzEngine.load()
  return (input) => decodeXz(input, engine)
}

function* decodeXz(input: Input, engine: XzEngine): Decoder {
  for (let streams = 0; ; streams++) {
    if (streams > 0) {
      // Between streams: padding with zeros in groups of four, or the end.
      yield* input.fill(4)
      if (input.available === 0) return engine.giveBack()
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
    if (!checkSizes.has(checkKind)) throw new Malformed("unsupported", `it is checked by an unknown method (number ${checkKind})`)
    const told = new Uint8Array(header)
    if (checkKind === checkSha256) told[7] = checkNone
    engine.begin()
    yield* engine.feed(sealed(told, 6), "the .xz header is malformed")
    const blocks: Array<readonly [unpadded: number, uncompressed: number]> = []
    for (;;) {
      const first = yield* input.take(1, "a block header")
      if (first[0] === 0) break
      const rest = yield* input.take(first[0]! * 4 + 3, "a block header")
      const whole = new Uint8Array(rest.length + 1)
      whole[0] = first[0]!
      whole.set(rest, 1)
      blocks.push(yield* decodeBlock(input, engine, whole, checkKind))
    }
    yield* readIndex(input, blocks, checkKind)
  }
}
