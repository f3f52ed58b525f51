/** An archive as ingestion entries: zip or tar, by its first bytes. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { DecompressError } from "../../wire/Decompress.ts"
import type { BlobService } from "../blob/BlobService.ts"
import type { CastoreError } from "../CastoreError.ts"
import type { BadArchive } from "./ArchiveTree.ts"
import type { IngestEntry } from "./Ingest.ts"
import { type ArchiveOptions, tarEntries } from "./TarEntries.ts"
import { isZip } from "./Zip.ts"
import { zipEntries } from "./ZipEntries.ts"

type Pieces = readonly [Uint8Array, ...Array<Uint8Array>]

/** The entries of an archive (not compressed as a whole). Stores the files' contents while reading. */
export const archiveEntries =
  (options: ArchiveOptions) =>
  <E, R>(
    bytes: Stream.Stream<Uint8Array, E, R>
  ): Stream.Stream<IngestEntry, E | BadArchive | DecompressError | CastoreError, R | BlobService> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const pull = yield* Stream.toPull(bytes)
        const first: Array<Uint8Array> = []
        let size = 0
        let ended = false
        const more: Effect.Effect<void, E, R> = Effect.suspend(() => {
          if (size >= 4) return Effect.void
          return pull.pipe(
            Effect.flatMap((pieces) => {
              for (const piece of pieces) {
                first.push(piece)
                size += piece.length
              }
              return more
            }),
            Effect.catch((error) => {
              if (!Cause.isDone(error)) return Effect.fail(error as E)
              ended = true
              return Effect.void
            })
          )
        })
        yield* more
        const head = new Uint8Array(4)
        let at = 0
        for (const piece of first) {
          head.set(piece.subarray(0, 4 - at), at)
          at = Math.min(4, at + piece.length)
        }
        let given = false
        const rest: Pull.Pull<Pieces, E, void, R> = Effect.suspend(() => {
          if (!given && first.length > 0) {
            given = true
            return Effect.succeed(first as unknown as Pieces)
          }
          return ended ? Cause.done() : (pull as unknown as Pull.Pull<Pieces, E, void, R>)
        })
        const whole = Stream.fromPull(Effect.succeed(rest))
        return isZip(head.subarray(0, Math.min(4, size))) ? zipEntries(options)(whole) : tarEntries(options)(whole)
      })
    )
