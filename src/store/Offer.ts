/**
 * What a store can give, known before its content is moved: what a narinfo says of a path, and the act of fetching its NAR.
 *
 * Whoever only wants to know (does a cache have it, what does it refer to) asks for an offer and fetches nothing; whoever wants the content knows by then how
 * much will come. What an offer tells may be trusted as far as its service vouches for it; that the content is what was told is checked by `fetch`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type CastoreError, CorruptData } from "../castore/CastoreError.ts"
import { hashPart, type StorePath } from "../nix/StorePath.ts"
import type { PathInfo } from "./PathInfo.ts"
import type { PathInfoService } from "./PathInfoService.ts"

/** What is said of a path; all but its tree. */
export type PathClaim = Omit<PathInfo, "node">

/** Where the content of an offer lies, as far as a binary cache tells. */
export interface OfferedFile {
  /** Relative to the cache, or absolute. */
  readonly url: string
  readonly compression: string
  /** Of the file, as `sha256-…`. */
  readonly hash: string | undefined
  /** Bytes to be moved. */
  readonly size: number | undefined
}

export interface Offer {
  readonly told: PathClaim
  /** Where the content need not be moved any more. */
  readonly here: PathInfo | undefined
  readonly file: OfferedFile | undefined
  /** Moves the content and checks it. Progress is in bytes moved, out of `file.size`. */
  fetch(onProgress?: (done: number) => void): Effect.Effect<PathInfo, CastoreError>
}

/** Of a path whose content is at hand. */
export const ready = (info: PathInfo): Offer => ({ told: info, here: info, file: undefined, fetch: () => Effect.succeed(info) })

type PathInfos = PathInfoService["Service"]

/** What a service offers for a hash part. Services that cannot tell without moving content move it. */
export const offerOfPart = (service: PathInfos, part: string): Effect.Effect<Option.Option<Offer>, CastoreError> =>
  service.offer === undefined ? Effect.map(service.getByHashPart(part), Option.map(ready)) : service.offer(part)

/** What a service offers for a path. */
export const offerOf = (service: PathInfos, path: StorePath): Effect.Effect<Option.Option<Offer>, CastoreError> =>
  service.offer === undefined
    ? Effect.map(service.get(path), Option.map(ready))
    : Effect.flatMap(service.offer(hashPart(path)), (offer) =>
        Option.isNone(offer) || offer.value.told.path === path
          ? Effect.succeed(offer)
          : Effect.fail(new CorruptData({ store: "the store", digest: path, detail: `under its hash part is '${offer.value.told.path}'` }))
      )

/** Whether a service has a path. */
export const has = (service: PathInfos, path: StorePath): Effect.Effect<boolean, CastoreError> =>
  Effect.map(offerOf(service, path), Option.isSome)
