/**
 * From syntax to code: each subtree becomes a `Code` whose closure is made when it is first run.
 *
 * Variables are resolved to (depth, slot) here; constants, variables and functions are known beforehand, so that `delay` makes no thunk for
 * them. Node kinds and their operands: `lang/Syntax.ts`. Bindings (sets, `let`) are in `CompileBindings.ts`, selections in `CompileSelect.ts`,
 * operators in `CompileOperators.ts`.
 */
import { floatValue, intValue, printNode } from "../lang/Printer.ts"
import { closestNames } from "../lang/Suggestions.ts"
import * as Kind from "../lang/Kind.ts"
import { negate } from "./Arithmetic.ts"
import { assertionDifference } from "./AssertEqual.ts"
import type { Position } from "./AttributeSet.ts"
import { AttributeSet } from "./AttributeSet.ts"
import { call, call2, call3, callAll } from "./Call.ts"
import type { Env, Run } from "./Code.ts"
import { Code, constant, Delay, evaluate } from "./Code.ts"
import { Coercion, coerceToText } from "./Coerce.ts"
import { compileAttributes, compileLet } from "./CompileBindings.ts"
import { callWithCall, isListCall } from "./CompileListCall.ts"
import { binary, inBuiltin } from "./CompileOperators.ts"
import { compileHasAttribute, compileSelect } from "./CompileSelect.ts"
import { mismatch } from "./Describe.ts"
import { isLookupShadowed, isShadowed, lookupNames, operatorFunction, shadowedOperator } from "./Desugared.ts"
import { force, forceThunk } from "./Force.ts"
import { interpolation } from "./Interpolation.ts"
import type { Formal } from "./LambdaCode.ts"
import { LambdaCode } from "./LambdaCode.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"
import { normalise, resolve } from "./Paths.ts"
import { resolveVariable, Scope, withDepths } from "./Scope.ts"
import { findOnSearchPath } from "./SearchPath.ts"
import type { SymbolId } from "./Symbols.ts"
import { nameOf } from "./Symbols.ts"
import type { Place, Unit } from "./Unit.ts"
import type { Value } from "./Value.ts"
import { Builtin, fromBigInt, Lambda, NixFloat, NixPath, Thunk } from "./Value.ts"
import { positionSet } from "./PositionSet.ts"

/** A Code for a subtree. `name` is what a function literal here is bound to, and the functions that it gives in turn. */
export const compile = (unit: Unit, node: number, scope: Scope | null, name?: SymbolId): Code => {
  switch (unit.kind(node)) {
    case Kind.Int:
      return constant(fromBigInt(intValue(unit.nodes, node)))
    case Kind.Float:
      return constant(new NixFloat(floatValue(unit.nodes, node)))
    case Kind.String:
      return constant(unit.syntax.strings[unit.cell(node, 3)] as string)
    case Kind.Path:
      return constant(new NixPath(resolve(unit.syntax.baseDirectory, unit.syntax.strings[unit.cell(node, 3)] as string)))
    case Kind.HomePath:
      return constant(new NixPath(normalise(`${machine.settings.homeDirectory}${unit.syntax.strings[unit.cell(node, 3)]}`)))
    case Kind.Variable:
      return compileVariable(unit, node, scope)
    case Kind.List:
      // The empty list is itself wherever it stands, never a promise: printing shows the difference.
      if (unit.cell(node, 3) === 0) return constant([])
      break
    case Kind.Lambda: {
      const code = new Code(pendingFunction)
      code.how = Delay.Function
      code.slot = node
      code.payload = unit.place(scope)
      if (name !== undefined) code.symbol = name
      return code
    }
  }
  const code = new Code(pending)
  code.slot = node
  code.payload = unit.place(scope)
  return code
}

/** Code that was never run. */
const pending: Run = function (env) {
  const { unit, scope } = this.payload as Place
  this.run = closure(unit, this.slot, scope)
  this.payload = undefined
  return this.run(env)
}

/** A function literal that was never met. */
const pendingFunction: Run = function (env) {
  const { unit, scope } = this.payload as Place
  this.payload = lambdaCode(unit, this.slot, scope, this.symbol < 0 ? undefined : this.symbol)
  this.run = runFunction
  return this.run(env)
}

const runFunction: Run = function (env) {
  return new Lambda(this.payload as LambdaCode, env)
}

