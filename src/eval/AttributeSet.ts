/**
 * Attribute sets: a shape (which symbols, sorted by id) and an array of values beside it.
 *
 * Literals are lazy in the making: a slot stays `undefined` until it is touched, and is then made from the literal's code table and
 * environment. So a set of ten thousand attributes costs one array. Shapes are shared by all sets from one literal and by the results of equal
 * updates, which is what the inline caches at selections and the `//` plans hang on.
 *
 * Touch values only through `at`, `get` and the iteration functions: a slot read directly may be `undefined`.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { Code, Env } from "./Code.ts"
import type { SymbolId } from "./Symbols.ts"
import { nameOf, symbol } from "./Symbols.ts"
import type { Value } from "./Value.ts"

/** A position: an index into the evaluation's position table; 0 is none. */
export type Position = number

const linearLimit = 8

export class Shape {
  /** Ascending. */
  readonly symbols: ReadonlyArray<SymbolId>
  // No `#private` members in what is made by the thousand: where a class has a private method, each new object costs a call into the engine's runtime.
  private index: Int32Array | undefined = undefined
  private order: ReadonlyArray<number> | undefined = undefined
  private planRight: Shape | undefined = undefined
  private plan: UpdatePlan | undefined = undefined
  private plans: Map<Shape, UpdatePlan> | undefined = undefined

  constructor(symbols: ReadonlyArray<SymbolId>) {
    this.symbols = symbols
  }

  get size(): number {
    return this.symbols.length
  }

  /** The slot of a symbol, or -1. */
  slot(symbol: SymbolId): number {
    const symbols = this.symbols
    const n = symbols.length
    if (n <= linearLimit) {
      for (let i = 0; i < n; i++) if (symbols[i] === symbol) return i
      return -1
    }
    const index = this.index ?? this.makeIndex()
    const mask = (index.length >> 1) - 1
    let h = Math.imul(symbol, 0x9e3779b1) >>> 7
    for (;;) {
      h &= mask
      const at = index[h * 2 + 1] as number
      if (at === 0) return -1
      if (index[h * 2] === symbol) return at - 1
      h++
    }
  }

  private makeIndex(): Int32Array {
    let capacity = 16
    while (capacity < this.symbols.length * 2) capacity *= 2
    const index = new Int32Array(capacity * 2)
    const mask = capacity - 1
    for (let i = 0; i < this.symbols.length; i++) {
      const symbol = this.symbols[i] as number
      let h = (Math.imul(symbol, 0x9e3779b1) >>> 7) & mask
      while (index[h * 2 + 1] !== 0) h = (h + 1) & mask
      index[h * 2] = symbol
      index[h * 2 + 1] = i + 1
    }
    this.index = index
    return index
  }

  /** Slots in bytewise order of their names. */
  get nameOrder(): ReadonlyArray<number> {
    if (this.order === undefined) {
      const names = this.symbols.map(nameOf)
      this.order = names
        .map((_, i) => i)
        .sort((a, b) => ((names[a] as string) < (names[b] as string) ? -1 : (names[a] as string) > (names[b] as string) ? 1 : 0))
    }
    return this.order
  }

  /** How to make `this // right`. */
  updatePlan(right: Shape): UpdatePlan {
    if (this.planRight === right) return this.plan as UpdatePlan
    let plan = this.plans?.get(right)
    if (plan === undefined) {
      plan = makePlan(this, right)
      if (this.planRight !== undefined) {
        this.plans ??= new Map()
        if (this.plans.size < 16) this.plans.set(right, plan)
      }
    }
    this.planRight = right
    this.plan = plan
    return plan
  }
}

interface UpdatePlan {
  readonly shape: Shape
  /** For each slot of the result: a slot of the right side, or `~slot` of the left. */
  readonly from: Int32Array
}

const makePlan = (left: Shape, right: Shape): UpdatePlan => {
  const a = left.symbols
  const b = right.symbols
  // Written by index, of one length from the start: a set that grows one by one makes a plan each time.
  let common = 0
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const x = a[i] as number
    const y = b[j] as number
    if (x <= y) i++
    if (y <= x) j++
    if (x === y) common++
  }
  const n = a.length + b.length - common
  const symbols = new Array<number>(n)
  const from = new Int32Array(n)
  let i = 0
  let j = 0
  let at = 0
  while (at < n) {
    const x = i < a.length ? (a[i] as number) : Infinity
    const y = j < b.length ? (b[j] as number) : Infinity
    if (x < y) {
      symbols[at] = x
      from[at++] = ~i++
    } else {
      symbols[at] = y
      from[at++] = j++
      if (x === y) i++
    }
  }
  const shape = n === a.length ? left : n === b.length ? right : sharedShape(symbols)
  return { shape, from }
}

