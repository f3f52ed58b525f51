/**
 * The decoder inside `xz-decompress` (XZ Embedded as WebAssembly), fed by hand: `Xz.ts` reads the container and has the blocks decoded here.
 *
 * The library's own stream serves one .xz stream at a time in the whole process, so that a download which waits makes all others wait; it also drops what
 * follows the first one and refuses SHA-256. Hence its module is driven directly, through two members that its types do not show; the version is pinned for that.
 * Each file has an instance, and so a memory, of its own.
 */
import library from "xz-decompress"
import { Malformed } from "./Input.ts"

/** The module's functions (`src/native/xz-decompress.c` of the library). */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  /** Room for one .xz stream; its address. */
  create_context(): number
  destroy_context(context: number): void
  /** Says that so many bytes were put into the input buffer. */
  supply_input(context: number, size: number): void
  /** Decodes until the output is full or the input is used up; a result code. */
  get_next_output(context: number): number
}

interface Hidden {
  /** Makes a new instance and leaves it in `_moduleInstance`. */
  _getModuleInstance(): Promise<void>
  _moduleInstance: { readonly exports: unknown } | undefined
}

/** Words of a context. */
const word = { bufferSize: 0, input: 1, inputUsed: 2, inputSize: 3, output: 4, outputSize: 5 }
const words = 6

const ok = 0
const noMemory = new Set([3, 4])
const notSupported = 6
/** Nothing could be done: more input is wanted. */
const noProgress = 8

/** The largest dictionary that the module takes; it is compiled in. */
export const engineDictionary = 64 * 1024 * 1024

/** An instance whose memory is larger than this is not kept for the next file. */
const keptMemory = 16 * 1024 * 1024
let spare: Exports | undefined

const instantiate = async (): Promise<Exports> => {
  const hidden = library.XzReadableStream as unknown as Hidden
  for (;;) {
    await hidden._getModuleInstance()
    const instance = hidden._moduleInstance
    // Taken away, so that nobody else has it; who finds nothing was outrun and makes another.
    hidden._moduleInstance = undefined
    if (instance !== undefined) return instance.exports as Exports
  }
}

export class XzEngine {
  private readonly exports: Exports
  private context: number | undefined

  constructor(exports: Exports) {
    this.exports = exports
  }

  /** Rejects where there is no WebAssembly. */
  static async load(): Promise<XzEngine> {
    const exports = spare
    spare = undefined
    return new XzEngine(exports ?? (await instantiate()))
  }

  /** Begins a new .xz stream. What the old one needed is free again. */
  begin(): void {
    this.end()
    this.context = this.exports.create_context()
  }

  private end(): void {
    if (this.context !== undefined) this.exports.destroy_context(this.context)
    this.context = undefined
  }

  /** Decodes the next bytes of the stream; gives what comes out, in pieces of at most 64 KiB. `damage` says what it means when they are damaged. */
  *feed(bytes: Uint8Array, damage: string): Generator<Uint8Array, void> {
    const { exports } = this
    const context = this.context!
    // The memory may grow at every call, which leaves older views of it empty.
    const state = (): Uint32Array => new Uint32Array(exports.memory.buffer, context, words)
    const bufferSize = state()[word.bufferSize]!
    for (let at = 0; at < bytes.length; at += bufferSize) {
      const part = bytes.subarray(at, at + bufferSize)
      new Uint8Array(exports.memory.buffer, state()[word.input]!, bufferSize).set(part)
      exports.supply_input(context, part.length)
      for (;;) {
        const code = exports.get_next_output(context)
        const after = state()
        const size = after[word.outputSize]!
        if (size > 0) {
          const piece = new Uint8Array(exports.memory.buffer, after[word.output]!, size).slice()
          after[word.outputSize] = 0
          yield piece
        }
        if (code !== ok && code !== noProgress) throw failure(code, damage)
        if (size < bufferSize && after[word.inputUsed] === part.length) break
      }
    }
  }

  /** To be called when all is decoded; an engine that met an error or was left in the middle is simply forgotten. */
  giveBack(): void {
    this.end()
    if (this.exports.memory.buffer.byteLength <= keptMemory) spare = this.exports
  }
}

const failure = (code: number, damage: string): Malformed => {
  if (noMemory.has(code)) return new Malformed("unsupported", "there is not enough memory for its dictionary")
  if (code === notSupported) return new Malformed("unsupported", "it uses features that are not known")
  return new Malformed("corrupt", damage)
}
