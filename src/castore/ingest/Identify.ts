/**
 * The node that a host path would be, without storing it: for checking what was written.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { ByteString } from "../../nix/Bytes.ts"
import { BlobService } from "../blob/BlobService.ts"
import type { CastoreError } from "../CastoreError.ts"
import * as Digest from "../Digest.ts"
import * as Directory from "../Directory.ts"
import { DirectoryService } from "../directory/DirectoryService.ts"
import { type Ingested, ingestPath, type IngestPathOptions } from "./FileSystem.ts"
import type { SourceError } from "./SourceError.ts"

/** Services that compute digests and keep nothing. */
const hashingOnly = Layer.mergeAll(
  Layer.mock(BlobService, {
    putMany: (blobs) => Effect.sync(() => blobs.map(Digest.ofBytes)),
    putStream: (bytes) =>
      Effect.suspend(() => {
        const hasher = Digest.incremental()
        let size = 0
        return Effect.map(
          Stream.runForEach(bytes, (piece) =>
            Effect.sync(() => {
              hasher.update(piece)
              size += piece.length
            })
          ),
          () => ({ digest: hasher.end(), size })
        )
      })
  }),
  Layer.mock(DirectoryService, { putMany: (directories) => Effect.sync(() => directories.map(Directory.digest)) })
)

/** What `ingestPath` would give. */
export const identifyPath = (path: ByteString, options?: IngestPathOptions): Effect.Effect<Ingested, SourceError | CastoreError> =>
  Effect.provide(ingestPath(path, options), hashingOnly)
