/**
 * Blobs in memory, for tests, for evaluation without a store and for playgrounds.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { concatBytes } from "../../nix/Bytes.ts"
import { MissingData } from "../CastoreError.ts"
import * as Digest from "../Digest.ts"
import { BlobService } from "./BlobService.ts"

const store = "memory"

/** A map from digest to bytes. `blobs` may be handed in, for a test to look at or to damage; what is read is verified all the same. */
export const make = (blobs: Map<Digest.Digest, Uint8Array> = new Map()): BlobService["Service"] => {
  const find = (digest: Digest.Digest) => (digest === Digest.empty ? new Uint8Array(0) : blobs.get(digest))
  const keep = (bytes: Uint8Array): Digest.Digest => {
    const digest = Digest.ofBytes(bytes)
    if (bytes.length > 0) blobs.set(digest, bytes)
    return digest
  }
  const get = (digest: Digest.Digest) =>
    Effect.suspend(() => {
      const bytes = find(digest)
      return bytes === undefined ? Effect.succeedNone : Effect.asSome(Digest.verified(store, digest, bytes))
    })
  return BlobService.of({
    has: (digest) => Effect.sync(() => find(digest) !== undefined),
    get,
    getMany: (digests) => Effect.forEach(digests, get),
    read: (digest, range) =>
      Stream.unwrap(
        Effect.map(Effect.flatMap(get(digest), Effect.fromOption), (bytes) => {
          const offset = range?.offset ?? 0
          const part = bytes.subarray(offset, range?.length === undefined ? undefined : offset + range.length)
          return part.length === 0 ? Stream.empty : Stream.succeed(part)
        }).pipe(Effect.catchTag("NoSuchElementError", () => new MissingData({ store, kind: "blob", digest })))
      ),
    putMany: (contents) => Effect.sync(() => contents.map((bytes) => keep(bytes.slice()))),
    putStream: (bytes) =>
      Effect.map(Stream.runCollect(Stream.map(bytes, (piece) => piece.slice())), (pieces) => {
        const whole = concatBytes(pieces)
        return { digest: keep(whole), size: whole.length }
      }),
    list: () => Stream.suspend(() => Stream.fromIterable([...blobs.keys()]))
  })
}

export const layer: Layer.Layer<BlobService> = Layer.sync(BlobService, make)
