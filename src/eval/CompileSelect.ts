/**
 * Selections: `a.b.c`, `a.b or d`, `a ? b`. A static name has an inline cache: the shape seen last and the slot in it.
 */
import type { Position } from "./Positions.ts"
import { AttributeSet } from "./AttributeSet.ts"
import type { Code, Env, Run } from "./Code.ts"
import { evaluate } from "./Code.ts"
import { compile } from "./Compile.ts"
import { mismatch } from "./Describe.ts"
import { contextNotAllowed } from "./Expect.ts"
import { forceThunk } from "./Force.ts"
import { NixError } from "./NixError.ts"
import { printName } from "../lang/Names.ts"
import type { Scope } from "./Scope.ts"
import type { Shape } from "./Shape.ts"
import { closestNames } from "../lang/Suggestions.ts"
import type { SymbolId } from "./Symbols.ts"
import { existingSymbol, nameOf, symbol as symbolOf } from "./Symbols.ts"
import type { Unit } from "./Unit.ts"
import type { Value } from "./Value.ts"
import { ContextString, Thunk } from "./Value.ts"

/** One name of an attribute path. */
class Step {
  readonly symbol: SymbolId
  /** For `${…}`. */
  readonly name: Code | undefined
  readonly position: Position
  private shape: Shape | undefined = undefined
  private lastSlot = 0

  constructor(symbol: SymbolId, name: Code | undefined, position: Position) {
    this.symbol = symbol
    this.name = name
    this.position = position
  }

  /** The name; undefined for one that no attribute anywhere has. */
  existing(env: Env): SymbolId | undefined {
    return this.name === undefined ? this.symbol : existingSymbol(dynamicName(this.name.run(env), this.position))
  }

  /** The slot in `set`, or -1. */
  slot(set: AttributeSet, env: Env): number {
    if (set.shape === this.shape) return this.lastSlot
    if (this.name !== undefined) {
      const symbol = this.existing(env)
      return symbol === undefined ? -1 : set.shape.slot(symbol)
    }
    this.shape = set.shape
    return (this.lastSlot = set.shape.slot(this.symbol))
  }

  symbolFor(env: Env): SymbolId {
    return this.name === undefined ? this.symbol : symbolOf(dynamicName(this.name.run(env), this.position))
  }
}

const dynamicName = (name: Value, position: Position): string => {
  if (typeof name === "string") return name
  if (name instanceof ContextString) {
    const error = contextNotAllowed(name)
    error.position = position
    throw error
  }
  throw mismatch("a string", name, position).during("while evaluating an attribute name", position)
}

const stepsOf = (unit: Unit, at: number, scope: Scope | null): Array<Step> => {
  const n = unit.nodes[at] as number
  const steps = new Array<Step>(n)
  for (let i = 0; i < n; i++) {
    const cell = unit.nodes[at + 1 + i * 3] as number
    const position = unit.base + (unit.nodes[at + 2 + i * 3] as number)
    steps[i] =
      cell >= 0 ? new Step(unit.symbols[cell] as SymbolId, undefined, position) : new Step(-1, compile(unit, ~cell, scope), position)
  }
  return steps
}

/** The error for a missing attribute, with the nearest names of the set. */
export const missing = (set: AttributeSet, symbol: SymbolId, position: Position): NixError => {
  const error = new NixError("missing-attribute", `attribute '${printName(nameOf(symbol))}' missing`, position)
  error.suggestions = closestNames(nameOf(symbol), set.names())
  return error
}

const forceSlot = (set: AttributeSet, slot: number): Value => {
  const value = set.at(slot)
  if (!(value instanceof Thunk)) return value
  const forced = value.code === null ? (value.env as Value) : forceThunk(value)
  // A list keeps its thunk: printing tells lists apart by it.
  if (!Array.isArray(forced)) set.settle(slot, forced)
  return forced
}

