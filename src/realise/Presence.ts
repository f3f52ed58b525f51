/**
 * What the store has. A composed store may have a path without having its content at hand: its far side offers it. Content is brought, and told of, when
 * somebody looks a path up to use it. A binary cache that fails, or is not to be trusted, is passed over with a warning, as those are that flags name: the path
 * can still be made here.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import { type CastoreError, MissingData } from "../castore/CastoreError.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { closure } from "../store/Closure.ts"
import { offerOf } from "../store/Offer.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import { PathInfoService } from "../store/PathInfoService.ts"
import { EventSink } from "../wire/Events.ts"
import { Offline } from "../wire/Offline.ts"
import { announcingFetches } from "./Moving.ts"
import { RealiseOptions } from "./Realiser.ts"

/** Paths whose content is brought at the same time, and offers asked for. */
const fetchesUnderWay = 16
const offersUnderWay = 32

export interface Presence {
  /** The path with its content. */
  readonly lookup: (path: StorePath) => Effect.Effect<Option.Option<PathInfo>, CastoreError>
  /** These and all that they refer to, with their content. Fails with `MissingData` when one is not there. */
  readonly closure: (roots: ReadonlyArray<StorePath>) => Effect.Effect<ReadonlyMap<StorePath, PathInfo>, CastoreError>
  /** Looking a path up may bring its content: what it refers to may still be far away. */
  readonly isLazy: boolean
}

/** Of a store that is a binary cache: everything else that fails is trouble of our own. */
const isOfCache = (error: CastoreError): boolean => error._tag === "StoreUnavailable" && /^(?:https?|file):/i.test(error.store)

const byPath = (infos: ReadonlyArray<PathInfo>) => new Map(infos.map((info) => [info.path, info]))

export const make = (service: PathInfoService["Service"]): Presence => {
  if (service.offer === undefined) {
    const context = Context.make(PathInfoService, service)
    return {
      lookup: service.get,
      closure: (roots) => Effect.provideContext(Effect.map(closure(roots), byPath), context),
      isLazy: false
    }
  }
  const offers = announcingFetches(service, { always: false })

  /** References are asked for while contents are under way. */
  const closureWithContent = Effect.fnUntraced(function* (roots: ReadonlyArray<StorePath>) {
    const infos = new Map<StorePath, PathInfo>()
    const visited = new Set<StorePath>()
    const asking = yield* Semaphore.make(offersUnderWay)
    const fetching = yield* Semaphore.make(fetchesUnderWay)
    const visit = Effect.fnUntraced(function* (path: StorePath): Effect.fn.Return<void, CastoreError> {
      if (visited.has(path)) return
      visited.add(path)
      const offer = yield* Semaphore.withPermit(asking, offerOf(offers, path))
      if (Option.isNone(offer)) return yield* new MissingData({ store: "the store", kind: "path info", digest: path })
      const content = Effect.map(Semaphore.withPermit(fetching, offer.value.fetch()), (info) => void infos.set(path, info))
      const references = Effect.forEach(offer.value.told.references, visit, { concurrency: "unbounded", discard: true })
      yield* Effect.all([content, references], { concurrency: "unbounded", discard: true })
    })
    yield* Effect.forEach(roots, visit, { concurrency: "unbounded", discard: true })
    return infos
  })

  const passedOver = new Set<StorePath>()
  const passOver = (path: StorePath, error: CastoreError) =>
    Effect.map(EventSink, (emit) => {
      if (!passedOver.has(path)) emit({ _tag: "Message", level: "warning", text: `'${path}' is not taken from a cache: ${error.message}` })
      passedOver.add(path)
      return Option.none<PathInfo>()
    })

  const find = (path: StorePath): Effect.Effect<Option.Option<PathInfo>, CastoreError> =>
    Effect.flatMap(offerOf(offers, path), (offer) => (Option.isNone(offer) ? Effect.succeedNone : Effect.asSome(offer.value.fetch())))

  const offline = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.flatMap(RealiseOptions, ({ offline }) => Effect.provideService(effect, Offline, offline))

  return {
    lookup: (path) => offline(Effect.catchIf(find(path), isOfCache, (error) => passOver(path, error))),
    closure: (roots) => offline(closureWithContent(roots)),
    isLazy: true
  }
}
