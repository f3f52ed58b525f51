/**
 * The path infos that were used last, in memory: the near side of a cache. What is put when it is full pushes out what was not asked for the longest.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { attempt, InvalidData } from "../../castore/CastoreError.ts"
import { hashPart } from "../../nix/StorePath.ts"
import type { PathInfo } from "../PathInfo.ts"
import { PathInfoService } from "../PathInfoService.ts"
import { check, merge } from "./Rules.ts"

export interface LruOptions {
  /** Path infos held at most; at least 1. */
  readonly capacity: number
}

/** Throws `InvalidData` for a capacity that is none. */
export const make = ({ capacity }: LruOptions): PathInfoService["Service"] => {
  if (!Number.isSafeInteger(capacity) || capacity < 1)
    throw new InvalidData({ what: "capacity of an lru service", detail: `${capacity} is not a whole number above 0` })
  /** By hash part, those used last at the end. */
  const infos = new Map<string, PathInfo>()

  const use = (part: string, wanted: (info: PathInfo) => boolean): Option.Option<PathInfo> => {
    const info = infos.get(part)
    if (info === undefined || !wanted(info)) return Option.none()
    infos.delete(part)
    infos.set(part, info)
    return Option.some(info)
  }

  return PathInfoService.of({
    get: (path) => Effect.sync(() => use(hashPart(path), (info) => info.path === path)),
    getByHashPart: (part) => Effect.sync(() => use(part, () => true)),
    put: (info) =>
      attempt("lru", "store a path info", () => {
        check(info)
        const part = hashPart(info.path)
        const earlier = infos.get(part)
        const merged = merge(earlier?.path === info.path ? earlier : undefined, info)
        infos.delete(part)
        infos.set(part, merged)
        for (const oldest of infos.keys()) {
          if (infos.size <= capacity) break
          infos.delete(oldest)
        }
        return merged
      }),
    paths: () => Stream.suspend(() => Stream.fromIterable([...infos.values()].map((info) => info.path))),
    list: () => Stream.suspend(() => Stream.fromIterable([...infos.values()]))
  })
}

/** Type `lru` in a composition. */
export const layer = (options: LruOptions): Layer.Layer<PathInfoService, InvalidData> =>
  Layer.effect(
    PathInfoService,
    Effect.try({
      try: () => make(options),
      catch: (cause) => cause as InvalidData
    })
  )
