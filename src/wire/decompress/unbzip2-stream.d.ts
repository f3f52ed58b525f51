/** The two inner modules of `unbzip2-stream` that `Bzip2.ts` uses; the library has no types. */

declare module "unbzip2-stream/lib/bit_iterator.js" {
  /** Takes that many bits (at most 32), most significant first. */
  export interface BitReader {
    (count: number): number
    /** Bytes of which at least one bit was taken. */
    bytesRead: number
  }
  /** Asks `next` for more bytes, of which there must be some, now and whenever it has none left. */
  export default function bitIterator(next: () => Uint8Array): BitReader
}

declare module "unbzip2-stream/lib/bzip2.js" {
  import type { BitReader } from "unbzip2-stream/lib/bit_iterator.js"

  const bzip2: {
    /** Reads a stream's header; its block size in units of 100 000 bytes. */
    header(bits: BitReader): number
    /**
     * Reads one block and gives its contents byte by byte, then verifies their checksum. Gives the stream's checksum so far (a signed 32-bit number), or `null` when
     * the end of the stream was read and its checksum, which is `before`, is right. `work` has room for a block.
     */
    decompress(bits: BitReader, give: (byte: number) => void, work: Int32Array, blockSize: number, before: number): number | null
  }
  export default bzip2
}
