/**
 * Path infos in memory, for tests, for evaluation without a store and for playgrounds.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { attempt } from "../../castore/CastoreError.ts"
import { hashPart, type StorePath } from "../../nix/StorePath.ts"
import type { PathInfo } from "../PathInfo.ts"
import { PathInfoService } from "../PathInfoService.ts"
import { check, merge } from "./Rules.ts"

/** A map from hash part to path info, which may be handed in. */
export const make = (infos: Map<string, PathInfo> = new Map()): PathInfoService["Service"] => {
  const find = (path: StorePath) => {
    const info = infos.get(hashPart(path))
    return info?.path === path ? info : undefined
  }
  return PathInfoService.of({
    get: (path) => Effect.sync(() => Option.fromUndefinedOr(find(path))),
    getByHashPart: (part) => Effect.sync(() => Option.fromUndefinedOr(infos.get(part))),
    put: (info) =>
      attempt("memory", "store a path info", () => {
        check(info)
        const merged = merge(find(info.path), info)
        infos.set(hashPart(info.path), merged)
        return merged
      }),
    paths: () => Stream.suspend(() => Stream.fromIterable([...infos.values()].map((info) => info.path))),
    list: () => Stream.suspend(() => Stream.fromIterable([...infos.values()]))
  })
}

export const layer: Layer.Layer<PathInfoService> = Layer.sync(PathInfoService, make)