const notASet = (value: Value, position: Position): NixError =>
  mismatch("a set", value, position).during("while selecting an attribute", position)

/** What a selection or a question for an attribute works on. */
class Selection {
  readonly base: Code
  readonly steps: ReadonlyArray<Step>
  /** The only step or the first. */
  readonly step: Step
  readonly fallback: Code | undefined
  readonly position: Position

  constructor(base: Code, steps: ReadonlyArray<Step>, fallback: Code | undefined, position: Position) {
    this.base = base
    this.steps = steps
    this.step = steps[0] as Step
    this.fallback = fallback
    this.position = position
  }
}

/** Selection by names that are evaluated, each before the value that it selects from, whatever that is. */
const runSelectByNames: Run = function (env) {
  const { base, steps, fallback, position } = this.payload as Selection
  let value = evaluate(base, env)
  let slot = -1
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] as Step
    const symbol = step.existing(env)
    if (slot >= 0) value = forceSlot(value as AttributeSet, slot)
    if (!(value instanceof AttributeSet)) {
      if (fallback !== undefined) return fallback.run(env)
      throw notASet(value, position)
    }
    slot = symbol === undefined ? -1 : value.shape.slot(symbol)
    if (slot >= 0) continue
    if (fallback !== undefined) return fallback.run(env)
    throw missing(value, step.symbolFor(env), position)
  }
  return forceSlot(value as AttributeSet, slot)
}

const runSelectOr: Run = function (env) {
  const { base, steps, fallback } = this.payload as Selection
  let value = evaluate(base, env)
  for (let i = 0; i < steps.length; i++) {
    const slot = value instanceof AttributeSet ? (steps[i] as Step).slot(value, env) : -1
    if (slot < 0) return (fallback as Code).run(env)
    value = forceSlot(value as AttributeSet, slot)
  }
  return value
}

const select = (value: Value, step: Step, position: Position, env: Env): Value => {
  if (!(value instanceof AttributeSet)) throw notASet(value, position)
  const slot = step.slot(value, env)
  if (slot < 0) throw missing(value, step.symbolFor(env), position)
  return forceSlot(value, slot)
}

const runSelectOne: Run = function (env) {
  const value = evaluate((this.payload as Selection).base, env)
  return select(value, (this.payload as Selection).step, (this.payload as Selection).position, env)
}

const runSelectSome: Run = function (env) {
  const { base, steps, position } = this.payload as Selection
  let value = evaluate(base, env)
  for (let i = 0; i < steps.length; i++) value = select(value, steps[i] as Step, position, env)
  return value
}

export const compileSelect = (code: Code, unit: Unit, node: number, scope: Scope | null): void => {
  const base = compile(unit, unit.cell(node, 3), scope)
  const fallbackNode = unit.cell(node, 4)
  const steps = stepsOf(unit, node + 5, scope)
  const fallback = fallbackNode >= 0 ? compile(unit, fallbackNode, scope) : undefined
  const run = steps.some((step) => step.name !== undefined)
    ? runSelectByNames
    : fallback !== undefined
      ? runSelectOr
      : steps.length === 1
        ? runSelectOne
        : runSelectSome
  code.become(run, new Selection(base, steps, fallback, unit.position(node)))
}

const runHasAttribute: Run = function (env) {
  const { base, steps } = this.payload as Selection
  let value = evaluate(base, env)
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] as Step
    if (!(value instanceof AttributeSet)) {
      // The name is evaluated all the same.
      step.existing(env)
      return false
    }
    const slot = step.slot(value, env)
    if (slot < 0) return false
    if (i < steps.length - 1) value = forceSlot(value, slot)
  }
  return true
}

export const compileHasAttribute = (code: Code, unit: Unit, node: number, scope: Scope | null): void => {
  const base = compile(unit, unit.cell(node, 3), scope)
  code.become(runHasAttribute, new Selection(base, stepsOf(unit, node + 4, scope), undefined, unit.position(node)))
}
