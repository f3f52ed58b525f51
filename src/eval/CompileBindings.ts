/**
 * Sets and `let`: frames whose slots are made when touched.
 *
 * `let` and `rec` make an environment: slot 0 the outer one, then the names, then one hidden slot for each `inherit (source)`. A plain set needs
 * one only when it has such sources. Its AttributeSet keeps the environment and a code by slot of its shape.
 */
import type { Literal } from "./AttributeSet.ts"
import type { Position } from "./Positions.ts"
import { AttributeSet, emptySet, fromEntries, fromSymbols } from "./AttributeSet.ts"
import type { Env, Run } from "./Code.ts"
import { Code, Delay, untouched } from "./Code.ts"
import { compile } from "./Compile.ts"
import { mismatch } from "./Describe.ts"
import { contextNotAllowed } from "./Expect.ts"
import { batch, force, forceThunk } from "./Force.ts"
import { missing } from "./CompileSelect.ts"
import * as Kind from "../lang/Kind.ts"
import { NixError } from "./NixError.ts"
import { describePosition } from "./PositionSet.ts"
import { Scope } from "./Scope.ts"
import { ascendingSlots, sharedShape } from "./Shape.ts"
import type { Shape } from "./Shape.ts"
import type { SymbolId } from "./Symbols.ts"
import { nameOf, Names, symbol as symbolOf } from "./Symbols.ts"
import type { Unit } from "./Unit.ts"
import type { Value } from "./Value.ts"
import { ContextString, textOf, Thunk } from "./Value.ts"

interface Frame {
  /** The scope that values see. */
  readonly scope: Scope | null
  /** Names in source order; their code runs in the frame's environment. */
  readonly symbols: ReadonlyArray<SymbolId>
  readonly positions: ReadonlyArray<Position>
  readonly codes: ReadonlyArray<Code>
  /** Slots of the environment; 0: no environment of its own. */
  readonly size: number
  readonly recursive: boolean
}

/** `code` of the scope around a frame, to be run with the frame's environment. */
const outer = (inner: Code): Code => {
  if (inner.how === Delay.Constant) return inner
  const code = new Code(runOuter)
  code.how = Delay.Outer
  code.payload = inner
  return code
}

const runOuter: Run = function (env) {
  return (this.payload as Code).run(env[0] as Env)
}

/** `inherit (source) name`: the source is in a hidden slot of the frame. */
const inherited = (slot: number, codes: Array<Code | undefined>, symbol: SymbolId, position: Position): Code => {
  const code = new Code(runInherited)
  code.slot = slot
  code.depth = symbol
  code.payload = codes
  code.position = position
  return code
}

const runInherited: Run = function (env) {
  const { slot, depth: symbol, position } = this
  let source = env[slot] as Value | undefined
  if (source === undefined) source = env[slot] = (this.payload as Array<Code>)[slot]!.delay(env)
  if (source instanceof Thunk) source = env[slot] = forceThunk(source)
  if (!(source instanceof AttributeSet)) {
    throw mismatch("a set", source, position).during(`while evaluating the attribute '${nameOf(symbol)}'`, position)
  }
  const value = source.get(symbol)
  if (value === undefined) throw missing(source, symbol, position)
  return force(value)
}

/** Code of a binding: errors are told to come from it, where it is a thunk that fails. */
const labelled = (code: Code, symbol: SymbolId, position: Position): Code => {
  if (code.how === Delay.Thunk) {
    code.symbol = symbol
    code.position = position
  }
  return code
}

/**
 * A binding that is another one of the same frame is one value with it only where the other is made first, and bindings are made in the order in which their names were
 * first met: programs see that where they compare functions, and in what prints as repeated.
 */
const apart = (code: Code, symbol: SymbolId, symbols: ReadonlyArray<SymbolId>): Code => {
  if (code.how === Delay.Variable && code.depth === 0 && (symbols[code.slot - 1] as SymbolId) > symbol) code.how = Delay.Thunk
  return code
}

