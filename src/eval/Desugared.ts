/**
 * Operators that Nix turns into calls of global functions: `a - b` is `__sub a b`, `a < b` is `__lessThan a b`, `-a` is `__sub 0 a`, `<x>` is
 * `__findFile __nixPath "x"`. A program that binds one of those names lexically changes the operator (a `with` does not). This is the code for that case.
 */
import * as Kind from "../lang/Kind.ts"
import { callAll } from "./Call.ts"
import type { Code, Run } from "./Code.ts"
import { mismatch } from "./Describe.ts"
import type { Scope } from "./Scope.ts"
import { resolveVariable } from "./Scope.ts"
import { symbol } from "./Symbols.ts"

const functionOf = new Map<number, number>([
  [Kind.Negate, symbol("__sub")],
  [Kind.Subtract, symbol("__sub")],
  [Kind.Multiply, symbol("__mul")],
  [Kind.Divide, symbol("__div")],
  [Kind.Less, symbol("__lessThan")],
  [Kind.LessOrEqual, symbol("__lessThan")],
  [Kind.Greater, symbol("__lessThan")],
  [Kind.GreaterOrEqual, symbol("__lessThan")]
])

const findFile = symbol("__findFile")
const nixPath = symbol("__nixPath")

/** Whether an operator's function is bound lexically. */
export const isShadowed = (kind: number, scope: Scope | null): boolean => {
  const name = functionOf.get(kind)
  return name !== undefined && scope !== null && resolveVariable(scope, name) !== undefined
}

/** Whether `<x>` is looked up by something of the program's own. */
export const isLookupShadowed = (scope: Scope | null): boolean =>
  scope !== null && (resolveVariable(scope, findFile) !== undefined || resolveVariable(scope, nixPath) !== undefined)

/** The names for compiling a shadowed operator's or lookup's function. */
export const operatorFunction = (kind: number): number => functionOf.get(kind) as number
export const lookupNames = { findFile, nixPath }
export const operatorNames: ReadonlySet<number> = new Set(functionOf.values())

/** `left op right` through the program's own function. */
export const shadowedOperator = (kind: number, own: Code, left: Code | undefined, right: Code): Run => {
  const swapped = kind === Kind.Greater || kind === Kind.LessOrEqual
  const negated = kind === Kind.LessOrEqual || kind === Kind.GreaterOrEqual
  return (env) => {
    const a = left === undefined ? 0 : left.delay(env)
    const b = right.delay(env)
    const result = callAll(own.run(env), swapped ? [b, a] : [a, b])
    if (!negated) return result
    if (typeof result !== "boolean") throw mismatch("a Boolean", result)
    return !result
  }
}
