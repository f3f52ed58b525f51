/**
 * Operators on two operands: how they evaluate them, and what they refuse, told as Nix tells it.
 */
import * as Kind from "../lang/Kind.ts"
import { addNumbers, divide, multiply, subtract } from "./Arithmetic.ts"
import type { Position } from "./Positions.ts"
import { AttributeSet, update, updateWith } from "./AttributeSet.ts"
import type { Env, Run } from "./Code.ts"
import { Code, Delay, evaluate, ready } from "./Code.ts"
import { Coercion, coerceToString, coerceToText } from "./Coerce.ts"
import type { StaticAttributes } from "./CompileBindings.ts"
import { staticAttributes } from "./CompileBindings.ts"
import { equal, less } from "./Compare.ts"
import { describe, mismatch } from "./Describe.ts"
import { both } from "./Force.ts"
import { join } from "./Interpolation.ts"
import { NixError } from "./NixError.ts"
import { normalise } from "./Paths.ts"
import type { Scope } from "./Scope.ts"
import { Names } from "./Symbols.ts"
import type { Unit } from "./Unit.ts"
import type { Value } from "./Value.ts"
import { ContextString, NixFloat, NixPath } from "./Value.ts"

const add = (a: Value, b: Value, position: number): Value => {
  if (typeof a === "string" && typeof b === "string") return a + b
  if (typeof a === "number" || a instanceof NixFloat || typeof a === "bigint") {
    if (typeof b === "number" || b instanceof NixFloat || typeof b === "bigint") {
      try {
        return addNumbers(a, b)
      } catch (error) {
        if (error instanceof NixError) error.position = position
        throw error
      }
    }
    throw new NixError("type", `cannot add ${describe(b)} to ${a instanceof NixFloat ? "a float" : "an integer"}`, position)
  }
  try {
    if (a instanceof NixPath) {
      const context = new Set<string>()
      const text = coerceToText(b, context, Coercion.Plain, false)
      if (context.size > 0) {
        throw new NixError("type", "a string that refers to a store path cannot be appended to a path", position)
      }
      return new NixPath(normalise(a.path + text))
    }
    const isText = typeof a === "string" || a instanceof ContextString
    return join([coerceToString(a, Coercion.Plain, isText), coerceToString(b, Coercion.Plain, isText)])
  } catch (error) {
    throw error instanceof NixError ? error.during("while evaluating a path segment", position) : error
  }
}

/** Whether something can be added to a value that is neither number nor plain string: to a set where it says what text it is. */
const isAddend = (value: Value): boolean =>
  value instanceof AttributeSet
    ? value.has(Names.toString) || value.has(Names.outPath)
    : value instanceof ContextString || value instanceof NixPath || value instanceof NixFloat || typeof value === "bigint"

/** The first operand of `+`: what nothing can be added to is refused before the second one is evaluated, as in Nix. */
const firstAddend = (left: Code, position: number): Code =>
  new Code((env) => {
    const a = left.run(env)
    // `add` refuses it whatever the second one is.
    if (typeof a !== "string" && typeof a !== "number" && !isAddend(a)) add(a, "", position)
    return a
  })

const boolean = (value: Value, position: number, where: string): boolean => {
  if (typeof value === "boolean") return value
  throw mismatch("a Boolean", value, position).during(where, position)
}

const set = (value: Value, position: number, side: string): AttributeSet => {
  if (value instanceof AttributeSet) return value
  throw mismatch("a set", value, position).during(`in the ${side} operand of '//'`, position)
}

const list = (value: Value, position: number, side: string): Array<Value> => {
  if (Array.isArray(value)) return value
  throw mismatch("a list", value, position).during(`in the ${side} operand of '++'`, position)
}

/** An operator's error, at its place, as that of the builtin which the operator stands for. */
export const inBuiltin = (name: string, error: unknown, position: number): unknown =>
  error instanceof NixError ? error.during(`while calling the '${name}' builtin`, position) : error

/** An operator on two values; what it refuses is told with its place. */
const placed =
  (name: string, apply: (a: Value, b: Value) => Value, position: number) =>
  (a: Value, b: Value): Value => {
    try {
      return apply(a, b)
    } catch (error) {
      throw inBuiltin(name, error, position)
    }
  }

/** What the operators work on that refuse what is wrong themselves. */
class Operands {
  readonly left: Code
  readonly right: Code
  readonly leftAt: Position
  readonly rightAt: Position
  constructor(left: Code, right: Code, leftAt: Position, rightAt: Position) {
    this.left = left
    this.right = right
    this.leftAt = leftAt
    this.rightAt = rightAt
  }
}

const runEqual: Run = function (env) {
  const own = this.payload as Operands
  return equal(evaluate(own.left, env), evaluate(own.right, env))
}

const runNotEqual: Run = function (env) {
  const own = this.payload as Operands
  return !equal(evaluate(own.left, env), evaluate(own.right, env))
}

const runAnd: Run = function (env) {
  const own = this.payload as Operands
  return (
    boolean(evaluate(own.left, env), own.leftAt, "in the left operand of '&&'") &&
    boolean(own.right.run(env), own.rightAt, "in the right operand of '&&'")
  )
}

