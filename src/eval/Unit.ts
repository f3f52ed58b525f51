/**
 * One source being compiled: its tree, its symbols in the global table, and where its positions start.
 */
import type { Syntax } from "../lang/Syntax.ts"
import { machine } from "./Machine.ts"
import type { Scope } from "./Scope.ts"
import type { SymbolId } from "./Symbols.ts"
import { symbolsHashed, symbolsOf } from "./Symbols.ts"
import type { Value } from "./Value.ts"

/** Where code stands that is not compiled yet. */
export class Place {
  readonly unit: Unit
  readonly scope: Scope | null
  constructor(unit: Unit, scope: Scope | null) {
    this.unit = unit
    this.scope = scope
  }
}

export class Unit {
  readonly syntax: Syntax
  readonly nodes: Int32Array
  readonly symbols: ReadonlyArray<SymbolId>
  readonly base: number
  /** What unbound variables mean. */
  readonly globals: ReadonlyMap<SymbolId, Value>
  /** The place asked for last: children of a node are asked for one after the other. */
  private last: Place

  constructor(syntax: Syntax) {
    this.syntax = syntax
    this.nodes = syntax.nodes
    this.symbols = syntax.names === undefined ? symbolsHashed(syntax.symbols, syntax.hashes) : symbolsOf(syntax.names)
    this.base = machine.positions.add(syntax)
    this.globals = machine.globals
    this.last = new Place(this, null)
  }

  place(scope: Scope | null): Place {
    if (this.last.scope !== scope) this.last = new Place(this, scope)
    return this.last
  }

  kind(node: number): number {
    return this.nodes[node] as number
  }

  cell(node: number, index: number): number {
    return this.nodes[node + index] as number
  }

  position(node: number): number {
    return this.base + (this.nodes[node + 1] as number)
  }

  text(node: number): string {
    return this.syntax.source.slice(this.nodes[node + 1], this.nodes[node + 2])
  }
}
