/**
 * From bindings as written to an AttributeSet node.
 *
 * The parser pushes one record a binding on the node buffer's stack; `close` turns the records of one set into its node. Sets of
 * plain names are written straight away (duplicates are found by a stamp a symbol). Only when there are attribute paths (`a.b = 1`) or
 * names that occur twice, the set is built up in objects and merged as Nix merges: both definitions must be sets, `rec` counts
 * where it stands first, dynamic names never merge. Pure.
 */
import type { Lexer } from "./Lexer.ts"
import type { NodeBuffer } from "./NodeBuffer.ts"
import { printName } from "./Names.ts"
import * as How from "./How.ts"
import * as Kind from "./Kind.ts"

/** Cells of a record on the stack: name, start, how, value. */
export const recordCells = 4

let stamps = new Int32Array(4096)
let lastStamp = 0

/** A set that is still being put together. */
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
  readonly value: number
  set: OpenSet | undefined
}

interface Dynamic {
  readonly name: number
  readonly start: number
  readonly value: number
  readonly set: OpenSet | undefined
}

export class Bindings {
  /** Attribute paths of pending records, as name cells. */
  readonly paths: Array<ReadonlyArray<number>> = []
  readonly #lexer: Lexer
  readonly #buffer: NodeBuffer

  constructor(lexer: Lexer, buffer: NodeBuffer) {
    this.#lexer = lexer
    this.#buffer = buffer
  }

  /** Writes the set whose records stand on the stack from `base` on, and drops them. Returns the node. */
  close(base: number, pathBase: number, start: number, end: number, recursive: number): number {
    const buffer = this.#buffer
    const { stack, depth } = buffer
    const symbolCount = this.#lexer.symbols.names.length
    if (stamps.length < symbolCount || lastStamp === 0x7fffffff) {
      stamps = new Int32Array(Math.max(stamps.length, symbolCount * 2))
      lastStamp = 0
    }
    const stamp = ++lastStamp
    let sources = 0
    let dynamics = 0
    let count = 0
    for (let i = base; i < depth; i += recordCells) {
      const how = stack[i + 2]!
      if (how <= How.InheritFrom) {
        const symbol = stack[i]!
        if (stamps[symbol] === stamp) return this.#merge(base, pathBase, start, end, recursive)
        stamps[symbol] = stamp
        count++
      } else if (how === How.Path) {
        return this.#merge(base, pathBase, start, end, recursive)
      } else if (how === How.Dynamic) {
        dynamics++
      } else {
        sources++
      }
    }

    buffer.reserve(7 + sources + count * 4 + dynamics * 3)
    const nodes = buffer.nodes
    const node = buffer.size
    let at = node
    nodes[at++] = Kind.AttributeSet
    nodes[at++] = start
    nodes[at++] = end
    nodes[at++] = recursive
    nodes[at++] = sources
    if (sources > 0) {
      for (let i = base; i < depth; i += recordCells) if (stack[i + 2] === How.Source) nodes[at++] = stack[i + 3]!
    }
    nodes[at++] = count
    let source = -1
    for (let i = base; i < depth; i += recordCells) {
      const how = stack[i + 2]!
      if (how > How.InheritFrom) {
        if (how === How.Source) source++
        continue
      }
      nodes[at++] = stack[i]!
      nodes[at++] = stack[i + 1]!
      nodes[at++] = how
      nodes[at++] = how === How.InheritFrom ? source : stack[i + 3]!
    }
    nodes[at++] = dynamics
    if (dynamics > 0) {
      for (let i = base; i < depth; i += recordCells) {
        if (stack[i + 2] !== How.Dynamic) continue
        nodes[at++] = stack[i]!
        nodes[at++] = stack[i + 1]!
        nodes[at++] = stack[i + 3]!
      }
    }
    buffer.size = at
    buffer.depth = base
    return node
  }

