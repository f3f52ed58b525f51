/**
 * Syntax trees as bytes, for a cache on disk.
 *
 * Layout, all numbers 32 bits little-endian:
 *
 *     magic · version · total bytes · checksum (2) · source bytes · root · cells · symbols · strings · symbol bytes · string bytes · free symbols · ASCII
 *     cells… · symbol lengths… · string lengths… · free symbols… · symbols' bytes · strings' bytes · zeros to a multiple of 4
 *
 * Free symbols are the names that the tree takes for global: with them in hand nobody has to look for unbound variables again.
 * ASCII is 1 where all symbols and strings are, 0 where not. The source is not in it, only its length: whoever keeps the cache knows which source it is for.
 * `decode` believes nothing: length, checksum, and every operand of every node are checked, so that corrupt bytes give `undefined` and never a wrong tree;
 * `decodeIntact` leaves that to a cache that has checked a digest. The version changes whenever the meaning of the bytes does (also when `Kind` does). Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { JoinedTexts } from "./JoinedTexts.ts"
import { joinedTexts } from "./JoinedTexts.ts"
import type { Origin, Syntax } from "./Syntax.ts"
import { isWellFormed } from "./WellFormed.ts"

/** "yixT"; on a big-endian machine it reads differently and nothing is decoded. */
const magic = 0x54786979
/** Also part of the keys of the cache (`realise/SyntaxCache.ts`). */
export const version = 3
const headerCells = 14

/** Two independent sums over 32-bit words, both aware of their order. */
const checksum = (words: Int32Array, from: number): readonly [number, number] => {
  let a = 0x811c9dc5 | 0
  let b = 0x5bd1e995 | 0
  for (let i = from; i < words.length; i++) {
    const word = words[i]!
    a = Math.imul(a ^ word, 0x01000193)
    b = (((b << 5) | (b >>> 27)) + word) | 0
  }
  return [a, b]
}

const totalLength = (texts: ReadonlyArray<ByteString>): number => {
  let sum = 0
  for (const text of texts) sum += text.length
  return sum
}

/** A tree that was kept. */
export interface KeptSyntax extends Syntax {
  readonly names: JoinedTexts
  /** Symbols of the names that it takes for global. */
  readonly free: ReadonlyArray<number>
}

const noNames: ReadonlySet<ByteString> = new Set()

/** A tree as bytes, with the names that it takes for global: those that `checkScopes` asked about. */
export const encode = (syntax: Syntax, freeNames: ReadonlySet<ByteString> = noNames): Uint8Array => {
  const { nodes, symbols, strings } = syntax
  const symbolBytes = totalLength(symbols)
  const stringBytes = totalLength(strings)
  const lengths = headerCells + nodes.length
  const free: Array<number> = []
  if (freeNames.size > 0) for (let id = 0; id < symbols.length; id++) if (freeNames.has(symbols[id]!)) free.push(id)
  const text = (lengths + symbols.length + strings.length + free.length) * 4
  const words = new Int32Array(Math.ceil((text + symbolBytes + stringBytes) / 4))
  const bytes = new Uint8Array(words.buffer)
  words[0] = magic
  words[1] = version
  words[2] = bytes.length
  words[5] = syntax.source.length
  words[6] = syntax.root
  words[7] = nodes.length
  words[8] = symbols.length
  words[9] = strings.length
  words[10] = symbolBytes
  words[11] = stringBytes
  words[12] = free.length
  words.set(nodes, headerCells)
  let length = lengths
  let byte = text
  let all = 0
  for (const texts of [symbols, strings]) {
    for (const item of texts) {
      words[length++] = item.length
      for (let i = 0; i < item.length; i++) all |= bytes[byte + i] = item.charCodeAt(i)
      byte += item.length
    }
  }
  words[13] = all < 0x80 ? 1 : 0
  words.set(free, length)
  const [a, b] = checksum(words, 5)
  words[3] = a
  words[4] = b
  return bytes
}

const utf8 = new TextDecoder()

const isAscii = (bytes: Uint8Array): boolean => {
  let all = 0
  for (let i = 0; i < bytes.length; i++) all |= bytes[i]!
  return all < 0x80
}

