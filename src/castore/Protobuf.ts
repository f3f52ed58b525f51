/**
 * The little of protobuf's wire format that directories and nodes need, in its canonical form only.
 *
 * The reader refuses what a canonical writer never writes: varints longer than needed, field numbers out of order, fields cut short. Which fields
 * may repeat, and that default values are left out, is the caller's to check. Integers go up to 2^53 - 1. Pure.
 */
import { InvalidData } from "./CastoreError.ts"

/** Bytes that a varint takes. */
export const varintLength = (value: number): number => {
  let length = 1
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++
  return length
}

/** Writes into a buffer whose exact length the caller computed. */
export class Writer {
  readonly bytes: Uint8Array<ArrayBuffer>
  #at = 0

  constructor(length: number) {
    this.bytes = new Uint8Array(length)
  }

  varint(value: number): void {
    let rest = value
    while (rest >= 128) {
      this.bytes[this.#at++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.bytes[this.#at++] = rest
  }

  /** A tag byte: field numbers below 16 only. */
  tag(field: number, wireType: 0 | 2): void {
    this.bytes[this.#at++] = (field << 3) | wireType
  }

  /** A byte string, one byte a character, with its length. */
  byteString(text: string): void {
    this.varint(text.length)
    for (let i = 0; i < text.length; i++) this.bytes[this.#at++] = text.charCodeAt(i)
  }

  lengthDelimited(bytes: Uint8Array): void {
    this.varint(bytes.length)
    this.bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }
}

/** Reads a message between two offsets of a buffer. `what` names it in errors. */
export class Reader {
  readonly what: string
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number
  #lastField = 0

  constructor(bytes: Uint8Array, what: string, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.what = what
    this.#at = start
    this.#end = end
  }

  get done(): boolean {
    return this.#at >= this.#end
  }

  fail(detail: string): never {
    throw new InvalidData({ what: this.what, detail: `${detail} (at byte ${this.#at})` })
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let count = 1; ; count++) {
      if (this.#at >= this.#end) this.fail("ends inside a number")
      if (count > 8) this.fail("holds a number above 2^53 - 1")
      const byte = this.#bytes[this.#at++]!
      value += (byte & 127) * scale
      if (byte < 128) {
        if (byte === 0 && count > 1) this.fail("holds a number that is not in its shortest form")
        if (value > Number.MAX_SAFE_INTEGER) this.fail("holds a number above 2^53 - 1")
        return value
      }
      scale *= 128
    }
  }

  /** The next field's number, after checking that numbers ascend (`repeated`: may stay the same) and that the wire type is the one expected. */
  field(wireTypes: ReadonlyArray<0 | 2>, repeated: boolean): number {
    const tag = this.varint()
    const field = Math.floor(tag / 8)
    const expected = wireTypes[field - 1]
    if (expected === undefined) this.fail(`has the unknown field ${field}`)
    if (tag % 8 !== expected) this.fail(`has field ${field} with wire type ${tag % 8} instead of ${expected}`)
    if (field < this.#lastField) this.fail(`has field ${field} after field ${this.#lastField}`)
    if (field === this.#lastField && !repeated) this.fail(`has field ${field} twice`)
    this.#lastField = field
    return field
  }

  #span(): number {
    const length = this.varint()
    if (length > this.#end - this.#at) this.fail(`announces ${length} bytes and holds ${this.#end - this.#at}`)
    const start = this.#at
    this.#at += length
    return start
  }

  /** A length-delimited field as a view of the buffer. */
  bytes(): Uint8Array {
    const start = this.#span()
    return this.#bytes.subarray(start, this.#at)
  }

  /** A length-delimited field as a message of its own. */
  message(what: string): Reader {
    const start = this.#span()
    return new Reader(this.#bytes, what, start, this.#at)
  }
}
