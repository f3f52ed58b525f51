/**
 * `import`, `scopedImport`, `findFile`.
 */
import type { ByteString } from "../../nix/Bytes.ts"
import { AttributeSet } from "../AttributeSet.ts"
import { importedDerivation, isImportedDerivation } from "./ImportedDerivation.ts"
import { mismatch } from "../Describe.ts"
import { force } from "../Force.ts"
import { importFile, importScoped } from "../Import.ts"
import type { SearchPathEntry } from "../Machine.ts"
import { NixError } from "../NixError.ts"
import { realiseContext, realisePath } from "../Realisation.ts"
import { Coercion, coerceToText } from "../Coerce.ts"
import { find } from "../SearchPath.ts"
import { Names, symbol } from "../Symbols.ts"
import type { Value } from "../Value.ts"
import { Builtin, ContextString } from "../Value.ts"

const prefixName = symbol("prefix")

const textAttribute = (set: AttributeSet, name: number, fallback: ByteString | undefined, context: Set<string>): ByteString => {
  const value = set.get(name)
  if (value === undefined) {
    if (fallback !== undefined) return fallback
    throw new NixError("missing-attribute", "attribute 'path' missing")
  }
  return coerceToText(value, context, Coercion.Plain, false)
}

const entriesOf = (list: Value): Array<SearchPathEntry> => {
  const entries = force(list)
  if (!Array.isArray(entries)) throw mismatch("a list", entries)
  return entries.map((element) => {
    const set = force(element)
    if (!(set instanceof AttributeSet)) throw mismatch("a set", set)
    const context = new Set<string>()
    const prefix = textAttribute(set, prefixName, "", context)
    const path = textAttribute(set, Names.path, undefined, context)
    realiseContext(context)
    return { prefix, path }
  })
}

export const importing: ReadonlyArray<Builtin> = [
  new Builtin("import", 1, (value) => {
    const path = realisePath(value)
    return isImportedDerivation(path) ? importedDerivation(path) : importFile(path)
  }),
  new Builtin("scopedImport", 2, (scope, path) => {
    const set = force(scope)
    if (!(set instanceof AttributeSet)) throw mismatch("a set", set)
    return importScoped(set, realisePath(path))
  }),
  new Builtin("findFile", 2, (list, name) => {
    const entries = entriesOf(list)
    const text = force(name)
    if (typeof text === "string") return find(entries, text, 0)
    if (text instanceof ContextString) return find(entries, text.text, 0)
    throw mismatch("a string", text)
  })
]
