/**
 * The keys of a terminal, let through one line at a time.
 *
 * The line editor gets no more than the line that it was asked for, and nothing while it completes a word. In a pasted text, TABs are blanks. What comes while that line is being evaluated waits: so a pasted text is shown line by line, each
 * with its prompt and its result, as if it had been typed. The terminal stays in raw mode all the time, where Ctrl-C, Ctrl-Z and Ctrl-\ are keys like others: while the gate is closed they are
 * dealt with here. To `node:readline` this is a terminal, since it can be switched to raw mode.
 */
import { PassThrough } from "node:stream"
import type * as tty from "node:tty"

const interrupt = 0x03
const tab = 0x09
const space = 0x20
const newline = 0x0a
const carriageReturn = 0x0d
const stop = 0x1a
const quit = 0x1c

/** Milliseconds that keys wait for a completion at most. */
const longestCompletion = 1000

export class GatedInput extends PassThrough {
  readonly isTTY = true
  readonly #keys: tty.ReadStream
  /** Not let through yet. */
  #waiting: Buffer = Buffer.alloc(0)
  #open = false
  #completing: NodeJS.Timeout | undefined
  /** Whether something stood behind the line that was let through last. */
  #behind = false
  /** Whether the line that was let through last came with others, before or behind it. */
  pasted = false
  /** Called at Ctrl-C while the gate is closed. */
  onInterrupt: (() => void) | undefined

  constructor(keys: tty.ReadStream) {
    super()
    this.#keys = keys
    keys.on("data", this.#take)
    keys.on("end", this.#ended)
  }

  /** Whether keys wait for the gate to open. */
  get waits(): boolean {
    return this.#waiting.length > 0
  }

  get isRaw(): boolean {
    return this.#keys.isRaw
  }

  setRawMode(mode: boolean): this {
    // After the terminal hung up there is nothing to switch.
    try {
      this.#keys.setRawMode(mode)
    } catch {
      return this
    }
    return this
  }

  /** Lets the next line through. */
  open(): void {
    this.#open = true
    this.#pump()
  }

  /** Somebody else reads the keys, in the terminal's usual mode. */
  lend(): void {
    this.#keys.off("data", this.#take)
    this.#keys.pause()
    this.setRawMode(false)
  }

  takeBack(): void {
    this.setRawMode(true)
    this.#keys.on("data", this.#take)
    this.#keys.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#completing)
    this.#keys.off("data", this.#take)
    this.#keys.off("end", this.#ended)
    this.#keys.pause()
    super._destroy(error, callback)
  }

  readonly #take = (chunk: Buffer): void => {
    if (!this.#open && this.#completing === undefined) {
      const key = chunk.lastIndexOf(interrupt)
      if (key >= 0) {
        this.#waiting = Buffer.alloc(0)
        this.#append(chunk.subarray(key + 1))
        this.onInterrupt?.()
        return
      }
      if (chunk.includes(stop)) return this.#stop()
      if (chunk.includes(quit)) return void process.kill(process.pid, "SIGQUIT")
    }
    this.#append(chunk)
    this.#pump()
  }

  readonly #ended = (): void => {
    this.#open = true
    this.#pump()
    this.end()
  }

  #append(chunk: Buffer): void {
    this.#waiting = this.#waiting.length === 0 ? chunk : Buffer.concat([this.#waiting, chunk])
  }

  #pump(): void {
    if (!this.#open || this.#waiting.length === 0) return
    let keys = this.#waiting
    let end = keys.findIndex((key) => key === newline || key === carriageReturn || key === interrupt)
    if (end >= 0 && keys[end] === carriageReturn && keys[end + 1] === newline) end++
    const rest = end < 0 ? Buffer.alloc(0) : keys.subarray(end + 1)
    const pasted = (this.pasted && this.#behind) || rest.length > 0
    if (end >= 0) keys = keys.subarray(0, end + 1)
    const at = keys.indexOf(tab)
    if (at >= 0 && pasted) keys = keys.map((key) => (key === tab ? space : key)) as Buffer
    else if (at >= 0) return this.#hold(at + 1)
    this.#waiting = rest
    this.pasted = pasted
    this.#behind = rest.length > 0
    if (end >= 0) this.#open = false
    this.write(keys)
  }

  /** Lets keys through up to a TAB; what comes behind it waits until `completed` is called. */
  #hold(end: number): void {
    const keys = this.#waiting.subarray(0, end)
    this.#waiting = this.#waiting.subarray(end)
    this.#open = false
    // Not every TAB is a question to the completer.
    this.#completing = setTimeout(this.completed, longestCompletion)
    this.write(keys)
  }

  /** The completion that a TAB has asked for stands in the line. */
  readonly completed = (): void => {
    if (this.#completing === undefined) return
    clearTimeout(this.#completing)
    this.#completing = undefined
    this.open()
  }

  /** Ctrl-Z: stopped in the terminal's usual mode, and going on in raw mode. */
  #stop(): void {
    this.setRawMode(false)
    process.once("SIGCONT", () => this.setRawMode(true))
    process.kill(process.pid, "SIGTSTP")
  }
}