  #merge(base: number, pathBase: number, start: number, end: number, recursive: number): number {
    const set = newSet(recursive, start, end)
    this.define(set, base)
    this.paths.length = pathBase
    this.#buffer.depth = base
    return this.#write(set)
  }

  /** Adds the records on the stack from `base` on to a set; refuses what is defined already. */
  define(set: OpenSet, base: number): void {
    const { stack, depth } = this.#buffer
    for (let i = base; i < depth; i += recordCells) {
      const name = stack[i]!
      const start = stack[i + 1]!
      const how = stack[i + 2]!
      const value = stack[i + 3]!
      switch (how) {
        case How.Source:
          set.sources.push(value)
          break
        case How.Dynamic:
          set.dynamics.push({ name, start, value, set: undefined })
          break
        case How.Path:
          this.#definePath(set, this.paths[name]!, start, value)
          break
        case How.Plain:
          this.#define(set, [name], name, { start, how, value, set: undefined })
          break
        default: {
          const previous = set.definitions.get(name)
          if (previous !== undefined) this.#duplicate([name], start, previous.start)
          const from = how === How.InheritFrom ? set.sources.length - 1 : value
          set.definitions.set(name, { start, how, value: from, set: undefined })
        }
      }
    }
  }

  /** The set that a definition's value is, opened for merging; `undefined` for any other value. */
  #setOf(definition: Definition): OpenSet | undefined {
    if (definition.set !== undefined) return definition.set
    if (definition.how !== How.Plain || this.#buffer.nodes[definition.value] !== Kind.AttributeSet) return undefined
    definition.set = this.#open(definition.value)
    return definition.set
  }

  /** Reads a written set back. */
  #open(node: number): OpenSet {
    const nodes = this.#buffer.nodes
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

  #definePath(outer: OpenSet, path: ReadonlyArray<number>, start: number, value: number): void {
    let set = outer
    for (let i = 0; i < path.length - 1; i++) {
      const name = path[i]!
      let nested: OpenSet | undefined
      const known = name >= 0 ? set.definitions.get(name) : undefined
      if (known !== undefined) {
        nested = this.#setOf(known)
        if (nested === undefined) this.#duplicate(path.slice(0, i + 1), start, known.start)
      } else {
        nested = newSet(0, start, start)
        if (name >= 0) set.definitions.set(name, { start, how: How.Plain, value: -1, set: nested })
        else set.dynamics.push({ name: ~name, start, value: -1, set: nested })
      }
      set = nested
    }
    const last = path[path.length - 1]!
    if (last >= 0) this.#define(set, path, last, { start, how: How.Plain, value, set: undefined })
    else set.dynamics.push({ name: ~last, start, value, set: undefined })
  }

  /** Adds a definition to a set, merging it into one that is there. `path` ends in `symbol` and is for the message. */
  #define(set: OpenSet, path: ReadonlyArray<number>, symbol: number, added: Definition): void {
    const known = set.definitions.get(symbol)
    if (known === undefined) {
      set.definitions.set(symbol, added)
      return
    }
    const into = this.#setOf(known)
    const from = into === undefined ? undefined : this.#setOf(added)
    if (into === undefined || from === undefined) this.#duplicate(path, added.start, known.start)
    const shift = into.sources.length
    for (const [name, definition] of from.definitions) {
      const moved = definition.how === How.InheritFrom ? { ...definition, value: definition.value + shift } : definition
      this.#define(into, [...path, name], name, moved)
    }
    into.dynamics.push(...from.dynamics)
    into.sources.push(...from.sources)
  }

  #duplicate(path: ReadonlyArray<number>, start: number, previous: number): never {
    const { symbols, source, origin } = this.#lexer
    // No dynamic name can be in it: what follows one is always a new set.
    const printed = path.map((name) => printName(symbols.names[name]!)).join(".")
    this.#lexer.fail(
      { _tag: "DuplicateAttribute", path: printed, previous: { origin, source, start: previous, end: previous + 1 } },
      start,
      start + 1
    )
  }

  /** Writes a set and the open sets in it, innermost first. */
  #write(set: OpenSet): number {
    const buffer = this.#buffer
    const base = buffer.depth
    for (const definition of set.definitions.values()) {
      buffer.push(definition.set === undefined ? definition.value : this.#write(definition.set))
    }
    for (const dynamic of set.dynamics) buffer.push(dynamic.set === undefined ? dynamic.value : this.#write(dynamic.set))
    buffer.reserve(7 + set.sources.length + set.definitions.size * 4 + set.dynamics.length * 3)
    const { nodes, stack } = buffer
    const node = buffer.size
    let at = node
    let value = base
    nodes[at++] = Kind.AttributeSet
    nodes[at++] = set.start
    nodes[at++] = set.end
    nodes[at++] = set.recursive
    nodes[at++] = set.sources.length
    for (const source of set.sources) nodes[at++] = source
    nodes[at++] = set.definitions.size
    for (const [symbol, definition] of set.definitions) {
      nodes[at++] = symbol
      nodes[at++] = definition.start
      nodes[at++] = definition.how
      nodes[at++] = stack[value++]!
    }
    nodes[at++] = set.dynamics.length
    for (const dynamic of set.dynamics) {
      nodes[at++] = dynamic.name
      nodes[at++] = dynamic.start
      nodes[at++] = stack[value++]!
    }
    buffer.size = at
    buffer.depth = base
    return node
  }
}
