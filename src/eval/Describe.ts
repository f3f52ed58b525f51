/**
 * Values in words, for error messages: types as Nix 2.34 names them, and short prints of values.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { AttributeSet } from "./AttributeSet.ts"
import { NixError } from "./NixError.ts"
import type { Position } from "./Positions.ts"
import { printShort } from "./Print.ts"
import type { Value } from "./Value.ts"
import { Builtin, ContextString, Lambda, NixFloat, NixPath, PartialBuiltin, Thunk } from "./Value.ts"

/** `builtins.typeOf` names. The value must be forced. */
export const typeName = (value: Value): string => {
  switch (typeof value) {
    case "number":
    case "bigint":
      return "int"
    case "string":
      return "string"
    case "boolean":
      return "bool"
  }
  if (value === null) return "null"
  if (value instanceof AttributeSet) return "set"
  if (Array.isArray(value)) return "list"
  if (value instanceof ContextString) return "string"
  if (value instanceof NixPath) return "path"
  if (value instanceof NixFloat) return "float"
  return "lambda"
}

/** With an article: `an integer`, `a set`, `the built-in function 'map'`. */
export const describe = (value: Value): ByteString => {
  if (value instanceof Thunk) return value.code === null ? describe(value.env as Value) : "a thunk"
  if (value instanceof Builtin) return `the built-in function '${value.name}'`
  if (value instanceof PartialBuiltin) return `the partially applied built-in function '${value.builtin.name}'`
  if (value instanceof Lambda) return "a function"
  if (value instanceof ContextString) return "a string with context"
  switch (typeName(value)) {
    case "int":
      return "an integer"
    case "float":
      return "a float"
    case "string":
      return "a string"
    case "bool":
      return "a Boolean"
    case "null":
      return "null"
    case "set":
      return "a set"
    case "list":
      return "a list"
    case "path":
      return "a path"
  }
  return "a function"
}

/** `expected a list but found an integer: 1`. */
export const mismatch = (expected: string, value: Value, position: Position = 0): NixError =>
  new NixError("type", `expected ${expected} but found ${describe(value)}: ${printShort(value)}`, position)
