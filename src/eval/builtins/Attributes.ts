/**
 * Attribute sets.
 */
import type { Position } from "../Positions.ts"
import type { AttributeSet } from "../AttributeSet.ts"
import { emptySet, fromEntries, fromSymbols, withSource } from "../AttributeSet.ts"
import { call2, isFunction, lazyCall2 } from "../Call.ts"
import type { Env } from "../Code.ts"
import { Code } from "../Code.ts"
import { expectElements } from "../Elements.ts"
import { expectAttribute, expectFunction, expectList, expectSet, expectText, first, only, second } from "../Expect.ts"
import { force } from "../Force.ts"
import { NixError } from "../NixError.ts"
import { positionSet } from "../PositionSet.ts"
import type { Shape } from "../Shape.ts"
import type { SymbolId } from "../Symbols.ts"
import { existingSymbol, nameOf, Names, symbol } from "../Symbols.ts"
import type { Value } from "../Value.ts"
import { Builtin, Lambda, Thunk } from "../Value.ts"

const during = {
  getAttr: [first("getAttr"), second("getAttr")],
  hasAttr: [first("hasAttr"), second("hasAttr")],
  unsafeGetAttrPos: [first("unsafeGetAttrPos"), second("unsafeGetAttrPos")],
  removeAttrs: [
    first("removeAttrs"),
    second("removeAttrs"),
    "while evaluating the values of the second argument passed to builtins.removeAttrs"
  ],
  listToAttrs: [
    only("listToAttrs"),
    "while evaluating an element of the list passed to builtins.listToAttrs",
    "in a {name=...; value=...;} pair",
    "while evaluating the `name` attribute of an element of the list passed to builtins.listToAttrs"
  ],
  intersectAttrs: [first("intersectAttrs"), second("intersectAttrs")],
  catAttrs: [
    first("catAttrs"),
    second("catAttrs"),
    "while evaluating an element in the list passed as second argument to builtins.catAttrs"
  ],
  mapAttrs: [second("mapAttrs")],
  zipAttrsWith: [
    first("zipAttrsWith"),
    second("zipAttrsWith"),
    "while evaluating a value of the list passed as second argument to builtins.zipAttrsWith"
  ]
} as const

const attrNames = only("attrNames")
const attrValues = only("attrValues")

const getAttr = (name: Value, set: Value): Value => {
  const text = expectText(name, during.getAttr[0])
  return force(expectAttribute(expectSet(set, during.getAttr[1]), symbol(text), "in the attribute set under consideration"))
}

/** The attributes of `from` in these slots. */
const select = (from: AttributeSet, slots: ReadonlyArray<number>): AttributeSet => {
  if (slots.length === from.size) return from
  const { positions } = from
  const { symbols } = from.shape
  const n = slots.length
  const names = new Array<SymbolId>(n)
  const values = new Array<Value>(n)
  const places = positions.length === 0 ? positions : new Array<Position>(n)
  for (let i = 0; i < n; i++) {
    const slot = slots[i] as number
    names[i] = symbols[slot] as SymbolId
    values[i] = from.at(slot)
    if (positions.length > 0) (places as Array<Position>)[i] = positions[slot] ?? 0
  }
  return fromSymbols(names, values, places)
}

const removeAttrs = (set: Value, names: Value): Value => {
  const from = expectSet(set, during.removeAttrs[0])
  const list = expectList(names, during.removeAttrs[1])
  const { shape } = from
  let removed: Uint8Array | undefined
  for (let i = 0; i < list.length; i++) {
    // A name that no program has mentioned is in no set.
    const id = existingSymbol(expectText(list[i] as Value, during.removeAttrs[2]))
    const slot = id === undefined ? -1 : shape.slot(id)
    if (slot >= 0) (removed ??= new Uint8Array(shape.size))[slot] = 1
  }
  if (removed === undefined) return from
  const slots: Array<number> = []
  for (let slot = 0; slot < removed.length; slot++) if (removed[slot] === 0) slots.push(slot)
  return select(from, slots)
}

const listToAttrs = (list: Value): Value => {
  const elements = expectElements(list, during.listToAttrs[0])
  const n = elements.size
  const symbols = new Array<SymbolId>(n)
  const values = new Array<Value>(n)
  const positions = new Array<Position>(n)
  let size = 0
  // Told once all names are known, as in Nix.
  let incomplete: AttributeSet | undefined
  // Names that come in the order of their symbols, as new ones do, are all different.
  let seen: Set<SymbolId> | undefined
  let last = -1
  let shape: Shape | undefined
  let slot = -1
  for (let i = 0; i < n; i++) {
    const pair = expectSet(elements.value(i), during.listToAttrs[1])
    const id = symbol(expectText(expectAttribute(pair, Names.name, during.listToAttrs[2]), during.listToAttrs[3]))
    if (seen === undefined && id <= last) seen = new Set(symbols.slice(0, size))
    if (seen !== undefined) {
      if (seen.has(id)) continue
      seen.add(id)
    }
    last = id
    if (pair.shape !== shape) {
      shape = pair.shape
      slot = shape.slot(Names.value)
    }
    if (slot < 0) incomplete ??= pair
    else {
      symbols[size] = id
      values[size] = pair.at(slot)
      positions[size++] = pair.positions[slot] ?? 0
    }
  }
  symbols.length = values.length = positions.length = size
  if (incomplete !== undefined) expectAttribute(incomplete, Names.value, during.listToAttrs[2])
  return fromSymbols(symbols, values, positions)
}

