/**
 * Where a path below `/nix/store` ends: at a node of a store, or outside of all of them.
 *
 * Links are followed from one store path into the next. Directories are loaded as the walk comes to them.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CastoreError } from "../castore/CastoreError.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { Digest, Directory, Node } from "../castore/Node.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { isInStore, splitStorePath, type StorePath } from "../nix/StorePath.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import { findNode, type Found } from "./StoreTree.ts"

export type Place =
  /** In the store path of `info`; `path` is where the walk ended, links in front of its last name followed. */
  | { readonly _tag: "Inside"; readonly info: PathInfo; readonly path: ByteString; readonly found: Exclude<Found, { _tag: "Elsewhere" }> }
  /** No store has `storePath`, which `path` is or lies in. */
  | { readonly _tag: "Unknown"; readonly storePath: StorePath; readonly path: ByteString }
  /** A link led to `path`, which is in no store path. */
  | { readonly _tag: "Outside"; readonly path: ByteString }

const linkLimit = 40

/** Walks with directories loaded on demand: tries, loads what was missing, tries again. */
const walk = Effect.fnUntraced(function* (root: StorePath, node: Node, path: ByteString, follow: boolean) {
  const directories = yield* DirectoryService
  const loaded = new Map<Digest, Directory>()
  for (;;) {
    const found = findNode({ directory: (digest) => loaded.get(digest) }, root, node, path, follow)
    if (found._tag !== "Damaged") return found
    const directory = yield* directories.get(found.digest)
    if (Option.isNone(directory)) return found
    loaded.set(found.digest, directory.value)
  }
})

/**
 * Finds `path`, which is a store path or lies below one. A link in last place is followed only when `follow`. `present` makes a store path present where
 * that can be done.
 */
export const locate = <E, R>(
  path: ByteString,
  follow: boolean,
  present: (path: StorePath) => Effect.Effect<Option.Option<PathInfo>, E, R>
): Effect.Effect<Place, E | CastoreError, R | DirectoryService> =>
  Effect.gen(function* () {
    let wanted = path
    for (let links = 0; ; links++) {
      const { storePath } = splitStorePath(wanted)
      const info = yield* present(storePath)
      if (Option.isNone(info)) return { _tag: "Unknown", storePath, path: wanted }
      const found = yield* walk(storePath, info.value.node, wanted, follow)
      if (found._tag !== "Elsewhere") return { _tag: "Inside", info: info.value, path: wanted, found }
      if (links === linkLimit) return { _tag: "Inside", info: info.value, path: wanted, found: { _tag: "Loop" } }
      if (!isInStore(found.path)) return { _tag: "Outside", path: found.path }
      wanted = found.path
    }
  })
