/**
 * Answering a request for a closure out of one binary cache (`builtins.fetchClosure`).
 *
 * What is content-addressed needs nobody's word; the rest must be signed by a trusted key, or is rewritten to be content-addressed: then the name that was asked for vouches.
 * A rewritten closure is committed only when its name is the one that was asked for.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import { BlobService } from "../castore/blob/BlobService.ts"
import type { CastoreError } from "../castore/CastoreError.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { FarRequest } from "../eval/IoRequest.ts"
import { toUnicode } from "../nix/Bytes.ts"
import type { PublicKey } from "../nix/Keys.ts"
import type { SelfHashForm } from "../nix/Rewrite.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { copyClosure, type CopySide } from "../store/Copy.ts"
import { inStrictOrder, rename, renamed } from "../store/MakeContentAddressed.ts"
import { offerOf } from "../store/Offer.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import { CacheRefused, make as openNixCache } from "../store/pathinfo/NixCache.ts"
import type { PathInfoService } from "../store/PathInfoService.ts"
import { isContentAddressed } from "../store/Signing.ts"
import * as Http from "../wire/Http.ts"
import { shownUrl } from "../wire/HttpError.ts"
import { announcingFetches } from "./Moving.ts"
import { ClosureRefused, isRealiseError, type RealiseError, storeFailure } from "./RealiseError.ts"
import { RealiseOptions } from "./Realiser.ts"
import { TrustedKeys } from "./TrustedKeys.ts"

type Request = Extract<FarRequest, { readonly _tag: "FetchClosure" }>

export interface FetchClosureWays {
  readonly lookup: (path: StorePath) => Effect.Effect<Option.Option<PathInfo>, RealiseError>
  /** Where the closure goes. */
  readonly store: CopySide
}

const pathsUnderWay = 16

/** The paths of a closure by name, contents brought. */
const bring = Effect.fnUntraced(function* (
  cache: PathInfoService["Service"],
  root: StorePath,
  missing: (path: StorePath) => ClosureRefused
) {
  const infos = new Map<StorePath, PathInfo>()
  const visited = new Set<StorePath>()
  const permits = yield* Semaphore.make(pathsUnderWay)
  const visit = Effect.fnUntraced(function* (path: StorePath): Effect.fn.Return<void, CastoreError | ClosureRefused> {
    if (visited.has(path)) return
    visited.add(path)
    const offer = yield* Semaphore.withPermit(permits, offerOf(cache, path))
    if (Option.isNone(offer)) return yield* missing(path)
    const content = Effect.map(Semaphore.withPermit(permits, offer.value.fetch()), (info) => void infos.set(path, info))
    const references = Effect.forEach(offer.value.told.references, visit, { concurrency: "unbounded", discard: true })
    yield* Effect.all([content, references], { concurrency: "unbounded", discard: true })
  })
  yield* visit(root)
  return infos
})

/** Nix has hashed self-references in two ways (`nix/Rewrite.ts`): a name that was said may be of either. */
const forms: ReadonlyArray<SelfHashForm> = ["2.34", "with-positions"]

