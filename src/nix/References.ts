/**
 * Finds store-path hash parts in bytes: what an output refers to at run time.
 *
 * A needle is 32 characters of nix32, found anywhere, also overlapping another match. The scan looks at a window of 32 bytes from its right end: the first byte
 * that is no nix32 character moves the window past itself, so in ordinary data only every thirtieth byte is read. Where data is all nix32 characters (hex digests), the
 * part of the window found good before is remembered and not read again. Measured (measurements.md §9): 2.5 GB/s on libraries, 280 MB/s on hex.
 * Pure.
 */
import { isDigit } from "./Base32.ts"
import { toBytes } from "./Bytes.ts"
import type { ByteString } from "./Bytes.ts"

const length = 32

const good = Uint8Array.from({ length: 256 }, (_, byte) => (isDigit(byte) ? 1 : 0))

/** Twenty bits out of the first four characters, spread by the multiplier over `32 - shift` bits. */
const slot = (bytes: Uint8Array, at: number, shift: number): number =>
  Math.imul(bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24), 0x9e3779b1) >>> shift

/** Scans chunks of one or more byte streams for many needles. */
export class ReferenceScanner {
  private readonly count: number
  /** The needles one after another. */
  private readonly needles: Uint8Array
  /** For every slot, one more than the first needle in it; 0 for none. */
  private readonly heads: Int32Array
  /** For every needle, one more than the next in its slot. */
  private readonly next: Int32Array
  private readonly shift: number
  private readonly seen: Uint8Array
  private missing: number
  /** The last bytes of the stream, which a match may begin in: at most 31. */
  private readonly carry = new Uint8Array(2 * length)
  private carried = 0

  /** `needles`: hash parts of store paths, 32 nix32 characters each (else a `RangeError`). */
  constructor(needles: ReadonlyArray<string>) {
    this.count = needles.length
    this.needles = new Uint8Array(needles.length * length)
    this.next = new Int32Array(needles.length)
    this.seen = new Uint8Array(needles.length)
    this.missing = needles.length
    const bits = Math.min(20, Math.max(8, Math.ceil(Math.log2(needles.length + 1)) + 4))
    this.shift = 32 - bits
    this.heads = new Int32Array(2 ** bits)
    needles.forEach((needle, index) => {
      const bytes = toBytes(needle)
      if (bytes.length !== length || !bytes.every((byte) => good[byte] === 1)) {
        throw new RangeError(`'${needle}' is not the hash part of a store path: it should be 32 nix32 characters`)
      }
      this.needles.set(bytes, index * length)
      const head = slot(bytes, 0, this.shift)
      this.next[index] = this.heads[head]!
      this.heads[head] = index + 1
    })
  }

  /** Takes the next bytes of the stream, which are not kept. */
  update(bytes: Uint8Array): void {
    if (this.missing === 0) return
    if (this.carried > 0) {
      // Matches that begin in the carried bytes: they end within the first 31 of these.
      const taken = Math.min(length - 1, bytes.length)
      this.carry.set(bytes.subarray(0, taken), this.carried)
      const total = this.carried + taken
      this.scan(this.carry, total)
      if (taken === bytes.length) {
        this.carried = Math.min(length - 1, total)
        this.carry.copyWithin(0, total - this.carried, total)
        return
      }
    }
    this.scan(bytes, bytes.length)
    this.carried = Math.min(length - 1, bytes.length)
    this.carry.set(bytes.subarray(bytes.length - this.carried))
  }

  /** Says that what comes next does not continue what came before, as at the end of a file. */
  boundary(): void {
    this.carried = 0
  }

  /** Scans a byte string by itself: a file name, a symlink's target. The stream before and after it stays as it was. */
  scanText(text: ByteString): void {
    if (this.missing > 0 && text.length >= length) this.scan(toBytes(text), text.length)
  }

  /** Whether all needles were found; then further bytes cost nothing. */
  get complete(): boolean {
    return this.missing === 0
  }

  /** Indexes of the needles found so far, ascending. */
  found(): ReadonlyArray<number> {
    const indexes: Array<number> = []
    for (let i = 0; i < this.count; i++) if (this.seen[i] === 1) indexes.push(i)
    return indexes
  }

  private scan(bytes: Uint8Array, end: number): void {
    const { heads, shift } = this
    const last = end - length
    let start = 0
    // Bytes from `start` up to this offset are known to be good.
    let known = 0
    while (start <= last) {
      let at = start + length - 1
      while (at >= known && good[bytes[at]!] === 1) at--
      if (at >= known) {
        // What lies between the bad byte and the window's end was just found good.
        known = start + length
        start = at + 1
        continue
      }
      known = start + length
      const head = heads[slot(bytes, start, shift)]!
      if (head !== 0) this.match(bytes, start, head)
      start++
    }
  }

  private match(bytes: Uint8Array, start: number, head: number): void {
    const { needles, next, seen } = this
    for (let link = head; link !== 0; link = next[link - 1]!) {
      const needle = (link - 1) * length
      let i = 0
      while (i < length && needles[needle + i] === bytes[start + i]) i++
      if (i < length || seen[link - 1] === 1) continue
      seen[link - 1] = 1
      this.missing--
    }
  }
}
