/**
 * The text of `.drv` files: one ATerm `Derive([outputs],[input derivations],[input sources],system,builder,[args],[env])`.
 *
 * Strings are bytes; `"`, `\`, line feed, carriage return and tab are escaped. Printing sorts (outputs, inputs and their outputs, sources, environment) as Nix
 * does, so one derivation has one text. Parsing takes any order but no entry twice, and is otherwise exact: no blanks, nothing after the end.
 * Pure; checks neither output paths nor environment: see `checkDerivation` in `HashModulo.ts`.
 */
import { fromBytes } from "./Bytes.ts"
import type { ByteString } from "./Bytes.ts"
import type { Derivation, DerivationOutput } from "./Derivation.ts"
import { fixedHash, impureHash, kindOf, DerivationError, parseOutputAlgorithm } from "./Derivation.ts"
import { isDerivationPath, parseStorePath, StorePathError } from "./StorePath.ts"
import type { StorePath } from "./StorePath.ts"

/** Longest `.drv` text that is parsed, in bytes. */
export const atermLimit = 64 * 1024 * 1024

/** Text that is no derivation. */
export class AtermError extends Error {
  readonly _tag = "AtermError"
  /** Name of the derivation. */
  readonly derivation: ByteString
  /** Byte offset of what is wrong. */
  readonly offset: number
  /** What should have been there, or what is wrong with what is. */
  readonly problem: string

  constructor(derivation: ByteString, offset: number, problem: string) {
    super()
    this.derivation = derivation
    this.offset = offset
    this.problem = problem
  }

  override get message(): string {
    return `error parsing derivation '${this.derivation}' at byte ${this.offset}: ${this.problem}`
  }
}

