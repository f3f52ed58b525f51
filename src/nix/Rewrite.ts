/**
 * Replaces hash parts of store paths in a byte stream, and hashes a NAR as if its own hash part were not in it.
 *
 * The path of content that refers to itself cannot depend on its own hash: so it is hashed with the hash part zeroed; the result goes to `makeSource(…, self = true)`.
 * Versions of Nix differ in one point, seen with `nix store make-content-addressed`: 2.8 and 2.36 also hash the places where the hash part stood (`|96|1032`
 * at the end), so that content which has zeros there already is told apart; 2.34 does not. Pure.
 */
import { toBytes } from "./Bytes.ts"
import { hasher } from "./Crypto.ts"
import type { Hasher } from "./Crypto.ts"
import { needleLength, Needles } from "./Needles.ts"

/** Passes bytes on with some hash parts replaced by others of the same length. Where matches overlap, the first counts. */
export class HashRewriter {
  private readonly needles: Needles
  private readonly replacements: ReadonlyArray<Uint8Array>
  private readonly sink: (chunk: Uint8Array) => void
  /** What may be the beginning of a match that ends in the next chunk: at most 31 bytes. */
  private held = new Uint8Array(0)
  /** Bytes given to the sink. */
  private passed = 0
  private readonly offsets: Array<number> = []
  /** Matches of the current chunk, needle and offset by turns: applied after the search, which must see the bytes as they were. */
  private readonly pending: Array<number> = []

  /** `rewrites`: hash parts and what replaces each, 32 characters all (else a `RangeError`). The sink may keep the chunks it gets. */
  constructor(rewrites: ReadonlyMap<string, string>, sink: (chunk: Uint8Array) => void) {
    this.needles = new Needles([...rewrites.keys()])
    this.replacements = [...rewrites.values()].map((text) => {
      const bytes = toBytes(text)
      if (bytes.length !== needleLength) throw new RangeError(`'${text}' cannot replace a hash part: it should have 32 characters`)
      return bytes
    })
    this.sink = sink
  }

  /** Takes the next bytes, which are not kept. */
  update(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    const whole = new Uint8Array(this.held.length + bytes.length)
    whole.set(this.held)
    whole.set(bytes, this.held.length)
    let free = 0
    this.needles.search(whole, whole.length, (needle, offset) => {
      if (offset < free) return
      this.offsets.push(this.passed + offset)
      free = offset + needleLength
      this.pending.push(needle, offset)
    })
    for (let i = 0; i < this.pending.length; i += 2) whole.set(this.replacements[this.pending[i]!]!, this.pending[i + 1]!)
    this.pending.length = 0
    // What was replaced is finished and begins no other match.
    const end = Math.max(free, whole.length - (needleLength - 1), 0)
    this.pass(whole.subarray(0, end))
    this.held = whole.slice(end)
  }

  /** Passes on the rest. */
  end(): void {
    this.pass(this.held)
    this.held = new Uint8Array(0)
  }

  /** Offsets in the stream where something was replaced, ascending. */
  get positions(): ReadonlyArray<number> {
    return this.offsets
  }

  private pass(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.passed += chunk.length
    this.sink(chunk)
  }
}

/** Whether the places of self-references are hashed too: see the head of this file. */
export type SelfHashForm = "2.34" | "with-positions"

/** SHA-256 of a NAR that may refer to itself: as the NAR of a path is hashed for its content address. */
export class SelfHasher {
  private readonly hash: Hasher = hasher("sha256")
  private readonly rewriter: HashRewriter
  private readonly form: SelfHashForm

  /** `ownHashPart`: the hash part under which the NAR was made. */
  constructor(ownHashPart: string, form: SelfHashForm = "2.34") {
    this.form = form
    this.rewriter = new HashRewriter(new Map([[ownHashPart, "\0".repeat(needleLength)]]), (chunk) => this.hash.update(chunk))
  }

  update(bytes: Uint8Array): void {
    this.rewriter.update(bytes)
  }

  /** The digest, and whether the NAR refers to itself. Without such references it is the plain SHA-256. May be called once. */
  digest(): { readonly digest: Uint8Array; readonly self: boolean } {
    this.rewriter.end()
    const { positions } = this.rewriter
    if (this.form === "with-positions") for (const position of positions) this.hash.update(toBytes(`|${position}`))
    return { digest: this.hash.digest(), self: positions.length > 0 }
  }
}
