/**
 * From bindings as written to an AttributeSet node.
 *
 * The parser pushes one record a binding on the node buffer's stack; `closeSet` turns the records of one set into its node. Bindings of
 * plain names are written straight away (duplicates are found by a stamp a symbol). Only those that an attribute path (`a.b = 1`) makes, or
 * whose names occur twice, are put together in objects and merged as Nix merges: both definitions must be sets, `rec` counts
 * where it stands first, dynamic names never merge. Pure but for the state of a parse (`Source.ts`).
 */
import { printName } from "./Names.ts"
import { depth, drop, nodes, reserve, size, stack, written } from "./NodeBuffer.ts"
import { fail, origin, source } from "./Source.ts"
import { countNames, nameOf } from "./SymbolTable.ts"
import * as How from "./How.ts"
import * as Kind from "./Kind.ts"

/** Cells of a record on the stack: name, start, how, value. */
export const recordCells = 4

let stamps = new Int32Array(4096)
let lastStamp = 0

/** A set that is still being put together, or what of it needs that. */
export interface OpenSet {
  readonly recursive: number
  readonly start: number
  readonly end: number
  readonly sources: Array<number>
  readonly definitions: Map<number, Definition>
  readonly dynamics: Array<Dynamic>
}

/** A set that holds nothing yet. */
export const newSet = (recursive: number, start: number, end: number): OpenSet => ({
  recursive,
  start,
  end,
  sources: [],
  definitions: new Map(),
  dynamics: []
})

/** The value is a node, or (`set`) a set being put together. */
interface Definition {
  readonly start: number
  readonly how: number
  /** Where there is a set, its node, once that is written. */
  value: number
  set: OpenSet | undefined
}

interface Dynamic {
  readonly name: number
  readonly start: number
  value: number
  readonly set: OpenSet | undefined
}

/** Attribute paths of pending records, as name cells. */
export let paths: Array<ReadonlyArray<number>> = []

/** Begins with no paths. */
export const openBindings = (): void => {
  paths = []
}

/** Writes the set whose records stand on the stack from `base` on, and drops them. Returns the node. */
export const closeSet = (base: number, pathBase: number, start: number, end: number, recursive: number): number => {
  const top = depth
  const symbolCount = countNames()
  if (stamps.length < symbolCount || lastStamp > 0x7ffffff0) {
    stamps = new Int32Array(Math.max(stamps.length, symbolCount * 2))
    lastStamp = 0
  }
  const stamp = ++lastStamp
  for (let i = base; i < top; i += recordCells) {
    if (stack[i + 2]! > How.InheritFrom) return closeMixed(base, pathBase, start, end, recursive)
    const symbol = stack[i]!
    if (stamps[symbol] === stamp) return closeMixed(base, pathBase, start, end, recursive)
    stamps[symbol] = stamp
  }
  // A record without a source is what the node has of it.
  reserve(7 + top - base)
  const node = beginSet(start, end, recursive)
  let at = node + 4
  nodes[at++] = 0
  nodes[at++] = (top - base) / recordCells
  for (let i = base; i < top; i++) nodes[at++] = stack[i]!
  nodes[at++] = 0
  written(at)
  drop(base)
  return node
}

/** Writes the cells of a set before its sources. Returns the node. */
const beginSet = (start: number, end: number, recursive: number): number => {
  const node = size
  nodes[node] = Kind.AttributeSet
  nodes[node + 1] = start
  nodes[node + 2] = end
  nodes[node + 3] = recursive
  return node
}

/** The static name that a record binds, or that its path begins with; -1 when there is none. */
const firstName = (record: number): number => {
  const how = stack[record + 2]!
  if (how <= How.InheritFrom) return stack[record]!
  return how === How.Path ? Math.max(paths[stack[record]!]![0]!, -1) : -1
}

/**
 * The same as `closeSet` for records that are not all plain. Only names that are bound by a path, or more than once, go through definitions; all others are written as they
 * stand on the stack: one path among thousands of bindings costs no more than itself.
 */
const closeMixed = (base: number, pathBase: number, start: number, end: number, recursive: number): number => {
  const top = depth
  const once = ++lastStamp
  const merged = ++lastStamp
  const done = ++lastStamp
  for (let i = base; i < top; i += recordCells) {
    const symbol = firstName(i)
    if (symbol >= 0) stamps[symbol] = stack[i + 2] === How.Path || stamps[symbol]! >= once ? merged : once
  }
  const set = newSet(recursive, start, end)
  let plain = 0
  for (let i = base; i < top; i += recordCells) {
    const symbol = firstName(i)
    if (symbol >= 0 && stamps[symbol] === once) plain++
    else defineRecord(set, i)
  }
  writeOpen(set)

  const node = beginMerged(set, plain + set.definitions.size)
  let at = size
  let source = -1
  for (let i = base; i < top; i += recordCells) {
    const how = stack[i + 2]!
    if (how === How.Source) source++
    const symbol = firstName(i)
    if (symbol < 0 || stamps[symbol] === done) continue
    if (stamps[symbol] === once) {
      nodes[at] = symbol
      nodes[at + 1] = stack[i + 1]!
      nodes[at + 2] = how
      nodes[at + 3] = how === How.InheritFrom ? source : stack[i + 3]!
    } else {
      stamps[symbol] = done
      putDefinition(at, symbol, set.definitions.get(symbol)!)
    }
    at += 4
  }
  putDynamics(at, set)
  paths.length = pathBase
  drop(base)
  return node
}

/** Adds the records on the stack from `base` on to a set; refuses what is defined already. */
export const define = (set: OpenSet, base: number): void => {
  for (let i = base; i < depth; i += recordCells) defineRecord(set, i)
}

