/**
 * Closures: store paths with everything they refer to, directly or not.
 */
import * as Effect from "effect/Effect"
import { type CastoreError, MissingData } from "../castore/CastoreError.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { PathClaim } from "./Offer.ts"
import type { PathInfo } from "./PathInfo.ts"
import { PathInfoService } from "./PathInfoService.ts"

/** Path infos asked for at the same time. */
const lookupsUnderWay = 32

/**
 * The infos of these paths and of all that they refer to, references before referrers, otherwise in the order of their names. Fails with `MissingData` when
 * one is not in the store.
 */
export const closure = Effect.fn("store.closure")(function* (
  roots: Iterable<StorePath>
): Effect.fn.Return<ReadonlyArray<PathInfo>, CastoreError, PathInfoService> {
  const service = yield* PathInfoService
  const infos = new Map<StorePath, PathInfo>()
  let wanted = [...new Set(roots)]
  while (wanted.length > 0) {
    const found = yield* Effect.forEach(
      wanted,
      (path) =>
        Effect.flatMap(service.get(path), (info) =>
          Effect.fromOption(info, () => new MissingData({ store: "the store", kind: "path info", digest: path }))
        ),
      { concurrency: lookupsUnderWay }
    )
    for (const info of found) infos.set(info.path, info)
    wanted = [...new Set(found.flatMap((info) => info.references))].filter((path) => !infos.has(path))
  }
  return inOrder(infos)
})

/** References before referrers. References to what is not in the map are passed over, and so are cycles, which no store has. */
export const inOrder = <I extends PathClaim>(infos: ReadonlyMap<StorePath, I>): ReadonlyArray<I> => {
  const ordered: Array<I> = []
  const entered = new Set<StorePath>()
  for (const root of [...infos.keys()].sort()) {
    if (entered.has(root)) continue
    entered.add(root)
    const stack = [{ info: infos.get(root)!, next: 0 }]
    while (stack.length > 0) {
      const frame = stack[stack.length - 1]!
      const reference = frame.info.references[frame.next++]
      if (reference === undefined) {
        ordered.push(frame.info)
        stack.pop()
        continue
      }
      const info = infos.get(reference)
      if (info === undefined || entered.has(reference)) continue
      entered.add(reference)
      stack.push({ info, next: 0 })
    }
  }
  return ordered
}
