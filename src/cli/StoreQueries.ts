/**
 * What commands ask a store, with errors that name what the user named.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { fromUnicode } from "../nix/Bytes.ts"
import { isStorePath, type StorePath } from "../nix/StorePath.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import { PathInfoService } from "../store/PathInfoService.ts"
import { UsageError } from "./Usage.ts"

/** The store does not have it. */
export class NotInStore extends Schema.TaggedError<NotInStore>()("NotInStore", { path: Schema.String }) {
  override get message(): string {
    return `path '${this.path}' is not in this store`
  }
}

/** A store path as typed. */
export const storePathOf = (text: string): Effect.Effect<StorePath, UsageError> => {
  const path = fromUnicode(text)
  return isStorePath(path) ? Effect.succeed(path) : Effect.fail(new UsageError({ detail: `'${text}' is not a store path` }))
}

export const pathInfoOf = Effect.fnUntraced(function* (path: StorePath) {
  const info = yield* (yield* PathInfoService).get(path)
  if (Option.isNone(info)) return yield* new NotInStore({ path })
  return info.value
})

/** The path infos of all that can be reached, each once, in no particular order. */
export const closureOf = Effect.fnUntraced(function* (roots: ReadonlyArray<PathInfo>) {
  const closure = new Map<StorePath, PathInfo>()
  const waiting = [...roots]
  for (let info = waiting.pop(); info !== undefined; info = waiting.pop()) {
    if (closure.has(info.path)) continue
    closure.set(info.path, info)
    for (const reference of info.references) if (!closure.has(reference)) waiting.push(yield* pathInfoOf(reference))
  }
  return [...closure.values()]
})
