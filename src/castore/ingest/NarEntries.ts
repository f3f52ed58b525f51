/**
 * From the calls of a NAR reader to ingestion entries, while the bytes still come.
 *
 * A reader is pushed, a stream is pulled: what the reader says waits here until it is asked for, and more input is pushed only when nothing waits. So
 * memory is bounded whatever the NAR announces: files of up to 1 MiB are held whole, larger ones uploaded as they come.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ByteString } from "../../nix/Bytes.ts"
import type { NarHandler } from "../../nix/Nar.ts"
import type { BlobService } from "../blob/BlobService.ts"
import type { CastoreError } from "../CastoreError.ts"
import { groupEntries, type IngestEntry, smallFileLimit } from "./Ingest.ts"

/** What the reader said and nobody has taken yet. */
type Said =
  | { readonly _tag: "Entry"; readonly entry: IngestEntry }
  | { readonly _tag: "LargeStart"; readonly path: ByteString; readonly executable: boolean }
  | { readonly _tag: "LargeData"; readonly bytes: Uint8Array }
  | { readonly _tag: "LargeEnd"; readonly path: ByteString }

export class NarEntries implements NarHandler {
  readonly #said: Array<Said> = []
  readonly #directories: Array<ByteString> = []
  #path: ByteString = ""
  #executable = false
  /** The small file that is being read, and how much of it is there; `undefined` while a large one is. */
  #contents: Uint8Array | undefined
  #filled = 0
  #inFile = false

  /** Whether something of a NAR was said that has not been taken to its root. */
  get begun(): boolean {
    return this.#said.length > 0 || this.#directories.length > 0 || this.#inFile
  }

  #below(name: ByteString): ByteString {
    const parent = this.#directories[this.#directories.length - 1]
    return parent === undefined ? "" : parent === "" ? name : `${parent}/${name}`
  }

  directoryStart(name: ByteString): void {
    this.#directories.push(this.#below(name))
  }

  directoryEnd(): void {
    this.#said.push({ _tag: "Entry", entry: { _tag: "Directory", path: this.#directories.pop()! } })
  }

  symlink(name: ByteString, target: ByteString): void {
    this.#said.push({ _tag: "Entry", entry: { _tag: "Symlink", path: this.#below(name), target } })
  }

  fileStart(name: ByteString, size: number, executable: boolean): void {
    this.#path = this.#below(name)
    this.#executable = executable
    this.#filled = 0
    this.#inFile = true
    this.#contents = size <= smallFileLimit ? new Uint8Array(size) : undefined
    if (this.#contents === undefined) this.#said.push({ _tag: "LargeStart", path: this.#path, executable })
  }

  fileData(bytes: Uint8Array): void {
    if (this.#contents === undefined) this.#said.push({ _tag: "LargeData", bytes })
    else {
      this.#contents.set(bytes, this.#filled)
      this.#filled += bytes.length
    }
  }

  fileEnd(): void {
    const path = this.#path
    this.#inFile = false
    if (this.#contents === undefined) this.#said.push({ _tag: "LargeEnd", path })
    else this.#said.push({ _tag: "Entry", entry: { _tag: "File", path, executable: this.#executable, contents: this.#contents } })
  }

  /** The parts of the large file whose start was taken. */
  #large<E, R>(more: Effect.Effect<void, E, R>): Stream.Stream<Uint8Array, E, R> {
    const said = this.#said
    return Stream.paginate(undefined, () =>
      Effect.gen(function* () {
        while (said.length === 0) yield* more
        const pieces: Array<Uint8Array> = []
        let count = 0
        while (count < said.length) {
          const part = said[count++]!
          if (part._tag !== "LargeData") break
          pieces.push(part.bytes)
        }
        const last = said[count - 1]!._tag === "LargeEnd"
        said.splice(0, count)
        return [pieces, last ? Option.none<undefined>() : Option.some(undefined)] as const
      })
    )
  }

  /**
   * The entries of the next NAR, up to its root. `more` pushes further input into the reader, and fails when there is none while a NAR is incomplete.
   * Large files go to `blobs` on the way.
   */
  entries<E, R>(blobs: BlobService["Service"], more: Effect.Effect<void, E, R>): Stream.Stream<IngestEntry, CastoreError | E, R> {
    const said = this.#said
    const large = this.#large(more)
    return Stream.paginate(undefined, () =>
      Effect.gen(function* () {
        while (said.length === 0) yield* more
        const ready: Array<IngestEntry> = []
        let rooted = false
        let count = 0
        for (; count < said.length && ready.length < groupEntries && !rooted; count++) {
          const part = said[count]!
          if (part._tag !== "Entry") break
          ready.push(part.entry)
          rooted = part.entry.path === ""
        }
        said.splice(0, count)
        const start = said[0]
        if (!rooted && start?._tag === "LargeStart") {
          said.shift()
          const { path, executable } = start
          ready.push({ _tag: "File", path, executable, contents: yield* blobs.putStream(large) })
          rooted = path === ""
        }
        return [ready, rooted ? Option.none<undefined>() : Option.some(undefined)] as const
      })
    )
  }
}
