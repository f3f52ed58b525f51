/**
 * NARs as a stream of entries, hashed as they come.
 *
 * Nothing leads to what was stored when the NAR turns out cut, malformed or longer than announced: the root node is told only after its last byte was read.
 * Memory is bounded whatever the NAR announces: files of up to 1 MiB are held whole, larger ones are uploaded as they come.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ByteString } from "../../nix/Bytes.ts"
import * as Crypto from "../../nix/Crypto.ts"
import { NarError, type NarHandler } from "../../nix/Nar.ts"
import { NarReader } from "../../nix/NarReader.ts"
import { BlobService } from "../blob/BlobService.ts"
import type { CastoreError } from "../CastoreError.ts"
import type { DirectoryService } from "../directory/DirectoryService.ts"
import type { Ingested } from "./FileSystem.ts"
import { groupEntries, ingest, type IngestEntry, smallFileLimit } from "./Ingest.ts"
import type { NarObserver } from "./NarDigest.ts"

export interface IngestNarOptions {
  /** Bytes that the NAR may have, where somebody announced it; more fails. */
  readonly sizeLimit?: number | undefined
  /** Are shown every byte of the NAR. */
  readonly observers?: ReadonlyArray<NarObserver> | undefined
}

/** What the reader said and nobody has taken yet: entries, and the parts of a large file. */
type Said =
  | IngestEntry
  | { readonly _tag: "LargeStart"; readonly path: ByteString; readonly executable: boolean }
  | { readonly _tag: "LargeData"; readonly bytes: Uint8Array }
  | { readonly _tag: "LargeEnd" }

/** Turns the calls of a reader into entries with paths, children before parents as they come. */
class Listener implements NarHandler {
  readonly said: Array<Said> = []
  readonly #paths: Array<ByteString> = []
  #path: ByteString = ""
  #executable = false
  /** The small file that is being read, and how much of it is there; `undefined` while a large one is. */
  #contents: Uint8Array | undefined
  #filled = 0

  #below(name: ByteString): ByteString {
    const parent = this.#paths[this.#paths.length - 1]
    return parent === undefined ? "" : parent === "" ? name : `${parent}/${name}`
  }

  directoryStart(name: ByteString): void {
    this.#paths.push(this.#below(name))
  }

  directoryEnd(): void {
    this.said.push({ _tag: "Directory", path: this.#paths.pop()! })
  }

  symlink(name: ByteString, target: ByteString): void {
    this.said.push({ _tag: "Symlink", path: this.#below(name), target })
  }

  fileStart(name: ByteString, size: number, executable: boolean): void {
    this.#path = this.#below(name)
    this.#executable = executable
    this.#filled = 0
    this.#contents = size <= smallFileLimit ? new Uint8Array(size) : undefined
    if (this.#contents === undefined) this.said.push({ _tag: "LargeStart", path: this.#path, executable })
  }

  fileData(bytes: Uint8Array): void {
    if (this.#contents === undefined) this.said.push({ _tag: "LargeData", bytes })
    else {
      this.#contents.set(bytes, this.#filled)
      this.#filled += bytes.length
    }
  }

  fileEnd(): void {
    if (this.#contents === undefined) this.said.push({ _tag: "LargeEnd" })
    else this.said.push({ _tag: "File", path: this.#path, executable: this.#executable, contents: this.#contents })
  }
}

/**
 * Stores the tree of a NAR that comes as bytes, cut anywhere, and tells its root node, hash and size. Fails with `NarError` (of `nix/Nar.ts`) when the bytes
 * are no NAR.
 */
export const ingestNar = Effect.fn("castore.ingestNar")(function* <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  options: IngestNarOptions = {}
): Effect.fn.Return<Ingested, CastoreError | NarError | E, BlobService | DirectoryService | R> {
  const blobs = yield* BlobService
  const observers = options.observers ?? []
  const hasher = Crypto.hasher("sha256")
  const listener = new Listener()
  const reader = new NarReader(listener, options.sizeLimit)
  let ended = false
  const { said } = listener

  const push = (pieces: ReadonlyArray<Uint8Array>): Effect.Effect<void, NarError> =>
    Effect.try({
      try: () => {
        for (const piece of pieces) {
          hasher.update(piece)
          for (const observer of observers) observer.update(piece)
          reader.push(piece)
        }
      },
      catch: (cause) => {
        if (cause instanceof NarError) return cause
        throw cause
      }
    })

  const end = Effect.try({
    try: () => {
      reader.end()
      ended = true
    },
    catch: (cause) => {
      if (cause instanceof NarError) return cause
      throw cause
    }
  })

  const entries: Stream.Stream<IngestEntry, CastoreError | NarError | E, R> = Stream.unwrap(
    Effect.gen(function* (): Effect.fn.Return<Stream.Stream<IngestEntry, CastoreError | NarError | E, R>, never, R | Scope.Scope> {
      const pull = yield* Stream.toPull(bytes)
      /** Reads on; at the end of the input the NAR must be complete. */
      const more: Effect.Effect<void, NarError | E, R> = Pull.catchDone(Effect.flatMap(pull, push), () => end)

      const large = Stream.paginate(undefined, () =>
        Effect.gen(function* () {
          while (said.length === 0) yield* more
          let count = 0
          const pieces: Array<Uint8Array> = []
          for (const part of said) {
            count++
            if (part._tag !== "LargeData") break
            pieces.push(part.bytes)
          }
          const last = said[count - 1]!._tag === "LargeEnd"
          said.splice(0, count)
          return [pieces, last ? Option.none<undefined>() : Option.some(undefined)] as const
        })
      )

      return Stream.paginate(undefined, () =>
        Effect.gen(function* () {
          while (said.length === 0 && !ended) yield* more
          const ready: Array<IngestEntry> = []
          for (let i = 0; i < said.length && ready.length < groupEntries; i++) {
            const part = said[i]!
            if (part._tag === "LargeStart" || part._tag === "LargeData" || part._tag === "LargeEnd") break
            ready.push(part)
          }
          said.splice(0, ready.length)
          const start = said[0]
          if (start?._tag === "LargeStart") {
            said.shift()
            ready.push({ _tag: "File", path: start.path, executable: start.executable, contents: yield* blobs.putStream(large) })
          }
          return [ready, ended && said.length === 0 ? Option.none<undefined>() : Option.some(undefined)] as const
        })
      )
    })
  )

  const node = yield* ingest(entries)
  return { node, narHash: Uint8Array.from(hasher.digest()), narSize: reader.offset }
})
