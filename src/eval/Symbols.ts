/**
 * Symbols: names as small integers, so that scopes and attribute sets compare numbers. One append-only table a thread, shared by all
 * evaluations in it. Names are byte strings.
 */
import type { ByteString } from "../nix/Bytes.ts"

export type SymbolId = number

// A hash table of our own: names that programs make have no hash yet, and the engine's `Map` takes thrice the time to enter them.
const names: Array<ByteString> = []
/** By symbol. */
let hashes = new Int32Array(1 << 11)
/** By hash: a symbol + 1; 0 is none. */
let table = new Int32Array(1 << 12)

const hashOf = (name: ByteString): number => {
  const n = name.length
  let hash = n
  for (let i = 0; i < n; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return hash ^ (hash >>> 15)
}

/** Where a name stands in the table, or would stand. */
const place = (name: ByteString, hash: number): number => {
  const mask = table.length - 1
  for (let at = hash & mask; ; at = (at + 1) & mask) {
    const id = (table[at] as number) - 1
    if (id < 0 || (hashes[id] === hash && names[id] === name)) return at
  }
}

const grow = (): void => {
  const more = new Int32Array(hashes.length * 2)
  more.set(hashes)
  hashes = more
  table = new Int32Array(table.length * 2)
  const mask = table.length - 1
  for (let id = 0; id < names.length; id++) {
    let at = (hashes[id] as number) & mask
    while (table[at] !== 0) at = (at + 1) & mask
    table[at] = id + 1
  }
}

/** The symbol of a name, made on first use. */
export const symbol = (name: ByteString): SymbolId => {
  const hash = hashOf(name)
  const at = place(name, hash)
  const known = (table[at] as number) - 1
  if (known >= 0) return known
  const id = names.length
  table[at] = id + 1
  hashes[id] = hash
  names.push(name)
  if (names.length === hashes.length) grow()
  return id
}

/** Names that programs ask for, most of them again and again, and as the same string: these have a hash, and the engine's `Map` finds them without looking at them. */
const asked = new Map<ByteString, SymbolId>()
const askedLimit = 1 << 16

/** The symbol of a name if it has ever been made: a name that no program mentioned is in no attribute set. */
export const existingSymbol = (name: ByteString): SymbolId | undefined => {
  const known = asked.get(name)
  if (known !== undefined) return known
  const id = (table[place(name, hashOf(name))] as number) - 1
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
