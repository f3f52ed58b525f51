/**
 * Copying closures between stores: many paths at a time, only what the destination lacks, and each path committed after everything that it refers to.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import type { BlobService } from "../castore/blob/BlobService.ts"
import { type CastoreError, InvalidData, MissingData } from "../castore/CastoreError.ts"
import * as Digest from "../castore/Digest.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import { DirectoryService as Directories } from "../castore/directory/DirectoryService.ts"
import type { Directory, FileNode, Node } from "../castore/Node.ts"
import { loadDirectories } from "../castore/view/TreeWalk.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { PathInfo } from "./PathInfo.ts"
import type { PathInfoService } from "./PathInfoService.ts"

/** One side of a copy. */
export interface CopySide {
  readonly pathInfos: PathInfoService["Service"]
  readonly blobs: BlobService["Service"]
  readonly directories: DirectoryService["Service"]
}

export interface CopyOptions {
  /** Paths moved at the same time. Default 16. */
  readonly concurrency?: number | undefined
  /** Hears of every path that was copied. */
  readonly onCopied?: ((info: PathInfo) => Effect.Effect<void>) | undefined
}

/** Blobs of one tree moved at the same time. */
const blobsUnderWay = 8

/** Brings what lies below a node to another castore: blobs that it lacks, then directories, leaves first. */
const copyTree = Effect.fnUntraced(function* (root: Node, from: CopySide, to: CopySide) {
  if (from.blobs === to.blobs && from.directories === to.directories) return
  const directories = yield* Effect.provideService(loadDirectories(root), Directories, from.directories)
  const files = new Map<Digest.Digest, FileNode>()
  const note = (node: Node) => {
    if (node._tag === "File") files.set(node.digest, node)
  }
  note(root)
  for (const { entries } of directories.values()) for (const { node } of entries) note(node)
  yield* Effect.forEach(
    files.values(),
    Effect.fnUntraced(function* ({ digest }) {
      if (yield* to.blobs.has(digest)) return
      yield* to.blobs.putStream(from.blobs.read(digest))
    }),
    { concurrency: blobsUnderWay, discard: true }
  )
  const ordered: Array<Directory> = []
  const entered = new Set<Digest.Digest>()
  const visit = (digest: Digest.Digest) => {
    if (entered.has(digest)) return
    entered.add(digest)
    const directory = directories.get(digest)!
    for (const { node } of directory.entries) if (node._tag === "Directory") visit(node.digest)
    ordered.push(directory)
  }
  if (root._tag === "Directory") visit(root.digest)
  if (ordered.length > 0) yield* to.directories.putMany(ordered)
})

/**
 * Makes `roots` and all that they refer to present in `to`. A path that `to` has is taken to have its closure there, too. Gives the infos of what was
 * copied, references before referrers. Fails with `MissingData` when `from` lacks a path.
 */
export const copyClosure = Effect.fn("store.copyClosure")(function* (
  roots: Iterable<StorePath>,
  from: CopySide,
  to: CopySide,
  options: CopyOptions = {}
): Effect.fn.Return<ReadonlyArray<PathInfo>, CastoreError> {
  const copied: Array<PathInfo> = []
  const visited = new Set<StorePath>()
  /** Paths that `to` has with all that they refer to. */
  const settled = new Set<StorePath>()
  /** What was brought but refers to what is not settled. */
  const waiting = new Map<StorePath, { readonly info: PathInfo; readonly open: Set<StorePath> }>()
  const waitingFor = new Map<StorePath, Array<StorePath>>()
  const moving = yield* Semaphore.make(options.concurrency ?? 16)

  const bring = Effect.fnUntraced(function* (path: StorePath): Effect.fn.Return<PathInfo | undefined, CastoreError> {
    if (Option.isSome(yield* to.pathInfos.get(path))) return undefined
    const info = yield* from.pathInfos.get(path)
    if (Option.isNone(info)) return yield* new MissingData({ store: "the source", kind: "path info", digest: path })
    yield* copyTree(info.value.node, from, to)
    return info.value
  })

  /** Commits what waited only for this path, and so on upwards. */
  const settle = (path: StorePath): Effect.Effect<void, CastoreError> =>
    Effect.suspend(() => {
      settled.add(path)
      const ready: Array<PathInfo> = []
      for (const dependent of waitingFor.get(path) ?? []) {
        const entry = waiting.get(dependent)
        if (entry === undefined || !entry.open.delete(path) || entry.open.size > 0) continue
        waiting.delete(dependent)
        ready.push(entry.info)
      }
      waitingFor.delete(path)
      return Effect.forEach(ready, commit, { concurrency: "unbounded", discard: true })
    })

  const commit = Effect.fnUntraced(function* (info: PathInfo): Effect.fn.Return<void, CastoreError> {
    yield* Semaphore.withPermit(moving, to.pathInfos.put(info))
    copied.push(info)
    if (options.onCopied !== undefined) yield* options.onCopied(info)
    yield* settle(info.path)
  })

  /** Brings a path and, as soon as they are known, what it refers to. Nothing waits for another path here, so cycles do no harm. */
  const visit = Effect.fnUntraced(function* (path: StorePath): Effect.fn.Return<void, CastoreError> {
    if (visited.has(path)) return
    visited.add(path)
    const info = yield* Semaphore.withPermit(moving, bring(path))
    if (info === undefined) return yield* settle(path)
    const references = info.references.filter((reference) => reference !== path)
    const open = new Set(references.filter((reference) => !settled.has(reference)))
    for (const reference of open) waitingFor.set(reference, [...(waitingFor.get(reference) ?? []), path])
    if (open.size > 0) waiting.set(path, { info, open })
    yield* open.size === 0 ? commit(info) : Effect.forEach(references, visit, { concurrency: "unbounded", discard: true })
  })

  yield* Effect.forEach(new Set(roots), visit, { concurrency: "unbounded", discard: true })
  for (const { info } of waiting.values()) {
    return yield* new InvalidData({
      what: `path info of '${info.path}'`,
      detail: "it refers to paths that refer back to it, as nothing that was built can"
    })
  }
  return copied
})
