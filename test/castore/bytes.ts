/** Bytes to test with: the same for the same seed. */
export const randomBytes = (seed: number, length: number): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(length)
  let state = (seed * 2654435761 + 1) >>> 0
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state & 255
  }
  return bytes
}

export const text = (string: string): Uint8Array<ArrayBuffer> => new Uint8Array(new TextEncoder().encode(string))
