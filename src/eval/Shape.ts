/**
 * Shapes: which attributes a set has, and in which slot each value stands.
 *
 * Shapes are shared by all sets from one literal and by the results of equal updates, which is what the inline caches at selections and the `//` plans hang on.
 * Small ones have their symbols in ascending order, and are the same object for the same symbols. Large ones that an update makes are grown: the slots of the
 * larger side stay as they are, and those of the other side that are new come after them. So growing a set costs what is added, not what is there; the table
 * of slots is one for all that grew from a shape.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { Code } from "./Code.ts"
import { MergedPositions, noPositions } from "./SetPositions.ts"
import type { Positions } from "./SetPositions.ts"
import type { SymbolId } from "./Symbols.ts"
import { nameOf } from "./Symbols.ts"

const linearLimit = 8

/** Small shapes are one for all sets that have them. */
const sharedLimit = 64

/** Symbols by slot, and slots by symbol. Symbols are only ever added, so that shapes may share a table of which each has the beginning. */
class SlotTable {
  readonly symbols: Array<SymbolId>
  /** By hash: a slot + 1; 0 is none. */
  private index: Int32Array

  constructor(symbols: ReadonlyArray<SymbolId>) {
    this.symbols = symbols.slice()
    let capacity = 16
    while (capacity < symbols.length * 2) capacity *= 2
    this.index = new Int32Array(capacity)
    for (let slot = 0; slot < symbols.length; slot++) this.enter(slot)
  }

  /** The slot of a symbol, or -1. */
  find(symbol: SymbolId): number {
    const { index, symbols } = this
    const mask = index.length - 1
    for (let h = Math.imul(symbol, 0x9e3779b1) >>> 7; ; h++) {
      const slot = (index[h & mask] as number) - 1
      if (slot < 0 || symbols[slot] === symbol) return slot
    }
  }

  add(symbol: SymbolId): void {
    const slot = this.symbols.length
    this.symbols.push(symbol)
    if (this.symbols.length * 2 <= this.index.length) this.enter(slot)
    else {
      this.index = new Int32Array(this.index.length * 2)
      for (let i = 0; i <= slot; i++) this.enter(i)
    }
  }

  private enter(slot: number): void {
    const { index } = this
    const mask = index.length - 1
    let h = (Math.imul(this.symbols[slot] as number, 0x9e3779b1) >>> 7) & mask
    while (index[h] !== 0) h = (h + 1) & mask
    index[h] = slot + 1
  }
}

export class Shape {
  readonly size: number
  // No `#private` members in what is made by the thousand: where a class has a private method, each new object costs a call into the engine's runtime.
  private listed: ReadonlyArray<SymbolId> | undefined
  private table: SlotTable | undefined
  private ascending: ReadonlyArray<number> | undefined = undefined
  private order: ReadonlyArray<number> | undefined = undefined
  private named: ReadonlyArray<ByteString> | undefined = undefined
  private planRight: Shape | undefined = undefined
  private plan: UpdatePlan | undefined = undefined
  private plans: Map<Shape, UpdatePlan> | undefined = undefined

  /** To be made by `sharedShape`. The symbols by slot, all different; a grown shape has the beginning of a table instead. */
  constructor(symbols: ReadonlyArray<SymbolId> | undefined, table?: SlotTable) {
    this.listed = symbols
    this.table = table
    this.size = symbols === undefined ? (table as SlotTable).symbols.length : symbols.length
  }

  /** By slot. */
  get symbols(): ReadonlyArray<SymbolId> {
    return (this.listed ??= (this.table as SlotTable).symbols.slice(0, this.size))
  }

  /** The slot of a symbol, or -1. */
  slot(symbol: SymbolId): number {
    const n = this.size
    if (n <= linearLimit) {
      const symbols = this.listed as ReadonlyArray<SymbolId>
      for (let i = 0; i < n; i++) if (symbols[i] === symbol) return i
      return -1
    }
    const slot = (this.table ??= new SlotTable(this.symbols)).find(symbol)
    return slot < n ? slot : -1
  }

