/**
 * From syntax to code: each subtree becomes a `Code` that learns what it is when it is first run.
 *
 * Variables are resolved to (depth, slot) here; constants, variables and functions are known beforehand, so that `delay` makes no thunk for
 * them. Node kinds and their operands: `lang/Syntax.ts`. Bindings (sets, `let`) are in `CompileBindings.ts`, selections in `CompileSelect.ts`,
 * calls in `CompileCall.ts`, operators in `CompileOperators.ts`.
 */
import { floatValue, intValue, printNode } from "../lang/Printer.ts"
import { closestNames } from "../lang/Suggestions.ts"
import * as Kind from "../lang/Kind.ts"
import { negate } from "./Arithmetic.ts"
import { assertionDifference } from "./AssertEqual.ts"
import type { Position } from "./Positions.ts"
import { AttributeSet } from "./AttributeSet.ts"
import { callAll } from "./Call.ts"
import type { Env, Run } from "./Code.ts"
import { Code, constant, Delay, evaluate } from "./Code.ts"
import { Coercion, coerceToText } from "./Coerce.ts"
import { compileAttributes, compileLet } from "./CompileBindings.ts"
import { becomeCall, Call } from "./CompileCall.ts"
import { callWithCall, isListCall } from "./CompileListCall.ts"
import { compileBinary, inBuiltin } from "./CompileOperators.ts"
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
import type { Shape } from "./Shape.ts"
import type { SymbolId } from "./Symbols.ts"
import { nameOf } from "./Symbols.ts"
import type { Place, Unit } from "./Unit.ts"
import type { Value } from "./Value.ts"
import { fromBigInt, Lambda, NixFloat, NixPath, Thunk } from "./Value.ts"
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
  prepare(this, unit, this.slot, scope)
  return this.run(env)
}

