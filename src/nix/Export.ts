/**
 * The stream of `nix-store --export` and `--import`: NARs with their store path, references and deriver.
 *
 *     stream := ( 1 nar 0x4558494e path n reference* deriver 0 )* 0
 *
 * Numbers have 64 bits, little endian; strings are as in a NAR; the deriver is empty where unknown. Old exports have a signature (`1` and a string) for the last 0,
 * which is passed over. The stream says nothing about hashes: the receiver computes them. Pure.
 */
import { fromBytes, toBytes } from "./Bytes.ts"
import type { ByteString } from "./Bytes.ts"
import type { NarHandler } from "./Nar.ts"
import { NarReader } from "./NarReader.ts"
import { hashPartLength, nameLimit, parseStorePath, storeDir, StorePathError } from "./StorePath.ts"
import type { StorePath } from "./StorePath.ts"

const exportMagic = 0x4558494e

/** Longest old-style signature that is passed over. */
const signatureLimit = 64 * 1024

const pathLimit = storeDir.length + 1 + hashPartLength + 1 + nameLimit

/** What the stream says of one store path, after its NAR. */
export interface ExportedPath {
  readonly path: StorePath
  /** Sorted as they came; may hold `path` itself. */
  readonly references: ReadonlyArray<StorePath>
  readonly deriver: StorePath | undefined
}

/** What is wrong with an export. */
export type ExportProblem =
  | { readonly kind: "not-export" }
  | { readonly kind: "magic" }
  | { readonly kind: "too-long"; readonly length: bigint; readonly limit: number }
  | { readonly kind: "padding" }
  | { readonly kind: "store-path"; readonly text: ByteString; readonly reason: string }
  | { readonly kind: "signature-flag"; readonly value: bigint }
  | { readonly kind: "truncated" }
  | { readonly kind: "trailing" }

/** A byte stream is no export. What is wrong with a NAR in it is a `NarError`. */
export class ExportError extends Error {
  readonly _tag = "ExportError"
  /** Offset in the stream of the number or string that is wrong. */
  readonly offset: number
  readonly problem: ExportProblem

  constructor(offset: number, problem: ExportProblem) {
    super()
    this.offset = offset
    this.problem = problem
  }

  override get message(): string {
    const { problem } = this
    const where = `export stream is not valid at byte ${this.offset}`
    switch (problem.kind) {
      case "not-export":
        return `${where}: input doesn't look like something created by 'nix-store --export'`
      case "magic":
        return `${where}: Nix archive cannot be imported; wrong format`
      case "too-long":
        return `${where}: a string of ${problem.length} bytes, at most ${problem.limit} are allowed`
      case "padding":
        return `${where}: non-zero padding`
      case "store-path":
        return `${where}: ${problem.reason}`
      case "signature-flag":
        return `${where}: ${problem.value} where 0 or 1 should say whether a signature follows`
      case "truncated":
        return `${where}: unexpected end; was the transfer cut off?`
      case "trailing":
        return `${where}: there are bytes after the end`
    }
  }
}

/** Calls of a reader: a NAR's parts, its bytes, then what it is. */
export interface ExportHandler extends NarHandler {
  /** The next bytes of the NAR as they stand in the stream, after the calls for their parts; a view that may change after the call. */
  narBytes(bytes: Uint8Array): void
  /** The NAR is over, and this is what the stream says of it. */
  pathEnd(info: ExportedPath): void
}

type Expectation = "more" | "nar" | "magic" | "path" | "count" | "reference" | "deriver" | "signed" | "signature" | "done"

/** Reads an export as it comes, in chunks cut anywhere. */
export class ExportReader {
  private readonly handler: ExportHandler
  private expected: Expectation = "more"
  private nar: NarReader | undefined
  private at = 0
  /** A number or string that is not complete yet. */
  private carry = new Uint8Array(512)
  private carried = 0
  private path = "" as StorePath
  private references: Array<StorePath> = []
  private remaining = 0n
  private deriver: StorePath | undefined

  constructor(handler: ExportHandler) {
    this.handler = handler
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.at + this.carried
  }

  /** Whether the stream is complete. */
  get done(): boolean {
    return this.expected === "done"
  }

  /** Takes the next bytes. Throws `ExportError` or `NarError`, after which the reader is of no more use. */
  push(chunk: Uint8Array): void {
    let position = 0
    while (position < chunk.length) {
      if (this.expected === "done") throw this.fail({ kind: "trailing" })
      if (this.nar !== undefined) {
        position = this.pushNar(this.nar, chunk, position)
        continue
      }
      const needed = this.needed()
      const taken = Math.min(needed - this.carried, chunk.length - position)
      if (needed > this.carry.length) {
        const larger = new Uint8Array(needed)
        larger.set(this.carry.subarray(0, this.carried))
        this.carry = larger
      }
      this.carry.set(chunk.subarray(position, position + taken), this.carried)
      this.carried += taken
      position += taken
      if (this.carried < needed || this.needed() > needed) continue
      this.token(needed)
      this.at += needed
      this.carried = 0
    }
  }

