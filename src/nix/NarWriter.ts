/**
 * Writes a NAR: told the parts of a tree in order, gives chunks of bytes to a sink.
 *
 * Synchronous; small parts are gathered in a buffer, contents of some size go to the sink as they are. What it is told is checked as a reader would check it
 * (names, order, depth, sizes), so what comes out is a NAR or there is a `NarError`.
 */
import { writeBytes } from "./Bytes.ts"
import type { ByteString } from "./Bytes.ts"
import { checkEntryName, isSymlinkTarget, narDepthLimit, NarError, narNameLimit, narTargetLimit } from "./Nar.ts"
import type { NarHandler, NarProblem } from "./Nar.ts"

/** Strings as they stand in a NAR: length, bytes, padding; several in a row. */
const frame = (...strings: ReadonlyArray<string>): Uint8Array => {
  const parts: Array<number> = []
  for (const text of strings) {
    parts.push(text.length, 0, 0, 0, 0, 0, 0, 0)
    for (let i = 0; i < text.length; i++) parts.push(text.charCodeAt(i))
    while (parts.length % 8 !== 0) parts.push(0)
  }
  return Uint8Array.from(parts)
}

const magic = frame("nix-archive-1")
const regular = frame("(", "type", "regular", "contents")
const executable = frame("(", "type", "regular", "executable", "", "contents")
const symlinkOpen = frame("(", "type", "symlink", "target")
const directoryOpen = frame("(", "type", "directory")
const entryOpen = frame("entry", "(", "name")
const entryNode = frame("node")
const close = frame(")")

/** Longest run of bytes written without looking whether the buffer has room for it. */
const reserve = 8 + narTargetLimit + 8 + 2 * narNameLimit + 256

/** Contents of at least this size pass by the buffer. */
const direct = 16 * 1024

export interface NarWriterOptions {
  /** Bytes gathered before the sink is called; 64 KiB by default. */
  readonly bufferSize?: number
  /** Whether the buffer is used again after the sink returns, which then must not keep what it got (true for hashing). */
  readonly reuse?: boolean
  /** Memory to gather in, in place of a buffer of its own: implies `reuse`. Large enough for any single part. */
  readonly buffer?: Uint8Array | undefined
}

export class NarWriter implements NarHandler {
  private readonly sink: (chunk: Uint8Array) => void
  private readonly reuse: boolean
  private buffer: Uint8Array
  private used = 0
  private flushed = 0
  private readonly lastNames: Array<ByteString> = []
  /** Bytes of the open file that are still to come; -1 where no file is open. */
  private remaining = -1
  private announced = 0
  private complete = false

  /** `sink` gets the chunks in order. Chunks made of contents are the very arrays that were given to `fileData`. */
  constructor(sink: (chunk: Uint8Array) => void, options: NarWriterOptions = {}) {
    this.sink = sink
    const given = options.buffer
    if (given !== undefined && given.length < 2 * reserve)
      throw new RangeError(`a buffer of ${given.length} bytes is too small for a NAR's parts`)
    this.reuse = given !== undefined || (options.reuse ?? false)
    this.buffer = given ?? new Uint8Array(Math.max(options.bufferSize ?? 64 * 1024, 2 * reserve))
    this.put(magic)
  }

  /** Bytes of the NAR so far. */
  get size(): number {
    return this.flushed + this.used
  }

  directoryStart(name: ByteString): void {
    this.nodeStart(name, "directoryStart")
    this.put(directoryOpen)
    this.lastNames.push("")
  }

  directoryEnd(): void {
    if (this.lastNames.length === 0 || this.remaining >= 0) throw this.fail({ kind: "misuse", call: "directoryEnd" })
    this.lastNames.pop()
    this.nodeEnd()
  }

