/**
 * Copying closures between stores: many paths at a time, only what the destination lacks, and each path committed after everything that it refers to.
 *
 * What a path refers to is known from its offer, so a closure is asked for while the contents of its first paths are still under way.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import { type CastoreError, InvalidData, MissingData } from "../castore/CastoreError.ts"
import { type Castore, copyTree } from "../castore/CopyTree.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { has, type Offer, offerOf } from "./Offer.ts"
import type { PathInfo } from "./PathInfo.ts"
import type { PathInfoService } from "./PathInfoService.ts"

/** One side of a copy. */
export interface CopySide extends Castore {
  readonly pathInfos: PathInfoService["Service"]
}

export interface CopyOptions {
  /** Paths moved at the same time. Default 16. */
  readonly concurrency?: number | undefined
  /** Hears of every path that was copied. */
  readonly onCopied?: ((info: PathInfo) => Effect.Effect<void>) | undefined
}

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
  /** What waits for its own content, or for paths that are not settled. */
  const waiting = new Map<StorePath, { info: PathInfo | undefined; readonly open: Set<StorePath> }>()
  const waitingFor = new Map<StorePath, Array<StorePath>>()
  const permits = yield* Semaphore.make(options.concurrency ?? 16)
  const permitted = <A>(work: Effect.Effect<A, CastoreError>) => Semaphore.withPermit(permits, work)

  /** `undefined` where `to` has the path. */
  const look = Effect.fnUntraced(function* (path: StorePath): Effect.fn.Return<Offer | undefined, CastoreError> {
    if (yield* has(to.pathInfos, path)) return undefined
    const offer = yield* offerOf(from.pathInfos, path)
    if (Option.isNone(offer)) return yield* new MissingData({ store: "the source", kind: "path info", digest: path })
    return offer.value
  })

  const bring = Effect.fnUntraced(function* (offer: Offer): Effect.fn.Return<PathInfo, CastoreError> {
    const info = yield* offer.fetch()
    yield* copyTree(info.node, from, to, { trusting: false })
    return info
  })

  /** What this path was the last to be waited for. */
  const settle = (path: StorePath): Effect.Effect<void, CastoreError> =>
    Effect.suspend(() => {
      settled.add(path)
      const dependents = waitingFor.get(path) ?? []
      waitingFor.delete(path)
      return Effect.forEach(dependents, (dependent) => closed(dependent, path), { concurrency: "unbounded", discard: true })
    })

  /** Commits a path if nothing else is open for it. */
  const closed = (path: StorePath, what: StorePath): Effect.Effect<void, CastoreError> =>
    Effect.suspend(() => {
      const entry = waiting.get(path)
      if (entry === undefined || !entry.open.delete(what) || entry.open.size > 0) return Effect.void
      waiting.delete(path)
      return commit(entry.info!)
    })

  const commit = Effect.fnUntraced(function* (info: PathInfo): Effect.fn.Return<void, CastoreError> {
    yield* permitted(to.pathInfos.put(info))
    copied.push(info)
    if (options.onCopied !== undefined) yield* options.onCopied(info)
    yield* settle(info.path)
  })

  /** Brings a path and, as soon as they are known, what it refers to. Nothing waits for another path here, so cycles do no harm. */
  const visit = Effect.fnUntraced(function* (path: StorePath): Effect.fn.Return<void, CastoreError> {
    if (visited.has(path)) return
    visited.add(path)
    const offer = yield* permitted(look(path))
    if (offer === undefined) return yield* settle(path)
    const references = offer.told.references.filter((reference) => reference !== path)
    const entry = { info: undefined as PathInfo | undefined, open: new Set(references.filter((reference) => !settled.has(reference))) }
    for (const reference of entry.open) waitingFor.set(reference, [...(waitingFor.get(reference) ?? []), path])
    // A path waits for its own content as it does for others.
    entry.open.add(path)
    waiting.set(path, entry)
    const content = Effect.flatMap(permitted(bring(offer)), (info) => {
      entry.info = info
      return closed(path, path)
    })
    yield* Effect.all([content, Effect.forEach(references, visit, { concurrency: "unbounded", discard: true })], {
      concurrency: "unbounded",
      discard: true
    })
  })

  yield* Effect.forEach(new Set(roots), visit, { concurrency: "unbounded", discard: true })
  for (const path of waiting.keys()) {
    return yield* new InvalidData({
      what: `path info of '${path}'`,
      detail: "it refers to paths that refer back to it, as nothing that was built can"
    })
  }
  return copied
})
