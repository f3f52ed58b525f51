/**
 * Why two values are not equal, told by a failed `assert a == b`: the first difference, and the way to it as frames of the trace. Follows the order in which
 * `equal` (`Compare.ts`) looked, so that nothing is evaluated that it had not evaluated.
 */
import { AttributeSet } from "./AttributeSet.ts"
import type { Position } from "./Positions.ts"
import { equal, equalElement, isDerivation } from "./Compare.ts"
import { describe } from "./Describe.ts"
import { force } from "./Force.ts"
import { NixError } from "./NixError.ts"
import { printShort } from "./Print.ts"
import { isFunction } from "./Call.ts"
import { nameOf, Names } from "./Symbols.ts"
import type { Value } from "./Value.ts"
import { ContextString, NixFloat, NixPath } from "./Value.ts"

const isNumber = (value: Value): boolean => typeof value === "number" || typeof value === "bigint" || value instanceof NixFloat

const isString = (value: Value): boolean => typeof value === "string" || value instanceof ContextString

const failed = (message: string): NixError => new NixError("assert", message)

/** Values that have no parts, in the words for their type; undefined for all others. */
const simple = (a: Value, b: Value): NixError | undefined => {
  const [left, right] = [printShort(a), printShort(b)]
  if (isNumber(a) && isNumber(b)) return failed(`${describe(a)} with value '${left}' is not equal to ${describe(b)} with value '${right}'`)
  if (typeof a === "boolean" && typeof b === "boolean") return failed(`boolean '${left}' is not equal to boolean '${right}'`)
  if (isString(a) && isString(b)) return failed(`string '${left}' is not equal to string '${right}'`)
  if (a instanceof NixPath && b instanceof NixPath) return failed(`path '${left}' is not equal to path '${right}'`)
  if (isFunction(a) && isFunction(b))
    return failed("distinct functions and immediate comparisons of identical functions compare as unequal")
  if ((Array.isArray(a) && Array.isArray(b)) || (a instanceof AttributeSet && b instanceof AttributeSet)) return undefined
  return failed(`${describe(a)} of value '${left}' is not equal to ${describe(b)} of value '${right}'`)
}

const listDifference = (a: ReadonlyArray<Value>, b: ReadonlyArray<Value>, position: Position): NixError => {
  if (a.length !== b.length) {
    const [left, right] = [printShort(a as Value), printShort(b as Value)]
    return failed(
      `list of size '${a.length}' is not equal to list of size '${b.length}', left hand side is '${left}', right hand side is '${right}'`
    )
  }
  const index = a.findIndex((element, i) => !equalElement(element, b[i] as Value))
  return difference(a[index] as Value, b[index] as Value, position).during(`while comparing list element ${index}`, position)
}

const setDifference = (a: AttributeSet, b: AttributeSet, position: Position): NixError => {
  if (isDerivation(a) && isDerivation(b)) {
    const [i, j] = [a.get(Names.outPath), b.get(Names.outPath)]
    if (i !== undefined && j !== undefined) {
      return difference(i, j, position).during("while comparing a derivation by its 'outPath' attribute", position)
    }
  }
  const [left, right] = [printShort(a), printShort(b)]
  if (a.size !== b.size) return failed(`attribute names of attribute set '${left}' differs from attribute set '${right}'`)
  const symbols = a.shape.visiting.map((slot) => a.shape.symbols[slot] as number)
  const alone = symbols.find((symbol) => !b.has(symbol))
  if (alone !== undefined) return failed(`attribute name '${nameOf(alone)}' is contained in '${left}', but not in '${right}'`)
  const symbol = symbols.find((symbol) => !equalElement(a.get(symbol) as Value, b.get(symbol) as Value)) as number
  const error = difference(a.get(symbol) as Value, b.get(symbol) as Value, position)
  if (b.positionOf(symbol) !== 0) error.during("where right hand side is", b.positionOf(symbol))
  if (a.positionOf(symbol) !== 0) error.during("where left hand side is", a.positionOf(symbol))
  return error.during(`while comparing attribute '${nameOf(symbol)}'`, position)
}

/** The error that says how two values differ, which they do. `position`: the place of the comparison. */
export const difference = (x: Value, y: Value, position: Position): NixError => {
  const a = force(x)
  const b = force(y)
  const told = simple(a, b)
  if (told !== undefined) return told
  return Array.isArray(a) ? listDifference(a, b as Array<Value>, position) : setDifference(a as AttributeSet, b as AttributeSet, position)
}

/** The error of `assert a == b`, or `undefined` where the two values, evaluated once more, are equal. */
export const assertionDifference = (a: Value, b: Value, position: Position): NixError | undefined =>
  equal(a, b) ? undefined : difference(a, b, position)
