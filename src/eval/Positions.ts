/**
 * Positions as one number: every source gets a range of numbers, one a byte. 0 is no position.
 */
import type { Span, Syntax } from "../lang/Syntax.ts"

/** An index into the evaluation's position table; 0 is none. */
export type Position = number

export class PositionTable {
  readonly #bases: Array<number> = []
  readonly #sources: Array<Syntax> = []
  #next = 1

  /** Reserves a range; the position of a byte offset is the result plus that offset. */
  add(syntax: Syntax): Position {
    const base = this.#next
    this.#bases.push(base)
    this.#sources.push(syntax)
    this.#next = base + syntax.source.length + 1
    return base
  }

  /** The place that a position stands for; its end is its start. */
  span(position: Position): Span | undefined {
    if (position <= 0) return undefined
    let low = 0
    let high = this.#bases.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#bases[middle] as number) <= position) low = middle
      else high = middle - 1
    }
    const syntax = this.#sources[low]
    if (syntax === undefined) return undefined
    const start = position - (this.#bases[low] as number)
    return { origin: syntax.origin, source: syntax.source, start, end: start }
  }
}
