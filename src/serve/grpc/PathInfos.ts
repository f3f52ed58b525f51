/**
 * Path infos over gRPC: `snix.store.v1.PathInfoService`, with the calculation of NARs.
 */
import { create } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { BlobService } from "../../castore/blob/BlobService.ts"
import type { DirectoryService } from "../../castore/directory/DirectoryService.ts"
import * as EntryMessage from "../../castore/EntryMessage.ts"
import { checked, toFault, unknown } from "../../castore/GrpcFaults.ts"
import * as Base32 from "../../nix/Base32.ts"
import { calculate } from "../../store/Nar.ts"
import { fromMessage, toMessage } from "../../store/pathinfo/Message.ts"
import { PathInfoService } from "../../store/PathInfoService.ts"
import { CalculateNARResponseSchema, PathInfoService as Service } from "../../wire/gen/snix/store/v1/rpc_pathinfo_pb.ts"
import { rpc } from "../../wire/grpc/Rpc.ts"
import { code, RpcFault } from "../../wire/grpc/RpcError.ts"
import { type Handler, serverStream, unary } from "../../wire/grpc/Server.ts"

const invalid = (details: string) => new RpcFault({ code: code.invalidArgument, details })

export const pathInfoHandlers: ReadonlyArray<Handler<PathInfoService | BlobService | DirectoryService>> = [
  unary(rpc(Service.method.get), ({ byWhat }) =>
    Effect.gen(function* () {
      const digest = byWhat.value
      if (digest?.length !== 20) return yield* invalid(`a store path's digest has 20 bytes, not ${digest?.length ?? 0}`)
      const part = Base32.encode(digest)
      const found = yield* Effect.flatMap(PathInfoService, (infos) => Effect.mapError(infos.getByHashPart(part), toFault))
      if (Option.isNone(found)) return yield* unknown(`there is no store path with the hash part ${part}`)
      return yield* checked(() => toMessage(found.value))
    })
  ),
  unary(rpc(Service.method.put), (message) =>
    Effect.gen(function* () {
      const info = yield* checked(() => fromMessage(message))
      const stored = yield* Effect.flatMap(PathInfoService, (infos) => Effect.mapError(infos.put(info), toFault))
      return yield* checked(() => toMessage(stored))
    })
  ),
  unary(rpc(Service.method.calculateNAR), (message) =>
    Effect.gen(function* () {
      const { name, node } = yield* checked(() => EntryMessage.fromMessage(message))
      if (name !== "") return yield* invalid("the root of a NAR has no name")
      const { narHash, narSize } = yield* Effect.mapError(calculate(node), toFault)
      return create(CalculateNARResponseSchema, { narSha256: narHash, narSize: BigInt(narSize) })
    })
  ),
  serverStream(rpc(Service.method.list), () =>
    Stream.unwrap(Effect.map(PathInfoService, (infos) => infos.list())).pipe(
      Stream.mapError(toFault),
      Stream.mapEffect((info) => checked(() => toMessage(info)))
    )
  )
]
