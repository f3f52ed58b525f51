/**
 * Reads a NAR as it comes: chunks cut anywhere go in, the tree's parts come out as calls of a `NarHandler`.
 *
 * Strict, so that a tree has one NAR and no other bytes pass: names valid and ascending, padding zero, nothing before or after. Memory is bounded whatever the input says:
 * a stack of at most 64 names, one string of at most 4095 bytes, never an announced length. A state machine over strings, without recursion.
 */
import { fromBytes } from "./Bytes.ts"
import type { ByteString } from "./Bytes.ts"
import { checkEntryName, isSymlinkTarget, narDepthLimit, NarError, narNameLimit, narTagLimit, narTargetLimit } from "./Nar.ts"
import type { NarField, NarHandler, NarProblem } from "./Nar.ts"

const State = {
  magic: 0,
  nodeOpen: 1,
  typeTag: 2,
  type: 3,
  regular: 4,
  executableValue: 5,
  contentsTag: 6,
  /** The length of the contents, which is no string: no more than these eight bytes is waited for. */
  contentsLength: 7,
  contents: 8,
  contentsPadding: 9,
  fileClose: 10,
  targetTag: 11,
  target: 12,
  symlinkClose: 13,
  entryOrClose: 14,
  entryOpen: 15,
  nameTag: 16,
  name: 17,
  nodeTag: 18,
  entryClose: 19,
  done: 20
} as const
type State = (typeof State)[keyof typeof State]

const magic = "nix-archive-1"

/** For states that allow one tag only: that tag, and what comes next. */
const fixedTags: { readonly [state: number]: readonly [tag: string, next: State] } = {
  [State.nodeOpen]: ["(", State.typeTag],
  [State.typeTag]: ["type", State.type],
  [State.contentsTag]: ["contents", State.contentsLength],
  [State.targetTag]: ["target", State.target],
  [State.entryOpen]: ["(", State.nameTag],
  [State.nameTag]: ["name", State.name],
  [State.nodeTag]: ["node", State.nodeOpen]
}

export class NarReader {
  private readonly handler: NarHandler
  /** Bytes the whole NAR may have. */
  private readonly sizeLimit: number
  private state: State = State.magic
  /** Offset in the NAR of the next byte to be looked at. */
  private at = 0
  /** A string that the last chunk had only a part of. */
  private readonly carry = new Uint8Array(8 + 4096)
  private carried = 0
  /** For every open directory, the name of its last entry. */
  private readonly lastNames: Array<ByteString> = []
  private entryName: ByteString = ""
  private executable = false
  /** Bytes of contents, or of padding, that are still to come. */
  private remaining = 0
  private padding = 0
  private contentsAt = 0

  /** `sizeLimit`: bytes that the whole NAR may have, where somebody announced it; more is an error. */
  constructor(handler: NarHandler, sizeLimit = Number.MAX_SAFE_INTEGER) {
    this.handler = handler
    this.sizeLimit = sizeLimit
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.at + this.carried
  }

  /** Whether the NAR is complete. */
  get done(): boolean {
    return this.state === State.done
  }

  /** Inside `fileStart`, `fileData` and `fileEnd`: the offset in the NAR of the file's contents. */
  get contentsOffset(): number {
    return this.contentsAt
  }

  /** Takes the next bytes, which are not kept. Throws `NarError`, after which the reader is of no more use. */
  push(chunk: Uint8Array): void {
    if (this.pushUntilDone(chunk, 0) < chunk.length) {
      const trailing = this.state === State.done
      throw this.fail(trailing ? { kind: "trailing" } : { kind: "beyond-size", limit: this.sizeLimit })
    }
  }

  /**
   * Takes bytes of `chunk` from `from` on, up to the end of the NAR where that is reached; gives the index of the first byte not taken. For NARs inside a
   * larger stream. Throws `NarError`.
   */
  pushUntilDone(chunk: Uint8Array, from: number): number {
    const room = this.sizeLimit - this.offset
    if (chunk.length - from <= room) return this.take(chunk, from)
    const taken = this.take(chunk.subarray(0, from + room), from)
    if (this.state !== State.done) throw this.fail({ kind: "beyond-size", limit: this.sizeLimit }, this.sizeLimit)
    return taken
  }