const special = /["\\\n\r\t]/
const specials = /["\\\n\r\t]/g
const escapes: { readonly [character: string]: string } = { "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\" }
const escape = (character: string): string => escapes[character]!

/** Control characters that stand for themselves in ATerm but not in JSON. */
const notAsInJson = /[\x00-\x08\x0b\x0c\x0e-\x1f]/

/** A string as it stands between quotes. */
const escaped = (text: ByteString): ByteString => {
  if (!special.test(text)) return text
  // JSON escapes the same five characters the same way, and the engine does that five times faster than any loop here.
  return notAsInJson.test(text) ? text.replace(specials, escape) : JSON.stringify(text).slice(1, -1)
}

/** A string in quotes, escaped. */
export const quote = (text: ByteString): ByteString => `"${escaped(text)}"`

// What is long is put together by `join`: such a text is one piece, where sums are trees of pieces, to be gone through for each text that they are part of.

/** `"a","b"`: no brackets. */
const quoteAll = (texts: ReadonlyArray<ByteString>): ByteString =>
  texts.length === 0 ? "" : texts.length === 1 ? quote(texts[0]!) : texts.map(quote).join(",")

/** The same elements in bytewise order; the array itself where it is in order already. */
export const inOrder = <T extends ByteString>(texts: ReadonlyArray<T>): ReadonlyArray<T> => {
  for (let i = 1; i < texts.length; i++) {
    // The engine's own order of strings is that of their characters, which are bytes.
    if (texts[i - 1]! > texts[i]!) return [...texts].sort()
  }
  return texts
}

/** The outputs part, without brackets. Paths are blank where `masked`. */
export const printOutputs = (outputs: ReadonlyMap<ByteString, DerivationOutput>, masked: boolean): ByteString => {
  let printed = ""
  for (const name of inOrder([...outputs.keys()])) {
    const output = outputs.get(name)!
    const path = masked ? "" : output.path
    printed += `${printed === "" ? "" : ","}(${quote(name)},"${path}",${quote(output.hashAlgorithm)},${quote(output.hash)})`
  }
  return printed
}

/** The input derivations part, without brackets. Keys need no escaping: store paths or hex digits. */
export const printInputs = (inputs: ReadonlyMap<string, ReadonlyArray<ByteString>>): ByteString => {
  const pieces: Array<string> = []
  for (const key of inOrder([...inputs.keys()])) {
    pieces.push(pieces.length === 0 ? '("' : ',("', key, '",[', quoteAll(inOrder(inputs.get(key)!)), "])")
  }
  return pieces.join("")
}

/** From the input sources up to the environment's opening bracket. */
export const printMiddle = (derivation: Derivation): ByteString =>
  `],[${quoteAll(inOrder(derivation.inputSources))}],${quote(derivation.system)},${quote(derivation.builder)},[${quoteAll(derivation.args)}],[`

/** What stands between the value of a variable and that of the next, by the name of that. */
const variables = new Map<ByteString, string>()
const variablesLimit = 4096

/** From the end of the value before to the beginning of the value of this variable: `"),("name","`. Derivations have much the same variables. */
const beforeValue = (name: ByteString): string => {
  let text = variables.get(name)
  if (text === undefined) {
    text = `"),(${quote(name)},"`
    if (variables.size === variablesLimit) variables.clear()
    variables.set(name, text)
  }
  return text
}

/** What of `beforeValue` is not there before the first variable. */
const beforeFirst = '"),'.length

/** An environment in print, without brackets, cut where variables have their values: `pieces.length` is one more than there are such variables. */
export interface CutEnv {
  readonly pieces: ReadonlyArray<ByteString>
  readonly names: ReadonlyArray<ByteString>
}

/** Prints an environment but for the values of `cuts`, whether they are in it or not. */
export const cutEnv = (env: ReadonlyMap<ByteString, ByteString>, cuts: Iterable<ByteString>): CutEnv => {
  const open = new Set(cuts)
  const keys = [...env.keys()]
  open.forEach((name) => {
    if (!env.has(name)) keys.push(name)
  })
  const pieces: Array<ByteString> = []
  const names: Array<ByteString> = []
  let piece: Array<ByteString> = []
  const ordered = inOrder(keys)
  for (let i = 0; i < ordered.length; i++) {
    const key = ordered[i]!
    piece.push(i === 0 ? beforeValue(key).slice(beforeFirst) : beforeValue(key))
    if (open.has(key)) {
      pieces.push(piece.join(""))
      names.push(key)
      piece = []
    } else {
      piece.push(escaped(env.get(key)!))
    }
  }
  if (ordered.length > 0) piece.push('")')
  pieces.push(piece.join(""))
  return { pieces, names }
}

/** The environment, without brackets. */
const printEnv = (env: ReadonlyMap<ByteString, ByteString>): ByteString => cutEnv(env, []).pieces[0]!

/** The text of a derivation. */
export const printDerivation = (derivation: Derivation): ByteString =>
  `Derive([${printOutputs(derivation.outputs, false)}],[${printInputs(derivation.inputDerivations)}${printMiddle(derivation)}${printEnv(derivation.env)}])`

const comma = 44
const closeBracket = 93

/** Reads one text from left to right. */
class Cursor {
  readonly name: ByteString
  readonly text: ByteString
  at = 0
  /** Offset of the next backslash at or after the last string read: searched once for many strings. */
  private nextBackslash = -1

  constructor(name: ByteString, text: ByteString) {
    this.name = name
    this.text = text
  }

  fail(offset: number, problem: string): AtermError {
    return new AtermError(this.name, offset, problem)
  }

  expect(token: string): void {
    if (!this.text.startsWith(token, this.at)) throw this.fail(this.at, `expected string '${token}'`)
    this.at += token.length
  }

  string(): ByteString {
    const text = this.text
    this.expect('"')
    const start = this.at
    let end = text.indexOf('"', start)
    if (end < 0) throw this.fail(start - 1, "unterminated string in derivation")
    if (this.nextBackslash < start) {
      const found = text.indexOf("\\", start)
      this.nextBackslash = found < 0 ? text.length : found
    }
    if (this.nextBackslash > end) {
      this.at = end + 1
      return text.slice(start, end)
    }
    let value = ""
    let from = start
    let slash = this.nextBackslash
    while (slash >= 0 && slash < end) {
      const code = text[slash + 1]!
      value += text.slice(from, slash)
      value += code === "n" ? "\n" : code === "r" ? "\r" : code === "t" ? "\t" : code
      from = slash + 2
      if (from > end) {
        end = text.indexOf('"', from)
        if (end < 0) throw this.fail(start - 1, "unterminated string in derivation")
      }
      slash = text.indexOf("\\", from)
    }
    this.nextBackslash = slash < 0 ? text.length : slash
    this.at = end + 1
    return value + text.slice(from, end)
  }

  /** Reads `[item,item,…]` after its opening bracket. */
  list(item: () => void): void {
    if (this.text.charCodeAt(this.at) === closeBracket) {
      this.at++
      return
    }
    for (;;) {
      item()
      const code = this.text.charCodeAt(this.at)
      this.at++
      if (code === closeBracket) return
      if (code !== comma) throw this.fail(this.at - 1, "expected ',' or ']'")
    }
  }

  storePath(): StorePath {
    const start = this.at
    const path = this.string()
    try {
      return parseStorePath(path)
    } catch (error) {
      if (error instanceof StorePathError) throw this.fail(start, error.message)
      throw error
    }
  }

  strings(): Array<ByteString> {
    const strings: Array<ByteString> = []
    this.expect("[")
    this.list(() => strings.push(this.string()))
    return strings
  }
}

const parseOutput = (cursor: Cursor, outputs: Map<ByteString, DerivationOutput>): void => {
  const start = cursor.at
  cursor.expect("(")
  const name = cursor.string()
  if (outputs.has(name)) throw cursor.fail(start, `output '${name}' occurs twice`)
  cursor.expect(",")
  const path = cursor.text.startsWith('""', cursor.at) ? cursor.string() : cursor.storePath()
  cursor.expect(",")
  const hashAlgorithm = cursor.string()
  cursor.expect(",")
  const hash = cursor.string()
  cursor.expect(")")
  if (hashAlgorithm !== "" && parseOutputAlgorithm(hashAlgorithm) === undefined) {
    throw cursor.fail(start, `output '${name}' has unknown hash algorithm '${hashAlgorithm}'`)
  }
  if (hashAlgorithm === "" && hash !== "") throw cursor.fail(start, `output '${name}' has a hash but no hash algorithm`)
  const fixed = hash !== "" && hash !== impureHash
  if (fixed && path === "") throw cursor.fail(start, `output '${name}' has a fixed hash but no path`)
  if (!fixed && hashAlgorithm !== "" && path !== "")
    throw cursor.fail(start, `output '${name}' has a path that cannot be known before it is built`)
  const output: DerivationOutput = { path: path as StorePath | "", hashAlgorithm, hash }
  if (fixed) {
    try {
      fixedHash(cursor.name, name, output)
    } catch (error) {
      if (error instanceof DerivationError) throw cursor.fail(start, error.message)
      throw error
    }
  }
  outputs.set(name, output)
}

/**
 * The derivation of a `.drv` text; `name` is that of its store path without `.drv`. Throws `AtermError` with the byte offset of what is wrong, `DerivationError`
 * where the outputs are of different kinds. Dynamic derivations (`DrvWithVersion`) are refused.
 */
export const parseDerivation = (text: ByteString | Uint8Array, name: ByteString): Derivation => {
  if (text.length > atermLimit) throw new AtermError(name, atermLimit, `the text has ${text.length} bytes, more than ${atermLimit}`)
  const cursor = new Cursor(name, typeof text === "string" ? text : fromBytes(text))
  if (cursor.text.startsWith("DrvWithVersion(")) throw cursor.fail(0, "dynamic derivations are not supported")
  const outputs = new Map<ByteString, DerivationOutput>()
  const inputDerivations = new Map<StorePath, ReadonlyArray<ByteString>>()
  const inputSources: Array<StorePath> = []
  const seenSources = new Set<StorePath>()
  const env = new Map<ByteString, ByteString>()

  cursor.expect("Derive([")
  cursor.list(() => parseOutput(cursor, outputs))
  cursor.expect(",[")
  cursor.list(() => {
    cursor.expect("(")
    const start = cursor.at
    const path = cursor.storePath()
    if (!isDerivationPath(path)) throw cursor.fail(start, `input '${path}' is no derivation`)
    if (inputDerivations.has(path)) throw cursor.fail(start, `input '${path}' occurs twice`)
    cursor.expect(",")
    const names = cursor.strings()
    if (new Set(names).size !== names.length) throw cursor.fail(start, `an output of input '${path}' occurs twice`)
    cursor.expect(")")
    inputDerivations.set(path, names)
  })
  cursor.expect(",[")
  cursor.list(() => {
    const start = cursor.at
    const path = cursor.storePath()
    if (seenSources.has(path)) throw cursor.fail(start, `input '${path}' occurs twice`)
    seenSources.add(path)
    inputSources.push(path)
  })
  cursor.expect(",")
  const system = cursor.string()
  cursor.expect(",")
  const builder = cursor.string()
  cursor.expect(",")
  const args = cursor.strings()
  cursor.expect(",[")
  cursor.list(() => {
    cursor.expect("(")
    const start = cursor.at
    const key = cursor.string()
    if (env.has(key)) throw cursor.fail(start, `environment variable '${key}' occurs twice`)
    cursor.expect(",")
    env.set(key, cursor.string())
    cursor.expect(")")
  })
  cursor.expect(")")
  if (cursor.at !== cursor.text.length) throw cursor.fail(cursor.at, "there is text after the derivation's end")

  const derivation: Derivation = { name, outputs, inputDerivations, inputSources, system, builder, args, env }
  kindOf(derivation)
  return derivation
}
