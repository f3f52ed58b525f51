/**
 * Directories over gRPC: `snix.castore.v1.DirectoryService`, and listing as an addition of yix.
 *
 * Directories come and go in their canonical encoding; any other is refused. An upload is stored whole or not at all. It may hold several trees and lean on what is stored.
 */
import { create } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Digest from "../../castore/Digest.ts"
import * as Directory from "../../castore/Directory.ts"
import { DirectoryService } from "../../castore/directory/DirectoryService.ts"
import { checked, toFault, unknown } from "../../castore/GrpcFaults.ts"
import type { Directory as DirectoryData } from "../../castore/Node.ts"
import { DirectoryService as Service, PutDirectoryResponseSchema } from "../../wire/gen/snix/castore/v1/rpc_directory_pb.ts"
import { ListedDigestsSchema, ListingService } from "../../wire/gen/yix/castore/v1/listing_pb.ts"
import { asBytes, rpc } from "../../wire/grpc/Rpc.ts"
import { code, RpcFault } from "../../wire/grpc/RpcError.ts"
import { clientStream, type Handler, serverStream } from "../../wire/grpc/Server.ts"

/** Bytes of one upload, which is in memory until it is stored. */
const uploadLimit = 256 << 20

export const directoryHandlers: ReadonlyArray<Handler<DirectoryService>> = [
  serverStream({ ...rpc(Service.method.get), response: asBytes }, ({ byWhat, recursive }) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const digest = yield* checked(() => Digest.fromBytes(byWhat.value ?? new Uint8Array(0)))
        const directories = yield* DirectoryService
        if (recursive) {
          return directories.getRecursive(digest).pipe(
            Stream.mapError(toFault),
            Stream.map(({ directory }) => Directory.encode(directory))
          )
        }
        const found = yield* Effect.mapError(directories.get(digest), toFault)
        if (Option.isNone(found)) return yield* unknown(`there is no directory ${Digest.toText(digest)}`)
        return Stream.succeed(Directory.encode(found.value))
      })
    )
  ),
  clientStream({ ...rpc(Service.method.put), request: asBytes }, (requests) =>
    Effect.gen(function* () {
      const all: Array<DirectoryData> = []
      let size = 0
      yield* Stream.runForEach(requests, (bytes) => {
        size += bytes.length
        if (size > uploadLimit) {
          const details = `an upload of directories may have ${uploadLimit} bytes; send the tree in several`
          return Effect.fail(new RpcFault({ code: code.resourceExhausted, details }))
        }
        return Effect.map(
          checked(() => Directory.decode(bytes)),
          (directory) => void all.push(directory)
        )
      })
      if (all.length === 0) return yield* new RpcFault({ code: code.invalidArgument, details: "the upload holds no directory" })
      const directories = yield* DirectoryService
      const digests = yield* Effect.mapError(directories.putMany(all), toFault)
      return create(PutDirectoryResponseSchema, { rootDigest: Digest.toBytes(digests[digests.length - 1]!) })
    })
  ),
  serverStream(rpc(ListingService.method.listDirectories), () =>
    Stream.unwrap(Effect.map(DirectoryService, (directories) => directories.list())).pipe(
      Stream.mapError(toFault),
      Stream.grouped(1024),
      Stream.map((digests) => create(ListedDigestsSchema, { digests: digests.map(Digest.toBytes) }))
    )
  )
]
