/**
 * Nix's base-32 ("nix32"): the digits and letters without e, o, u and t; the bytes are read as one little-endian number whose groups of five bits are
 * written from the most significant down. The length of the text follows from the length of the bytes; where the two do not fit exactly (16, 32, 64 bytes)
 * the first character has spare high bits that must be zero. Pure: imports nothing.
 */

export const alphabet = "0123456789abcdfghijklmnpqrsvwxyz"

/** Two characters for every ten bits: halves the look-ups of `encode`. */
const pairs: ReadonlyArray<string> = Array.from({ length: 1024 }, (_, bits) => alphabet[bits >> 5]! + alphabet[bits & 31]!)

const values = new Int8Array(256).fill(-1)
for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i

/** Characters that `length` bytes take. */
export const encodedLength = (length: number): number => Math.ceil((length * 8) / 5)

/** Whether `code` (a UTF-16 code unit) is a character of the alphabet. */
export const isDigit = (code: number): boolean => code < 256 && values[code]! >= 0

/** The nix32 text of bytes; 20 bytes give the 32 characters of a store path. */
export const encode = (bytes: Uint8Array): string => {
  const digits = encodedLength(bytes.length)
  const last = bytes.length
  let text = ""
  let at = digits - 1
  if (digits % 2 === 1) {
    text = alphabet[bits(bytes, last, at * 5) & 31]!
    at--
  }
  for (; at > 0; at -= 2) text += pairs[bits(bytes, last, (at - 1) * 5) & 1023]!
  return text
}

/** At least ten bits from bit offset `offset` up; zeros past the end. */
const bits = (bytes: Uint8Array, length: number, offset: number): number => {
  const byte = offset >> 3
  const low = bytes[byte]! | (byte + 1 < length ? bytes[byte + 1]! << 8 : 0) | (byte + 2 < length ? bytes[byte + 2]! << 16 : 0)
  return low >> (offset & 7)
}

/** Why text is not nix32: a foreign character at `position`, bits set beyond the last byte, or a length that no number of bytes has. */
export class Base32Error extends Error {
  readonly _tag = "Base32Error"
  readonly text: string
  readonly reason: "character" | "bits" | "length"
  /** Index of the offending character; the text's length where the length is wrong. */
  readonly position: number

  constructor(text: string, reason: "character" | "bits" | "length", position: number) {
    super()
    this.text = text
    this.reason = reason
    this.position = position
  }

  override get message(): string {
    switch (this.reason) {
      case "character":
        return `'${this.text}' is not nix32: character ${this.position + 1} ('${this.text[this.position]}') is none of ${alphabet}`
      case "bits":
        return `'${this.text}' is not nix32: its first character stands for more bits than the bytes have; is it a different hash algorithm?`
      case "length":
        return `'${this.text}' is not nix32: no number of bytes is written with ${this.text.length} characters`
    }
  }
}

/** The bytes of nix32 text. Throws `Base32Error`. */
export const decode = (text: string): Uint8Array<ArrayBuffer> => {
  const length = Math.floor((text.length * 5) / 8)
  for (let i = 0; i < text.length; i++) {
    if (!isDigit(text.charCodeAt(i))) throw new Base32Error(text, "character", i)
  }
  if (encodedLength(length) !== text.length) throw new Base32Error(text, "length", text.length)
  const bytes = new Uint8Array(length)
  for (let n = 0; n < text.length; n++) {
    const value = values[text.charCodeAt(text.length - 1 - n)]!
    const byte = (n * 5) >> 3
    const shift = (n * 5) & 7
    bytes[byte] = bytes[byte]! | (value << shift)
    const carry = value >> (8 - shift)
    if (carry === 0) continue
    if (byte + 1 >= length) throw new Base32Error(text, "bits", 0)
    bytes[byte + 1] = bytes[byte + 1]! | carry
  }
  return bytes
}
