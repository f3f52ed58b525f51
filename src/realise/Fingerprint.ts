/**
 * A sum over texts and numbers that differs when one of them does: to notice change and damage, not to withstand those who mean harm.
 *
 * Two lanes of 32 bits. Each step can be undone, so a change in a single place never gets lost; several get lost once in 2^64 times. Loading SHA-256 (`node:crypto`)
 * costs a program that only looks something up more than the looking.
 */

const double = new Float64Array(1)
const halves = new Uint32Array(double.buffer)
const scratch = new Uint32Array(256)

export class Fingerprint {
  // Numbers of 32 bits that stand in an object by themselves would be objects of their own, anew at each step.
  readonly #lanes = new Int32Array([0x2f1b4c35, 0x5bd1e995])

  cells(cells: Uint32Array, count: number = cells.length): this {
    let a = this.#lanes[0]!
    let b = this.#lanes[1]!
    for (let i = 0; i < count; i++) {
      const cell = cells[i]!
      a = Math.imul(a ^ cell, 0x85ebca6b)
      a ^= a >>> 16
      b = Math.imul(((b << 13) | (b >>> 19)) ^ cell, 0xc2b2ae35)
      b ^= b >>> 15
    }
    this.#lanes[0] = a
    this.#lanes[1] = b
    return this
  }

  cell(cell: number): this {
    scratch[0] = cell
    return this.cells(scratch, 1)
  }

  number(value: number): this {
    double[0] = value
    return this.cells(halves)
  }

  text(text: string): this {
    this.cell(text.length)
    for (let from = 0; from < text.length; from += scratch.length) {
      const count = Math.min(scratch.length, text.length - from)
      for (let i = 0; i < count; i++) scratch[i] = text.charCodeAt(from + i)
      this.cells(scratch, count)
    }
    return this
  }

  /** Two numbers of 32 bits. */
  get sum(): readonly [number, number] {
    return [this.#lanes[0]! >>> 0, this.#lanes[1]! >>> 0]
  }

  /** 16 hexadecimal digits. */
  get hex(): string {
    return this.sum.map((lane) => lane.toString(16).padStart(8, "0")).join("")
  }
}
