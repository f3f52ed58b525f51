/**
 * Taking in a NAR that comes as bytes, hashed on the way.
 *
 * Nothing leads to what was stored when the NAR turns out cut, malformed or longer than announced: its root is told only after its last byte was read.
 */
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import * as Crypto from "../../nix/Crypto.ts"
import { NarError } from "../../nix/Nar.ts"
import { NarReader } from "../../nix/NarReader.ts"
import { BlobService } from "../blob/BlobService.ts"
import type { CastoreError } from "../CastoreError.ts"
import type { DirectoryService } from "../directory/DirectoryService.ts"
import type { Ingested } from "./FileSystem.ts"
import { ingest } from "./Ingest.ts"
import type { NarObserver } from "./NarDigest.ts"
import { NarEntries } from "./NarEntries.ts"

export interface IngestNarOptions {
  /** Bytes that the NAR may have, where somebody announced it; more fails. */
  readonly sizeLimit?: number | undefined
  /** Are shown every byte of the NAR. */
  readonly observers?: ReadonlyArray<NarObserver> | undefined
}

/** Runs a reader; what it throws besides `NarError` is a bug. */
const reading = (run: () => void): Effect.Effect<void, NarError> =>
  Effect.suspend(() => {
    try {
      run()
      return Effect.void
    } catch (cause) {
      return cause instanceof NarError ? Effect.fail(cause) : Effect.die(cause)
    }
  })

/**
 * Stores the tree of a NAR, whose bytes may be cut anywhere, and tells its root node, hash and size. Fails with `NarError` (of `nix/Nar.ts`) when the bytes
 * are no NAR.
 */
export const ingestNar = Effect.fn("castore.ingestNar")(function* <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  options: IngestNarOptions = {}
): Effect.fn.Return<Ingested, CastoreError | NarError | E, BlobService | DirectoryService | R> {
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const observers = options.observers ?? []
      const hasher = Crypto.hasher("sha256")
      const entries = new NarEntries()
      const reader = new NarReader(entries, options.sizeLimit)
      const pull = yield* Stream.toPull(bytes)
      const input = { ended: false }
      const more = Pull.catchDone(
        Effect.flatMap(pull, (pieces) =>
          reading(() => {
            for (const piece of pieces) {
              hasher.update(piece)
              for (const observer of observers) observer.update(piece)
              reader.push(piece)
            }
          })
        ),
        () =>
          reading(() => {
            reader.end()
            input.ended = true
          })
      )
      const node = yield* ingest(entries.entries(blobs, more))
      while (!input.ended) yield* more
      return { node, narHash: Uint8Array.from(hasher.digest()), narSize: reader.offset }
    })
  )
})