  /** Says that no more bytes come. Throws `ExportError` where the stream is not complete. */
  end(): void {
    if (this.nar !== undefined) this.nar.end()
    if (!this.done) throw new ExportError(this.offset, { kind: "truncated" })
  }

  private pushNar(nar: NarReader, chunk: Uint8Array, position: number): number {
    // Where the NAR ends is known only after reading: so the parts come first, then the bytes.
    const end = nar.pushUntilDone(chunk, position)
    this.handler.narBytes(chunk.subarray(position, end))
    this.at += end - position
    if (nar.done) {
      this.nar = undefined
      this.expected = "magic"
    }
    return end
  }

  private fail(problem: ExportProblem): ExportError {
    return new ExportError(this.at, problem)
  }

  private isString(): boolean {
    return this.expected === "path" || this.expected === "reference" || this.expected === "deriver" || this.expected === "signature"
  }

  private number(): bigint {
    return new DataView(this.carry.buffer).getBigUint64(0, true)
  }

  /** Bytes of the number or string that is expected, as far as is known; a string's length is checked before anything waits for it. */
  private needed(): number {
    if (this.carried < 8 || !this.isString()) return 8
    const length = this.number()
    const limit = this.expected === "signature" ? signatureLimit : pathLimit
    if (length > BigInt(limit)) throw this.fail({ kind: "too-long", length, limit })
    return 8 + ((Number(length) + 7) & ~7)
  }

  private string(needed: number): ByteString {
    const end = 8 + Number(this.number())
    for (let i = end; i < needed; i++) if (this.carry[i] !== 0) throw this.fail({ kind: "padding" })
    return fromBytes(this.carry.subarray(8, end))
  }

  private storePath(needed: number): StorePath {
    const text = this.string(needed)
    try {
      return parseStorePath(text)
    } catch (error) {
      if (error instanceof StorePathError) throw this.fail({ kind: "store-path", text, reason: error.message })
      throw error
    }
  }

  private token(needed: number): void {
    switch (this.expected) {
      case "more": {
        const more = this.number()
        if (more > 1n) throw this.fail({ kind: "not-export" })
        this.expected = more === 0n ? "done" : "nar"
        if (more === 1n) this.nar = new NarReader(this.handler)
        return
      }
      case "magic":
        if (this.number() !== BigInt(exportMagic)) throw this.fail({ kind: "magic" })
        this.expected = "path"
        return
      case "path":
        this.path = this.storePath(needed)
        this.references = []
        this.expected = "count"
        return
      case "count":
        this.remaining = this.number()
        this.expected = this.remaining === 0n ? "deriver" : "reference"
        return
      case "reference":
        this.references.push(this.storePath(needed))
        this.remaining--
        if (this.remaining === 0n) this.expected = "deriver"
        return
      case "deriver":
        this.deriver = this.number() === 0n ? undefined : this.storePath(needed)
        this.expected = "signed"
        return
      case "signed": {
        const value = this.number()
        if (value > 1n) throw this.fail({ kind: "signature-flag", value })
        if (value === 1n) this.expected = "signature"
        else this.finish()
        return
      }
      case "signature":
        this.string(needed)
        this.finish()
    }
  }

  private finish(): void {
    this.expected = "more"
    this.handler.pathEnd({ path: this.path, references: this.references, deriver: this.deriver })
  }
}

const number = (value: number): Array<number> => {
  const bytes: Array<number> = []
  let rest = value
  for (let i = 0; i < 8; i++) {
    bytes.push(rest % 256)
    rest = Math.floor(rest / 256)
  }
  return bytes
}

const string = (text: ByteString): Array<number> => {
  const bytes = [...number(text.length), ...toBytes(text)]
  while (bytes.length % 8 !== 0) bytes.push(0)
  return bytes
}

/** What comes before each NAR. */
export const exportPathStart = (): Uint8Array => Uint8Array.from(number(1))

/** What comes after each NAR: what it is. */
export const exportPathEnd = (info: ExportedPath): Uint8Array =>
  Uint8Array.from([
    ...number(exportMagic),
    ...string(info.path),
    ...number(info.references.length),
    ...info.references.flatMap(string),
    ...string(info.deriver ?? ""),
    ...number(0)
  ])

/** What ends the stream. */
export const exportEnd = (): Uint8Array => Uint8Array.from(number(0))
