/**
 * Syntax trees as bytes, for a cache on disk.
 *
 * Layout, all numbers 32 bits little-endian:
 *
 *     magic · version · total bytes · checksum (2) · source bytes · root · cells · symbols · strings · symbol bytes · string bytes · free symbols
 *     cells… · where symbols end… · where strings end… · free symbols… · symbols' bytes · strings' bytes · zeros to a multiple of 4
 *
 * Free symbols are the names that the tree takes for global: with them in hand nobody has to look for unbound variables again.
 * Symbols and strings stand one after the other, as UTF-8 of their Latin-1 characters, which the engine reads at once; ends are counted in characters. The source is not in it, only its length: whoever keeps the cache knows which source it is for.
 * `decode` believes nothing: length, checksum, and every operand of every node are checked, so that corrupt bytes give `undefined` and never a wrong tree;
 * `decodeIntact` leaves that to a cache that has checked a digest. The version changes whenever the meaning of the bytes does (also when `Kind` does). Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { JoinedTexts } from "./JoinedTexts.ts"
import { areInOrder, joinedTexts } from "./JoinedTexts.ts"
import type { Origin, Syntax } from "./Syntax.ts"
import { isWellFormed } from "./WellFormed.ts"

/** "yixT"; on a big-endian machine it reads differently and nothing is decoded. */
const magic = 0x54786979
/** Also part of the keys of the cache (`realise/SyntaxCache.ts`). */
export const version = 4
const headerCells = 13

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

/** A tree that was kept. */
export class KeptSyntax implements Syntax {
  readonly origin: Origin
  readonly baseDirectory: ByteString
  readonly source: ByteString
  readonly nodes: Int32Array
  readonly root: number
  readonly names: JoinedTexts
  readonly literals: JoinedTexts
  /** Symbols of the names that it takes for global. */
  readonly free: Int32Array

  constructor(
    place: { readonly origin: Origin; readonly baseDirectory: ByteString; readonly source: ByteString },
    nodes: Int32Array,
    root: number,
    names: JoinedTexts,
    literals: JoinedTexts,
    free: Int32Array
  ) {
    this.origin = place.origin
    this.baseDirectory = place.baseDirectory
    this.source = place.source
    this.nodes = nodes
    this.root = root
    this.names = names
    this.literals = literals
    this.free = free
  }

  get symbols(): ReadonlyArray<ByteString> {
    return this.names.all()
  }

  get strings(): ReadonlyArray<ByteString> {
    return this.literals.all()
  }
}

const utf8 = new TextEncoder()
const fromUtf8 = new TextDecoder("utf-8", { ignoreBOM: true })

/** Writes where texts end that stand one after the other, from the cell `at` on. */
const putEnds = (words: Int32Array, at: number, texts: ReadonlyArray<ByteString>): void => {
  let end = 0
  texts.forEach((text, index) => {
    end += text.length
    words[at + index] = end
  })
}

/** A tree as bytes, with the symbols that it takes for global, as `checkScopes` gives them. */
export const encode = (syntax: Syntax, free: ReadonlyArray<number> = []): Uint8Array => {
  const { nodes, symbols, strings } = syntax
  const symbolBytes = utf8.encode(symbols.join(""))
  const stringBytes = utf8.encode(strings.join(""))
  const ends = headerCells + nodes.length
  const freeAt = ends + symbols.length + strings.length
  const text = (freeAt + free.length) * 4
  const words = new Int32Array(Math.ceil((text + symbolBytes.length + stringBytes.length) / 4))
  const bytes = new Uint8Array(words.buffer)
  words[0] = magic
  words[1] = version
  words[2] = bytes.length
  words[5] = syntax.source.length
  words[6] = syntax.root
  words[7] = nodes.length
  words[8] = symbols.length
  words[9] = strings.length
  words[10] = symbolBytes.length
  words[11] = stringBytes.length
  words[12] = free.length
  words.set(nodes, headerCells)
  putEnds(words, ends, symbols)
  putEnds(words, ends + symbols.length, strings)
  words.set(
    free.toSorted((a, b) => a - b),
    freeAt
  )
  bytes.set(symbolBytes, text)
  bytes.set(stringBytes, text + symbolBytes.length)
  const [a, b] = checksum(words, 5)
  words[3] = a
  words[4] = b
  return bytes
}

/** The cells of bytes that say of themselves that `encode` made them for this source. */
const wordsOf = (bytes: Uint8Array, source: ByteString): Int32Array | undefined => {
  if (bytes.length < headerCells * 4 || bytes.length % 4 !== 0) return undefined
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4)
  return words[0] === magic && words[1] === version && words[2] === bytes.length && words[5] === source.length ? words : undefined
}

/** The tree in cells whose header makes sense. Nodes, ends and free symbols are views of `words`. */
const take = (words: Int32Array, source: ByteString, origin: Origin, baseDirectory: ByteString): KeptSyntax | undefined => {
  const cells = words[7]!
  const symbols = words[8]!
  const strings = words[9]!
  const symbolBytes = words[10]!
  const stringBytes = words[11]!
  const free = words[12]!
  if (cells < 0 || symbols < 0 || strings < 0 || symbolBytes < 0 || stringBytes < 0 || free < 0) return undefined
  const ends = headerCells + cells
  const stringEnds = ends + symbols
  const freeAt = stringEnds + strings
  const text = (freeAt + free) * 4
  if (Math.ceil((text + symbolBytes + stringBytes) / 4) !== words.length) return undefined
  const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
  const names = joinedTexts(fromUtf8.decode(bytes.subarray(text, text + symbolBytes)), words.subarray(ends, stringEnds))
  const texts = fromUtf8.decode(bytes.subarray(text + symbolBytes, text + symbolBytes + stringBytes))
  const literals = joinedTexts(texts, words.subarray(stringEnds, freeAt))
  if (names === undefined || literals === undefined) return undefined
  const nodes = words.subarray(headerCells, ends)
  return new KeptSyntax({ origin, baseDirectory, source }, nodes, words[6]!, names, literals, words.subarray(freeAt, freeAt + free))
}

/**
 * The tree in bytes of which a digest says that they are those that `encode` made for this source; `undefined` where they are of another version. The tree keeps `bytes`,
 * which nobody may change any more.
 */
export const decodeIntact = (bytes: Uint8Array, source: ByteString, origin: Origin, baseDirectory: ByteString): KeptSyntax | undefined => {
  const words = wordsOf(bytes, source)
  return words === undefined ? undefined : take(words, source, origin, baseDirectory)
}

/** Whether texts are cut in order and out of Latin-1. */
const areTexts = (texts: JoinedTexts): boolean => areInOrder(texts) && !/[^\0-\xff]/.test(texts.text)

/** The tree in the bytes that `encode` made for this source; `undefined` for anything else. Keeps no reference to `bytes`. */
export const decode = (bytes: Uint8Array, source: ByteString, origin: Origin, baseDirectory: ByteString): KeptSyntax | undefined => {
  const words = wordsOf(bytes, source)?.slice()
  if (words === undefined) return undefined
  const [a, b] = checksum(words, 5)
  if (words[3] !== a || words[4] !== b) return undefined
  const kept = take(words, source, origin, baseDirectory)
  if (kept === undefined || !areTexts(kept.names) || !areTexts(kept.literals)) return undefined
  const tables = { sourceLength: source.length, symbolCount: kept.names.ends.length, stringCount: kept.literals.ends.length }
  if (!kept.free.every((id) => id >= 0 && id < tables.symbolCount)) return undefined
  return isWellFormed(kept.nodes, kept.root, tables) ? kept : undefined
}
