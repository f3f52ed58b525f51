/**
 * Stores of others that are asked for a path before it is fetched or built here, in their order. None unless somebody provides them.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CastoreError } from "../castore/CastoreError.ts"
import { nameOf, type StorePath } from "../nix/StorePath.ts"
import { copyClosure, type CopySide } from "../store/Copy.ts"
import type { PathInfoService } from "../store/PathInfoService.ts"
import { EventSink } from "../wire/Events.ts"
import { announced } from "./Announce.ts"

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
  const root = yield* pathInfos.get(path)
  if (Option.isNone(root)) return false
  const source = { ...pathInfos, get: (asked: StorePath) => (asked === path ? Effect.succeed(root) : pathInfos.get(asked)) }
  yield* announced("substitute", nameOf(path), path, () => copyClosure([path], { ...store, pathInfos: source }, store))
  return true
})

/** Whether one of `substituters` had the path, which is then in `store` with all that it refers to. One that fails is passed over with a warning. */
export const substitute = Effect.fn("realise.trySubstitutes")(function* (
  substituters: ReadonlyArray<Substituter>,
  path: StorePath,
  store: CopySide
): Effect.fn.Return<boolean> {
  const emit = yield* EventSink
  for (const substituter of substituters) {
    const had = yield* substituteFrom(substituter, path, store).pipe(
      Effect.catch((error) =>
        Effect.sync(() => {
          emit({ _tag: "Message", level: "warning", text: `'${path}' is not taken from '${substituter.name}': ${error.message}` })
          return false
        })
      )
    )
    if (had) return true
  }
  return false
})