const frameOf = (unit: Unit, node: number, scope: Scope | null, recursive: boolean): Frame => {
  const cells = unit.nodes
  const sources = cells[node + 4] as number
  let at = node + 5 + sources
  const n = cells[at++] as number
  const symbols: Array<SymbolId> = []
  const positions: Array<Position> = []
  const slots = new Map<SymbolId, number>()
  for (let i = 0; i < n; i++) {
    const symbol = unit.symbols[cells[at + i * 4] as number] as SymbolId
    symbols.push(symbol)
    positions.push(unit.base + (cells[at + i * 4 + 1] as number))
    if (recursive) slots.set(symbol, i + 1)
  }
  const own = recursive || sources > 0
  const byEnvSlot: Array<Code | undefined> = []
  const inner = own ? new Scope(scope, slots, byEnvSlot) : scope
  const firstSource = (recursive ? n : 0) + 1
  for (let i = 0; i < sources; i++) byEnvSlot[firstSource + i] = compile(unit, cells[node + 5 + i] as number, inner)
  const codes: Array<Code> = []
  for (let i = 0; i < n; i++) {
    const how = cells[at + i * 4 + 2] as number
    const value = cells[at + i * 4 + 3] as number
    const symbol = symbols[i] as SymbolId
    let code: Code
    if (how === 0) code = labelled(compile(unit, value, inner, symbol), symbol, positions[i] as number)
    else if (how === 1) code = own ? outer(compile(unit, value, scope)) : compile(unit, value, scope)
    else code = inherited(firstSource + value, byEnvSlot, symbol, positions[i] as number)
    codes.push(recursive ? apart(code, symbol, symbols) : code)
    if (recursive) byEnvSlot[i + 1] = code
  }
  return { scope: inner, symbols, positions, codes, size: own ? firstSource + sources : 0, recursive }
}

const makeEnv = (up: Env, template: ReadonlyArray<undefined>): Env => {
  const env = template.slice() as unknown as Env
  env[0] = up
  return env
}

class Let {
  readonly frame: ReadonlyArray<undefined>
  readonly body: Code
  constructor(frame: ReadonlyArray<undefined>, body: Code) {
    this.frame = frame
    this.body = body
  }
}

const runLet: Run = function (env) {
  const own = this.payload as Let
  return own.body.run(makeEnv(env, own.frame))
}

export const compileLet = (code: Code, unit: Unit, node: number, scope: Scope | null): void => {
  const frame = frameOf(unit, unit.cell(node, 3), scope, true)
  code.become(runLet, new Let(untouched(frame.size), compile(unit, unit.cell(node, 4), frame.scope)))
}

/** A code for a slot of a recursive set: the environment's slot and the set's share one value. */
const shared = (code: Code, slot: number): Code => {
  const own = new Code(runShared)
  own.how = Delay.Shared
  own.slot = slot
  own.payload = code
  return own
}

const runShared: Run = function (env) {
  return force(this.delay(env))
}

/** The part of a set literal whose names are written down. */
export class StaticAttributes implements Literal {
  readonly shape: Shape
  readonly positions: ReadonlyArray<Position>
  readonly codes: ReadonlyArray<Code>
  private readonly untouched: ReadonlyArray<undefined>
  private readonly frame: ReadonlyArray<undefined> | undefined

  constructor(frame: Frame) {
    const { symbols, codes, positions } = frame
    const order = ascendingSlots(symbols)
    this.shape = symbols.length === 0 ? emptySet.shape : sharedShape(order.map((i) => symbols[i] as number))
    this.positions = order.map((i) => positions[i] as number)
    this.codes = order.map((i) => (frame.recursive ? shared(codes[i] as Code, i + 1) : (codes[i] as Code)))
    this.untouched = untouched(symbols.length)
    this.frame = frame.size === 0 ? undefined : untouched(frame.size)
  }

  /** The environment of the codes, inside that around the literal. */
  within(env: Env): Env {
    return this.frame === undefined ? env : makeEnv(env, this.frame)
  }

  /** The set, in the environment of the codes. */
  make(env: Env): AttributeSet {
    const { shape } = this
    return shape.size === 0 ? emptySet : new AttributeSet(shape, this.untouched.slice(), this.positions, this.codes, env)
  }
}

/** A set literal that is all static; `undefined` for others. */
export const staticAttributes = (unit: Unit, node: number, scope: Scope | null): StaticAttributes | undefined => {
  if (unit.kind(node) !== Kind.AttributeSet || countDynamic(unit, node) > 0) return undefined
  const literal = new StaticAttributes(frameOf(unit, node, scope, unit.cell(node, 3) === 1))
  return literal.shape.size === 0 || literal.shape.slot(Names.overrides) >= 0 ? undefined : literal
}

const runAttributes: Run = function (env) {
  const literal = this.payload as StaticAttributes
  return literal.make(literal.within(env))
}

