/**
 * Remembers for a while which path infos a service does not have, so that a slow one is not asked again and again. A put through here is forgotten by nobody:
 * the path is found from then on. What others put into the service meanwhile is found when the time has passed. Type `negative` in a composition.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { CastoreError } from "../../castore/CastoreError.ts"
import { openInner } from "../../castore/NearFar.ts"
import { hashPart } from "../../nix/StorePath.ts"
import { offerOfPart } from "../Offer.ts"
import type { PathInfo } from "../PathInfo.ts"
import { PathInfoService } from "../PathInfoService.ts"

export interface NegativeOptions {
  /** How long absence is remembered. Default one hour, as Nix does. */
  readonly ttl?: Duration.Input
  /** Absences remembered at most; the oldest go first. Default 65 536. */
  readonly capacity?: number
}

export const make = (inner: PathInfoService["Service"], options: NegativeOptions = {}): PathInfoService["Service"] => {
  const ttl = Duration.toMillis(Duration.fromInputUnsafe(options.ttl ?? "1 hour"))
  const capacity = options.capacity ?? 65_536
  /** Path or hash part → until when, milliseconds; in the order in which they end. */
  const absent = new Map<string, number>()
  /** Puts that began or ended so far: a look-up that one overlaps may be out of date and is not remembered. */
  let puts = 0

  const forget = (info: PathInfo) =>
    Effect.sync(() => {
      puts++
      absent.delete(info.path)
      absent.delete(hashPart(info.path))
    })

  const remember = (key: string, until: number): void => {
    absent.delete(key)
    absent.set(key, until)
    for (const oldest of absent.keys()) {
      if (absent.size <= capacity) break
      absent.delete(oldest)
    }
  }

  const lookup = <A>(key: string, ask: Effect.Effect<Option.Option<A>, CastoreError>): Effect.Effect<Option.Option<A>, CastoreError> =>
    Effect.gen(function* () {
      const until = absent.get(key)
      if (until !== undefined) {
        if ((yield* Clock.currentTimeMillis) < until) return Option.none()
        absent.delete(key)
      }
      const before = puts
      const answer = yield* ask
      const now = yield* Clock.currentTimeMillis
      if (Option.isNone(answer) && puts === before) remember(key, now + ttl)
      return answer
    })

  return PathInfoService.of({
    ...inner,
    get: (path) => lookup(path, inner.get(path)),
    getByHashPart: (part) => lookup(part, inner.getByHashPart(part)),
    offer: (part) => lookup(part, offerOfPart(inner, part)),
    put: (info) => Effect.andThen(forget(info), Effect.ensuring(inner.put(info), forget(info)))
  })
}

export const layer = <E, R>(inner: Layer.Layer<PathInfoService, E, R>, options?: NegativeOptions): Layer.Layer<PathInfoService, E, R> =>
  openInner(PathInfoService, inner, (inner) => Effect.succeed(make(inner, options)))
