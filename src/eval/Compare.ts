/**
 * Equality and order of values, as `==` and `<` have them.
 *
 * Equality: integers and floats compare by value; sets that are both derivations compare by `outPath`; functions are never equal, but list elements
 * and attributes that are the very same value are (value pointer equality). Siblings under `==` are no batch points: the first difference decides.
 */
import { AttributeSet } from "./AttributeSet.ts"
import { describe, typeName } from "./Describe.ts"
import { force } from "./Force.ts"
import { enterCall } from "./LambdaCode.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"
import { printShort } from "./Print.ts"
import { Names } from "./Symbols.ts"
import type { Value } from "./Value.ts"
import { Builtin, ContextString, Lambda, NixFloat, NixPath, PartialBuiltin, Thunk } from "./Value.ts"

/** Whether a forced set has `type = "derivation"`. */
export const isDerivation = (set: AttributeSet): boolean => {
  const type = set.get(Names.type)
  if (type === undefined) return false
  const forced = force(type)
  return forced === "derivation" || (forced instanceof ContextString && forced.text === "derivation")
}

/** `a == b`; both may be thunks. */
export const equal = (x: Value, y: Value): boolean => {
  const a = force(x)
  const b = force(y)
  if (a instanceof NixFloat && b instanceof NixFloat) return a.value === b.value
  if (a instanceof Lambda || a instanceof Builtin || a instanceof PartialBuiltin) return false
  const ta = typeof a
  const tb = typeof b
  if (ta === "string" || a instanceof ContextString) {
    if (tb === "string" || b instanceof ContextString) {
      return (ta === "string" ? a : (a as ContextString).text) === (tb === "string" ? b : (b as ContextString).text)
    }
    return false
  }
  if (a instanceof NixFloat) {
    return (tb === "number" || tb === "bigint") && a.value === Number(b)
  }
  if (ta === "number" || ta === "bigint") {
    return a === b || (b instanceof NixFloat && Number(a) === b.value)
  }
  if (a === null || b === null || ta !== "object" || tb !== "object") return a === b
  if (a instanceof NixPath) return b instanceof NixPath && a.path === b.path
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false
    enterCall()
    for (let i = 0; i < a.length; i++) if (!equalElement(a[i] as Value, b[i] as Value)) return false
    machine.depth--
    return true
  }
  if (a instanceof AttributeSet) {
    if (!(b instanceof AttributeSet)) return false
    if (isDerivation(a) && isDerivation(b)) {
      const i = a.get(Names.outPath)
      const j = b.get(Names.outPath)
      if (i !== undefined && j !== undefined) return equal(i, j)
    }
    if (a.size !== b.size) return false
    enterCall()
    const result = equalSets(a, b)
    machine.depth--
    return result
  }
  return false
}

const equalSets = (a: AttributeSet, b: AttributeSet): boolean => {
  const { symbols, visiting } = a.shape
  const other = b.shape
  const alike = a.shape === other
  if (!alike) for (let i = 0; i < symbols.length; i++) if (other.slot(symbols[i] as number) < 0) return false
  for (let i = 0; i < visiting.length; i++) {
    const slot = visiting[i] as number
    if (!equalElement(a.at(slot), b.at(alike ? slot : other.slot(symbols[slot] as number)))) return false
  }
  return true
}

/**
 * Whether two elements or attributes are equal. What is the very same variable or element is equal to itself, functions too, once it has been evaluated. Two
 * thunks are two variables, though their values may be one object: in Nix each has a copy.
 */
export const equalElement = (x: Value, y: Value): boolean => {
  const a = force(x)
  const b = force(y)
  if (x === y || (a === b && !(x instanceof Thunk && y instanceof Thunk))) return true
  return equal(a, b)
}

/** -1, 0 or 1; both must be forced. Refuses what `<` refuses. */
export const less = (x: Value, y: Value): boolean => {
  const a = force(x)
  const b = force(y)
  if (typeof a === "number" && typeof b === "number") return a < b
  const numberA = typeof a === "number" || typeof a === "bigint"
  const numberB = typeof b === "number" || typeof b === "bigint"
  if (numberA && numberB) return a < b
  if (a instanceof NixFloat) {
    if (b instanceof NixFloat) return a.value < b.value
    if (numberB) return a.value < Number(b)
  } else if (b instanceof NixFloat && numberA) return Number(a) < b.value
  const sa = typeof a === "string" ? a : a instanceof ContextString ? a.text : undefined
  const sb = typeof b === "string" ? b : b instanceof ContextString ? b.text : undefined
  if (sa !== undefined && sb !== undefined) return sa < sb
  if (a instanceof NixPath && b instanceof NixPath) return a.path < b.path
  if (Array.isArray(a) && Array.isArray(b)) {
    enterCall()
    const result = lessLists(a, b)
    machine.depth--
    return result
  }
  const [left, right] = [printShort(a), printShort(b)]
  const message =
    typeName(a) === typeName(b)
      ? `cannot compare ${describe(a)} with ${describe(b)}; values of that type are incomparable (values are ${left} and ${right})`
      : `cannot compare ${describe(a)} with ${describe(b)}; values are ${left} and ${right}`
  throw new NixError("type", message)
}

const lessLists = (a: ReadonlyArray<Value>, b: ReadonlyArray<Value>): boolean => {
  for (let i = 0; ; i++) {
    if (i === b.length) return false
    if (i === a.length) return true
    if (!equalElement(a[i] as Value, b[i] as Value)) return less(a[i] as Value, b[i] as Value)
  }
}
