/**
 * Hashes of names: one for the parser, which makes it while it reads a name, and for the evaluator's symbols, which take it from there.
 *
 * A shift and a table a byte: the engine's middle compiler makes a call of `Math.imul`, and a float of a sum that does not fit 32 bits. The table is of random numbers, not
 * known beforehand, so that nobody can write a file whose names all collide; so hashes mean nothing to another thread or process. Pure but for that.
 */
import type { ByteString } from "../nix/Bytes.ts"

/** What a byte does to a hash: `(hash >>> 8) ^ hashSteps[(hash ^ byte) & 255]`, from 0 on. */
export const hashSteps = new Int32Array(256)
for (let byte = 0; byte < 256; byte++) hashSteps[byte] = Math.floor(Math.random() * 0x1_0000_0000)

/** The hash of the name that stands in a text from `from` to `to`. */
export const nameHash = (text: ByteString, from: number, to: number): number => {
  let hash = 0
  for (let i = from; i < to; i++) hash = (hash >>> 8) ^ hashSteps[(hash ^ text.charCodeAt(i)) & 255]!
  return hash
}
