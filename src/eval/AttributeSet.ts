/**
 * Attribute sets: a shape (`Shape.ts`: which attributes, in which slots) and an array of values beside it.
 *
 * Literals are lazy in the making: a slot stays `undefined` until it is touched, and is then made from the literal's code table and
 * environment. So a set of ten thousand attributes costs one array. An update leaves what nobody has touched as it is: the result makes it from the same code, or
 * takes it from the side that it grew from.
 *
 * Touch values only through `at`, `get` and the iteration functions: a slot read directly may be `undefined`.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { Code, Env } from "./Code.ts"
import type { Position } from "./Positions.ts"
import { ascendingSlots, mayBeUnordered, Shape, sharedShape } from "./Shape.ts"
import type { UpdatePlan } from "./Shape.ts"
import { allPositions, GrownPositions, noPositions } from "./SetPositions.ts"
import type { Positions } from "./SetPositions.ts"
import type { SymbolId } from "./Symbols.ts"
import { symbol } from "./Symbols.ts"
import type { Value } from "./Value.ts"

/** What makes the values of slots when they are touched, where that is no code of a literal: another set of which one grew, or a builtin. */
export interface SlotSource {
  at(slot: number): Value
}

export class AttributeSet implements SlotSource {
  readonly shape: Shape
  /** By slot; `undefined` where not yet made from `codes`, or taken from `env`. */
  readonly values: Array<Value | undefined>
  /** By slot, for those that are not made yet; not looked at where `env` is a source. */
  readonly codes: ReadonlyArray<Code> | null
  /** Where the codes run. A source: what is not made here comes from there, from the same slot. */
  readonly env: Env | SlotSource | null
  /** To be asked for as `positions`. */
  placed: Positions

  constructor(
    shape: Shape,
    values: Array<Value | undefined>,
    positions: Positions,
    codes: ReadonlyArray<Code> | null,
    env: Env | SlotSource | null
  ) {
    this.shape = shape
    this.values = values
    this.placed = positions
    this.codes = codes
    this.env = env
  }

  get size(): number {
    return this.shape.size
  }

  /** By slot, or empty. */
  get positions(): ReadonlyArray<Position> {
    const { placed } = this
    return Array.isArray(placed) ? placed : (this.placed = allPositions(placed))
  }

  /** The value in a slot, perhaps a thunk. */
  at(slot: number): Value {
    const value = this.values[slot]
    return value !== undefined ? value : this.make(slot)
  }

  private make(slot: number): Value {
    const { env } = this
    const value = Array.isArray(env) ? (this.codes as ReadonlyArray<Code>)[slot]!.delay(env) : (env as SlotSource).at(slot)
    this.values[slot] = value
    return value
  }

  /** Whether a slot has a function that nobody has touched: printing shows a promise. */
  isPromisedFunction(slot: number): boolean {
    if (this.values[slot] !== undefined) return false
    if (Array.isArray(this.env)) return this.codes![slot]!.givesFunction
    return this.env instanceof AttributeSet && this.env.isPromisedFunction(slot)
  }

  /** The value of an attribute, perhaps a thunk; `undefined` when there is none. */
  get(symbol: SymbolId): Value | undefined {
    const slot = this.shape.slot(symbol)
    return slot < 0 ? undefined : this.at(slot)
  }

  has(symbol: SymbolId): boolean {
    return this.shape.slot(symbol) >= 0
  }

  /** Where an attribute was written; 0 when not known. */
  positionOf(symbol: SymbolId): Position {
    const slot = this.shape.slot(symbol)
    return slot < 0 ? 0 : (this.positions[slot] ?? 0)
  }

  /** Writes a forced value back into its slot. */
  settle(slot: number, value: Value): void {
    this.values[slot] = value
  }

  /** Names in bytewise order. */
  names(): Array<ByteString> {
    return this.shape.names.slice()
  }
}

/** What a set literal becomes: the same for all sets that are made from it, but for the environment. */
export interface Literal {
  readonly shape: Shape
  readonly positions: ReadonlyArray<Position>
  readonly codes: ReadonlyArray<Code>
  /** The set itself. */
  make(env: Env): AttributeSet
}

export const emptySet = new AttributeSet(new Shape([]), [], noPositions, null, null)

/** `left // right`. */
export const update = (left: AttributeSet, right: AttributeSet): AttributeSet => {
  if (right.shape.size === 0) return left
  if (left.shape.size === 0) return right
  const plan = left.shape.updatePlan(right.shape)
  const from = plan.from
  if (from === undefined) return grow(plan, left, right)
  const n = from.length
  const values = new Array<Value>(n)
  for (let i = 0; i < n; i++) {
    const f = from[i] as number
    values[i] = f >= 0 ? right.at(f) : left.at(~f)
  }
  return new AttributeSet(plan.shape, values, plan.positions(left.placed, right.placed), null, null)
}

