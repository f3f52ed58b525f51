/**
 * Static scopes: which variable stands in which slot of which frame. Made while compiling; dropped when nothing is left to compile.
 */
import type { Code } from "./Code.ts"
import type { SymbolId } from "./Symbols.ts"

export class Scope {
  readonly parent: Scope | null
  /** A `with`: one slot, the set. */
  readonly isWith: boolean
  readonly slots: ReadonlyMap<SymbolId, number>
  /** For frames whose slots are made when touched: the code by slot. */
  readonly codes: Array<Code | undefined> | undefined
  /** Parameters in the frame of a function whose body is a function: the frame of that one begins with them. 0 for all other frames. */
  joined = 0

  constructor(parent: Scope | null, slots: ReadonlyMap<SymbolId, number>, codes: Array<Code | undefined> | undefined, isWith = false) {
    this.parent = parent
    this.slots = slots
    this.codes = codes
    this.isWith = isWith
  }
}

export interface Resolved {
  readonly depth: number
  readonly slot: number
  readonly codes: Array<Code | undefined> | undefined
}

/** The frame and slot of a variable, ignoring `with`; undefined when it is not bound statically. */
export const resolveVariable = (scope: Scope | null, symbol: SymbolId): Resolved | undefined => {
  let depth = 0
  for (let s = scope; s !== null; s = s.parent, depth++) {
    if (s.isWith) continue
    const slot = s.slots.get(symbol)
    if (slot !== undefined) return { depth, slot, codes: s.codes }
  }
  return undefined
}

/** The depths of the enclosing `with` frames, innermost first. */
export const withDepths = (scope: Scope | null): Array<number> => {
  const depths: Array<number> = []
  let depth = 0
  for (let s = scope; s !== null; s = s.parent, depth++) if (s.isWith) depths.push(depth)
  return depths
}