const runOr: Run = function (env) {
  const own = this.payload as Operands
  return (
    boolean(evaluate(own.left, env), own.leftAt, "in the left operand of '||'") ||
    boolean(own.right.run(env), own.rightAt, "in the right operand of '||'")
  )
}

const runImplies: Run = function (env) {
  const own = this.payload as Operands
  return (
    !boolean(evaluate(own.left, env), own.leftAt, "in the left operand of '->'") ||
    boolean(own.right.run(env), own.rightAt, "in the right operand of '->'")
  )
}

const runUpdate: Run = function (env) {
  const own = this.payload as Operands
  // The right operand comes first, as in Nix.
  const b = set(evaluate(own.right, env), own.rightAt, "right")
  return update(set(evaluate(own.left, env), own.leftAt, "left"), b)
}

/** `left // { … }`. */
class Extension {
  readonly left: Code
  readonly leftAt: Position
  readonly literal: StaticAttributes
  constructor(left: Code, leftAt: Position, literal: StaticAttributes) {
    this.left = left
    this.leftAt = leftAt
    this.literal = literal
  }
}

const runExtension: Run = function (env) {
  const own = this.payload as Extension
  return updateWith(set(evaluate(own.left, env), own.leftAt, "left"), own.literal, own.literal.within(env))
}

/** Makes `code` an operator on two operands. */
export const compileBinary = (code: Code, unit: Unit, node: number, kind: number, scope: Scope | null, left: Code, right: Code): void => {
  const leftAt = unit.position(unit.cell(node, 3))
  const rightAt = unit.position(unit.cell(node, 4))
  switch (kind) {
    case Kind.Equal:
      return code.become(runEqual, new Operands(left, right, leftAt, rightAt))
    case Kind.NotEqual:
      return code.become(runNotEqual, new Operands(left, right, leftAt, rightAt))
    case Kind.And:
      return code.become(runAnd, new Operands(left, right, leftAt, rightAt))
    case Kind.Or:
      return code.become(runOr, new Operands(left, right, leftAt, rightAt))
    case Kind.Implies:
      return code.become(runImplies, new Operands(left, right, leftAt, rightAt))
    case Kind.Update: {
      const literal = staticAttributes(unit, unit.cell(node, 4), scope)
      if (literal === undefined) return code.become(runUpdate, new Operands(left, right, leftAt, rightAt))
      return code.become(runExtension, new Extension(left, leftAt, literal))
    }
  }
  return code.become(arithmetic(kind, left, right, unit.position(node), leftAt, rightAt), undefined)
}

/** The closure of an operator on two operands that Nix has a builtin for, or that is a batch point. */
const arithmetic = (kind: number, left: Code, right: Code, position: Position, leftAt: Position, at: Position): Run => {
  /**
   * Both operands as a batch; no batch is needed where one of them can't ask for anything: a constant, or a variable that has its value. `first`: the left one, where some
   * values of it are refused at once; no number and no plain string is.
   */
  const strict = (then: (a: Value, b: Value) => Value, first = left): ((env: Env) => Value) => {
    if (right.how === Delay.Constant && left.how === Delay.Variable && first === left) {
      const b = right.payload as Value
      return (env) => then(evaluate(left, env), b)
    }
    if (left.how === Delay.Constant || right.how === Delay.Constant) return (env) => then(first.run(env), right.run(env))
    if (left.how === Delay.Variable) {
      const any = first === left
      return (env) => {
        const a = ready(left, env)
        return (any && a !== undefined) || typeof a === "number" || typeof a === "string"
          ? then(a, right.run(env))
          : both(first, right, env, then)
      }
    }
    if (right.how === Delay.Variable) {
      return (env) => {
        const b = ready(right, env)
        return b === undefined ? both(first, right, env, then) : then(first.run(env), b)
      }
    }
    return (env) => both(first, right, env, then)
  }
  /** `>` and `<=` are `<` with the operands, and the order of their evaluation, exchanged. */
  const compared = (first: Code, second: Code, then: (a: Value, b: Value) => boolean): ((env: Env) => Value) => {
    const apply = placed("lessThan", then, position)
    if (first.how === Delay.Variable && second.how === Delay.Constant) {
      const b = second.payload as Value
      return (env) => apply(evaluate(first, env), b)
    }
    return (env) => apply(first.run(env), second.run(env))
  }
  switch (kind) {
    case Kind.Less:
      return compared(left, right, less)
    case Kind.Greater:
      return compared(right, left, less)
    case Kind.LessOrEqual:
      return compared(right, left, (a, b) => !less(a, b))
    case Kind.GreaterOrEqual:
      return compared(left, right, (a, b) => !less(a, b))
    case Kind.Concat:
      return strict((x, y) => {
        const a = list(x, leftAt, "left")
        const b = list(y, at, "right")
        return a.length === 0 ? b : b.length === 0 ? a : a.concat(b)
      })
    case Kind.Add:
      return strict((a, b) => add(a, b, at), firstAddend(left, at))
    case Kind.Subtract:
      return strict(placed("sub", subtract, position))
    case Kind.Multiply:
      return strict(placed("mul", multiply, position))
    case Kind.Divide:
      return strict(placed("div", divide, position))
  }
  throw new NixError("eval", `unknown operator ${kind}`, position)
}
