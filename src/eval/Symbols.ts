/**
 * Symbols: names as small integers, so that scopes and attribute sets compare numbers. One append-only table a thread, shared by all
 * evaluations in it. Names are byte strings.
 */
import type { JoinedTexts } from "../lang/JoinedTexts.ts"
import { nameHash } from "../lang/NameHash.ts"
import type { ByteString } from "../nix/Bytes.ts"

export type SymbolId = number

// A hash table of our own: names that programs make have no hash yet, and the engine's `Map` takes thrice the time to enter them.
const names: Array<ByteString> = []
/** By symbol. */
let hashes = new Int32Array(1 << 11)
/** By hash: a symbol + 1; 0 is none. */
let table = new Int32Array(1 << 12)

/** Where a name with this hash is in a table, unless others are there. */
const slotOf = (hash: number, mask: number): number => (hash ^ (hash >>> 15)) & mask

/** Where the name that stands in a text is in the table, or would be. */
const place = (text: ByteString, from: number, to: number, hash: number): number => {
  const mask = table.length - 1
  for (let at = slotOf(hash, mask); ; at = (at + 1) & mask) {
    const id = (table[at] as number) - 1
    if (id < 0) return at
    if (hashes[id] !== hash) continue
    const name = names[id] as ByteString
    if (name.length === to - from && text.startsWith(name, from)) return at
  }
}

const grow = (): void => {
  const more = new Int32Array(hashes.length * 2)
  more.set(hashes)
  const larger = new Int32Array(table.length * 2)
  const mask = larger.length - 1
  for (let id = 0; id < names.length; id++) {
    let at = slotOf(hashes[id] as number, mask)
    while (larger[at] !== 0) at = (at + 1) & mask
    larger[at] = id + 1
  }
  hashes = more
  table = larger
}

/** Enters a new name, whose place in the table is `at`. Any call may find the stack full: until there is room for the name nothing of it is written. */
const enter = (name: ByteString, hash: number, at: number): SymbolId => {
  if (names.length === hashes.length) {
    grow()
    return enter(name, hash, place(name, 0, name.length, hash))
  }
  const id = names.push(name) - 1
  table[at] = id + 1
  hashes[id] = hash
  return id
}

/** The symbol of a name that has this hash. */
const symbolHashed = (name: ByteString, hash: number): SymbolId => {
  const at = place(name, 0, name.length, hash)
  const known = (table[at] as number) - 1
  return known >= 0 ? known : enter(name, hash, at)
}

/** The symbol of a name, made on first use. */
export const symbol = (name: ByteString): SymbolId => symbolHashed(name, nameHash(name, 0, name.length))

/** The symbols of names whose hashes may be known. */
export const symbolsHashed = (all: ReadonlyArray<ByteString>, known: Int32Array | undefined): Array<SymbolId> => {
  if (known === undefined) return all.map(symbol)
  const symbols = new Array<SymbolId>(all.length)
  for (let i = 0; i < all.length; i++) symbols[i] = symbolHashed(all[i] as ByteString, known[i] as number)
  return symbols
}

/** The symbols of names, of which no strings are made but for those that are new. */
export const symbolsOf = (all: JoinedTexts): Array<SymbolId> => {
  const { text, ends } = all
  const symbols = new Array<SymbolId>(ends.length)
  let from = 0
  for (let i = 0; i < ends.length; i++) {
    const to = ends[i] as number
    const hash = nameHash(text, from, to)
    const at = place(text, from, to, hash)
    const known = (table[at] as number) - 1
    symbols[i] = known >= 0 ? known : enter(text.substring(from, to), hash, at)
    from = to
  }
  return symbols
}

/** Names that programs ask for, most of them again and again, and as the same string: these have a hash, and the engine's `Map` finds them without looking at them. */
const asked = new Map<ByteString, SymbolId>()
const askedLimit = 1 << 16

/** The symbol of a name if it has ever been made: a name that no program mentioned is in no attribute set. */
export const existingSymbol = (name: ByteString): SymbolId | undefined => {
  const known = asked.get(name)
  if (known !== undefined) return known
  const id = (table[place(name, 0, name.length, nameHash(name, 0, name.length))] as number) - 1
  if (id < 0) return undefined
  if (asked.size === askedLimit) asked.clear()
  asked.set(name, id)
  return id
}

/** The name of a symbol. */
export const nameOf = (id: SymbolId): ByteString => names[id] as ByteString

/** Symbols that the evaluator itself looks for. */
export const Names = {
  type: symbol("type"),
  derivation: symbol("derivation"),
  outPath: symbol("outPath"),
  drvPath: symbol("drvPath"),
  outputName: symbol("outputName"),
  outputs: symbol("outputs"),
  name: symbol("name"),
  value: symbol("value"),
  path: symbol("path"),
  toString: symbol("__toString"),
  functor: symbol("__functor"),
  overrides: symbol("__overrides"),
  success: symbol("success"),
  body: symbol("body")
} as const
