/**
 * Whether cells are a syntax tree as `Syntax.ts` describes it: what a decoder asks about bytes from outside, and a test about the parser.
 *
 * One pass in the order of the cells. Every operand must lie in its table, every child must be a whole node before its parent (so there
 * are no cycles), every span within the source. `starts` marks the nodes that were passed; reading it at a wild place gives
 * undefined, which is no mark. Pure.
 */
import * as How from "./How.ts"
import * as Kind from "./Kind.ts"

/** What a tree's cells refer to. */
export interface Tables {
  readonly sourceLength: number
  readonly symbolCount: number
  readonly stringCount: number
}

/** Cells of a node before a count, or all of them, by kind. */
const fixedCells = new Uint8Array(Kind.Divide + 1).fill(5)
for (const [kind, cells] of [
  [Kind.String, 4],
  [Kind.Path, 4],
  [Kind.HomePath, 4],
  [Kind.SearchPath, 4],
  [Kind.Variable, 4],
  [Kind.Not, 4],
  [Kind.Negate, 4],
  [Kind.Interpolation, 4],
  [Kind.PathInterpolation, 4],
  [Kind.List, 4],
  [Kind.CurrentPosition, 3],
  [Kind.Select, 6],
  [Kind.If, 6],
  [Kind.Lambda, 7]
] as const) {
  fixedCells[kind] = cells
}

/** Where `count` groups of `width` cells end that start at `from`; -1 unless they fit. */
const groupsEnd = (size: number, from: number, count: number, width: number): number =>
  count >= 0 && count <= (size - from) / width ? from + count * width : -1

const areChildren = (nodes: Int32Array, starts: Uint8Array, from: number, end: number): boolean => {
  for (let i = from; i < end; i++) if (starts[nodes[i]!] !== 1) return false
  return true
}

const areNames = (nodes: Int32Array, starts: Uint8Array, tables: Tables, from: number, end: number): boolean => {
  for (let i = from; i < end; i += 3) {
    const name = nodes[i]!
    if (name >= 0 ? name >= tables.symbolCount : starts[~name] !== 1) return false
    if (nodes[i + 1]! < 0 || nodes[i + 2]! < nodes[i + 1]! || nodes[i + 2]! > tables.sourceLength) return false
  }
  return true
}

/** The end of an attribute set, -1 when something is wrong with it. */
const attributeSetEnd = (nodes: Int32Array, starts: Uint8Array, tables: Tables, at: number): number => {
  const size = nodes.length
  const sources = nodes[at + 4]!
  let end = groupsEnd(size, at + 5, sources, 1)
  if (nodes[at + 3]! >>> 1 !== 0 || end < 0 || end >= size || !areChildren(nodes, starts, at + 5, end)) return -1
  let i = end + 1
  end = groupsEnd(size, i, nodes[end]!, 4)
  if (end < 0 || end >= size) return -1
  for (; i < end; i += 4) {
    const symbol = nodes[i]!
    const start = nodes[i + 1]!
    const how = nodes[i + 2]!
    const value = nodes[i + 3]!
    if (symbol < 0 || symbol >= tables.symbolCount || start < 0 || start > tables.sourceLength) return -1
    if (how === How.InheritFrom) {
      if (value < 0 || value >= sources) return -1
    } else {
      if (starts[value] !== 1) return -1
      if (how !== How.Plain && (how !== How.Inherit || nodes[value] !== Kind.Variable)) return -1
    }
  }
  i = end + 1
  end = groupsEnd(size, i, nodes[end]!, 3)
  for (; i < end; i += 3) {
    if (starts[nodes[i]!] !== 1 || nodes[i + 1]! < 0 || nodes[i + 1]! > tables.sourceLength || starts[nodes[i + 2]!] !== 1) return -1
  }
  return end
}

