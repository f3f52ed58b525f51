/**
 * Strings out of values: `"${…}"`, `+`, `toString` and derivation attributes, with their contexts.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { derivationSuffix } from "../nix/StorePath.ts"
import { AttributeSet } from "./AttributeSet.ts"
import { call } from "./Call.ts"
import { addContext, unitedContext } from "./ContextStrings.ts"
import { describe } from "./Describe.ts"
import { formatFixed } from "../lang/Floats.ts"
import { ask, batch, force } from "./Force.ts"
import { enterCall } from "./LambdaCode.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"
import { baseName } from "./Paths.ts"
import { printShort } from "./Print.ts"
import { Names } from "./Symbols.ts"
import type { Value } from "./Value.ts"
import { ContextString, NixFloat, NixPath, textOf } from "./Value.ts"

/** How much becomes a string. */
export const Coercion = {
  /** Antiquotation: strings, paths, sets with `__toString` or `outPath`. */
  Plain: 0,
  /** `toString`, derivation attributes: also null, Booleans, numbers and lists. */
  More: 1
} as const

/** Refuses a path where nothing is. */
export const expectThere = (path: ByteString): void => {
  const missing = ask({ _tag: "PathType", path, follow: false }) === undefined
  if (missing) throw new NixError("io", `path '${path}' does not exist`)
}

/** Copies a path into the store, as antiquotation does; the store path. */
export const copyToStore = (path: ByteString): StorePath => {
  if (path.endsWith(derivationSuffix)) throw new NixError("eval", `file names are not allowed to end in '${derivationSuffix}'`)
  expectThere(path)
  return ask({ _tag: "AddSource", name: baseName(path), path, accepted: undefined, recursive: true, expected: undefined }) as StorePath
}

const scalarText = (value: number | boolean | null): ByteString =>
  typeof value === "number" ? value.toString() : value === true ? "1" : ""

const noCoercion = (value: Value): NixError => new NixError("type", `cannot coerce ${describe(value)} to a string: ${printShort(value)}`)

/** A value as a string value with context; paths are copied into the store where `copy` is set. Of what has a context already it is that very string. */
export const coerceToString = (
  value: Value,
  coercion: (typeof Coercion)[keyof typeof Coercion],
  copy: boolean
): ByteString | ContextString => {
  const v = force(value)
  if (typeof v === "string" || v instanceof ContextString) return v
  if (v instanceof NixPath) {
    if (!copy) return v.path
    const path = copyToStore(v.path)
    return new ContextString(path, new Set<string>().add(path))
  }
  if (v instanceof AttributeSet) {
    const convert = v.get(Names.toString)
    const inner = convert === undefined ? v.get(Names.outPath) : call(convert, v)
    if (inner === undefined) throw noCoercion(v)
    enterCall()
    const string = coerceToString(inner, coercion, copy)
    machine.depth--
    return string
  }
  if (coercion === Coercion.More) {
    if (typeof v === "number" || typeof v === "boolean" || v === null) return scalarText(v)
    if (typeof v === "bigint") return v.toString()
    if (v instanceof NixFloat) return formatFixed(v.value)
    if (Array.isArray(v)) return listToString(v, copy)
  }
  throw noCoercion(v)
}

/** The strings of a list with blanks in between, but for those after an empty list in it. */
const listToString = (list: ReadonlyArray<Value>, copy: boolean): ByteString | ContextString => {
  const strings = new Array<ByteString | ContextString>(list.length)
  enterCall()
  batch(list.length, (i) => {
    try {
      strings[i] = coerceToString(list[i] as Value, Coercion.More, copy)
    } catch (error) {
      throw error instanceof NixError ? error.during("while evaluating one element of the list", 0) : error
    }
  })
  machine.depth--
  if (strings.length === 1) return strings[0] as ByteString | ContextString
  const pieces: Array<ByteString> = []
  for (let i = 0; i < list.length; i++) {
    const text = textOf(strings[i] as ByteString | ContextString)
    pieces.push(text)
    if (i === list.length - 1) break
    const element = text === "" ? force(list[i] as Value) : undefined
    if (!Array.isArray(element) || element.length !== 0) pieces.push(" ")
  }
  const context = unitedContext(strings)
  const text = pieces.join("")
  return context === undefined ? text : new ContextString(text, context)
}

/** The text of a string value; its context is added to `context`. */
export const textWith = (value: ByteString | ContextString, context: Set<string>): ByteString => {
  if (typeof value === "string") return value
  addContext(context, value.context)
  return value.text
}

/** The text of a value, as `coerceToString` gives it; its context is added to `context`. */
export const coerceToText = (
  value: Value,
  context: Set<string>,
  coercion: (typeof Coercion)[keyof typeof Coercion],
  copy: boolean
): ByteString => textWith(coerceToString(value, coercion, copy), context)
