/**
 * The blob service: bytes under their BLAKE3 digest.
 *
 * Contract, checked by `test/castore/blob.contract.ts` over every driver:
 * what `get` gives and a `read` that ends without an error was verified against the digest (a damaged blob fails with `CorruptData`, a whole one at its
 * end at the latest, a range before its first byte); `put` is idempotent, survives the death of the process when it returns, and loss of power when
 * a path info that leads to it is committed; absence is `None`.
 * Drivers live beside this file, one a file.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { CastoreError } from "../CastoreError.ts"
import type { Digest } from "../Node.ts"

export interface StoredBlob {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}

export class BlobService extends Context.Service<
  BlobService,
  {
    has(digest: Digest): Effect.Effect<boolean, CastoreError>
    /** Those that are not there, for services where asking for many at a time is cheaper than one by one. */
    missing?(digests: ReadonlyArray<Digest>): Effect.Effect<ReadonlyArray<Digest>, CastoreError>
    /** The whole blob in memory. For blobs known to be small; others go through `read`. */
    get(digest: Digest): Effect.Effect<Option.Option<Uint8Array>, CastoreError>
    /** Several small blobs in one go, in the order asked for. */
    getMany(digests: ReadonlyArray<Digest>): Effect.Effect<ReadonlyArray<Option.Option<Uint8Array>>, CastoreError>
    /** The blob's bytes from `offset` (default 0), at most `length` of them. Fails with `MissingData` when the blob is absent. */
    read(digest: Digest, range?: { readonly offset?: number; readonly length?: number }): Stream.Stream<Uint8Array, CastoreError>
    /** Stores blobs that are in memory, in one go; digests in the order given. The caller may reuse the buffers afterwards. */
    putMany(blobs: ReadonlyArray<Uint8Array>): Effect.Effect<ReadonlyArray<Digest>, CastoreError>
    /** Stores a blob of unknown length in bounded memory. An interrupted or failed upload leaves nothing. */
    putStream<E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Effect.Effect<StoredBlob, CastoreError | E, R>
    /** All digests held, for verification and collection. The empty blob needs not be held to be found. */
    list(): Stream.Stream<Digest, CastoreError>
  }
>()("yix/castore/BlobService") {}