  private take(chunk: Uint8Array, from: number): number {
    let position = from
    if (this.carried > 0) position = this.fillCarry(chunk, from)
    while (position < chunk.length && this.state !== State.done) {
      if (this.state === State.contents) {
        position = this.contents(chunk, position)
        continue
      }
      if (this.state === State.contentsPadding) {
        position = this.contentsPadding(chunk, position)
        continue
      }
      const available = chunk.length - position
      const needed = available < 8 ? 8 : this.needed(chunk, position)
      if (available < needed) {
        this.carry.set(chunk.subarray(position), 0)
        this.carried = available
        return chunk.length
      }
      this.token(chunk, position, needed)
      position += needed
      this.at += needed
    }
    return position
  }

  /** Says that no more bytes come. Throws `NarError` where the NAR is not complete. */
  end(): void {
    if (this.state !== State.done) throw this.fail({ kind: "truncated" }, this.offset)
  }

  /** Completes the carried string from `chunk`; gives the index of the first byte that did not take. */
  private fillCarry(chunk: Uint8Array, from: number): number {
    let position = from
    let needed = this.carried < 8 ? 8 : this.needed(this.carry, 0)
    for (;;) {
      const taken = Math.min(needed - this.carried, chunk.length - position)
      this.carry.set(chunk.subarray(position, position + taken), this.carried)
      this.carried += taken
      position += taken
      if (this.carried < needed) return position
      const whole = this.needed(this.carry, 0)
      if (whole === needed) break
      needed = whole
    }
    this.carried = 0
    this.token(this.carry, 0, needed)
    this.at += needed
    return position
  }

  private fail(problem: NarProblem, offset = this.at): NarError {
    return new NarError(offset, problem)
  }

  /** Bytes of the string at `position` with length and padding; its length is checked here, before anything waits for it. */
  private needed(bytes: Uint8Array, position: number): number {
    if (this.state === State.contentsLength) return 8
    const length = this.length(bytes, position, this.limit())
    return 8 + ((length + 7) & ~7)
  }

  private field(): NarField {
    switch (this.state) {
      case State.magic:
        return "magic"
      case State.name:
        return "name"
      case State.target:
        return "target"
      case State.contentsLength:
        return "contents"
      case State.executableValue:
        return "executable marker"
      default:
        return "tag"
    }
  }

  private limit(): number {
    return this.state === State.name ? narNameLimit : this.state === State.target ? narTargetLimit : narTagLimit
  }

  private length(bytes: Uint8Array, position: number, limit: number): number {
    const low = (bytes[position]! | (bytes[position + 1]! << 8) | (bytes[position + 2]! << 16) | (bytes[position + 3]! << 24)) >>> 0
    const high = (bytes[position + 4]! | (bytes[position + 5]! << 8) | (bytes[position + 6]! << 16) | (bytes[position + 7]! << 24)) >>> 0
    if (high > 0x1f_ffff || high * 0x1_0000_0000 + low > limit) {
      if (this.state === State.magic) throw this.fail({ kind: "magic" })
      const length = (BigInt(high) << 32n) | BigInt(low)
      throw this.fail({ kind: "too-long", field: this.field(), length, limit })
    }
    return high * 0x1_0000_0000 + low
  }

  private is(bytes: Uint8Array, position: number, length: number, tag: string): boolean {
    if (length !== tag.length) return false
    for (let i = 0; i < length; i++) if (bytes[position + i] !== tag.charCodeAt(i)) return false
    return true
  }

  private unexpected(expected: string, bytes: Uint8Array, position: number, length: number): NarError {
    return this.fail({ kind: "unexpected", expected, actual: fromBytes(bytes.subarray(position, position + length)) })
  }

