/**
 * Path infos of a near and a far service: read near, else far, filling near. See `castore/NearFar.ts` for what both promise and where puts go.
 *
 * A path info that was filled near says nothing about where its tree is: blobs and directories come through services composed in the same way.
 * A put to near alone asks far nothing: signatures that only far has stay there.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { attempt, type CastoreError, CorruptData, InvalidData } from "../../castore/CastoreError.ts"
import * as InFlight from "../../castore/InFlight.ts"
import { listBoth, makeNearFailed, type NearFarOptions, openBoth } from "../../castore/NearFar.ts"
import { hashPart } from "../../nix/StorePath.ts"
import { type Offer, offerOfPart, ready } from "../Offer.ts"
import type { PathInfo } from "../PathInfo.ts"
import { PathInfoService } from "../PathInfoService.ts"
import { check } from "./Rules.ts"

type PathInfos = PathInfoService["Service"]
type Answer = Option.Option<PathInfo>

export const make = (near: PathInfos, far: PathInfos, options: NearFarOptions = {}): PathInfos => {
  const write = options.write ?? "both"
  const lookups = InFlight.make<Answer, CastoreError>()
  const nearFailed = makeNearFailed("path infos")
  /** Puts that began so far: what a look-up brings is not stored over what was put meanwhile. */
  let puts = 0

  const fill = (
    key: string,
    ask: (side: PathInfos) => Effect.Effect<Answer, CastoreError>,
    isAsked: (info: PathInfo) => boolean
  ): Effect.Effect<Answer, CastoreError> =>
    Effect.gen(function* () {
      const before = puts
      const answer = yield* ask(far)
      if (Option.isNone(answer)) return answer
      const info = answer.value
      const corrupt = (detail: string) => new CorruptData({ store: "far side", digest: `path info '${key}'`, detail })
      if (!isAsked(info)) return yield* corrupt(`it is that of '${info.path}'`)
      yield* Effect.mapError(
        attempt("far side", "read a path info", () => check(info)),
        (error) => (error instanceof InvalidData ? corrupt(error.message) : error)
      )
      if (puts !== before) return answer
      yield* Effect.logDebug(`filling the near side with '${info.path}'`)
      return yield* Effect.asSome(Effect.catch(near.put(info), (error) => Effect.as(nearFailed(error), info)))
    })

  const lookup = (
    key: string,
    ask: (side: PathInfos) => Effect.Effect<Answer, CastoreError>,
    isAsked: (info: PathInfo) => boolean
  ): Effect.Effect<Answer, CastoreError> =>
    Effect.gen(function* () {
      const answer = yield* Effect.result(ask(near))
      if (Result.isSuccess(answer)) {
        return Option.isSome(answer.success) ? answer.success : yield* lookups.share(key, fill(key, ask, isAsked))
      }
      const trouble = answer.failure
      yield* nearFailed(trouble)
      return yield* Effect.mapError(lookups.share(key, fill(key, ask, isAsked)), () => trouble).pipe(
        Effect.filterOrFail(Option.isSome, () => trouble)
      )
    })

  /** What far offers; fetching it fills near. */
  const offerOfFar = Effect.fnUntraced(function* (part: string) {
    const offer = yield* offerOfPart(far, part)
    if (Option.isNone(offer)) return Option.none<Offer>()
    const { here, told, file } = offer.value
    const bring = (onProgress?: (done: number) => void) =>
      lookups.share(
        part,
        fill(
          part,
          () => Effect.asSome(offer.value.fetch(onProgress)),
          (info) => info.path === told.path
        )
      )
    if (here !== undefined) return Option.map(yield* bring(), ready)
    return Option.some<Offer>({ told, here, file, fetch: (onProgress) => Effect.map(bring(onProgress), Option.getOrThrow) })
  })

  const offer = Effect.fnUntraced(function* (part: string) {
    const answer = yield* Effect.result(offerOfPart(near, part))
    if (Result.isSuccess(answer)) return Option.isSome(answer.success) ? answer.success : yield* offerOfFar(part)
    const trouble = answer.failure
    yield* nearFailed(trouble)
    return yield* Effect.mapError(offerOfFar(part), () => trouble).pipe(Effect.filterOrFail(Option.isSome, () => trouble))
  })

  /** Puts into far, and into near what far made of it, where near has an entry that would otherwise be out of date. */
  const putFar = Effect.fnUntraced(function* (info: PathInfo) {
    const stored = yield* far.put(info)
    const known = yield* Effect.result(near.get(info.path))
    if (Result.isSuccess(known) && Option.isNone(known.success)) return stored
    return yield* near.put(stored)
  })

  return PathInfoService.of({
    get: (path) =>
      lookup(
        path,
        (side) => side.get(path),
        (info) => info.path === path
      ),
    getByHashPart: (part) =>
      lookup(
        part,
        (side) => side.getByHashPart(part),
        (info) => hashPart(info.path) === part
      ),
    put: (info) =>
      Effect.suspend(() => {
        puts++
        if (write === "near") return near.put(info)
        // Far first: who asks near afterwards is not told of a path that far refused.
        return write === "far" ? putFar(info) : Effect.flatMap(far.put(info), (stored) => near.put(stored))
      }),
    paths: () => listBoth(near.paths(), far.paths(), (path) => path),
    list: () => listBoth(near.list(), far.list(), (info) => info.path),
    offer
  })
}

/** The types `cache` and `combined` of a composition's path-info services. */
export const layer = <E1, R1, E2, R2>(
  near: Layer.Layer<PathInfoService, E1, R1>,
  far: Layer.Layer<PathInfoService, E2, R2>,
  options?: NearFarOptions
): Layer.Layer<PathInfoService, E1 | E2, R1 | R2> => openBoth(PathInfoService, near, far, (near, far) => make(near, far, options))
