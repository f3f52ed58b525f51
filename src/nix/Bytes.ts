/**
 * Byte strings.
 *
 * Everywhere in yix a byte string (a Nix string, a file name, a symlink target, an environment value) is a JavaScript string that
 * holds one byte per character (Latin-1). So `length` counts bytes, `<` orders bytewise, and V8 stores one byte a character. File
 * contents are `Uint8Array`. UTF-8 appears only at the terminal, in JSON and where Node takes a file name. Pure: imports nothing.
 */

/** A string whose characters are all below U+0100, each standing for one byte. */
export type ByteString = string

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8")

/** The bytes of a byte string. */
export const toBytes = (text: ByteString): Uint8Array<ArrayBuffer> => {
  // The engine's own encoder is many times faster than a loop, and right whenever it wrote one byte a character: then all was ASCII.
  const ascii = encoder.encode(text)
  if (ascii.length === text.length) return ascii
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

/**
 * Writes the bytes of a byte string into `target` at `offset`, where there must be room for them.
 * Gives the offset after the last byte written.
 */
export const writeBytes = (text: ByteString, target: Uint8Array, offset: number): number => {
  const end = offset + text.length
  if (end > target.length) throw new RangeError(`${text.length} bytes do not fit at ${offset} of ${target.length}`)
  if (text.length > 32) {
    // Non-ASCII text would need more room than it has characters: then not everything was read, and the loop below writes it anew.
    const result = encoder.encodeInto(text, target.subarray(offset, end))
    if (result.read === text.length && result.written === text.length) return end
  }
  for (let i = 0; i < text.length; i++) target[offset + i] = text.charCodeAt(i)
  return end
}

const chunk = 0x2000

/** The byte string that holds exactly these bytes. */
export const fromBytes = (bytes: Uint8Array): ByteString => {
  if (bytes.length <= chunk) return String.fromCharCode.apply(null, bytes as unknown as Array<number>)
  let text = ""
  for (let i = 0; i < bytes.length; i += chunk) {
    text += String.fromCharCode.apply(null, bytes.subarray(i, i + chunk) as unknown as Array<number>)
  }
  return text
}

/** The pieces as one, in memory of its own. */
export const concatBytes = (pieces: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

const ascii = /^[\x00-\x7f]*$/

/** A JavaScript (Unicode) string as the byte string of its UTF-8 form. */
export const fromUnicode = (text: string): ByteString => (ascii.test(text) ? text : fromBytes(encoder.encode(text)))

/** The Unicode reading of a byte string; bytes that are not UTF-8 become U+FFFD. For showing only. */
export const toUnicode = (text: ByteString): string => (ascii.test(text) ? text : decoder.decode(toBytes(text)))

/** The bytewise order, for `sort`: negative, zero or positive. */
export const compareBytes = (left: ByteString, right: ByteString): number => (left < right ? -1 : left > right ? 1 : 0)