  fileStart(name: ByteString, size: number, isExecutable: boolean): void {
    if (!Number.isSafeInteger(size) || size < 0) throw this.fail({ kind: "misuse", call: `fileStart of size ${size}` })
    this.nodeStart(name, "fileStart")
    this.put(isExecutable ? executable : regular)
    this.putLength(size)
    this.remaining = size
    this.announced = size
  }

  fileData(bytes: Uint8Array): void {
    if (this.remaining < 0) throw this.fail({ kind: "misuse", call: "fileData" })
    if (bytes.length > this.remaining) {
      const actual = this.announced - this.remaining + bytes.length
      throw this.fail({ kind: "contents-size", announced: this.announced, actual })
    }
    this.remaining -= bytes.length
    if (bytes.length >= direct || bytes.length > this.buffer.length) {
      this.flush()
      this.flushed += bytes.length
      this.sink(bytes)
      return
    }
    if (bytes.length > this.buffer.length - this.used) this.flush()
    this.buffer.set(bytes, this.used)
    this.used += bytes.length
  }

  fileEnd(): void {
    if (this.remaining < 0) throw this.fail({ kind: "misuse", call: "fileEnd" })
    if (this.remaining > 0) throw this.fail({ kind: "contents-size", announced: this.announced, actual: this.announced - this.remaining })
    this.remaining = -1
    this.pad(this.announced)
    this.nodeEnd()
  }

  /** A whole file at once. */
  file(name: ByteString, contents: Uint8Array, isExecutable: boolean): void {
    this.fileStart(name, contents.length, isExecutable)
    this.fileData(contents)
    this.fileEnd()
  }

  symlink(name: ByteString, target: ByteString): void {
    if (!isSymlinkTarget(target)) throw this.fail({ kind: "target", target })
    this.nodeStart(name, "symlink")
    this.put(symlinkOpen)
    this.putString(target)
    this.nodeEnd()
  }

  /** Gives the rest to the sink and the NAR's size in bytes. Throws `NarError` where the tree is not complete. */
  end(): number {
    if (!this.complete) throw this.fail({ kind: "truncated" })
    this.flush()
    return this.flushed
  }

  private fail(problem: NarProblem): NarError {
    return new NarError(this.size, problem)
  }

  private nodeStart(name: ByteString, call: string): void {
    const depth = this.lastNames.length
    if (this.complete || this.remaining >= 0) throw this.fail({ kind: "misuse", call })
    if (depth === 0) {
      if (name !== "") throw this.fail({ kind: "misuse", call: `${call} with a name at the root` })
      return
    }
    checkEntryName(name, this.lastNames[depth - 1]!, this.size)
    if (depth >= narDepthLimit) throw this.fail({ kind: "depth", limit: narDepthLimit })
    this.lastNames[depth - 1] = name
    this.put(entryOpen)
    this.putString(name)
    this.put(entryNode)
  }

  private nodeEnd(): void {
    this.put(close)
    if (this.lastNames.length === 0) this.complete = true
    else this.put(close)
  }

  private flush(): void {
    if (this.used === 0) return
    const chunk = this.buffer.subarray(0, this.used)
    if (!this.reuse) this.buffer = new Uint8Array(this.buffer.length)
    this.flushed += this.used
    this.used = 0
    this.sink(chunk)
  }

  private room(): void {
    if (this.buffer.length - this.used < reserve) this.flush()
  }

  private put(bytes: Uint8Array): void {
    this.room()
    this.buffer.set(bytes, this.used)
    this.used += bytes.length
  }

  private putLength(length: number): void {
    this.room()
    let rest = length
    for (let i = 0; i < 8; i++) {
      this.buffer[this.used++] = rest % 256
      rest = Math.floor(rest / 256)
    }
  }

  private putString(text: ByteString): void {
    this.putLength(text.length)
    this.used = writeBytes(text, this.buffer, this.used)
    this.pad(text.length)
  }

  private pad(length: number): void {
    this.room()
    for (let i = length % 8; i !== 0 && i < 8; i++) this.buffer[this.used++] = 0
  }
}
