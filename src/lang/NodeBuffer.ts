/**
 * Where the parser writes nodes: a growing array of cells, and a stack for the children of nodes that are still open.
 *
 * One buffer serves all parses (they never overlap), so a parse allocates only its result. Pure.
 */

let scratchNodes = new Int32Array(1 << 16)
let scratchStack = new Int32Array(1 << 12)

/** Cells above which the scratch arrays are dropped after a parse, so that one huge file does not stay in memory. */
const keepCells = 1 << 22

const floatBits = new DataView(new ArrayBuffer(8))

/** Writes nodes in post-order. Only one is alive at a time. */
export class NodeBuffer {
  /** Cells written; the offset of the next node. */
  size = 0
  nodes: Int32Array = scratchNodes
  /** Pending values; the parser remembers where its own begin. */
  stack: Int32Array = scratchStack
  depth = 0

  #growNodes(needed: number): void {
    const grown = new Int32Array(Math.max(this.nodes.length * 2, this.size + needed))
    grown.set(this.nodes)
    this.nodes = grown
    scratchNodes = grown.length > keepCells ? new Int32Array(1 << 16) : grown
  }

  /** Makes room for `cells` more cells. */
  reserve(cells: number): void {
    if (this.size + cells > this.nodes.length) this.#growNodes(cells)
  }

  push(value: number): void {
    if (this.depth === this.stack.length) {
      const grown = new Int32Array(this.stack.length * 2)
      grown.set(this.stack)
      this.stack = grown
      scratchStack = grown.length > keepCells ? new Int32Array(1 << 12) : grown
    }
    this.stack[this.depth++] = value
  }

  /** A node without operands. */
  node0(kind: number, start: number, end: number): number {
    this.reserve(3)
    const at = this.size
    const nodes = this.nodes
    nodes[at] = kind
    nodes[at + 1] = start
    nodes[at + 2] = end
    this.size = at + 3
    return at
  }

  node1(kind: number, start: number, end: number, a: number): number {
    this.reserve(4)
    const at = this.size
    const nodes = this.nodes
    nodes[at] = kind
    nodes[at + 1] = start
    nodes[at + 2] = end
    nodes[at + 3] = a
    this.size = at + 4
    return at
  }

  node2(kind: number, start: number, end: number, a: number, b: number): number {
    this.reserve(5)
    const at = this.size
    const nodes = this.nodes
    nodes[at] = kind
    nodes[at + 1] = start
    nodes[at + 2] = end
    nodes[at + 3] = a
    nodes[at + 4] = b
    this.size = at + 5
    return at
  }

  node3(kind: number, start: number, end: number, a: number, b: number, c: number): number {
    this.reserve(6)
    const at = this.size
    const nodes = this.nodes
    nodes[at] = kind
    nodes[at + 1] = start
    nodes[at + 2] = end
    nodes[at + 3] = a
    nodes[at + 4] = b
    nodes[at + 5] = c
    this.size = at + 6
    return at
  }

  /** Appends the stack from `base` on to the node being written, and drops it from the stack. */
  flush(base: number): void {
    const count = this.depth - base
    this.reserve(count)
    const { nodes, stack } = this
    let at = this.size
    for (let i = base; i < this.depth; i++) nodes[at++] = stack[i]!
    this.size = at
    this.depth = base
  }

  /** A node of parts, which stand on the stack from `base` on as (node, start) pairs: the count, the nodes, then the starts. */
  parts(kind: number, start: number, end: number, base: number): number {
    const count = (this.depth - base) / 2
    const node = this.node1(kind, start, end, count)
    this.reserve(count * 2)
    const { nodes, stack, size } = this
    for (let i = 0; i < count; i++) {
      nodes[size + i] = stack[base + i * 2]!
      nodes[size + count + i] = stack[base + i * 2 + 1]!
    }
    this.size = size + count * 2
    this.depth = base
    return node
  }

  /** A node of a double. */
  float(kind: number, start: number, end: number, value: number): number {
    floatBits.setFloat64(0, value, true)
    return this.node2(kind, start, end, floatBits.getInt32(0, true), floatBits.getInt32(4, true))
  }

  /** The cells written, as an array of their own. */
  finish(): Int32Array {
    return this.nodes.slice(0, this.size)
  }
}
