/**
 * Near requests of an evaluation that name store paths, and hashes of sources that lie in them, answered from the stores: the path is realised first (it may be
 * a fetch that nobody needed until now), then read through directory and blob service.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BlobService } from "../castore/blob/BlobService.ts"
import type { CastoreError } from "../castore/CastoreError.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import * as Memory from "../castore/directory/Memory.ts"
import type { Node } from "../castore/Node.ts"
import { pruneTree } from "../castore/PruneTree.ts"
import type { IoAnswer, NearRequest } from "../eval/IoRequest.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { fromBytes } from "../nix/Bytes.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { splitStorePath } from "../nix/StorePath.ts"
import { pathOfNode } from "../store/Add.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import { PathInfoService } from "../store/PathInfoService.ts"
import { addOptions, type AddSource, sourceFailure, sourceNode } from "./Additions.ts"
import { Realiser } from "./Realiser.ts"
import type { RealiseError } from "./RealiseError.ts"
import { notInStore } from "./EvaluatorProtocol.ts"
import { locate } from "./StorePlaces.ts"
import { answerFromNode, nodeType, refusal } from "./StoreTree.ts"

type StoreRequest = NearRequest & { readonly path: ByteString }

/** Hears of the store paths that are looked at. */
export type Visited = (path: StorePath, info: Option.Option<PathInfo>) => void

/** The path info of a store path, which is made present where that can be done. */
const present = Effect.fnUntraced(function* (
  path: StorePath
): Effect.fn.Return<Option.Option<PathInfo>, RealiseError | CastoreError, Realiser | PathInfoService> {
  const infos = yield* PathInfoService
  const info = yield* infos.get(path)
  if (Option.isSome(info)) return info
  const realiser = yield* Realiser
  if ((yield* realiser.answer({ _tag: "EnsurePath", path })) !== true) return info
  yield* realiser.answer({ _tag: "Realise", elements: [{ _tag: "Path", path }], derivations: [] })
  return yield* infos.get(path)
})

const visiting = (visited: Visited) => (path: StorePath) => Effect.tap(present(path), (info) => Effect.sync(() => visited(path, info)))

/** Looks at the store paths that a source lies in, once it is known to be there. One that a link leads out of the store to is in none. */
export const visitSource = Effect.fnUntraced(function* (
  path: ByteString,
  visited: Visited
): Effect.fn.Return<void, CastoreError, PathInfoService | DirectoryService> {
  const infos = yield* PathInfoService
  const place = yield* locate(path, false, (path) => Effect.tap(infos.get(path), (info) => Effect.sync(() => visited(path, info))))
  if (place._tag === "Outside") visited(splitStorePath(path).storePath, Option.none())
})

/** Answers `request`, whose path is a store path or lies below one. Failures of the store are answers too; failures to realise are errors. */
export const readStore = Effect.fnUntraced(function* (
  request: StoreRequest,
  visited: Visited
): Effect.fn.Return<IoAnswer, RealiseError | CastoreError, Realiser | PathInfoService | DirectoryService | BlobService> {
  // What a path refers to does not depend on where in it one looks.
  const at = request._tag === "References" ? splitStorePath(request.path).storePath : request.path
  const follow = request._tag === "PathType" ? request.follow : request._tag !== "ReadLink" && request._tag !== "References"
  const place = yield* locate(at, follow, visiting(visited))
  if (place._tag === "Unknown") return refusal(notInStore, `path '${place.storePath}' is not valid`)
  if (place._tag === "Outside") return refusal(notInStore, place.path)
  if (request._tag === "References") return { ok: true, value: place.info.references }
  const { found } = place
  const wanted = { ...request, path: place.path }
  const simple = answerFromNode(wanted, found)
  if (simple !== undefined) return simple
  if (found._tag !== "Node") return refusal("io", `cannot read '${wanted.path}'`)
  if (found.node._tag === "Directory") {
    const directory = yield* (yield* DirectoryService).get(found.node.digest)
    if (Option.isNone(directory)) return refusal("damaged", `path '${wanted.path}' is damaged in the store; run 'yix store verify'`)
    return { ok: true, value: directory.value.entries.map((entry) => [entry.name, nodeType(entry.node)] as const) }
  }
  if (found.node._tag === "File") {
    const blobs = yield* BlobService
    const pieces = yield* Stream.runCollect(blobs.read(found.node.digest))
    return { ok: true, value: pieces.map(fromBytes).join("") }
  }
  return refusal("io", `cannot read '${wanted.path}'`)
})

/** The path that a source in a store path would have, in an evaluation that writes nothing. Failures to read or realise it are errors. */
export const hashStored = Effect.fnUntraced(function* (
  request: AddSource,
  visited: Visited
): Effect.fn.Return<IoAnswer, RealiseError | CastoreError, Realiser | PathInfoService | DirectoryService | BlobService> {
  const { name, path, accepted } = request
  const place = yield* locate(path, false, visiting(visited))
  if (place._tag !== "Inside") return refusal(notInStore, `path '${path}' is in no store`)
  const found = yield* sourceNode(path, place)
  const hashed = (node: Node) => Effect.mapError(pathOfNode(name, path, node, addOptions(request)), (error) => sourceFailure(path, error))
  if (accepted === undefined) return { ok: true, value: yield* hashed(found) }
  const scratch = Memory.make()
  const node = yield* pruneTree(found, accepted, scratch)
  return { ok: true, value: yield* Effect.provideService(hashed(node), DirectoryService, scratch) }
})
