/**
 * Content that is moved between stores, as others see it: each path announces itself, its bytes and its end on the event stream, and is moved once, however
 * many closures it belongs to.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CastoreError } from "../castore/CastoreError.ts"
import * as InFlight from "../castore/InFlight.ts"
import { nameOf, type StorePath } from "../nix/StorePath.ts"
import { type Offer, offerOfPart } from "../store/Offer.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import type { PathInfoService } from "../store/PathInfoService.ts"
import { announced } from "./Announce.ts"

type PathInfos = PathInfoService["Service"]

/**
 * The service with offers that announce their fetching. What was fetched stays known: its content is in the castore, whoever commits the path. Content that
 * need not be moved is announced where `always` says so: when it is new for who asks, wherever it lay.
 */
export const announcingFetches = (service: PathInfos, { always }: { readonly always: boolean }): PathInfos => {
  const underWay = InFlight.make<PathInfo, CastoreError>()
  const fetched = new Map<StorePath, PathInfo>()

  const fetch = ({ told: { path }, file, fetch }: Offer): Effect.Effect<PathInfo, CastoreError> =>
    announced("substitute", nameOf(path), path, (reporter) => {
      reporter.progress(0, file?.size)
      return fetch((done) => reporter.progress(done, file?.size))
    }).pipe(Effect.tap((info) => Effect.sync(() => fetched.set(path, info))))

  const announcing = (offer: Offer): Offer => {
    const { path } = offer.told
    if (offer.here !== undefined && !always) return offer
    return {
      ...offer,
      here: undefined,
      fetch: () =>
        Effect.suspend(() => {
          const info = fetched.get(path)
          return info === undefined ? underWay.share(path, fetch(offer)) : Effect.succeed(info)
        })
    }
  }

  return { ...service, offer: (part) => Effect.map(offerOfPart(service, part), Option.map(announcing)) }
}

/** Uploads as others see them. */
export interface Uploads {
  /** The service with puts that announce themselves. */
  readonly announcing: (service: PathInfos) => PathInfos
  /** For the service itself, to tell how many bytes of a path have gone. */
  readonly onWritten: (path: StorePath, done: number) => void
}

export const makeUploads = (): Uploads => {
  const tell = new Map<StorePath, (done: number) => void>()
  return {
    onWritten: (path, done) => tell.get(path)?.(done),
    announcing: (service) => ({
      ...service,
      put: (info) =>
        announced("substitute", nameOf(info.path), info.path, (reporter) => {
          const progress = (done: number) => reporter.progress(done, info.narSize)
          progress(0)
          tell.set(info.path, progress)
          return Effect.ensuring(
            service.put(info),
            Effect.sync(() => tell.delete(info.path))
          )
        })
    })
  }
}
