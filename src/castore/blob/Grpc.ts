/**
 * Blobs of another process: the client of `snix.castore.v1.BlobService`.
 *
 * The protocol has neither ranges nor batches: a range reads the whole blob, once to verify it and keep the range, or, where the range is large, a second time to
 * give it. Listing, and taking and looking for many at a time, are additions of yix; on servers without them blobs go one by one.
 */
import { create } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { concatBytes } from "../../nix/Bytes.ts"
import { BlobChunkSchema, BlobService as Service } from "../../wire/gen/snix/castore/v1/rpc_blobstore_pb.ts"
import { BlobBatchSchema, BlobBatchService, BlobDigestsSchema } from "../../wire/gen/yix/castore/v1/batch_pb.ts"
import { ListingService } from "../../wire/gen/yix/castore/v1/listing_pb.ts"
import type { BadGrpcAddress } from "../../wire/grpc/Address.ts"
import { type Channel, open } from "../../wire/grpc/Channel.ts"
import { rpc } from "../../wire/grpc/Rpc.ts"
import { code, type RpcFailed } from "../../wire/grpc/RpcError.ts"
import { type CastoreError, CorruptData, MissingData } from "../CastoreError.ts"
import * as Digest from "../Digest.ts"
import { answered, fromFailure, isUnknown } from "../GrpcFaults.ts"
import { BlobService, type StoredBlob } from "./BlobService.ts"

const stat = rpc(Service.method.stat)
const readBlob = rpc(Service.method.read)
const putBlob = rpc(Service.method.put)
const findMissing = rpc(BlobBatchService.method.findMissing)
const putBatch = rpc(BlobBatchService.method.put)
const listBlobs = rpc(ListingService.method.listBlobs)

/** Bytes sent in a message. */
export const pieceSize = 256 * 1024
/** A range up to this many bytes is kept while the blob is verified. */
const keptRange = 8 << 20
/** Calls under way at a time for one request. */
const concurrency = 16
/** Bytes and blobs of one batch; larger blobs are sent alone. */
const batchSize = 2 << 20
const batchCount = 1024
/** Digests looked for by one call. */
const lookupCount = 16_384
/** Batches under way at a time. */
const batchesUnderWay = 4

/** Cut into pieces that fit a message. */
export const cut = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  if (bytes.length <= pieceSize) return bytes.length === 0 ? [] : [bytes]
  const pieces: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += pieceSize) pieces.push(bytes.subarray(at, at + pieceSize))
  return pieces
}

/** Cut into groups of at most `count` that are together, by `sizeOf`, at most `batchSize`, unless one alone is more. */
const groups = <A>(all: ReadonlyArray<A>, count: number, sizeOf: (item: A) => number): ReadonlyArray<ReadonlyArray<A>> => {
  const found: Array<Array<A>> = []
  let size = 0
  for (const item of all) {
    const own = sizeOf(item)
    const last = found[found.length - 1]
    if (last === undefined || last.length >= count || size + own > batchSize) {
      found.push([item])
      size = own
    } else {
      last.push(item)
      size += own
    }
  }
  return found
}