/** `left // { … }`, where nobody else sees the right side: its attributes are made when they are touched. */
export const updateWith = (left: AttributeSet, literal: Literal, env: Env): AttributeSet => {
  if (left.shape.size === 0) return literal.make(env)
  const { shape, positions, codes } = literal
  const plan = left.shape.updatePlan(shape)
  const from = plan.from
  if (from === undefined) return update(left, literal.make(env))
  const n = from.length
  const values = new Array<Value | undefined>(n)
  for (let i = 0; i < n; i++) {
    const f = from[i] as number
    values[i] = f >= 0 ? undefined : left.at(~f)
  }
  return new AttributeSet(plan.shape, values, plan.positions(left.placed, positions), plan.codes(codes), env)
}

/** `left // right` as one side with what the other adds: what is not made yet of the larger one stays so. */
const grow = (plan: UpdatePlan, left: AttributeSet, right: AttributeSet): AttributeSet => {
  const { fromLeft, to, shape } = plan
  const base = fromLeft ? left : right
  const other = fromLeft ? right : left
  const size = base.shape.size
  const added = shape.size - size
  const news = new Array<Value>(added)
  for (let i = 0; i < to.length; i++) {
    const slot = (to[i] as number) - size
    if (slot >= 0) news[slot] = other.at(i)
  }
  const values = added === 0 ? base.values.slice() : base.values.concat(news)
  if (fromLeft) {
    for (let i = 0; i < to.length; i++) {
      const slot = to[i] as number
      if (slot < size) values[slot] = other.at(i)
    }
  }
  const positions = grownPositions(plan, base, other)
  // What the base takes from another set is taken from there. Whatever else makes its values makes each once, for the base: the result takes them from it.
  const source = base.codes === null ? null : base.env instanceof AttributeSet ? base.env : base
  return new AttributeSet(shape, values, positions, source === null ? null : base.codes, source)
}

const grownPositions = (plan: UpdatePlan, base: AttributeSet, other: AttributeSet): Positions => {
  const own = base.placed
  const added = other.positions
  return added.length === 0 && own === noPositions ? noPositions : new GrownPositions(own, added, plan)
}

/** A set from symbols (in any order, all different), values and perhaps positions, all of which become its own. */
export const fromSymbols = (symbols: ReadonlyArray<SymbolId>, values: Array<Value>, positions?: ReadonlyArray<Position>): AttributeSet => {
  const n = symbols.length
  if (n === 0) return emptySet
  let sorted = true
  if (!mayBeUnordered(n)) {
    for (let i = 1; i < n; i++) {
      if ((symbols[i - 1] as number) >= (symbols[i] as number)) {
        sorted = false
        break
      }
    }
  }
  if (sorted) return new AttributeSet(sharedShape(symbols), values, positions ?? noPositions, null, null)
  const order = ascendingSlots(symbols)
  return new AttributeSet(
    sharedShape(order.map((i) => symbols[i] as number)),
    order.map((i) => values[i] as Value),
    positions === undefined ? noPositions : order.map((i) => positions[i] ?? 0),
    null,
    null
  )
}

/** A set from names that are all different, in any order. Sets with the same names share their shape. */
export const fromNames = (entries: Iterable<readonly [ByteString, Value]>): AttributeSet => {
  const symbols: Array<SymbolId> = []
  const values: Array<Value> = []
  for (const [name, value] of entries) {
    symbols.push(symbol(name))
    values.push(value)
  }
  return fromSymbols(symbols, values)
}

/** A set from entries; of equal symbols the first wins. */
export const fromEntries = (entries: Iterable<readonly [SymbolId, Value, Position?]>): AttributeSet => {
  const seen = new Map<SymbolId, readonly [Value, Position]>()
  for (const [symbol, value, position] of entries) if (!seen.has(symbol)) seen.set(symbol, [value, position ?? 0])
  const symbols = [...seen.keys()]
  const pairs = [...seen.values()]
  return fromSymbols(
    symbols,
    pairs.map((p) => p[0]),
    pairs.map((p) => p[1])
  )
}

const noCodes: ReadonlyArray<Code> = []

/** A set of the same shape with other values, made when they are touched, which nobody has written anywhere. */
export const withSource = (set: AttributeSet, source: SlotSource): AttributeSet =>
  new AttributeSet(set.shape, new Array<undefined>(set.size).fill(undefined), noPositions, noCodes, source)
