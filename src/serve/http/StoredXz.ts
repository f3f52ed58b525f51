/**
 * Bytes in the form of an xz file without being compressed, so that they can be made on the fly and their length is known beforehand.
 *
 * For clients that believe a NAR to be compressed because they uploaded it so: Nix keeps the narinfos that it has sent, and asks for the file named there.
 * Format: tukaani.org/xz/xz-file-format.txt; LZMA2 chunks with control byte 1 or 2 hold plain bytes. No check: NARs have their own hash.
 */
import { crc32 } from "node:zlib"
import * as Stream from "effect/Stream"

/** Bytes that one LZMA2 chunk holds. */
const chunkSize = 65_536

const withCrc = (bytes: ReadonlyArray<number>): ReadonlyArray<number> => [...bytes, ...littleEndian(crc32(Uint8Array.from(bytes)))]

const littleEndian = (value: number): ReadonlyArray<number> => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24]

const padded = (bytes: ReadonlyArray<number>): ReadonlyArray<number> => [...bytes, ...Array<number>((4 - (bytes.length % 4)) % 4).fill(0)]

const variableLength = (value: number): ReadonlyArray<number> => {
  const bytes: Array<number> = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}

const streamFlags = [0, 0]
/** Magic and flags; then the header of the only block: 12 bytes, one filter, LZMA2 with the smallest dictionary. */
const blockHeader = withCrc([2, 0, 0x21, 1, 0, 0, 0, 0])
const head = Uint8Array.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, ...withCrc(streamFlags), ...blockHeader])

/** Bytes of LZMA2 for contents of `size` bytes: three more for each chunk, and one at the end. */
const lzma2Size = (size: number): number => size + 3 * Math.ceil(size / chunkSize) + 1

/** What comes after the last chunk. */
const tailOf = (size: number): Uint8Array => {
  const blockSize = blockHeader.length + lzma2Size(size)
  const blockPadding = Array<number>((4 - (blockSize % 4)) % 4).fill(0)
  const index = withCrc(padded([0, 1, ...variableLength(blockSize), ...variableLength(size)]))
  const flags = [...littleEndian(index.length / 4 - 1), ...streamFlags]
  return Uint8Array.from([0, ...blockPadding, ...index, ...littleEndian(crc32(Uint8Array.from(flags))), ...flags, 0x59, 0x5a])
}

/** Length of the file for contents of `size` bytes. */
export const storedXzSize = (size: number): number => head.length + lzma2Size(size) - 1 + tailOf(size).length

/** The file. `bytes` must have `size` bytes in all. */
export const storedXz = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>, size: number): Stream.Stream<Uint8Array, E, R> =>
  Stream.suspend(() => {
    let first = true
    let gathered = new Uint8Array(3 + chunkSize)
    let used = 0
    const flush = (): Uint8Array => {
      gathered.set([first ? 1 : 2, (used - 1) >> 8, (used - 1) & 255])
      first = false
      const chunk = gathered.subarray(0, 3 + used)
      gathered = new Uint8Array(3 + chunkSize)
      used = 0
      return chunk
    }
    const chunks = Stream.flattenIterable(
      Stream.map(bytes, (piece) => {
        const full: Array<Uint8Array> = []
        for (let at = 0; at < piece.length;) {
          const part = piece.subarray(at, at + chunkSize - used)
          gathered.set(part, 3 + used)
          used += part.length
          at += part.length
          if (used === chunkSize) full.push(flush())
        }
        return full
      })
    )
    const end = Stream.suspend(() => Stream.fromIterable(used === 0 ? [tailOf(size)] : [flush(), tailOf(size)]))
    return Stream.succeed(head).pipe(Stream.concat(chunks), Stream.concat(end))
  })