const lambdaEnd = (nodes: Int32Array, starts: Uint8Array, tables: Tables, at: number): number => {
  const parameter = nodes[at + 3]!
  const formals = nodes[at + 4]!
  const end = groupsEnd(nodes.length, at + 7, nodes[at + 6]!, 3)
  if (parameter < -1 || parameter >= tables.symbolCount || formals < 0 || formals > 2 || starts[nodes[at + 5]!] !== 1) return -1
  if (formals === 0 && (parameter === -1 || nodes[at + 6] !== 0)) return -1
  for (let i = at + 7; i < end; i += 3) {
    const symbol = nodes[i]!
    const fallback = nodes[i + 2]!
    if (symbol < 0 || symbol >= tables.symbolCount || nodes[i + 1]! < 0 || nodes[i + 1]! > tables.sourceLength) return -1
    if (fallback !== -1 && starts[fallback] !== 1) return -1
  }
  return end
}

/** The end of the node at `at`, whose fixed cells are there; -1 when something is wrong with it. */
const nodeEnd = (nodes: Int32Array, starts: Uint8Array, tables: Tables, at: number, kind: number): number => {
  const size = nodes.length
  const first = nodes[at + 3]!
  switch (kind) {
    case Kind.Int:
    case Kind.Float:
      return at + 5
    case Kind.CurrentPosition:
      return at + 3
    case Kind.String:
    case Kind.Path:
    case Kind.HomePath:
    case Kind.SearchPath:
      return first >= 0 && first < tables.stringCount ? at + 4 : -1
    case Kind.Variable:
      return first >= 0 && first < tables.symbolCount ? at + 4 : -1
    case Kind.List: {
      const end = groupsEnd(size, at + 4, first, 1)
      return areChildren(nodes, starts, at + 4, end) ? end : -1
    }
    case Kind.Interpolation:
    case Kind.PathInterpolation: {
      const end = groupsEnd(size, at + 4, first, 2)
      if (first === 0 || end < 0 || !areChildren(nodes, starts, at + 4, at + 4 + first)) return -1
      for (let i = at + 4 + first; i < end; i++) if (nodes[i]! < 0 || nodes[i]! > tables.sourceLength) return -1
      if (kind === Kind.PathInterpolation && nodes[nodes[at + 4]!] !== Kind.Path && nodes[nodes[at + 4]!] !== Kind.HomePath) return -1
      return end
    }
    case Kind.Select: {
      const fallback = nodes[at + 4]!
      const end = groupsEnd(size, at + 6, nodes[at + 5]!, 3)
      if (starts[first] !== 1 || (fallback !== -1 && starts[fallback] !== 1)) return -1
      return end > at + 6 && areNames(nodes, starts, tables, at + 6, end) ? end : -1
    }
    case Kind.HasAttribute: {
      const end = groupsEnd(size, at + 5, nodes[at + 4]!, 3)
      return starts[first] === 1 && end > at + 5 && areNames(nodes, starts, tables, at + 5, end) ? end : -1
    }
    case Kind.Call: {
      const end = groupsEnd(size, at + 5, nodes[at + 4]!, 1)
      return starts[first] === 1 && end > at + 5 && areChildren(nodes, starts, at + 5, end) ? end : -1
    }
    case Kind.Lambda:
      return lambdaEnd(nodes, starts, tables, at)
    case Kind.Let:
      if (nodes[first] !== Kind.AttributeSet || nodes[first + 3] !== 1) return -1
      return areChildren(nodes, starts, at + 3, at + 5) ? at + 5 : -1
    case Kind.AttributeSet:
      return attributeSetEnd(nodes, starts, tables, at)
    default: {
      // All others hold nothing but children.
      const end = at + fixedCells[kind]!
      return areChildren(nodes, starts, at + 3, end) ? end : -1
    }
  }
}

/** Whether the tree keeps all promises of `Syntax.ts`. Never throws, whatever the cells hold. */
export const isWellFormed = (nodes: Int32Array, root: number, tables: Tables): boolean => {
  const size = nodes.length
  const starts = new Uint8Array(size)
  let at = 0
  while (at < size) {
    const kind = nodes[at]!
    if (kind < 0 || kind > Kind.Divide || at + fixedCells[kind]! > size) return false
    const start = nodes[at + 1]!
    const end = nodes[at + 2]!
    if (start < 0 || end < start || end > tables.sourceLength) return false
    const next = nodeEnd(nodes, starts, tables, at, kind)
    if (next < 0 || next > size) return false
    starts[at] = 1
    at = next
  }
  return starts[root] === 1
}
