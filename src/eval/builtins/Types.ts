/**
 * `typeOf` and the predicates: what kind of value something is.
 */
import { AttributeSet } from "../AttributeSet.ts"
import { isFunction } from "../Call.ts"
import { typeName } from "../Describe.ts"
import { force } from "../Force.ts"
import type { Value } from "../Value.ts"
import { Builtin, ContextString, NixFloat, NixPath } from "../Value.ts"

const predicate = (name: string, holds: (value: Value) => boolean): Builtin => new Builtin(name, 1, (value) => holds(force(value)))

export const types: ReadonlyArray<Builtin> = [
  new Builtin("typeOf", 1, (value) => typeName(force(value))),
  predicate("isNull", (value) => value === null),
  predicate("isBool", (value) => typeof value === "boolean"),
  predicate("isInt", (value) => typeof value === "number" || typeof value === "bigint"),
  predicate("isFloat", (value) => value instanceof NixFloat),
  predicate("isString", (value) => typeof value === "string" || value instanceof ContextString),
  predicate("isPath", (value) => value instanceof NixPath),
  predicate("isList", (value) => Array.isArray(value)),
  predicate("isAttrs", (value) => value instanceof AttributeSet),
  predicate("isFunction", isFunction)
]