const latin1 = (bytes: Uint8Array, ascii: boolean): ByteString => {
  // ASCII is the same in UTF-8, which is decoded at memory speed.
  if (ascii) return utf8.decode(bytes)
  let text = ""
  let from = 0
  for (let to = 0; to < bytes.length; to++) {
    if (bytes[to]! < 0x80) continue
    if (from < to) text += utf8.decode(bytes.subarray(from, to))
    text += String.fromCharCode(bytes[to]!)
    from = to + 1
  }
  return from === 0 ? utf8.decode(bytes) : text + utf8.decode(bytes.subarray(from))
}

/** The header's cells after the source's length. */
type Header = readonly [
  root: number,
  cells: number,
  symbols: number,
  strings: number,
  symbolBytes: number,
  stringBytes: number,
  free: number,
  ascii: number
]

/** The cells of bytes that say of themselves that `encode` made them for this source. */
const wordsOf = (bytes: Uint8Array, source: ByteString): Int32Array | undefined => {
  if (bytes.length < headerCells * 4 || bytes.length % 4 !== 0) return undefined
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4)
  return words[0] === magic && words[1] === version && words[2] === bytes.length && words[5] === source.length ? words : undefined
}

/** The tree in cells whose header makes sense. `nodes` are a view of `words`. */
const take = (words: Int32Array, source: ByteString, origin: Origin, baseDirectory: ByteString): KeptSyntax | undefined => {
  const [root, cells, symbolCount, stringCount, symbolBytes, stringBytes, freeCount, ascii] = words.subarray(
    6,
    headerCells
  ) as unknown as Header
  if (cells < 0 || symbolCount < 0 || stringCount < 0 || symbolBytes < 0 || stringBytes < 0 || freeCount < 0) return undefined
  const lengths = headerCells + cells
  const freeAt = lengths + symbolCount + stringCount
  const text = (freeAt + freeCount) * 4
  if (Math.ceil((text + symbolBytes + stringBytes) / 4) !== words.length) return undefined
  const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
  const names = joinedTexts(words, lengths, symbolCount, latin1(bytes.subarray(text, text + symbolBytes), ascii === 1))
  const literals = latin1(bytes.subarray(text + symbolBytes, text + symbolBytes + stringBytes), ascii === 1)
  const strings = joinedTexts(words, lengths + symbolCount, stringCount, literals)?.all()
  if (names === undefined || strings === undefined) return undefined
  const free = Array.from(words.subarray(freeAt, freeAt + freeCount))
  return {
    origin,
    baseDirectory,
    source,
    nodes: words.subarray(headerCells, lengths),
    names,
    get symbols() {
      return names.all()
    },
    strings,
    root,
    free
  }
}

/**
 * The tree in bytes of which a digest says that they are those that `encode` made for this source; `undefined` where they are of another version. The tree keeps `bytes`,
 * which nobody may change any more.
 */
export const decodeIntact = (bytes: Uint8Array, source: ByteString, origin: Origin, baseDirectory: ByteString): KeptSyntax | undefined => {
  const words = wordsOf(bytes, source)
  return words === undefined ? undefined : take(words, source, origin, baseDirectory)
}

/** The tree in the bytes that `encode` made for this source; `undefined` for anything else. Keeps no reference to `bytes`. */
export const decode = (bytes: Uint8Array, source: ByteString, origin: Origin, baseDirectory: ByteString): KeptSyntax | undefined => {
  const words = wordsOf(bytes, source)
  if (words === undefined) return undefined
  const [a, b] = checksum(words, 5)
  if (words[3] !== a || words[4] !== b) return undefined
  const kept = take(words, source, origin, baseDirectory)
  if (kept === undefined) return undefined
  const { root, symbols, strings, free } = kept
  if (!free.every((id) => id >= 0 && id < symbols.length)) return undefined
  const ascii = isAscii(bytes.subarray((headerCells + kept.nodes.length + symbols.length + strings.length + free.length) * 4))
  if (words[13] !== (ascii ? 1 : 0)) return undefined
  const nodes = kept.nodes.slice()
  const tables = { sourceLength: source.length, symbolCount: symbols.length, stringCount: strings.length }
  return isWellFormed(nodes, root, tables) ? { ...kept, nodes } : undefined
}
