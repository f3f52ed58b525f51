/**
 * Near requests of an evaluation that name store paths, answered from the stores: the path is realised first (it may be a fetch that nobody needed
 * until now), then read through directory and blob service.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BlobService } from "../castore/blob/BlobService.ts"
import type { CastoreError } from "../castore/CastoreError.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { Digest, Directory } from "../castore/Node.ts"
import type { IoAnswer, NearRequest } from "../eval/IoRequest.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { fromBytes } from "../nix/Bytes.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { splitStorePath } from "../nix/StorePath.ts"
import { PathInfoService } from "../store/PathInfoService.ts"
import { Realiser } from "./Realiser.ts"
import type { RealiseError } from "./RealiseError.ts"
import { notInStore } from "./EvaluatorProtocol.ts"
import type { Found } from "./StoreTree.ts"
import { answerFromNode, findNode, nodeType, refusal } from "./StoreTree.ts"

type StoreRequest = NearRequest & { readonly path: ByteString }

const linkLimit = 40

/** Walks with directories loaded on demand: tries, loads what was missing, tries again. */
const walk = Effect.fnUntraced(function* (root: StorePath, node: Parameters<typeof findNode>[2], path: ByteString, follow: boolean) {
  const directories = yield* DirectoryService
  const loaded = new Map<Digest, Directory>()
  for (;;) {
    const found: Found = findNode({ directory: (digest) => loaded.get(digest) }, root, node, path, follow)
    if (found._tag !== "Damaged") return { found, loaded }
    const directory = yield* directories.get(found.digest)
    if (Option.isNone(directory)) return { found, loaded }
    loaded.set(found.digest, directory.value)
  }
})

/** Answers `request`, whose path is in the store `root` or below. Failures of the store are answers too; failures to realise are errors. */
export const readStore = Effect.fnUntraced(function* (
  root: StorePath,
  request: NearRequest
): Effect.fn.Return<IoAnswer, RealiseError | CastoreError, Realiser | PathInfoService | DirectoryService | BlobService> {
  const realiser = yield* Realiser
  const infos = yield* PathInfoService
  let wanted = request as StoreRequest
  let storePath = root
  for (let links = 0; links <= linkLimit; links++) {
    let info = yield* infos.get(storePath)
    if (Option.isNone(info)) {
      const obtained = yield* realiser.answer({ _tag: "EnsurePath", path: storePath })
      if (obtained === true) info = yield* infos.get(storePath)
    }
    if (Option.isNone(info)) return refusal(notInStore, `path '${storePath}' is not valid`)
    if (wanted._tag === "References") return { ok: true, value: info.value.references }
    const follow = wanted._tag === "PathType" ? wanted.follow : wanted._tag !== "ReadLink"
    const { found } = yield* walk(storePath, info.value.node, wanted.path, follow)
    if (found._tag === "Elsewhere") {
      if (!found.path.startsWith("/nix/store/")) return refusal(notInStore, found.path)
      storePath = splitStorePath(found.path).storePath
      wanted = { ...wanted, path: found.path }
      continue
    }
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
  }
  return refusal("loop", `too many symbolic links encountered while traversing the path '${wanted.path}'`)
})