const compileVariable = (unit: Unit, node: number, scope: Scope | null): Code =>
  variableCode(unit, node, unit.symbols[unit.cell(node, 3)] as SymbolId, scope)

const variableCode = (unit: Unit, node: number, symbol: SymbolId, scope: Scope | null): Code => {
  const found = resolveVariable(scope, symbol)
  if (found !== undefined) {
    const { depth, slot, codes } = found
    const code = new Code(depth === 0 ? runVariable : depth === 1 ? runVariable1 : depth === 2 ? runVariable2 : runVariableN)
    code.how = Delay.Variable
    code.depth = depth
    code.slot = slot
    code.payload = codes
    code.position = unit.position(node)
    return code
  }
  const global = unit.globals.get(symbol)
  if (global !== undefined) return constant(global)
  return new Code(withVariable(unit, node, symbol, scope))
}

const runVariable: Run = function (env) {
  return read(env, this)
}

const runVariable1: Run = function (env) {
  return read(env[0] as Env, this)
}

const runVariable2: Run = function (env) {
  return read((env[0] as Env)[0] as Env, this)
}

const runVariableN: Run = function (env) {
  let frame = env
  for (let i = this.depth; i > 0; i--) frame = frame[0] as Env
  return read(frame, this)
}

const read = (frame: Env, code: Code): Value => {
  const { slot } = code
  let value = frame[slot] as Value | undefined
  if (value === undefined) value = frame[slot] = (code.payload as Array<Code>)[slot]!.delay(frame)
  if (value instanceof Thunk) {
    value = value.code === null ? (value.env as Value) : forceAt(value, code.position)
    // A list keeps its thunk: printing tells lists apart by it.
    if (!Array.isArray(value)) frame[slot] = value
  }
  return value
}

/** Infinite recursion is reported where the variable stands that closes the cycle. */
const forceAt = (thunk: Thunk, position: number): Value => {
  try {
    return forceThunk(thunk)
  } catch (error) {
    if (error instanceof NixError && error.kind === "infinite-recursion" && error.position === 0) error.position = position
    throw error
  }
}

const withVariable = (unit: Unit, node: number, symbol: SymbolId, scope: Scope | null) => {
  const depths = withDepths(scope)
  return (env: Env): Value => {
    let frame = env
    let at = 0
    for (let i = 0; i < depths.length; i++) {
      for (const depth = depths[i] as number; at < depth; at++) frame = frame[0] as Env
      let set = frame[1] as Value
      if (set instanceof Thunk) frame[1] = set = force(set)
      if (!(set instanceof AttributeSet)) {
        throw mismatch("a set", set).during("while evaluating the first subexpression of a with expression", unit.position(node))
      }
      const slot = set.shape.slot(symbol)
      if (slot >= 0) {
        const value = set.at(slot)
        if (!(value instanceof Thunk)) return value
        const forced = forceAt(value, unit.position(node))
        if (!Array.isArray(forced)) set.settle(slot, forced)
        return forced
      }
    }
    const error = new NixError("undefined-variable", `undefined variable '${nameOf(symbol)}'`, unit.position(node))
    const names = new Set<string>()
    for (let s = scope; s !== null; s = s.parent) for (const id of s.slots.keys()) names.add(nameOf(id))
    for (const id of unit.globals.keys()) names.add(nameOf(id))
    error.suggestions = closestNames(nameOf(symbol), names)
    throw error
  }
}

const lambdaCode = (unit: Unit, node: number, scope: Scope | null, name: SymbolId | undefined): LambdaCode => {
  const cells = unit.nodes
  const parameter = unit.cell(node, 3)
  const kind = unit.cell(node, 4)
  const slots = new Map<SymbolId, number>()
  const inner = new Scope(scope, slots, undefined)
  const parameterSymbol = parameter < 0 ? undefined : (unit.symbols[parameter] as SymbolId)
  let next = 1
  if (parameterSymbol !== undefined) slots.set(parameterSymbol, next++)
  let formals: Array<Formal> | undefined
  if (kind !== 0) {
    formals = []
    const n = unit.cell(node, 6)
    for (let i = 0; i < n; i++) slots.set(unit.symbols[cells[node + 7 + i * 3] as number] as SymbolId, next++)
    for (let i = 0; i < n; i++) {
      const at = node + 7 + i * 3
      const fallback = cells[at + 2] as number
      formals.push({
        symbol: unit.symbols[cells[at] as number] as SymbolId,
        position: unit.base + (cells[at + 1] as number),
        fallback: fallback < 0 ? undefined : compile(unit, fallback, inner)
      })
    }
  }
  const body = unit.cell(node, 5)
  return new LambdaCode(unit.position(node), parameterSymbol, formals, kind === 2, compile(unit, body, inner, name), name)
}