export const compileAttributes = (code: Code, unit: Unit, node: number, scope: Scope | null): void => {
  const recursive = unit.cell(node, 3) === 1
  const frame = frameOf(unit, node, scope, recursive)
  const literal = new StaticAttributes(frame)
  const dynamic = compileDynamic(unit, node, frame)
  const overrides = recursive ? literal.shape.slot(Names.overrides) : -1
  if (dynamic === undefined && overrides < 0) return code.become(runAttributes, literal)
  code.become((env) => {
    const inner = literal.within(env)
    let set = literal.make(inner)
    if (overrides >= 0) set = override(frame, inner, set)
    return dynamic === undefined ? set : dynamic(set, inner)
  }, undefined)
}

/** The legacy `__overrides` of recursive sets: its attributes replace those of the set, in the scope too. */
const override = (frame: Frame, env: Env, set: AttributeSet): AttributeSet => {
  const overrides = force(set.get(Names.overrides) as Value)
  if (!(overrides instanceof AttributeSet)) {
    throw mismatch("a set", overrides, set.positionOf(Names.overrides)).during("while evaluating the `__overrides` attribute", 0)
  }
  for (let i = 0; i < frame.symbols.length; i++) {
    const value = overrides.get(frame.symbols[i] as SymbolId)
    if (value !== undefined) env[i + 1] = value
  }
  const entries: Array<readonly [SymbolId, Value, Position]> = []
  for (const source of [overrides, set]) {
    for (let i = 0; i < source.size; i++) {
      const symbol = source.shape.symbols[i] as SymbolId
      entries.push([symbol, source.at(i), source.positions[i] ?? 0])
    }
  }
  return fromEntries(entries)
}

/** The cell that counts a literal's attributes with names to evaluate; they come after it. */
const dynamicCell = (unit: Unit, node: number): number => {
  const at = node + 5 + unit.cell(node, 4)
  return at + 1 + unit.cell(at, 0) * 4
}

const countDynamic = (unit: Unit, node: number): number => unit.cell(dynamicCell(unit, node), 0)

/** The code of a binding whose name is known only now, and may be another the next time. */
const named = (inner: Code, symbol: SymbolId, position: Position): Code => {
  if (inner.how !== Delay.Thunk) return inner
  const code = new Code(runNamed)
  code.payload = inner
  return labelled(code, symbol, position)
}

const runNamed: Run = function (env) {
  return (this.payload as Code).run(env)
}

const compileDynamic = (unit: Unit, node: number, frame: Frame): ((set: AttributeSet, env: Env) => AttributeSet) | undefined => {
  const cells = unit.nodes
  const m = countDynamic(unit, node)
  if (m === 0) return undefined
  const at = dynamicCell(unit, node) + 1
  const dynamics = Array.from({ length: m }, (_, i) => ({
    name: compile(unit, cells[at + i * 3] as number, frame.scope),
    namePosition: unit.position(cells[at + i * 3] as number),
    position: unit.base + (cells[at + i * 3 + 1] as number),
    value: compile(unit, cells[at + i * 3 + 2] as number, frame.scope)
  }))
  return (set, env) => {
    const names: Array<SymbolId | undefined> = []
    batch(m, (i) => {
      const dynamic = dynamics[i]!
      const name = dynamic.name.run(env)
      if (name === null) names[i] = undefined
      else if (typeof name === "string" || name instanceof ContextString) {
        if (name instanceof ContextString) {
          const error = contextNotAllowed(name)
          error.position = dynamic.namePosition
          throw error.during("while evaluating the name of a dynamic attribute", dynamic.namePosition)
        }
        names[i] = symbolOf(textOf(name))
      } else {
        throw mismatch("a string", name, dynamic.namePosition).during(
          "while evaluating the name of a dynamic attribute",
          dynamic.namePosition
        )
      }
    })
    const symbols = set.shape.symbols.slice()
    const values: Array<Value> = []
    const positions: Array<Position> = []
    for (let slot = 0; slot < symbols.length; slot++) {
      values.push(set.at(slot))
      positions.push(set.positions[slot] ?? 0)
    }
    // One name alone is most common, and is compared with those of the set only.
    const seen = m > 1 ? new Map<SymbolId, Position>() : undefined
    for (let i = 0; i < m; i++) {
      const symbol = names[i]
      if (symbol === undefined) continue
      const dynamic = dynamics[i]!
      const slot = set.shape.slot(symbol)
      const before = slot >= 0 ? (positions[slot] as Position) : seen?.get(symbol)
      if (before !== undefined) {
        throw new NixError("eval", `dynamic attribute '${nameOf(symbol)}' already defined at ${describePosition(before)}`, dynamic.position)
      }
      seen?.set(symbol, dynamic.position)
      symbols.push(symbol)
      values.push(named(dynamic.value, symbol, dynamic.position).delay(env))
      positions.push(dynamic.position)
    }
    return fromSymbols(symbols, values, positions)
  }
}