  private token(bytes: Uint8Array, position: number, size: number): void {
    if (this.state === State.contentsLength) {
      const limit = Math.max(0, this.sizeLimit - this.at)
      const length = this.length(bytes, position, limit)
      this.remaining = length
      this.padding = length % 8 === 0 ? 0 : 8 - (length % 8)
      this.state = State.contents
      this.contentsAt = this.at + 8
      this.handler.fileStart(this.entryName, length, this.executable)
      if (length === 0) this.contentsEnd()
      return
    }
    const length = bytes[position]! | (bytes[position + 1]! << 8)
    const start = position + 8
    const end = position + size
    for (let i = start + length; i < end; i++) {
      if (bytes[i] !== 0) throw this.fail({ kind: "padding" }, this.at + i - position)
    }
    const fixed = fixedTags[this.state]
    if (fixed !== undefined) {
      if (!this.is(bytes, start, length, fixed[0])) throw this.unexpected(`tag '${fixed[0]}'`, bytes, start, length)
      this.state = fixed[1]
      return
    }
    switch (this.state) {
      case State.magic:
        if (!this.is(bytes, start, length, magic)) throw this.fail({ kind: "magic" })
        this.state = State.nodeOpen
        return
      case State.type:
        if (this.is(bytes, start, length, "regular")) {
          this.executable = false
          this.state = State.regular
        } else if (this.is(bytes, start, length, "directory")) {
          this.handler.directoryStart(this.entryName)
          this.lastNames.push("")
          this.state = State.entryOrClose
        } else if (this.is(bytes, start, length, "symlink")) {
          this.state = State.targetTag
        } else {
          throw this.unexpected("'regular', 'directory' or 'symlink'", bytes, start, length)
        }
        return
      case State.regular:
        if (this.is(bytes, start, length, "contents")) {
          this.state = State.contentsLength
        } else if (this.is(bytes, start, length, "executable")) {
          this.executable = true
          this.state = State.executableValue
        } else {
          throw this.unexpected("tag 'executable' or 'contents'", bytes, start, length)
        }
        return
      case State.executableValue:
        if (length !== 0) throw this.fail({ kind: "executable-value" })
        this.state = State.contentsTag
        return
      case State.target: {
        const target = fromBytes(bytes.subarray(start, start + length))
        if (!isSymlinkTarget(target)) throw this.fail({ kind: "target", target })
        this.handler.symlink(this.entryName, target)
        this.state = State.symlinkClose
        return
      }
      case State.fileClose:
      case State.symlinkClose:
        if (!this.is(bytes, start, length, ")")) throw this.unexpected("tag ')'", bytes, start, length)
        this.nodeEnd()
        return
      case State.entryOrClose:
        if (this.is(bytes, start, length, "entry")) {
          if (this.lastNames.length >= narDepthLimit) throw this.fail({ kind: "depth", limit: narDepthLimit })
          this.state = State.entryOpen
        } else if (this.is(bytes, start, length, ")")) {
          this.lastNames.pop()
          this.handler.directoryEnd()
          this.nodeEnd()
        } else {
          throw this.unexpected("tag 'entry' or ')'", bytes, start, length)
        }
        return
      case State.name: {
        const name = fromBytes(bytes.subarray(start, start + length))
        const directory = this.lastNames.length - 1
        checkEntryName(name, this.lastNames[directory]!, this.at)
        this.lastNames[directory] = name
        this.entryName = name
        this.state = State.nodeTag
        return
      }
      case State.entryClose:
        if (!this.is(bytes, start, length, ")")) throw this.unexpected("tag ')'", bytes, start, length)
        this.state = State.entryOrClose
    }
  }

  private nodeEnd(): void {
    this.state = this.lastNames.length === 0 ? State.done : State.entryClose
  }

  private contents(chunk: Uint8Array, position: number): number {
    const taken = Math.min(this.remaining, chunk.length - position)
    this.remaining -= taken
    this.at += taken
    this.handler.fileData(taken === chunk.length ? chunk : chunk.subarray(position, position + taken))
    if (this.remaining === 0) this.contentsEnd()
    return position + taken
  }

  private contentsEnd(): void {
    if (this.padding > 0) {
      this.remaining = this.padding
      this.padding = 0
      this.state = State.contentsPadding
      return
    }
    this.handler.fileEnd()
    this.state = State.fileClose
  }

  private contentsPadding(chunk: Uint8Array, position: number): number {
    const end = position + Math.min(this.remaining, chunk.length - position)
    for (let i = position; i < end; i++) {
      if (chunk[i] !== 0) throw this.fail({ kind: "padding" })
      this.at++
    }
    this.remaining -= end - position
    if (this.remaining === 0) {
      this.handler.fileEnd()
      this.state = State.fileClose
    }
    return end
  }
}