/** Blobs over a channel. */
export const make = (channel: Channel): BlobService["Service"] => {
  const store = channel.peer

  /** The whole blob; fails at its end when it is not what its digest says. */
  const verified = (digest: Digest.Digest): Stream.Stream<Uint8Array, CastoreError> => {
    if (digest === Digest.empty) return Stream.empty
    return Stream.suspend(() => {
      const hasher = Digest.incremental()
      let size = 0
      return channel.serverStream(readBlob, { ...emptyRead, digest: Digest.toBytes(digest) }).pipe(
        Stream.mapError((error) =>
          isUnknown(error) ? new MissingData({ store, kind: "blob", digest: Digest.toText(digest) }) : fromFailure("read a blob")(error)
        ),
        Stream.map(({ data }) => {
          hasher.update(data)
          size += data.length
          return data
        }),
        Stream.filter((data) => data.length > 0),
        Stream.concat(
          Stream.suspend(() => {
            const actual = hasher.end()
            return actual === digest
              ? Stream.empty
              : Stream.fail(
                  new CorruptData({ store, digest: Digest.toText(digest), detail: `its ${size} bytes are ${Digest.toText(actual)}` })
                )
          })
        )
      )
    })
  }

  const ranged = (digest: Digest.Digest, offset: number, length: number | undefined): Stream.Stream<Uint8Array, CastoreError> => {
    const end = length === undefined ? Infinity : offset + length
    let at = 0
    const part = (piece: Uint8Array): Uint8Array => {
      const start = at
      at += piece.length
      return piece.subarray(Math.max(0, offset - start), Math.max(0, Math.min(piece.length, end - start)))
    }
    const nonEmpty = (piece: Uint8Array) => piece.length > 0
    if (end - offset <= keptRange) {
      return Stream.unwrap(
        Effect.map(Stream.runCollect(verified(digest).pipe(Stream.map(part), Stream.filter(nonEmpty))), (pieces) =>
          Stream.fromIterable(pieces)
        )
      )
    }
    return Stream.concat(
      Stream.drain(verified(digest)),
      Stream.suspend(() => verified(digest).pipe(Stream.map(part), Stream.filter(nonEmpty)))
    )
  }

  const get = (digest: Digest.Digest): Effect.Effect<Option.Option<Uint8Array>, CastoreError> =>
    Stream.runCollect(verified(digest)).pipe(
      Effect.map((pieces) => Option.some(pieces.length === 1 ? pieces[0]! : concatBytes(pieces))),
      Effect.catchTag("MissingData", () => Effect.succeedNone)
    )

  const putStream = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Effect.Effect<StoredBlob, CastoreError | E, R> =>
    Effect.suspend(() => {
      const hasher = Digest.incremental()
      let size = 0
      const chunks = bytes.pipe(
        Stream.flatMap((piece) => Stream.fromIterable(cut(piece))),
        Stream.map((data) => {
          hasher.update(data)
          size += data.length
          return create(BlobChunkSchema, { data })
        })
      )
      return channel.clientStream(putBlob, chunks).pipe(
        Effect.mapError((error) => (isRpcFailed(error) ? fromFailure("store a blob")(error) : error)),
        Effect.flatMap((answer) =>
          Effect.flatMap(
            answered(channel, "store a blob", () => Digest.fromBytes(answer.digest)),
            (digest) => {
              const own = hasher.end()
              return digest === own
                ? Effect.succeed({ digest, size })
                : Effect.fail(
                    new CorruptData({ store, digest: Digest.toText(own), detail: `the server stored it as ${Digest.toText(digest)}` })
                  )
            }
          )
        )
      )
    })

  const has = (digest: Digest.Digest): Effect.Effect<boolean, CastoreError> =>
    digest === Digest.empty
      ? Effect.succeed(true)
      : channel.unary(stat, { ...emptyStat, digest: Digest.toBytes(digest) }).pipe(
          Effect.as(true),
          Effect.catch((error) => (isUnknown(error) ? Effect.succeed(false) : Effect.fail(fromFailure("look for a blob")(error))))
        )

  /** Whether the server takes batches; unknown before the first. */
  let batches: boolean | undefined

  /** Answers by `whole` where the server takes batches, else by `single`. */
  const batched = <A>(whole: Effect.Effect<A, RpcFailed | CastoreError>, single: Effect.Effect<A, CastoreError>, operation: string) =>
    Effect.suspend((): Effect.Effect<A, CastoreError> => {
      if (batches === false) return single
      return whole.pipe(
        Effect.tap(() => Effect.sync(() => void (batches = true))),
        Effect.catch((error) => {
          if (error._tag !== "RpcFailed") return Effect.fail(error)
          if (error.code !== code.unimplemented || batches === true) return Effect.fail(fromFailure(operation)(error))
          batches = false
          return single
        })
      )
    })

  const missing = (digests: ReadonlyArray<Digest.Digest>): Effect.Effect<ReadonlyArray<Digest.Digest>, CastoreError> => {
    const lookUp = (part: ReadonlyArray<Digest.Digest>) =>
      Effect.flatMap(channel.unary(findMissing, create(BlobDigestsSchema, { digests: part.map(Digest.toBytes) })), (answer) =>
        answered(channel, "look for blobs", () => {
          const absent = new Set(answer.digests.map(Digest.fromBytes))
          return part.filter((digest) => absent.has(digest))
        })
      )
    const whole = Effect.forEach(
      groups(digests, lookupCount, () => 0),
      lookUp,
      { concurrency: batchesUnderWay }
    )
    const single = Effect.forEach(digests, (digest) => Effect.map(has(digest), (there) => (there ? [] : [digest])), { concurrency })
    return Effect.map(batched(whole, single, "look for blobs"), (parts) => parts.flat())
  }

  const putAlone = (bytes: Uint8Array) => Effect.map(putStream(Stream.succeed(bytes)), ({ digest }) => digest)

  const putTogether = (blobs: ReadonlyArray<Uint8Array>) => {
    const expected = blobs.map(Digest.ofBytes)
    const whole = Effect.flatMap(channel.unary(putBatch, create(BlobBatchSchema, { blobs: [...blobs] })), (answer) =>
      Effect.flatMap(
        answered(channel, "store blobs", () => answer.digests.map(Digest.fromBytes)),
        (stored) => {
          const wrong = expected.findIndex((digest, index) => stored[index] !== digest)
          if (wrong === -1) return Effect.succeed<ReadonlyArray<Digest.Digest>>(expected)
          const told = stored[wrong] === undefined ? "nothing" : Digest.toText(stored[wrong])
          return Effect.fail(new CorruptData({ store, digest: Digest.toText(expected[wrong]!), detail: `the server stored it as ${told}` }))
        }
      )
    )
    return batched(whole, Effect.forEach(blobs, putAlone, { concurrency }), "store blobs")
  }

  const putMany = (blobs: ReadonlyArray<Uint8Array>): Effect.Effect<ReadonlyArray<Digest.Digest>, CastoreError> =>
    Effect.map(
      Effect.forEach(
        groups(blobs, batchCount, (bytes) => bytes.length),
        (group) => (group.length === 1 ? Effect.map(putAlone(group[0]!), (digest) => [digest]) : putTogether(group)),
        { concurrency: batchesUnderWay }
      ),
      (parts) => parts.flat()
    )

  return BlobService.of({
    has,
    missing,
    get,
    getMany: (digests) => Effect.forEach(digests, get, { concurrency }),
    read: (digest, range) =>
      (range?.offset ?? 0) === 0 && range?.length === undefined ? verified(digest) : ranged(digest, range?.offset ?? 0, range?.length),
    putMany,
    putStream,
    list: () =>
      channel.serverStream(listBlobs, create(ListingService.method.listBlobs.input)).pipe(
        Stream.mapError(fromFailure("list blobs")),
        Stream.mapEffect(({ digests }) => answered(channel, "list blobs", () => digests.map(Digest.fromBytes))),
        Stream.flattenIterable
      )
  })
}

const emptyStat = create(Service.method.stat.input)
const emptyRead = create(Service.method.read.input)

const isRpcFailed = (error: unknown): error is RpcFailed =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "RpcFailed"

/** Blobs of the server at `address` (`wire/grpc/Address.ts`). */
export const layer = (address: string): Layer.Layer<BlobService, BadGrpcAddress | RpcFailed> =>
  Layer.effect(BlobService, Effect.map(open(address), make))
