/**
 * Path infos of another process: the client of `snix.store.v1.PathInfoService`.
 *
 * The protocol lists whole path infos only, so `paths` stops at an entry that the server cannot read, and it looks paths up by their hash part.
 */
import { create } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { attempt, type CastoreError, CorruptData } from "../../castore/CastoreError.ts"
import * as EntryMessage from "../../castore/EntryMessage.ts"
import { answered, fromFailure, isUnknown } from "../../castore/GrpcFaults.ts"
import type { NarSummary } from "../../castore/ingest/NarDigest.ts"
import type { Node } from "../../castore/Node.ts"
import * as Base32 from "../../nix/Base32.ts"
import { hashPart, hashPartLength } from "../../nix/StorePath.ts"
import type { PathInfo as Message } from "../../wire/gen/snix/store/v1/pathinfo_pb.ts"
import { PathInfoService as Service } from "../../wire/gen/snix/store/v1/rpc_pathinfo_pb.ts"
import type { BadGrpcAddress } from "../../wire/grpc/Address.ts"
import { type Channel, open } from "../../wire/grpc/Channel.ts"
import { rpc } from "../../wire/grpc/Rpc.ts"
import type { RpcFailed } from "../../wire/grpc/RpcError.ts"
import type { PathInfo } from "../PathInfo.ts"
import { PathInfoService } from "../PathInfoService.ts"
import { fromMessage, toMessage } from "./Message.ts"

const getPathInfo = rpc(Service.method.get)
const putPathInfo = rpc(Service.method.put)
const listPathInfos = rpc(Service.method.list)
const calculate = rpc(Service.method.calculateNAR)

const digestOfPart = (part: string): Uint8Array | undefined => {
  if (part.length !== hashPartLength) return undefined
  try {
    return Base32.decode(part)
  } catch {
    return undefined
  }
}

/** Path infos over a channel. */
export const make = (channel: Channel): PathInfoService["Service"] => {
  const received = (message: Message): Effect.Effect<PathInfo, CastoreError> =>
    Effect.try({
      try: () => fromMessage(message),
      catch: (cause) =>
        new CorruptData({
          store: channel.peer,
          digest: `path info '${String.fromCharCode(...(message.entry?.entry.value?.name ?? []))}'`,
          detail: cause instanceof Error ? cause.message : String(cause)
        })
    })

  const getByHashPart = (part: string): Effect.Effect<Option.Option<PathInfo>, CastoreError> => {
    const value = digestOfPart(part)
    if (value === undefined) return Effect.succeedNone
    return channel.unary(getPathInfo, create(Service.method.get.input, { byWhat: { case: "byOutputHash", value } })).pipe(
      Effect.asSome,
      Effect.catch((error) => (isUnknown(error) ? Effect.succeedNone : Effect.fail(fromFailure("read a path info")(error)))),
      Effect.flatMap((message) => (Option.isNone(message) ? Effect.succeedNone : Effect.asSome(received(message.value))))
    )
  }

  const list = (): Stream.Stream<PathInfo, CastoreError> =>
    channel
      .serverStream(listPathInfos, create(Service.method.list.input))
      .pipe(Stream.mapError(fromFailure("list path infos")), Stream.mapEffect(received))

  return PathInfoService.of({
    get: (path) =>
      Effect.map(
        getByHashPart(hashPart(path)),
        Option.filter((info) => info.path === path)
      ),
    getByHashPart,
    put: (info) =>
      attempt(channel.peer, "store a path info", () => toMessage(info)).pipe(
        Effect.flatMap((message) => Effect.mapError(channel.unary(putPathInfo, message), fromFailure("store a path info"))),
        Effect.flatMap(received)
      ),
    paths: () => Stream.map(list(), (info) => info.path),
    list
  })
}

/** Hash and size of the NAR of a tree that the server has, computed there. */
export const calculateNar = (channel: Channel, node: Node): Effect.Effect<NarSummary, CastoreError> =>
  attempt(channel.peer, "calculate a NAR", () => EntryMessage.toMessage({ name: "", node })).pipe(
    Effect.flatMap((entry) => Effect.mapError(channel.unary(calculate, entry), fromFailure("calculate a NAR"))),
    Effect.flatMap(({ narSize, narSha256 }) =>
      answered(channel, "calculate a NAR", () => {
        if (narSha256.length !== 32) throw new Error(`the server sent a hash of ${narSha256.length} bytes instead of 32`)
        return { narHash: Uint8Array.from(narSha256), narSize: Number(narSize) }
      })
    )
  )

/** Path infos of the server at `address` (`wire/grpc/Address.ts`). */
export const layer = (address: string): Layer.Layer<PathInfoService, BadGrpcAddress | RpcFailed> =>
  Layer.effect(PathInfoService, Effect.map(open(address), make))