export const fetchClosure = Effect.fn("realise.fetchClosure")(function* (
  request: Request,
  { lookup, store }: FetchClosureWays
): Effect.fn.Return<StorePath, RealiseError> {
  const { path, wanted } = request
  const url = toUnicode(request.cache)
  const cacheName = shownUrl(url)
  const refuse = (detail: string) => new ClosureRefused({ path, cache: cacheName, detail })
  const missing = (lacking: StorePath) => refuse(`path '${lacking}' is not valid: '${cacheName}' does not have it`)

  /** An open cache in whose words nothing but `keys` is trusted. */
  const withCache = <A, E>(
    keys: ReadonlyArray<PublicKey> | undefined,
    use: (cache: PathInfoService["Service"]) => Effect.Effect<A, E, BlobService | DirectoryService>
  ): Effect.Effect<A, E | CastoreError | ClosureRefused> =>
    Effect.gen(function* () {
      if (!/^file:/i.test(url) && (yield* RealiseOptions).offline) {
        return yield* refuse(`'${path}' must be taken from '${cacheName}', which --offline forbids`)
      }
      const cache = yield* openNixCache({ url, trustedKeys: keys })
      return yield* use(announcingFetches(cache, { always: true }))
    }).pipe(
      Effect.provideService(BlobService, store.blobs),
      Effect.provideService(DirectoryService, store.directories),
      Effect.provide(Http.layer())
    )

  const told = (error: CastoreError | RealiseError): RealiseError => {
    if (isRealiseError(error)) return error
    const cause = error._tag === "StoreUnavailable" ? error.cause : undefined
    if (cause instanceof CacheRefused && cause.reason === "unsigned") {
      const advice = "trust its signer with --trusted-public-key NAME:KEY if you know it"
      return refuse(`cannot add path '${cause.path}' because it lacks a signature by a trusted key (${cause.detail}); ${advice}`)
    }
    return error._tag === "MissingData" && error.kind === "path info" ? missing(error.digest as StorePath) : storeFailure(error)
  }

  const present = Effect.fnUntraced(function* (keys: ReadonlyArray<PublicKey> | undefined) {
    const found = yield* lookup(path)
    if (Option.isSome(found)) return found.value
    yield* withCache(keys, (cache) => copyClosure([path], { ...store, pathInfos: cache }, store))
    return Option.getOrThrow(yield* lookup(path))
  })

  const rewritten = withCache(undefined, (cache) =>
    Effect.gen(function* () {
      const ordered = yield* inStrictOrder(yield* bring(cache, path, missing))
      let first: StorePath | undefined
      for (const form of request.rewritten === undefined ? forms.slice(0, 1) : forms) {
        const renaming = yield* rename(ordered, form)
        const root = renaming.get(path)!.path
        first ??= root
        if (root !== request.rewritten) continue
        for (const info of ordered) {
          const known = yield* lookup(renaming.get(info.path)!.path)
          if (Option.isNone(known)) yield* store.pathInfos.put(yield* renamed(info, renaming))
        }
        return root
      }
      const yielded = `rewriting '${path}' to content-addressed form yielded '${first}'`
      return yield* refuse(
        request.rewritten === undefined
          ? `${yielded}\nUse this value for the 'toPath' attribute passed to 'fetchClosure'`
          : `${yielded}, while '${request.rewritten}' was expected`
      )
    })
  )

  const answer = Effect.gen(function* () {
    if (wanted === "rewritten") {
      const found = request.rewritten === undefined ? Option.none<PathInfo>() : yield* lookup(request.rewritten)
      if (Option.isNone(found)) return yield* rewritten
      if (isContentAddressed(found.value)) return found.value.path
      return yield* refuse(
        `The 'toPath' value '${request.rewritten}' is input-addressed, so it can't possibly be the result of rewriting to a content-addressed path.\n\n` +
          "Set 'toPath' to an empty string to make Nix report the correct content-addressed path."
      )
    }
    const addressed = isContentAddressed(yield* present(yield* TrustedKeys))
    if (addressed === (wanted === "content-addressed")) return path
    return yield* refuse(
      addressed
        ? `The store object referred to by 'fromPath' at '${path}' is not input-addressed, but 'inputAddressed' is set to 'true'.\n\n` +
            "Remove the 'inputAddressed' attribute (it defaults to 'false') to expect 'fromPath' to be content-addressed"
        : `The 'fromPath' value '${path}' is input-addressed, but 'inputAddressed' is set to 'false' (default).\n\n` +
            "If you do intend to fetch an input-addressed store path, add\n\n" +
            "    inputAddressed = true;\n\n" +
            "to the 'fetchClosure' arguments.\n\n" +
            "Note that to ensure authenticity input-addressed store paths, users must configure a trusted binary cache public key on their systems. This is not needed for content-addressed paths."
    )
  })
  return yield* Effect.mapError(answer, told)
})
