/**
 * Blobs over gRPC: `snix.castore.v1.BlobService`, and listing and batches as additions of yix.
 *
 * No finer split of a blob is known here, so `Stat` sends no chunks; it sends no bao either.
 */
import { create } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { BlobService } from "../../castore/blob/BlobService.ts"
import { cut } from "../../castore/blob/Grpc.ts"
import * as Digest from "../../castore/Digest.ts"
import { checked, toFault, unknown } from "../../castore/GrpcFaults.ts"
import {
  BlobChunkSchema,
  BlobService as Service,
  PutBlobResponseSchema,
  StatBlobResponseSchema
} from "../../wire/gen/snix/castore/v1/rpc_blobstore_pb.ts"
import { BlobBatchService, BlobDigestsSchema } from "../../wire/gen/yix/castore/v1/batch_pb.ts"
import { ListedDigestsSchema, ListingService } from "../../wire/gen/yix/castore/v1/listing_pb.ts"
import { rpc } from "../../wire/grpc/Rpc.ts"
import { RpcFault } from "../../wire/grpc/RpcError.ts"
import { clientStream, type Handler, serverStream, unary } from "../../wire/grpc/Server.ts"

/** Blobs looked for at a time, for one call. */
const lookupsUnderWay = 16

/** The blob, or NOT_FOUND, before anything of it is sent. */
const known = (bytes: Uint8Array) =>
  Effect.gen(function* () {
    const digest = yield* checked(() => Digest.fromBytes(bytes))
    const blobs = yield* BlobService
    if (!(yield* Effect.mapError(blobs.has(digest), toFault))) return yield* unknown(`there is no blob ${Digest.toText(digest)}`)
    return { blobs, digest }
  })

export const blobHandlers: ReadonlyArray<Handler<BlobService>> = [
  unary(rpc(Service.method.stat), ({ digest }) => Effect.as(known(digest), create(StatBlobResponseSchema))),
  serverStream(rpc(Service.method.read), (request) =>
    Stream.unwrap(Effect.map(known(request.digest), ({ blobs, digest }) => Stream.mapError(blobs.read(digest), toFault))).pipe(
      Stream.flatMap((bytes) => Stream.fromIterable(cut(bytes))),
      Stream.map((data) => create(BlobChunkSchema, { data }))
    )
  ),
  clientStream(rpc(Service.method.put), (requests) =>
    Effect.flatMap(BlobService, (blobs) => blobs.putStream(Stream.map(requests, ({ data }) => data))).pipe(
      Effect.mapError((error) => (error instanceof RpcFault ? error : toFault(error))),
      Effect.map(({ digest }) => create(PutBlobResponseSchema, { digest: Digest.toBytes(digest) }))
    )
  ),
  unary(rpc(BlobBatchService.method.findMissing), ({ digests }) =>
    Effect.gen(function* () {
      const asked = yield* checked(() => digests.map(Digest.fromBytes))
      const blobs = yield* BlobService
      const there = yield* Effect.forEach(asked, (digest) => Effect.mapError(blobs.has(digest), toFault), { concurrency: lookupsUnderWay })
      return create(BlobDigestsSchema, { digests: digests.filter((_, index) => !there[index]) })
    })
  ),
  unary(rpc(BlobBatchService.method.put), (batch) =>
    Effect.flatMap(BlobService, (blobs) => blobs.putMany(batch.blobs)).pipe(
      Effect.mapError(toFault),
      Effect.map((digests) => create(BlobDigestsSchema, { digests: digests.map(Digest.toBytes) }))
    )
  ),
  serverStream(rpc(ListingService.method.listBlobs), () =>
    Stream.unwrap(Effect.map(BlobService, (blobs) => blobs.list())).pipe(
      Stream.mapError(toFault),
      Stream.grouped(1024),
      Stream.map((digests) => create(ListedDigestsSchema, { digests: digests.map(Digest.toBytes) }))
    )
  )
]
