/**
 * Base64 text of bytes (RFC 4648 §4, the standard alphabet, padded).
 *
 * Own code, since `Uint8Array.fromBase64` is not in every browser and because Nix reads more loosely than the standard: padding may be missing or too
 * long, everything after the first `=` is passed over, line feeds are skipped, unused low bits of the last character may be anything. Pure: imports nothing.
 */

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

const values = new Int8Array(256).fill(-1)
for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i

/** Padded base64. */
export const encode = (bytes: Uint8Array): string => {
  let text = ""
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i
    const group = (bytes[i]! << 16) | (left > 1 ? bytes[i + 1]! << 8 : 0) | (left > 2 ? bytes[i + 2]! : 0)
    text += alphabet[group >> 18]! + alphabet[(group >> 12) & 63]!
    text += left > 1 ? alphabet[(group >> 6) & 63]! : "="
    text += left > 2 ? alphabet[group & 63]! : "="
  }
  return text
}

const newline = 10
const padding = 61

/** The bytes of base64 text, read as Nix reads it; `undefined` where a character is not of the alphabet. */
export const decode = (text: string): Uint8Array<ArrayBuffer> | undefined => {
  const bytes = new Uint8Array(Math.ceil((text.length * 3) / 4))
  let length = 0
  let bits = 0
  let pending = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === padding) break
    if (code === newline) continue
    const value = code < 256 ? values[code]! : -1
    if (value < 0) return undefined
    pending = ((pending << 6) | value) & 0xfff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[length++] = (pending >> bits) & 0xff
    }
  }
  return bytes.slice(0, length)
}

/** Reads only what `encode` writes: exact padding, no line feeds, unused bits zero; else `undefined`. */
export const decodeStrict = (text: string): Uint8Array<ArrayBuffer> | undefined => {
  if (text.length % 4 !== 0) return undefined
  const bytes = decode(text)
  return bytes !== undefined && encode(bytes) === text ? bytes : undefined
}