const intersectAttrs = (left: Value, right: Value): Value => {
  const a = expectSet(left, during.intersectAttrs[0])
  const b = expectSet(right, during.intersectAttrs[1])
  const slots: Array<number> = []
  if (a.size >= b.size) {
    const { symbols } = b.shape
    for (let slot = 0; slot < symbols.length; slot++) if (a.has(symbols[slot] as number)) slots.push(slot)
  } else {
    const { symbols } = a.shape
    for (let i = 0; i < symbols.length; i++) {
      const slot = b.shape.slot(symbols[i] as number)
      if (slot >= 0) slots.push(slot)
    }
  }
  return select(b, slots)
}

const catAttrs = (name: Value, list: Value): Value => {
  const id = existingSymbol(expectText(name, during.catAttrs[0]))
  const found: Array<Value> = []
  const elements = expectList(list, during.catAttrs[1])
  for (let i = 0; i < elements.length; i++) {
    const set = expectSet(elements[i] as Value, during.catAttrs[2])
    const value = id === undefined ? undefined : set.get(id)
    if (value !== undefined) found.push(value)
  }
  return found
}

const functionArgs = (f: Value): Value => {
  const callee = force(f)
  if (callee instanceof Lambda) {
    const formals = callee.code.formals
    if (formals === undefined || formals.length === 0) return emptySet
    return fromSymbols(
      formals.map((formal) => formal.symbol),
      formals.map((formal) => formal.fallback !== undefined),
      formals.map((formal) => formal.position)
    )
  }
  if (isFunction(callee)) return emptySet
  throw new NixError("type", "'functionArgs' requires a function")
}

const mapAttrs = (f: Value, set: Value): Value => {
  const from = expectSet(set, during.mapAttrs[0])
  if (from.size === 0) return from
  const { symbols } = from.shape
  // One code for all slots; a thunk is just a slot number, and nothing of `from` is made before it is wanted.
  const applied = new Code((slot) => call2(f, nameOf(symbols[slot as unknown as number] as number), from.at(slot as unknown as number)))
  return withSource(from, { at: (slot) => new Thunk(applied, slot as unknown as Env) })
}

const zipAttrsWith = (f: Value, list: Value): Value => {
  const callee = expectFunction(f, during.zipAttrsWith[0])
  const found = new Map<SymbolId, Array<Value>>()
  const elements = expectList(list, during.zipAttrsWith[1])
  for (let k = 0; k < elements.length; k++) {
    const set = expectSet(elements[k] as Value, during.zipAttrsWith[2])
    const { symbols } = set.shape
    for (let i = 0; i < symbols.length; i++) {
      const id = symbols[i] as number
      const values = found.get(id)
      if (values === undefined) found.set(id, [set.at(i)])
      else values.push(set.at(i))
    }
  }
  return fromEntries([...found].map(([id, values]) => [id, lazyCall2(callee, nameOf(id), values)] as const))
}

export const attributes: ReadonlyArray<Builtin> = [
  new Builtin("attrNames", 1, (set) => expectSet(set, attrNames).names()),
  new Builtin("attrValues", 1, (set) => {
    const from = expectSet(set, attrValues)
    return from.shape.nameOrder.map((slot) => from.at(slot))
  }),
  new Builtin("getAttr", 2, getAttr),
  new Builtin("hasAttr", 2, (name, set) => {
    const text = expectText(name, during.hasAttr[0])
    const from = expectSet(set, during.hasAttr[1])
    const id = existingSymbol(text)
    return id !== undefined && from.has(id)
  }),
  new Builtin("unsafeGetAttrPos", 2, (name, set) => {
    const text = expectText(name, during.unsafeGetAttrPos[0])
    const from = expectSet(set, during.unsafeGetAttrPos[1])
    const id = existingSymbol(text)
    return id === undefined ? null : positionSet(from.positionOf(id))
  }),
  new Builtin("removeAttrs", 2, removeAttrs),
  new Builtin("listToAttrs", 1, listToAttrs, true),
  new Builtin("intersectAttrs", 2, intersectAttrs),
  new Builtin("catAttrs", 2, catAttrs),
  new Builtin("functionArgs", 1, functionArgs),
  new Builtin("mapAttrs", 2, mapAttrs),
  new Builtin("zipAttrsWith", 2, zipAttrsWith)
]