  /** Slots in ascending order of their symbols, which is the order in which values are visited. */
  get visiting(): ReadonlyArray<number> {
    return (this.ascending ??= ascendingSlots(this.symbols))
  }

  /** Names in bytewise order. Who wants no more than that is spared a function that compares slots by them. */
  get names(): ReadonlyArray<ByteString> {
    const { order, symbols } = this
    this.named ??= order === undefined ? symbols.map(nameOf).sort() : order.map((slot) => nameOf(symbols[slot] as number))
    return this.named
  }

  /** Slots in bytewise order of their names. */
  get nameOrder(): ReadonlyArray<number> {
    if (this.order === undefined) {
      const names = this.symbols.map(nameOf)
      this.order = names.map((_, i) => i).sort((a, b) => ((names[a] as string) < (names[b] as string) ? -1 : 1))
    }
    return this.order
  }

  /** The shape with these symbols after its own; none of them is in it. */
  grown(added: ReadonlyArray<SymbolId>): Shape {
    let table = (this.table ??= new SlotTable(this.symbols))
    // Another shape has grown from this one.
    if (table.symbols.length !== this.size) table = new SlotTable(this.symbols)
    for (let i = 0; i < added.length; i++) table.add(added[i] as SymbolId)
    return new Shape(undefined, table)
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

const insertionLimit = 24

/** All slots, in ascending order of the symbols in them. */
export const ascendingSlots = (symbols: ReadonlyArray<SymbolId>): Array<number> => {
  const n = symbols.length
  const slots = new Array<number>(n)
  // `symbols` comes in two of the engine's kinds: it is gone through once, or optimised code for one kind would be left again and again with the other.
  const ordered = new Array<number>(n)
  let last = -1
  let sorted = true
  for (let slot = 0; slot < n; slot++) {
    const symbol = symbols[slot] as number
    slots[slot] = slot
    ordered[slot] = symbol
    if (symbol < last) sorted = false
    last = symbol
  }
  if (sorted) return slots
  if (n > insertionLimit) return slots.sort((a, b) => (ordered[a] as number) - (ordered[b] as number))
  // Literals are of this size, and each is sorted once, by code that is cold: the engine's sort would make more than it sorts.
  for (let i = 1; i < n; i++) {
    const symbol = ordered[i] as number
    let at = i
    for (; at > 0 && (ordered[at - 1] as number) > symbol; at--) {
      ordered[at] = ordered[at - 1] as number
      slots[at] = slots[at - 1] as number
    }
    ordered[at] = symbol
    slots[at] = i
  }
  return slots
}

/** How the values of `left // right` are put together. */
export class UpdatePlan {
  readonly shape: Shape
  /** For each slot of the result: a slot of the right side, or `~slot` of the left. `undefined`: the result is grown. */
  readonly from: Int32Array | undefined
  /** For a grown one, whether it grows from the left side; and for each slot of the other side, the slot of the result, or -1 where it is hidden. */
  readonly fromLeft: boolean
  readonly to: Int32Array
  /** What was merged last: literals have the same positions and codes each time. */
  private leftPositions: Positions = noPositions
  private rightPositions: Positions = noPositions
  private mergedPositions: Positions = noPositions
  private rightCodes: ReadonlyArray<Code> = nothing
  private mergedCodes: ReadonlyArray<Code> = nothing

  constructor(shape: Shape, from: Int32Array | undefined, fromLeft: boolean, to: Int32Array) {
    this.shape = shape
    this.from = from
    this.fromLeft = fromLeft
    this.to = to
  }

  /** The positions of a result that is not grown. */
  positions(left: Positions, right: Positions): Positions {
    if (left === this.leftPositions && right === this.rightPositions) return this.mergedPositions
    if (left === noPositions && right === noPositions) return noPositions
    this.leftPositions = left
    this.rightPositions = right
    return (this.mergedPositions = MergedPositions.of(left, right, this))
  }

  /** The codes of the right side by slot of a result that is not grown; those of slots from the left side are of no meaning. */
  codes(right: ReadonlyArray<Code>): ReadonlyArray<Code> {
    if (right === this.rightCodes) return this.mergedCodes
    const from = this.from as Int32Array
    const codes = new Array<Code>(from.length)
    for (let i = 0; i < codes.length; i++) codes[i] = right[Math.max(from[i] as number, 0)] as Code
    this.rightCodes = right
    this.mergedCodes = codes
    return codes
  }
}

const nothing: ReadonlyArray<never> = []
const nowhere = new Int32Array(0)

const makePlan = (left: Shape, right: Shape): UpdatePlan => {
  if (left.size > sharedLimit || right.size > sharedLimit) return growingPlan(left, right)
  const a = left.symbols
  const b = right.symbols
  let common = 0
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const x = a[i] as number
    const y = b[j] as number
    if (x <= y) i++
    if (y <= x) j++
    if (x === y) common++
  }
  const n = a.length + b.length - common
  if (n > sharedLimit) return growingPlan(left, right)
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
  return new UpdatePlan(shape, from, false, nowhere)
}

/** The larger side stays as it is. */
const growingPlan = (left: Shape, right: Shape): UpdatePlan => {
  const fromLeft = left.size >= right.size
  const base = fromLeft ? left : right
  const others = (fromLeft ? right : left).symbols
  const to = new Int32Array(others.length)
  const added: Array<SymbolId> = []
  for (let i = 0; i < others.length; i++) {
    const symbol = others[i] as SymbolId
    const slot = base.slot(symbol)
    if (slot < 0) {
      to[i] = base.size + added.length
      added.push(symbol)
    } else to[i] = fromLeft ? slot : -1
  }
  return new UpdatePlan(added.length === 0 ? base : base.grown(added), undefined, fromLeft, to)
}

const kept = 8_192
const shapes = new Map<number, Shape>()

const sameSymbols = (a: ReadonlyArray<SymbolId>, b: ReadonlyArray<SymbolId>): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/**
 * The shape for these symbols, all different, ascending where there are few. Small ones are the same as long as they are remembered, so that indices, plans and
 * inline caches serve all sets alike, whoever made them. Of two whose hashes collide the later one is remembered.
 */
export const sharedShape = (symbols: ReadonlyArray<SymbolId>): Shape => {
  const n = symbols.length
  if (n > sharedLimit) return largeShape(symbols)
  let hash = n
  for (let i = 0; i < n; i++) hash = (Math.imul(hash, 0x01000193) ^ (symbols[i] as number)) & 0x3fff_ffff
  const known = shapes.get(hash)
  if (known !== undefined && sameSymbols(known.symbols, symbols)) return known
  const shape = new Shape(symbols)
  if (shapes.size >= kept) shapes.clear()
  shapes.set(hash, shape)
  return shape
}

/** Large shapes that were made lately: some programs make the same set again and again. By a glance at them. */
const large = new Map<number, Shape>()
const keptLarge = 64
const keptSize = 4_096

const largeShape = (symbols: ReadonlyArray<SymbolId>): Shape => {
  const n = symbols.length
  if (n > keptSize) return new Shape(symbols)
  let hash = n
  for (let i = 1; i <= 4; i++) hash = (Math.imul(hash, 0x01000193) ^ (symbols[((n * i) >> 2) - 1] as number)) & 0x3fff_ffff
  const known = large.get(hash)
  if (known !== undefined && sameSymbols(known.symbols, symbols)) return known
  const shape = new Shape(symbols)
  if (large.size >= keptLarge) large.clear()
  large.set(hash, shape)
  return shape
}

/** Whether sets of so many attributes may have their symbols in any order. */
export const mayBeUnordered = (size: number): boolean => size > sharedLimit
