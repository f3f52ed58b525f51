/**
 * Stores of others that are asked for a path before it is fetched or built here, in their order. None unless somebody provides them.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CastoreError } from "../castore/CastoreError.ts"
import { hashPart, type StorePath } from "../nix/StorePath.ts"
import { copyClosure, type CopySide } from "../store/Copy.ts"
import { offerOf, offerOfPart } from "../store/Offer.ts"
import type { PathInfoService } from "../store/PathInfoService.ts"
import { EventSink } from "../wire/Events.ts"
import { announcingFetches } from "./Moving.ts"

export interface Substituter {
  /** For messages: its address. */
  readonly name: string
  /** Gives only what is to be trusted, with its content in the blob and directory services of the realiser's own store. */
  readonly pathInfos: PathInfoService["Service"]
}

export const Substituters = Context.Reference<ReadonlyArray<Substituter>>("yix/realise/Substituters", { defaultValue: () => [] })

/** Whether this one had the path, which is then in `store` with all that it refers to. */
const substituteFrom = Effect.fnUntraced(function* (
  { pathInfos }: Substituter,
  path: StorePath,
  store: CopySide
): Effect.fn.Return<boolean, CastoreError> {
  const root = yield* offerOf(pathInfos, path)
  if (Option.isNone(root)) return false
  // It has been asked for this one.
  const offer = (part: string) => (part === hashPart(path) ? Effect.succeed(root) : offerOfPart(pathInfos, part))
  yield* copyClosure([path], { ...store, pathInfos: { ...pathInfos, offer } }, store)
  return true
})

/** Gives whether one of `substituters` had the path, which is then in `store` with all that it refers to. One that fails is passed over with a warning. */
export type Substitute = (substituters: ReadonlyArray<Substituter>, path: StorePath, store: CopySide) => Effect.Effect<boolean>

/** Substitution in which closures that overlap share what they have in common. */
export const makeSubstitute = (): Substitute => {
  const announcing = new Map<Substituter, Substituter>()
  const announcingOf = (substituter: Substituter): Substituter => {
    const known = announcing.get(substituter)
    if (known !== undefined) return known
    const made = { name: substituter.name, pathInfos: announcingFetches(substituter.pathInfos, { always: true }) }
    announcing.set(substituter, made)
    return made
  }

  return Effect.fn("realise.trySubstitutes")(function* (substituters, path, store) {
    const emit = yield* EventSink
    for (const substituter of substituters) {
      const had = yield* substituteFrom(announcingOf(substituter), path, store).pipe(
        Effect.catch((error) =>
          Effect.sync(() => {
            emit({ _tag: "Message", level: "warning", text: `'${path}' is not taken from '${substituter.name}': ${error.message}` })
            return false
          })
        )
      )
      if (had) return true
      yield* Effect.logDebug(`'${path}' is not taken from '${substituter.name}'`)
    }
    return false
  })
}