/** The Codes of a counted group of child nodes. */
export const children = (unit: Unit, at: number, scope: Scope | null): Array<Code> => {
  const n = unit.nodes[at] as number
  const codes = new Array<Code>(n)
  for (let i = 0; i < n; i++) codes[i] = compile(unit, unit.nodes[at + 1 + i] as number, scope)
  return codes
}

const closure = (unit: Unit, node: number, scope: Scope | null): ((env: Env) => Value) => {
  const kind = unit.kind(node)
  const position = unit.position(node)
  const child = (index: number): Code => compile(unit, unit.cell(node, index), scope)
  if (kind >= Kind.Negate && isShadowed(kind, scope)) {
    const own = variableCode(unit, node, operatorFunction(kind), scope)
    return kind === Kind.Negate ? shadowedOperator(kind, own, undefined, child(3)) : shadowedOperator(kind, own, child(3), child(4))
  }
  if (kind >= Kind.Equal) return binary(unit, node, kind, scope, child(3), child(4))
  switch (kind) {
    case Kind.Interpolation: {
      const parts = children(unit, node + 3, scope)
      return interpolation(parts, (i) => unit.base + (unit.nodes[node + 4 + parts.length + i] as number))
    }
    case Kind.PathInterpolation:
      return pathInterpolation(unit, node, scope)
    case Kind.SearchPath: {
      const name = unit.syntax.strings[unit.cell(node, 3)] as string
      if (isLookupShadowed(scope)) {
        const own = variableCode(unit, node, lookupNames.findFile, scope)
        const path = variableCode(unit, node, lookupNames.nixPath, scope)
        return (env) => callAll(own.run(env), [path.delay(env), name])
      }
      return () => findOnSearchPath(name, position)
    }
    case Kind.CurrentPosition:
      return () => positionSet(position)
    case Kind.Select:
      return compileSelect(unit, node, scope)
    case Kind.HasAttribute:
      return compileHasAttribute(unit, node, scope)
    case Kind.Call: {
      const args = children(unit, node + 4, scope)
      const last = unit.nodes[node + 4 + args.length] as number
      return isListCall(unit, last) ? callWithCall(unit, last, scope, child(3), args, position) : callClosure(child(3), args, position)
    }
    case Kind.Let:
      return compileLet(unit, node, scope)
    case Kind.AttributeSet:
      return compileAttributes(unit, node, scope)
    case Kind.List: {
      const elements = children(unit, node + 3, scope)
      return (env) => {
        const list = new Array<Value>(elements.length)
        for (let i = 0; i < elements.length; i++) {
          const element = elements[i] as Code
          list[i] = element.how === Delay.Function ? new Thunk(element, env) : element.delay(env)
        }
        return list
      }
    }
    case Kind.With: {
      const set = child(3)
      const body = compile(unit, unit.cell(node, 4), new Scope(scope, new Map(), undefined, true))
      return (env) => body.run([env, set.delay(env)])
    }
    case Kind.If: {
      const condition = child(3)
      const yes = child(4)
      const no = child(5)
      const at = unit.position(unit.cell(node, 3))
      return (env) => {
        const c = condition.run(env)
        if (c === true) return yes.run(env)
        if (c === false) return no.run(env)
        throw mismatch("a Boolean", c, at).during("while evaluating a branch condition", position)
      }
    }
    case Kind.Assert: {
      const condition = child(3)
      const body = child(4)
      const at = unit.cell(node, 3)
      const equality = unit.kind(at) === Kind.Equal ? explainEquality(unit, at, scope) : undefined
      return (env) => {
        const c = condition.run(env)
        if (c === true) return body.run(env)
        if (c !== false) {
          throw mismatch("a Boolean", c, unit.position(at)).during("in the condition of the assert statement", position)
        }
        const shown = printNode(unit.syntax, at)
        const told = equality?.(env)
        if (told !== undefined) throw told.during(`while evaluating the condition of the assertion '${shown}'`, position)
        throw new NixError("assert", `assertion '${shown}' failed`, position)
      }
    }
    case Kind.Not: {
      const operand = child(3)
      const at = unit.position(unit.cell(node, 3))
      return (env) => {
        const v = operand.run(env)
        if (typeof v === "boolean") return !v
        throw mismatch("a Boolean", v, at).during("in the argument of '!'", at)
      }
    }
    case Kind.Negate: {
      const operand = child(3)
      return (env) => {
        const v = operand.run(env)
        try {
          return negate(v)
        } catch (error) {
          throw inBuiltin("sub", error, position)
        }
      }
    }
  }
  throw new NixError("eval", `unknown syntax node ${kind}`, position)
}

