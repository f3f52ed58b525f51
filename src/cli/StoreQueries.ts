/**
 * Store paths as users type them.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { fromUnicode } from "../nix/Bytes.ts"
import { isStorePath, type StorePath } from "../nix/StorePath.ts"
import { NotInStore } from "../store/Lookup.ts"
import { PathInfoService } from "../store/PathInfoService.ts"
import { UsageError } from "./Usage.ts"

export const parsePath = (text: string): Effect.Effect<StorePath, UsageError> => {
  const path = fromUnicode(text)
  return isStorePath(path) ? Effect.succeed(path) : Effect.fail(new UsageError({ detail: `'${text}' is not a store path` }))
}

/** The path info of a store path that must be there. */
export const pathInfoOf = Effect.fnUntraced(function* (path: StorePath) {
  const info = yield* (yield* PathInfoService).get(path)
  if (Option.isNone(info)) return yield* new NotInStore({ path, detail: "is not in the store" })
  return info.value
})