const defineRecord = (set: OpenSet, record: number): void => {
  const name = stack[record]!
  const start = stack[record + 1]!
  const how = stack[record + 2]!
  const value = stack[record + 3]!
  switch (how) {
    case How.Source:
      set.sources.push(value)
      break
    case How.Dynamic:
      set.dynamics.push({ name, start, value, set: undefined })
      break
    case How.Path:
      definePath(set, paths[name]!, start, value)
      break
    case How.Plain:
      defineOne(set, [name], name, { start, how, value, set: undefined })
      break
    default: {
      const previous = set.definitions.get(name)
      if (previous !== undefined) duplicate([name], start, previous.start)
      const from = how === How.InheritFrom ? set.sources.length - 1 : value
      set.definitions.set(name, { start, how, value: from, set: undefined })
    }
  }
}

/** The set that a definition's value is, opened for merging; `undefined` for any other value. */
const setOf = (definition: Definition): OpenSet | undefined => {
  if (definition.set !== undefined) return definition.set
  if (definition.how !== How.Plain || nodes[definition.value] !== Kind.AttributeSet) return undefined
  definition.set = open(definition.value)
  return definition.set
}

/** Reads a written set back. */
const open = (node: number): OpenSet => {
  const set = newSet(nodes[node + 3]!, nodes[node + 1]!, nodes[node + 2]!)
  let at = node + 4
  for (let n = nodes[at++]!; n > 0; n--) set.sources.push(nodes[at++]!)
  for (let n = nodes[at++]!; n > 0; n--, at += 4) {
    set.definitions.set(nodes[at]!, { start: nodes[at + 1]!, how: nodes[at + 2]!, value: nodes[at + 3]!, set: undefined })
  }
  for (let n = nodes[at++]!; n > 0; n--, at += 3) {
    set.dynamics.push({ name: nodes[at]!, start: nodes[at + 1]!, value: nodes[at + 2]!, set: undefined })
  }
  return set
}

const definePath = (outer: OpenSet, path: ReadonlyArray<number>, start: number, value: number): void => {
  let set = outer
  for (let i = 0; i < path.length - 1; i++) {
    const name = path[i]!
    let nested: OpenSet | undefined
    const known = name >= 0 ? set.definitions.get(name) : undefined
    if (known !== undefined) {
      nested = setOf(known)
      if (nested === undefined) duplicate(path.slice(0, i + 1), start, known.start)
    } else {
      nested = newSet(0, start, start)
      if (name >= 0) set.definitions.set(name, { start, how: How.Plain, value: -1, set: nested })
      else set.dynamics.push({ name: ~name, start, value: -1, set: nested })
    }
    set = nested
  }
  const last = path[path.length - 1]!
  if (last >= 0) defineOne(set, path, last, { start, how: How.Plain, value, set: undefined })
  else set.dynamics.push({ name: ~last, start, value, set: undefined })
}

/** Adds a definition to a set, merging it into one that is there. `path` ends in `symbol` and is for the message. */
const defineOne = (set: OpenSet, path: ReadonlyArray<number>, symbol: number, added: Definition): void => {
  const known = set.definitions.get(symbol)
  if (known === undefined) {
    set.definitions.set(symbol, added)
    return
  }
  const into = setOf(known)
  const from = into === undefined ? undefined : setOf(added)
  if (into === undefined || from === undefined) duplicate(path, added.start, known.start)
  const shift = into.sources.length
  for (const [name, definition] of from.definitions) {
    const moved = definition.how === How.InheritFrom ? { ...definition, value: definition.value + shift } : definition
    defineOne(into, [...path, name], name, moved)
  }
  into.dynamics.push(...from.dynamics)
  into.sources.push(...from.sources)
}

const duplicate: (path: ReadonlyArray<number>, start: number, previous: number) => never = (path, start, previous) => {
  // No dynamic name can be in it: what follows one is always a new set.
  const printed = path.map((name) => printName(nameOf(name))).join(".")
  fail({ _tag: "DuplicateAttribute", path: printed, previous: { origin, source, start: previous, end: previous + 1 } }, start, start + 1)
}

/** Writes the open sets in a set, innermost first. */
const writeOpen = (set: OpenSet): void => {
  for (const definition of set.definitions.values()) if (definition.set !== undefined) definition.value = write(definition.set)
  for (const dynamic of set.dynamics) if (dynamic.set !== undefined) dynamic.value = write(dynamic.set)
}

/** Writes the cells of a set before its definitions, of which there are `count`, and makes room for the rest. Returns the node. */
const beginMerged = (set: OpenSet, count: number): number => {
  reserve(7 + set.sources.length + count * 4 + set.dynamics.length * 3)
  const node = beginSet(set.start, set.end, set.recursive)
  let at = node + 4
  nodes[at++] = set.sources.length
  for (const source of set.sources) nodes[at++] = source
  nodes[at++] = count
  written(at)
  return node
}

const putDefinition = (at: number, symbol: number, { start, how, value }: Definition): void => {
  nodes[at] = symbol
  nodes[at + 1] = start
  nodes[at + 2] = how
  nodes[at + 3] = value
}

/** Writes the last cells of a set. */
const putDynamics = (from: number, set: OpenSet): void => {
  let at = from
  nodes[at++] = set.dynamics.length
  for (const dynamic of set.dynamics) {
    nodes[at++] = dynamic.name
    nodes[at++] = dynamic.start
    nodes[at++] = dynamic.value
  }
  written(at)
}

/** Writes a set and the open sets in it. Returns the node. */
const write = (set: OpenSet): number => {
  writeOpen(set)
  const node = beginMerged(set, set.definitions.size)
  let at = size
  for (const [symbol, definition] of set.definitions) {
    putDefinition(at, symbol, definition)
    at += 4
  }
  putDynamics(at, set)
  return node
}
