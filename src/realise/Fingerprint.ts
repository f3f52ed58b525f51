/**
 * A sum over texts and numbers that differs when one of them does: to notice change and damage, not to withstand those who mean harm.
 *
 * Two lanes of 32 bits. Each step can be undone, so a change in a single place never gets lost; several get lost once in 2^64 times. Loading SHA-256 (`node:crypto`)
 * costs a program that only looks something up more than the looking.
 */

const double = new Float64Array(1)
const halves = new Uint32Array(double.buffer)

export class Fingerprint {
  #a = 0x2f1b4c35
  #b = 0x5bd1e995

  cell(cell: number): this {
    const a = Math.imul(this.#a ^ cell, 0x85ebca6b)
    this.#a = a ^ (a >>> 16)
    const b = Math.imul(((this.#b << 13) | (this.#b >>> 19)) ^ cell, 0xc2b2ae35)
    this.#b = b ^ (b >>> 15)
    return this
  }

  number(value: number): this {
    double[0] = value
    return this.cell(halves[0]!).cell(halves[1]!)
  }

  text(text: string): this {
    this.cell(text.length)
    for (let i = 0; i < text.length; i++) this.cell(text.charCodeAt(i))
    return this
  }

  cells(cells: Uint32Array): this {
    for (let i = 0; i < cells.length; i++) this.cell(cells[i]!)
    return this
  }

  /** Two numbers of 32 bits. */
  get sum(): readonly [number, number] {
    return [this.#a >>> 0, this.#b >>> 0]
  }

  /** 16 hexadecimal digits. */
  get hex(): string {
    return this.sum.map((lane) => lane.toString(16).padStart(8, "0")).join("")
  }
}
