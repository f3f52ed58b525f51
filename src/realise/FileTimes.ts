/**
 * How long the evaluation of each file took, noted in the evaluator's thread as plain numbers; `FileSpans.ts` makes spans of them afterwards.
 *
 * A file's evaluation is reading, parsing and evaluating it to its outermost value: what is lazy in it runs later, in the time of whoever asks. One that was
 * suspended (something far was not there) and run again is one entry with several attempts; one that never came to its end is none.
 */
import type { FileWatch } from "../eval/IoRequest.ts"
import type { ByteString } from "../nix/Bytes.ts"

export interface FileTime {
  readonly path: ByteString
  /** Index of the file that it was first imported in; -1: none. Entries that are not in the list stand for nobody. */
  readonly within: number
  readonly index: number
  /** Milliseconds of the machine's monotonic clock, which threads share. */
  readonly begun: number
  readonly ended: number
  /** Of these, spent in attempts: less than `ended - begun` where it was suspended. */
  readonly busy: number
  /** Until the source was read, parsed and its variables checked, in the last attempt. */
  readonly compiled: number
  readonly attempts: number
  readonly failed: boolean
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Milliseconds of the clock that all threads of a process agree on. */
export const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6

interface Attempt {
  readonly file: Mutable<FileTime>
  readonly since: number
}

export class FileTimes implements FileWatch {
  readonly #now: () => number
  readonly #ended: Array<FileTime> = []
  /** Suspended ones, by path. */
  readonly #suspended = new Map<ByteString, Array<Mutable<FileTime>>>()
  readonly #running: Array<Attempt> = []
  #count = 0

  constructor(now: () => number = monotonic) {
    this.#now = now
  }

  enter(path: ByteString): void {
    const since = this.#now()
    const again = this.#suspended.get(path)?.pop()
    const within = this.#running.at(-1)?.file.index ?? -1
    const file = again ?? {
      path,
      within,
      index: this.#count++,
      begun: since,
      ended: since,
      busy: 0,
      compiled: 0,
      attempts: 0,
      failed: false
    }
    file.attempts++
    this.#running.push({ file, since })
  }

  compiled(): void {
    const attempt = this.#running.at(-1)
    if (attempt !== undefined) attempt.file.compiled = this.#now() - attempt.since
  }

  leave(how: "done" | "failed" | "suspended"): void {
    const attempt = this.#running.pop()
    if (attempt === undefined) return
    const { file, since } = attempt
    file.ended = this.#now()
    file.busy += file.ended - since
    if (how === "suspended") {
      const others = this.#suspended.get(file.path)
      if (others === undefined) this.#suspended.set(file.path, [file])
      else others.push(file)
      return
    }
    file.failed = how === "failed"
    this.#ended.push(file)
  }

  /** The file whose evaluation is under way. */
  get current(): ByteString | undefined {
    return this.#running.at(-1)?.file.path
  }

  /** Those that came to their end since this was asked last, in the order of their ends. */
  takeEnded(): ReadonlyArray<FileTime> {
    return this.#ended.splice(0)
  }
}
