/**
 * The gRPC door of a store: blobs, directories and path infos for other processes, yix or Snix, and, where that is wanted, a builder.
 *
 * All methods of `snix.*.v1` are also there as `tvix.*.v1`. Whoever can connect may read, write unless the server is read-only, and have builds run if there is a builder.
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
import { type BuildDoor, buildHandlers } from "./Builds.ts"
import { directoryHandlers } from "./Directories.ts"
import { healthHandlers } from "./Health.ts"
import { pathInfoHandlers } from "./PathInfos.ts"
import { reflectionHandlers } from "./Reflection.ts"

/** What is served. */
export type Served = BlobService | DirectoryService | PathInfoService

/** The same also as Tvix had it, where the messages are the same. */
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
    handler.path.endsWith("/Put") && (handler.kind === "unary" || handler.kind === "clientStream")
      ? { ...handler, run: () => Effect.fail(refusal) }
      : handler
  )

export interface ServeOptions {
  readonly readOnly?: boolean | undefined
  /** Builds for others. Default: none are. */
  readonly builds?: BuildDoor | undefined
}

/** Serves the store of the context on `address` (`wire/grpc/Address.ts`) until the scope closes. */
export const serveStore = (
  address: string,
  { readOnly, builds }: ServeOptions = {}
): Effect.Effect<Listening, BadGrpcAddress | CannotListen, Served | Scope.Scope> =>
  Effect.suspend(() => {
    const store = withTvix<Served>([...blobHandlers, ...directoryHandlers, ...pathInfoHandlers])
    const offered = [...(readOnly === true ? withoutUploads(store) : store), ...(builds === undefined ? [] : buildHandlers(builds))]
    const described = [...offered, ...healthHandlers(offered)]
    return listen<Served>(address, [...described, ...reflectionHandlers(described)])
  })