/** For `assert a == b`: what is different. */
const explainEquality = (unit: Unit, node: number, scope: Scope | null): ((env: Env) => NixError | undefined) => {
  const left = compile(unit, unit.cell(node, 3), scope)
  const right = compile(unit, unit.cell(node, 4), scope)
  return (env) => assertionDifference(left.run(env), right.run(env), unit.position(node))
}

/** The error of a call, with the frames that tell of it. */
export const framed = (error: unknown, f: Value, position: Position): unknown => {
  if (error instanceof NixError) {
    if (error.position === 0 && error.kind === "stack-overflow" && error.trace.length === 0) error.position = position
    else if (f instanceof Lambda) {
      if (error.trace.length === 0 && error.kind === "missing-argument" && error.position === f.code.position) {
        return error.during("from call site", position)
      }
      const name = f.code.displayName
      error.during(name === "anonymous lambda" ? "while calling anonymous lambda" : `while calling '${name}'`, f.code.position)
      error.during("from call site", position)
    } else if (f instanceof Builtin) error.during(`while calling the '${f.name}' builtin`, position)
    else {
      if (error.position === 0 && error.trace.length === 0) error.position = position
      error.during("from call site", position)
    }
  }
  return error
}

export const callClosure = (callee: Code, args: ReadonlyArray<Code>, position: Position): ((env: Env) => Value) => {
  if (args.length === 1) {
    const only = args[0] as Code
    return (env) => {
      const f = evaluate(callee, env)
      try {
        return call(f, only.delay(env))
      } catch (error) {
        throw framed(error, f, position)
      }
    }
  }
  if (args.length === 2) {
    const [first, second] = args as [Code, Code]
    return (env) => {
      const f = evaluate(callee, env)
      try {
        return call2(f, first.delay(env), second.delay(env))
      } catch (error) {
        throw framed(error, f, position)
      }
    }
  }
  if (args.length === 3) {
    const [first, second, third] = args as [Code, Code, Code]
    return (env) => {
      const f = evaluate(callee, env)
      try {
        return call3(f, first.delay(env), second.delay(env), third.delay(env))
      } catch (error) {
        throw framed(error, f, position)
      }
    }
  }
  return (env) => {
    const f = evaluate(callee, env)
    const values = new Array<Value>(args.length)
    for (let i = 0; i < args.length; i++) values[i] = (args[i] as Code).delay(env)
    try {
      return callAll(f, values)
    } catch (error) {
      throw framed(error, f, position)
    }
  }
}

const pathInterpolation = (unit: Unit, node: number, scope: Scope | null): ((env: Env) => Value) => {
  const first = unit.nodes[node + 4] as number
  const written = unit.syntax.strings[unit.cell(first, 3)] as string
  // Not normalised yet: the slash at the end of `./a/` in `./a/${b}` counts.
  const start =
    unit.kind(first) === Kind.HomePath
      ? `${machine.settings.homeDirectory}${written}`
      : written.startsWith("/")
        ? written
        : `${unit.syntax.baseDirectory}/${written}`
  const parts = children(unit, node + 3, scope).slice(1)
  return (env) => {
    let path = start
    const context = new Set<string>()
    for (const part of parts) path += coerceToText(part.run(env), context, Coercion.Plain, false)
    if (context.size > 0) {
      throw new NixError("type", "a string that refers to a store path cannot be appended to a path", unit.position(node))
    }
    return new NixPath(normalise(path))
  }
}
