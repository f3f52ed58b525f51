/**
 * The reference scan: which of some store paths does an output refer to, as their hash parts occur in its bytes, in names and in symlink targets.
 *
 * Bytes come in chunks cut anywhere; matches may overlap and lie across cuts. How the search works is in `Needles.ts`. Pure.
 */
import { toBytes } from "./Bytes.ts"
import type { ByteString } from "./Bytes.ts"
import { needleLength, Needles } from "./Needles.ts"

/** Scans chunks of one or more byte streams for many hash parts. */
export class ReferenceScanner {
  private readonly needles: Needles
  private readonly seen: Uint8Array
  private missing: number
  /** The last bytes of the stream, which a match may begin in: at most 31. */
  private readonly carry = new Uint8Array(2 * needleLength)
  private carried = 0
  private readonly onMatch = (needle: number): void => {
    if (this.seen[needle] === 1) return
    this.seen[needle] = 1
    this.missing--
  }

  /** `hashParts`: 32 nix32 characters each (else a `RangeError`). */
  constructor(hashParts: ReadonlyArray<string>) {
    this.needles = new Needles(hashParts)
    this.seen = new Uint8Array(hashParts.length)
    this.missing = hashParts.length
  }

  /** Takes the next bytes of the stream, which are not kept. */
  update(bytes: Uint8Array): void {
    if (this.missing === 0) return
    if (this.carried > 0) {
      // Matches that begin in the carried bytes end within the first 31 of these.
      const taken = Math.min(needleLength - 1, bytes.length)
      this.carry.set(bytes.subarray(0, taken), this.carried)
      const total = this.carried + taken
      this.needles.search(this.carry, total, this.onMatch)
      if (taken === bytes.length) {
        this.carried = Math.min(needleLength - 1, total)
        this.carry.copyWithin(0, total - this.carried, total)
        return
      }
    }
    this.needles.search(bytes, bytes.length, this.onMatch)
    this.carried = Math.min(needleLength - 1, bytes.length)
    this.carry.set(bytes.subarray(bytes.length - this.carried))
  }

  /** Says that what comes next does not continue what came before, as at the end of a file. */
  boundary(): void {
    this.carried = 0
  }

  /** Scans a byte string by itself: a file name, a symlink's target. The stream before and after it stays as it was. */
  scanText(text: ByteString): void {
    if (this.missing > 0 && text.length >= needleLength) this.needles.search(toBytes(text), text.length, this.onMatch)
  }

  /** Whether all were found; then further bytes cost nothing. */
  get complete(): boolean {
    return this.missing === 0
  }

  /** Indexes of the hash parts found so far, ascending. */
  found(): ReadonlyArray<number> {
    const indexes: Array<number> = []
    for (let i = 0; i < this.needles.count; i++) if (this.seen[i] === 1) indexes.push(i)
    return indexes
  }
}