/** A function literal that was never met. */
const pendingFunction: Run = function (env) {
  const { unit, scope } = this.payload as Place
  this.become(runFunction, lambdaCode(unit, this.slot, scope, this.symbol < 0 ? undefined : this.symbol))
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
  const code = new Code(runWithVariable)
  code.payload = new WithVariable(unit.place(scope), symbol, unit.position(node))
  return code
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

/** A variable that one of the sets around it has, by `with`. */
class WithVariable {
  readonly place: Place
  readonly symbol: SymbolId
  readonly position: Position
  /** Of the frames that hold the sets, innermost first. */
  depths: ReadonlyArray<number> | undefined = undefined
  /** The shape of the set that had it last, and the slot in it. */
  shape: Shape | undefined = undefined
  slot = 0
  /** Of each set around it the shape that was last found to lack it: in nested `with` most are asked in vain. */
  lacking: Array<Shape | undefined> = noShapes

  constructor(place: Place, symbol: SymbolId, position: Position) {
    this.place = place
    this.symbol = symbol
    this.position = position
  }

  /** The set in place `i` has this shape, and not this variable. */
  lack(i: number, shape: Shape): void {
    if (this.lacking === noShapes)
      this.lacking = new Array<Shape | undefined>((this.depths as ReadonlyArray<number>).length).fill(undefined)
    this.lacking[i] = shape
  }
}

const noShapes: Array<Shape | undefined> = []

const runWithVariable: Run = function (env) {
  const variable = this.payload as WithVariable
  const { symbol, position, lacking } = variable
  const depths = (variable.depths ??= withDepths(variable.place.scope))
  let frame = env
  let at = 0
  for (let i = 0; i < depths.length; i++) {
    for (const depth = depths[i] as number; at < depth; at++) frame = frame[0] as Env
    let set = frame[1] as Value
    if (set instanceof Thunk) frame[1] = set = force(set)
    if (!(set instanceof AttributeSet)) {
      throw mismatch("a set", set).during("while evaluating the first subexpression of a with expression", position)
    }
    const { shape } = set
    if (shape === lacking[i]) continue
    const slot = shape === variable.shape ? variable.slot : shape.slot(symbol)
    if (slot < 0) variable.lack(i, shape)
    else {
      variable.shape = shape
      variable.slot = slot
      const value = set.at(slot)
      if (!(value instanceof Thunk)) return value
      const forced = forceAt(value, position)
      if (!Array.isArray(forced)) set.settle(slot, forced)
      return forced
    }
  }
  throw undefinedVariable(variable)
}

const undefinedVariable = ({ place: { unit, scope }, symbol, position }: WithVariable): NixError => {
  const error = new NixError("undefined-variable", `undefined variable '${nameOf(symbol)}'`, position)
  const names = new Set<string>()
  for (let s = scope; s !== null; s = s.parent) for (const id of s.slots.keys()) names.add(nameOf(id))
  for (const id of unit.globals.keys()) names.add(nameOf(id))
  error.suggestions = closestNames(nameOf(symbol), names)
  return error
}

/** Whether it is `x: …`. */
const hasPlainParameter = (unit: Unit, node: number): boolean => unit.kind(node) === Kind.Lambda && unit.cell(node, 4) === 0

/** Parameters that one frame holds: of `a: b: …` each call of the inner function would make a frame for `b` that leads to one for `a`. */
const joinedParameters = 3

const lambdaCode = (unit: Unit, node: number, scope: Scope | null, name: SymbolId | undefined): LambdaCode => {
  const cells = unit.nodes
  const parameter = unit.cell(node, 3)
  const kind = unit.cell(node, 4)
  const body = unit.cell(node, 5)
  const joins = scope !== null && kind === 0 ? scope.joined : 0
  const slots = new Map<SymbolId, number>(joins > 0 ? scope!.slots : undefined)
  const inner = new Scope(joins > 0 ? scope!.parent : scope, slots, undefined)
  if (kind === 0 && joins + 1 < joinedParameters && hasPlainParameter(unit, body)) inner.joined = joins + 1
  const parameterSymbol = parameter < 0 ? undefined : (unit.symbols[parameter] as SymbolId)
  let next = joins + 1
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
  return new LambdaCode(unit.position(node), parameterSymbol, formals, kind === 2, compile(unit, body, inner, name), name, joins)
}

/** The Codes of a counted group of child nodes. */
export const children = (unit: Unit, at: number, scope: Scope | null): Array<Code> => {
  const n = unit.nodes[at] as number
  const codes = new Array<Code>(n)
  for (let i = 0; i < n; i++) codes[i] = compile(unit, unit.nodes[at + 1 + i] as number, scope)
  return codes
}

/** Makes code that was never run what it is. */
const prepare = (code: Code, unit: Unit, node: number, scope: Scope | null): void => {
  const kind = unit.kind(node)
  const position = unit.position(node)
  const child = (index: number): Code => compile(unit, unit.cell(node, index), scope)
  if (kind >= Kind.Negate && isShadowed(kind, scope)) {
    const own = variableCode(unit, node, operatorFunction(kind), scope)
    const run = kind === Kind.Negate ? shadowedOperator(kind, own, undefined, child(3)) : shadowedOperator(kind, own, child(3), child(4))
    return code.become(run, undefined)
  }
  if (kind >= Kind.Equal) return compileBinary(code, unit, node, kind, scope, child(3), child(4))
  switch (kind) {
    case Kind.Interpolation: {
      const parts = children(unit, node + 3, scope)
      const run = interpolation(parts, (i) => unit.base + (unit.nodes[node + 4 + parts.length + i] as number))
      return code.become(run, undefined)
    }
    case Kind.PathInterpolation:
      return code.become(pathInterpolation(unit, node, scope), undefined)
    case Kind.SearchPath:
      return code.become(searchPath(unit, node, scope), undefined)
    case Kind.CurrentPosition:
      return code.become(() => positionSet(position), undefined)
    case Kind.Select:
      return compileSelect(code, unit, node, scope)
    case Kind.HasAttribute:
      return compileHasAttribute(code, unit, node, scope)
    case Kind.Call: {
      const args = children(unit, node + 4, scope)
      const last = unit.nodes[node + 4 + args.length] as number
      const call = new Call(child(3), args, position)
      return isListCall(unit, last) ? callWithCall(code, unit, last, scope, call) : becomeCall(code, call)
    }
    case Kind.Let:
      return compileLet(code, unit, node, scope)
    case Kind.AttributeSet:
      return compileAttributes(code, unit, node, scope)
    case Kind.List:
      return code.become(runList, children(unit, node + 3, scope))
    case Kind.With:
      return code.become(runWith, new With(child(3), compile(unit, unit.cell(node, 4), new Scope(scope, noSlots, undefined, true))))
    case Kind.If:
      return code.become(runIf, new If(child(3), child(4), child(5), unit.position(unit.cell(node, 3)), position))
    case Kind.Assert:
      return code.become(assertion(unit, node, scope), undefined)
    case Kind.Not:
      return code.become(runNot, new Not(child(3), unit.position(unit.cell(node, 3))))
    case Kind.Negate: {
      const operand = child(3)
      return code.become((env) => {
        const v = operand.run(env)
        try {
          return negate(v)
        } catch (error) {
          throw inBuiltin("sub", error, position)
        }
      }, undefined)
    }
  }
  throw new NixError("eval", `unknown syntax node ${kind}`, position)
}

const runList: Run = function (env) {
  const elements = this.payload as ReadonlyArray<Code>
  const list = new Array<Value>(elements.length)
  for (let i = 0; i < elements.length; i++) {
    const element = elements[i] as Code
    list[i] = element.how === Delay.Function ? new Thunk(element, env) : element.delay(env)
  }
  return list
}

class With {
  readonly set: Code
  readonly body: Code
  constructor(set: Code, body: Code) {
    this.set = set
    this.body = body
  }
}

/** A `with` binds no name that is known beforehand. */
const noSlots: ReadonlyMap<SymbolId, number> = new Map()

const runWith: Run = function (env) {
  const own = this.payload as With
  return own.body.run([env, own.set.delay(env)])
}

class If {
  readonly condition: Code
  readonly yes: Code
  readonly no: Code
  /** Of the condition. */
  readonly at: Position
  readonly position: Position
  constructor(condition: Code, yes: Code, no: Code, at: Position, position: Position) {
    this.condition = condition
    this.yes = yes
    this.no = no
    this.at = at
    this.position = position
  }
}

// As in calls (`CompileCall.ts`), no variable for the payload.
const runIf: Run = function (env) {
  const c = evaluate((this.payload as If).condition, env)
  if (c === true) return (this.payload as If).yes.run(env)
  if (c === false) return (this.payload as If).no.run(env)
  throw mismatch("a Boolean", c, (this.payload as If).at).during("while evaluating a branch condition", (this.payload as If).position)
}

class Not {
  readonly operand: Code
  /** Of the operand. */
  readonly at: Position
  constructor(operand: Code, at: Position) {
    this.operand = operand
    this.at = at
  }
}

const runNot: Run = function (env) {
  const own = this.payload as Not
  const v = evaluate(own.operand, env)
  if (typeof v === "boolean") return !v
  throw mismatch("a Boolean", v, own.at).during("in the argument of '!'", own.at)
}

const assertion = (unit: Unit, node: number, scope: Scope | null): Run => {
  const position = unit.position(node)
  const condition = compile(unit, unit.cell(node, 3), scope)
  const body = compile(unit, unit.cell(node, 4), scope)
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

/** For `assert a == b`: what is different. */
const explainEquality = (unit: Unit, node: number, scope: Scope | null): ((env: Env) => NixError | undefined) => {
  const left = compile(unit, unit.cell(node, 3), scope)
  const right = compile(unit, unit.cell(node, 4), scope)
  return (env) => assertionDifference(left.run(env), right.run(env), unit.position(node))
}

const searchPath = (unit: Unit, node: number, scope: Scope | null): Run => {
  const position = unit.position(node)
  const name = unit.syntax.strings[unit.cell(node, 3)] as string
  if (!isLookupShadowed(scope)) return () => findOnSearchPath(name, position)
  const own = variableCode(unit, node, lookupNames.findFile, scope)
  const path = variableCode(unit, node, lookupNames.nixPath, scope)
  return (env) => callAll(own.run(env), [path.delay(env), name])
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
