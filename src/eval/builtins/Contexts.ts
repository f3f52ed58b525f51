/**
 * String contexts: what a string refers to, looked at and changed by hand.
 */
import { isStorePath } from "../../nix/StorePath.ts"
import type { ByteString } from "../../nix/Bytes.ts"
import { fromEntries } from "../AttributeSet.ts"
import { Coercion, coerceToText } from "../Coerce.ts"
import {
  expectBoolean,
  expectList,
  expectSet,
  expectString,
  expectText,
  expectTextIn,
  first,
  only,
  orderedContext,
  second
} from "../Expect.ts"
import { ask } from "../Force.ts"
import { machine } from "../Machine.ts"
import { NixError } from "../NixError.ts"
import { printName } from "../../lang/Names.ts"
import { parseContextElement } from "../Realisation.ts"
import type { SymbolId } from "../Symbols.ts"
import { Names, nameOf, symbol } from "../Symbols.ts"
import type { Value } from "../Value.ts"
import { Builtin, contextOf, withContext } from "../Value.ts"

const allOutputsName = symbol("allOutputs")

/** The text of a value that may become a string, and its context. */
const coerced = (value: Value, words: string): { readonly text: ByteString; readonly context: Set<string> } => {
  const context = new Set<string>()
  try {
    return { text: coerceToText(value, context, Coercion.Plain, true), context }
  } catch (error) {
    throw error instanceof NixError ? error.during(words, 0) : error
  }
}

const getContext = (string: Value): Value => {
  const info = new Map<ByteString, { path: boolean; allOutputs: boolean; readonly outputs: Array<ByteString> }>()
  const of = (path: ByteString) => {
    let known = info.get(path)
    if (known === undefined) info.set(path, (known = { path: false, allOutputs: false, outputs: [] }))
    return known
  }
  for (const element of orderedContext(contextOf(expectString(string, only("getContext"))))) {
    const parsed = parseContextElement(element)
    if (parsed._tag === "Path") of(parsed.path).path = true
    else if (parsed._tag === "AllOutputs") of(parsed.drvPath).allOutputs = true
    else of(parsed.drvPath).outputs.push(parsed.output)
  }
  return fromEntries(
    [...info].map(([path, known]) => {
      const entries: Array<readonly [SymbolId, Value]> = []
      if (known.path) entries.push([Names.path, true])
      if (known.allOutputs) entries.push([allOutputsName, true])
      if (known.outputs.length > 0) entries.push([Names.outputs, known.outputs])
      return [symbol(path), fromEntries(entries)] as const
    })
  )
}

const appendContext = (string: Value, contexts: Value): Value => {
  const context = new Set<string>()
  const text = expectTextIn(string, context, first("appendContext"))
  const set = expectSet(contexts, second("appendContext"))
  for (let slot = 0; slot < set.size; slot++) {
    const path = nameOf(set.shape.symbols[slot] as number)
    const position = set.positions[slot] ?? 0
    if (!isStorePath(path)) throw new NixError("eval", `context key '${printName(path)}' is not a store path`, position)
    if (!machine.settings.readOnly && !machine.derivations.has(path) && ask({ _tag: "EnsurePath", path }) !== true) {
      throw new NixError("io", `path '${path}' is not valid`, position)
    }
    const info = expectSet(set.at(slot), "while evaluating the value of a string context")
    const derivation = path.endsWith(".drv")
    const plain = info.get(Names.path)
    if (plain !== undefined && expectBoolean(plain, "while evaluating the `path` attribute of a string context")) context.add(path)
    const all = info.get(allOutputsName)
    if (all !== undefined && expectBoolean(all, "while evaluating the `allOutputs` attribute of a string context")) {
      if (!derivation) {
        throw new NixError(
          "eval",
          `tried to add all-outputs context of ${printName(path)}, which is not a derivation, to a string`,
          position
        )
      }
      context.add(`=${path}`)
    }
    const outputs = info.get(Names.outputs)
    if (outputs !== undefined) {
      const names = expectList(outputs, "while evaluating the `outputs` attribute of a string context")
      if (names.length > 0 && !derivation) {
        throw new NixError(
          "eval",
          `tried to add derivation output context of ${printName(path)}, which is not a derivation, to a string`,
          position
        )
      }
      for (const name of names) context.add(`!${expectText(name, "while evaluating an output name within a string context")}!${path}`)
    }
  }
  return withContext(text, context)
}

const addDrvOutputDependencies = (string: Value): Value => {
  const { text, context } = coerced(string, only("addDrvOutputDependencies"))
  const [element] = context
  if (element === undefined || context.size !== 1) {
    throw new NixError("eval", `context of string '${text}' must have exactly one element, but has ${context.size}`)
  }
  const parsed = parseContextElement(element)
  if (parsed._tag === "Output") {
    throw new NixError(
      "eval",
      `\`addDrvOutputDependencies\` can only act on derivations, not on a derivation output such as '${parsed.output}'`
    )
  }
  if (parsed._tag === "AllOutputs") return withContext(text, context)
  if (!parsed.path.endsWith(".drv")) throw new NixError("eval", `path '${parsed.path}' is not a derivation`)
  return withContext(text, new Set([`=${parsed.path}`]))
}

export const contexts: ReadonlyArray<Builtin> = [
  new Builtin("hasContext", 1, (string) => contextOf(expectString(string, only("hasContext"))).size > 0),
  new Builtin("getContext", 1, getContext),
  new Builtin("appendContext", 2, appendContext),
  new Builtin("unsafeDiscardStringContext", 1, (string) => coerced(string, only("unsafeDiscardStringContext")).text),
  new Builtin("unsafeDiscardOutputDependency", 1, (string) => {
    const { text, context } = coerced(string, only("unsafeDiscardOutputDependency"))
    return withContext(text, new Set([...context].map((element) => (element.startsWith("=") ? element.slice(1) : element))))
  }),
  new Builtin("addDrvOutputDependencies", 1, addDrvOutputDependencies)
]
