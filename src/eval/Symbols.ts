/**
 * Symbols: names as small integers, so that scopes and attribute sets compare numbers. One append-only table a thread, shared by all
 * evaluations in it. Names are byte strings.
 */
import type { ByteString } from "../nix/Bytes.ts"

export type SymbolId = number

const ids = new Map<ByteString, SymbolId>()
const names: Array<ByteString> = []

/** The symbol of a name, made on first use. */
export const symbol = (name: ByteString): SymbolId => {
  let id = ids.get(name)
  if (id === undefined) {
    id = names.length
    names.push(name)
    ids.set(name, id)
  }
  return id
}

/** The symbol of a name if it has ever been made: a name that no program mentioned is in no attribute set. */
export const existingSymbol = (name: ByteString): SymbolId | undefined => ids.get(name)

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
