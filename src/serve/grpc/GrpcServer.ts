/**
 * The gRPC door of a store: blobs, directories and path infos for other processes, yix or Snix.
 *
 * All methods of `snix.*.v1` are also there as `tvix.*.v1`: the messages are the same. Whoever can connect may read, and write unless the server is read-only.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BlobService } from "../../castore/blob/BlobService.ts"
import type { DirectoryService } from "../../castore/directory/DirectoryService.ts"
import type { PathInfoService } from "../../store/PathInfoService.ts"
import type { BadGrpcAddress } from "../../wire/grpc/Address.ts"
import { code, RpcFault } from "../../wire/grpc/RpcError.ts"
import { type CannotListen, type Handler, listen, type Listening } from "../../wire/grpc/Server.ts"
import { blobHandlers } from "./Blobs.ts"
import { directoryHandlers } from "./Directories.ts"
import { healthHandlers } from "./Health.ts"
import { pathInfoHandlers } from "./PathInfos.ts"

/** What is served. */
export type Served = BlobService | DirectoryService | PathInfoService

const withTvix = <R>(handlers: ReadonlyArray<Handler<R>>): ReadonlyArray<Handler<R>> => [
  ...handlers,
  ...handlers.flatMap((handler) =>
    handler.path.startsWith("/snix.") ? [{ ...handler, path: handler.path.replace("/snix.", "/tvix.") }] : []
  )
]

const refusal = new RpcFault({ code: code.permissionDenied, details: "this server takes no uploads" })

/** The same without uploads. */
const withoutUploads = <R>(handlers: ReadonlyArray<Handler<R>>): ReadonlyArray<Handler<R>> =>
  handlers.map((handler) =>
    handler.path.endsWith("/Put") && handler.kind !== "serverStream" ? { ...handler, run: () => Effect.fail(refusal) } : handler
  )

/** Serves the store of the context on `address` (`wire/grpc/Address.ts`) until the scope closes. */
export const serveStore = (
  address: string,
  options: { readonly readOnly?: boolean } = {}
): Effect.Effect<Listening, BadGrpcAddress | CannotListen, Served | Scope.Scope> =>
  Effect.suspend(() => {
    const all = withTvix<Served>([...blobHandlers, ...directoryHandlers, ...pathInfoHandlers])
    const handlers = options.readOnly === true ? withoutUploads(all) : all
    return listen<Served>(address, [...handlers, ...healthHandlers(handlers)])
  })
