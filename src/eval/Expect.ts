/**
 * Forcing with an expectation: what builtins do with their arguments. Each refuses other types in Nix's words; `during` says what was being evaluated
 * (`while evaluating the first argument passed to builtins.head`) and becomes a frame of the error's trace.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { AttributeSet } from "./AttributeSet.ts"
import { isFunction } from "./Call.ts"
import { addContext } from "./ContextStrings.ts"
import { mismatch } from "./Describe.ts"
import { force } from "./Force.ts"
import { NixError } from "./NixError.ts"
import { printName } from "../lang/Names.ts"
import { Names, nameOf } from "./Symbols.ts"
import type { SymbolId } from "./Symbols.ts"
import type { FunctionValue, StringContext, Value } from "./Value.ts"
import { ContextString, NixFloat } from "./Value.ts"

/** `while evaluating the first argument passed to builtins.NAME`. */
export const first = (name: string): string => `while evaluating the first argument passed to builtins.${name}`

/** `while evaluating the second argument passed to builtins.NAME`. */
export const second = (name: string): string => `while evaluating the second argument passed to builtins.${name}`

/** `while evaluating the third argument passed to builtins.NAME`. */
export const third = (name: string): string => `while evaluating the third argument passed to builtins.${name}`

/** `while evaluating the argument passed to builtins.NAME`. */
export const only = (name: string): string => `while evaluating the argument passed to builtins.${name}`

export const expectInteger = (value: Value, during: string): number | bigint => {
  const v = force(value)
  if (typeof v === "number" || typeof v === "bigint") return v
  throw mismatch("an integer", v).during(during, 0)
}

/** An integer or a float, as a JavaScript number. */
export const expectFloat = (value: Value, during: string): number => {
  const v = force(value)
  if (v instanceof NixFloat) return v.value
  if (typeof v === "number" || typeof v === "bigint") return Number(v)
  throw mismatch("a float", v).during(during, 0)
}

export const expectBoolean = (value: Value, during: string): boolean => {
  const v = force(value)
  if (typeof v === "boolean") return v
  throw mismatch("a Boolean", v).during(during, 0)
}

export const expectList = (value: Value, during: string): Array<Value> => {
  const v = force(value)
  if (Array.isArray(v)) return v
  throw mismatch("a list", v).during(during, 0)
}

export const expectSet = (value: Value, during: string): AttributeSet => {
  const v = force(value)
  if (v instanceof AttributeSet) return v
  throw mismatch("a set", v).during(during, 0)
}

/** A function, or a set that can be called. */
export const expectFunction = (value: Value, during: string): FunctionValue | AttributeSet => {
  const v = force(value)
  if (isFunction(v) || (v instanceof AttributeSet && v.has(Names.functor))) return v as FunctionValue | AttributeSet
  throw mismatch("a function", v).during(during, 0)
}

/** A string, with or without context. */
export const expectString = (value: Value, during: string): ByteString | ContextString => {
  const v = force(value)
  if (typeof v === "string" || v instanceof ContextString) return v
  throw mismatch("a string", v).during(during, 0)
}

/** The bytes of a string; its context is added to `context`. */
export const expectTextIn = (value: Value, context: Set<string>, during: string): ByteString => {
  const v = expectString(value, during)
  if (typeof v === "string") return v
  addContext(context, v.context)
  return v.text
}

/** A context element in the words of error messages: `…`, `….drv^out`, `….drv (deep)`. */
export const displayContextElement = (element: string): ByteString => {
  if (element.startsWith("=")) return `${element.slice(1)} (deep)`
  if (!element.startsWith("!")) return element
  const at = element.indexOf("!", 1)
  return `${element.slice(at + 1)}^${element.slice(1, at)}`
}

const rank = (element: string): number => (element.startsWith("!") ? 2 : element.startsWith("=") ? 1 : 0)

/** Context elements as Nix orders them: paths, then derivations with all outputs, then outputs. */
export const orderedContext = (context: StringContext): Array<string> =>
  [...context].sort((a, b) => {
    const order = rank(a) - rank(b)
    if (order !== 0) return order
    const x = displayContextElement(a)
    const y = displayContextElement(b)
    return x < y ? -1 : x > y ? 1 : 0
  })

/** The error about a context where none is allowed. */
export const contextNotAllowed = (value: ContextString): NixError =>
  new NixError(
    "type",
    `the string '${value.text}' is not allowed to refer to a store path (such as '${displayContextElement(orderedContext(value.context)[0] as string)}')`
  )

/** The bytes of a string that must not have a context. */
export const expectText = (value: Value, during: string): ByteString => {
  const v = force(value)
  if (typeof v === "string") return v
  if (v instanceof ContextString) throw contextNotAllowed(v).during(during, 0)
  throw mismatch("a string", v).during(during, 0)
}

/** An attribute that must be there; perhaps a thunk. */
export const expectAttribute = (set: AttributeSet, symbol: SymbolId, during: string): Value => {
  const value = set.get(symbol)
  if (value === undefined) throw new NixError("missing-attribute", `attribute '${printName(nameOf(symbol))}' missing`).during(during, 0)
  return value
}
