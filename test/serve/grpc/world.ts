/** An in-process gRPC server over services of the test's choice, on a Unix socket or a TCP port of its own. */
import "../../castore/crypto.ts"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Builder } from "../../../src/build/Builder.ts"
import type { BlobService } from "../../../src/castore/blob/BlobService.ts"
import * as GrpcBlobs from "../../../src/castore/blob/Grpc.ts"
import * as MemoryBlobs from "../../../src/castore/blob/Memory.ts"
import type { DirectoryService } from "../../../src/castore/directory/DirectoryService.ts"
import * as GrpcDirectories from "../../../src/castore/directory/Grpc.ts"
import * as MemoryDirectories from "../../../src/castore/directory/Memory.ts"
import type { BuildDoor } from "../../../src/serve/grpc/Builds.ts"
import { serveStore, type Served } from "../../../src/serve/grpc/GrpcServer.ts"
import * as GrpcPathInfos from "../../../src/store/pathinfo/Grpc.ts"
import * as MemoryPathInfos from "../../../src/store/pathinfo/Memory.ts"
import type { PathInfoService } from "../../../src/store/PathInfoService.ts"
import type { Listening } from "../../../src/wire/grpc/Server.ts"

export const root = mkdtempSync(join(tmpdir(), "yix-grpc-"))
let counter = 0

export const transports = ["a Unix socket", "TCP"] as const
export type Transport = (typeof transports)[number]

/** An address that nobody listens on yet. */
export const freshAddress = (transport: Transport): string =>
  transport === "TCP" ? "127.0.0.1:0" : `unix:${join(root, `${++counter}.sock`)}`

export class Peer extends Context.Service<Peer, Listening>()("test/Peer") {}

export const memory = () => Layer.mergeAll(MemoryBlobs.layer, MemoryDirectories.layer, MemoryPathInfos.layer)

/** A server over `behind`. */
export const server = (transport: Transport, behind: Layer.Layer<Served>): Layer.Layer<Peer, unknown> =>
  Layer.effect(Peer, serveStore(freshAddress(transport))).pipe(Layer.provide(behind))

/** A server over `behind` that builds, too. */
export const buildServer = (
  transport: Transport,
  behind: Layer.Layer<Served | Builder>,
  limits: Omit<BuildDoor, "builder"> = {}
): Layer.Layer<Peer, unknown> =>
  Layer.effect(
    Peer,
    Effect.flatMap(Builder, (builder) => serveStore(freshAddress(transport), { builds: { builder, ...limits } }))
  ).pipe(Layer.provide(behind))

/** The drivers, talking to such a server, which is there too. */
export const clients = (
  transport: Transport,
  behind: Layer.Layer<Served> = memory()
): Layer.Layer<BlobService | DirectoryService | PathInfoService | Peer, unknown> =>
  Layer.unwrap(
    Effect.map(Peer, ({ address }) =>
      Layer.mergeAll(GrpcBlobs.layer(address), GrpcDirectories.layer(address), GrpcPathInfos.layer(address))
    )
  ).pipe(Layer.provideMerge(server(transport, behind)))