/** Larger shapes are seldom made twice, and would be worth more memory than is gained. */
const sharedLimit = 64
const kept = 8_192
const shapes = new Map<number, Shape>()

const sameSymbols = (a: ReadonlyArray<SymbolId>, b: ReadonlyArray<SymbolId>): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/**
 * The shape for these symbols (ascending). Small ones are the same as long as they are remembered, so that indices, plans and inline caches serve all sets alike,
 * whoever made them. Of two whose hashes collide the later one is remembered.
 */
export const sharedShape = (symbols: ReadonlyArray<SymbolId>): Shape => {
  const n = symbols.length
  if (n > sharedLimit) return new Shape(symbols)
  let hash = n
  for (let i = 0; i < n; i++) hash = (Math.imul(hash, 0x01000193) ^ (symbols[i] as number)) & 0x3fff_ffff
  const known = shapes.get(hash)
  if (known !== undefined && sameSymbols(known.symbols, symbols)) return known
  const shape = new Shape(symbols)
  if (shapes.size >= kept) shapes.clear()
  shapes.set(hash, shape)
  return shape
}

const noPositions: ReadonlyArray<Position> = []

export class AttributeSet {
  readonly shape: Shape
  /** By slot; `undefined` where not yet made from `codes`. */
  readonly values: Array<Value | undefined>
  readonly codes: ReadonlyArray<Code> | null
  readonly env: Env | null
  /** By slot, or empty. */
  readonly positions: ReadonlyArray<Position>

  constructor(
    shape: Shape,
    values: Array<Value | undefined>,
    positions: ReadonlyArray<Position>,
    codes: ReadonlyArray<Code> | null,
    env: Env | null
  ) {
    this.shape = shape
    this.values = values
    this.positions = positions
    this.codes = codes
    this.env = env
  }

  get size(): number {
    return this.shape.size
  }

  /** The value in a slot, perhaps a thunk. */
  at(slot: number): Value {
    const value = this.values[slot]
    return value !== undefined ? value : this.make(slot)
  }

  private make(slot: number): Value {
    const value = (this.codes as ReadonlyArray<Code>)[slot]!.delay(this.env as Env)
    this.values[slot] = value
    return value
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
    return this.shape.nameOrder.map((slot) => nameOf(this.shape.symbols[slot] as number))
  }

  /** All values made, for those who copy them. */
  all(): Array<Value> {
    const values = this.values
    if (this.codes !== null) for (let i = 0; i < values.length; i++) if (values[i] === undefined) this.make(i)
    return values as Array<Value>
  }
}

export const emptySet = new AttributeSet(new Shape([]), [], noPositions, null, null)

/** `left // right`. */
export const update = (left: AttributeSet, right: AttributeSet): AttributeSet => {
  if (right.shape.size === 0) return left
  if (left.shape.size === 0) return right
  const plan = left.shape.updatePlan(right.shape)
  const a = left.all()
  const b = right.all()
  const from = plan.from
  const n = from.length
  const values = new Array<Value>(n)
  for (let i = 0; i < n; i++) {
    const f = from[i] as number
    values[i] = (f >= 0 ? b[f] : a[~f]) as Value
  }
  return new AttributeSet(plan.shape, values, mergePositions(left.positions, right.positions, from), null, null)
}

const mergePositions = (a: ReadonlyArray<Position>, b: ReadonlyArray<Position>, from: Int32Array): ReadonlyArray<Position> => {
  if (a.length === 0 && b.length === 0) return noPositions
  const positions = new Array<Position>(from.length)
  for (let i = 0; i < from.length; i++) {
    const f = from[i] as number
    positions[i] = (f >= 0 ? b[f] : a[~f]) ?? 0
  }
  return positions
}

/** A set from symbols (in any order, all different), values and perhaps positions. */
export const fromSymbols = (
  symbols: ReadonlyArray<SymbolId>,
  values: ReadonlyArray<Value>,
  positions?: ReadonlyArray<Position>
): AttributeSet => {
  const n = symbols.length
  if (n === 0) return emptySet
  let sorted = true
  for (let i = 1; i < n; i++) {
    if ((symbols[i - 1] as number) >= (symbols[i] as number)) {
      sorted = false
      break
    }
  }
  if (sorted) return new AttributeSet(sharedShape(symbols), values.slice(), positions ?? noPositions, null, null)
  const order = symbols.map((_, i) => i).sort((a, b) => (symbols[a] as number) - (symbols[b] as number))
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

/** A set of the same shape with other values, which nobody has written anywhere. */
export const withValues = (set: AttributeSet, values: Array<Value>): AttributeSet =>
  new AttributeSet(set.shape, values, noPositions, null, null)
