/**
 * Where the parser writes nodes: a growing array of cells, and a stack for the children of nodes that are still open.
 *
 * One buffer serves the parses of all small sources (they never overlap), so each allocates only its result; a large source gets one of its own, which becomes the
 * result. Nodes are written in post-order. Pure but for that state (`Source.ts`).
 */

/** Cells above which the stack is dropped after a parse, so that one huge file does not stay in memory. */
const keepCells = 1 << 22
/** Bytes of source that seldom make less than one cell. */
const bytesPerCell = 2
const firstNodes = 1 << 16
const firstStack = 1 << 12

export let nodes = new Int32Array(firstNodes)
/** Cells that there is room for. */
let capacity = firstNodes
/** Cells written; the offset of the next node. */
export let size = 0
/** Pending values; the parser remembers where its own begin. */
export let stack = new Int32Array(firstStack)
let stackCapacity = firstStack
export let depth = 0

const floatBits = new DataView(new ArrayBuffer(8))

/** Begins with nothing, for a source of so many bytes. */
export const openNodes = (bytes: number): void => {
  const needed = Math.ceil(bytes / bytesPerCell)
  if (needed > capacity) {
    nodes = new Int32Array(needed)
    capacity = needed
  }
  size = 0
  depth = 0
}

/** The cells written, which nobody writes to any more. */
export const closeNodes = (): Int32Array => {
  if (capacity === firstNodes) return nodes.slice(0, size)
  const made = nodes.subarray(0, size)
  dropNodes()
  return made
}

/** Goes back to a small buffer, and from a huge stack to a small one. */
export const dropNodes = (): void => {
  if (stackCapacity > keepCells) {
    stack = new Int32Array(firstStack)
    stackCapacity = firstStack
  }
  if (capacity === firstNodes) return
  nodes = new Int32Array(firstNodes)
  capacity = firstNodes
}

// What is said to be there is said after it was made: without memory for it a parse ends here, and the next one begins with what there is.

const growNodes = (needed: number): void => {
  const grown = new Int32Array(Math.max(capacity * 2, size + needed))
  grown.set(nodes)
  nodes = grown
  capacity = grown.length
}

const growStack = (): void => {
  const grown = new Int32Array(stackCapacity * 2)
  grown.set(stack)
  stack = grown
  stackCapacity = grown.length
}

/** Makes room for `cells` more cells. */
export const reserve = (cells: number): void => {
  if (size + cells > capacity) growNodes(cells)
}

/** Says that cells were written up to `end`, for which there was room. */
export const written = (end: number): void => {
  size = end
}

/** One more cell of the node that was begun last. */
export const append = (cell: number): void => {
  if (size === capacity) growNodes(1)
  nodes[size++] = cell
}

export const push = (value: number): void => {
  if (depth === stackCapacity) growStack()
  stack[depth++] = value
}

export const push3 = (a: number, b: number, c: number): void => {
  const at = depth
  if (at + 3 > stackCapacity) growStack()
  stack[at] = a
  stack[at + 1] = b
  stack[at + 2] = c
  depth = at + 3
}

export const push4 = (a: number, b: number, c: number, d: number): void => {
  const at = depth
  if (at + 4 > stackCapacity) growStack()
  stack[at] = a
  stack[at + 1] = b
  stack[at + 2] = c
  stack[at + 3] = d
  depth = at + 4
}

/** The value that was pushed last, taken off. */
export const pop = (): number => stack[--depth]!

/** Takes everything off the stack from `base` on. */
export const drop = (base: number): void => {
  depth = base
}

/** A node without operands. */
export const node0 = (kind: number, start: number, end: number): number => {
  const at = size
  if (at + 3 > capacity) growNodes(3)
  nodes[at] = kind
  nodes[at + 1] = start
  nodes[at + 2] = end
  size = at + 3
  return at
}

export const node1 = (kind: number, start: number, end: number, a: number): number => {
  const at = size
  if (at + 4 > capacity) growNodes(4)
  nodes[at] = kind
  nodes[at + 1] = start
  nodes[at + 2] = end
  nodes[at + 3] = a
  size = at + 4
  return at
}

export const node2 = (kind: number, start: number, end: number, a: number, b: number): number => {
  const at = size
  if (at + 5 > capacity) growNodes(5)
  nodes[at] = kind
  nodes[at + 1] = start
  nodes[at + 2] = end
  nodes[at + 3] = a
  nodes[at + 4] = b
  size = at + 5
  return at
}

export const node3 = (kind: number, start: number, end: number, a: number, b: number, c: number): number => {
  const at = size
  if (at + 6 > capacity) growNodes(6)
  nodes[at] = kind
  nodes[at + 1] = start
  nodes[at + 2] = end
  nodes[at + 3] = a
  nodes[at + 4] = b
  nodes[at + 5] = c
  size = at + 6
  return at
}

/** Appends the stack from `base` on to the node being written, and drops it from the stack. */
export const flush = (base: number): void => {
  const top = depth
  let at = size
  if (at + top - base > capacity) growNodes(top - base)
  for (let i = base; i < top; i++) nodes[at++] = stack[i]!
  size = at
  depth = base
}

/** A node of parts, which stand on the stack from `base` on as (node, start) pairs: the count, the nodes, then the starts. */
export const partsNode = (kind: number, start: number, end: number, base: number): number => {
  const count = (depth - base) / 2
  const node = node1(kind, start, end, count)
  reserve(count * 2)
  for (let i = 0; i < count; i++) {
    nodes[size + i] = stack[base + i * 2]!
    nodes[size + count + i] = stack[base + i * 2 + 1]!
  }
  size += count * 2
  depth = base
  return node
}

/** A node of a double. */
export const floatNode = (kind: number, start: number, end: number, value: number): number => {
  floatBits.setFloat64(0, value, true)
  return node2(kind, start, end, floatBits.getInt32(0, true), floatBits.getInt32(4, true))
}
