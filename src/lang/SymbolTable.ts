/**
 * The names of the source that is being parsed, numbered in the order in which they are first seen, and the keywords.
 *
 * An open-addressed hash table: a name seen before costs no string. Hashes are those of `NameHash.ts`, which
 * the lexer makes while it reads a name. Keywords are in the table from the start, so that telling them from names takes no look of its own. The arrays are scratch space. Pure but for that state.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { nameHash } from "./NameHash.ts"
import { source } from "./Source.ts"
import * as Token from "./Token.ts"

const keywords: ReadonlyArray<readonly [ByteString, number]> = [
  ["if", Token.If],
  ["then", Token.Then],
  ["else", Token.Else],
  ["assert", Token.Assert],
  ["with", Token.With],
  ["let", Token.Let],
  ["in", Token.In],
  ["rec", Token.Rec],
  ["inherit", Token.Inherit],
  ["or", Token.OrWord]
]

const smallTable = 1024
/** Entry by slot; 0 is free. */
let table = new Int32Array(smallTable)
/** By entry. Keywords are the first ones, from 1 on. */
let hashes = new Int32Array(smallTable)
let lengths = new Int32Array(smallTable)
const texts: Array<ByteString> = ["", ...keywords.map(([text]) => text)]
const firstName = texts.length
let mask = smallTable - 1

/** Enters what has a hash and a length already where nothing equal is. */
const enter = (entry: number): void => {
  const hash = hashes[entry]!
  let slot = (hash ^ (hash >>> 15)) & mask
  while (table[slot] !== 0) slot = (slot + 1) & mask
  table[slot] = entry
}

for (let entry = 1; entry < firstName; entry++) {
  hashes[entry] = nameHash(texts[entry]!, 0, texts[entry]!.length)
  lengths[entry] = texts[entry]!.length
}

const resize = (size: number): void => {
  const kept = Math.min(size, hashes.length)
  const newHashes = new Int32Array(size)
  newHashes.set(hashes.subarray(0, kept))
  hashes = newHashes
  const newLengths = new Int32Array(size)
  newLengths.set(lengths.subarray(0, kept))
  lengths = newLengths
  table = new Int32Array(size)
  mask = size - 1
}

/** Begins with no names. */
export const openSymbols = (): void => {
  if (table.length > smallTable * 8) resize(smallTable)
  else table.fill(0)
  texts.length = firstName
  for (let entry = 1; entry < firstName; entry++) enter(entry)
}

/** The names, by symbol. */
export const allNames = (): ReadonlyArray<ByteString> => texts.slice(firstName)

/** Their hashes. */
export const allHashes = (): Int32Array => hashes.slice(firstName, texts.length)

/** How many names there are. */
export const countNames = (): number => texts.length - firstName

export const nameOf = (symbol: number): ByteString => texts[symbol + firstName]!

const add = (slot: number, hash: number, text: ByteString): number => {
  const entry = texts.length
  texts.push(text)
  table[slot] = entry
  hashes[entry] = hash
  lengths[entry] = text.length
  if ((entry + 1) * 2 > table.length) {
    resize(table.length * 4)
    for (let other = 1; other <= entry; other++) enter(other)
  }
  return entry - firstName
}

/** The symbol of the name that stands in the source from `start` to `end` and has this hash; below 0 for a keyword (`keywordToken`). */
export const intern = (start: number, end: number, hash: number): number => {
  let slot = (hash ^ (hash >>> 15)) & mask
  for (;;) {
    const entry = table[slot]!
    if (entry === 0) return add(slot, hash, source.substring(start, end))
    if (hashes[entry] === hash && lengths[entry] === end - start && source.startsWith(texts[entry]!, start)) return entry - firstName
    slot = (slot + 1) & mask
  }
}

/** The token of a keyword, as `intern` names it. */
export const keywordToken = (word: number): number => keywords[word + firstName - 1]![1]

/** The symbol of a name that is no keyword by how it stands there. */
export const symbolOf = (name: ByteString): number => {
  const hash = nameHash(name, 0, name.length)
  let slot = (hash ^ (hash >>> 15)) & mask
  for (let entry = table[slot]!; entry !== 0; entry = table[slot]!) {
    if (entry >= firstName && hashes[entry] === hash && texts[entry] === name) return entry - firstName
    slot = (slot + 1) & mask
  }
  return add(slot, hash, name)
}
