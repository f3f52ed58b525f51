/**
 * Signatures on path infos: who vouches that a path has that content and these references.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CastoreError } from "../castore/CastoreError.ts"
import { contentAddressedPath, ContentAddressError, parseContentAddress } from "../nix/ContentAddress.ts"
import type { PublicKey, SecretKey } from "../nix/Keys.ts"
import { signNarInfo, verifyNarInfo } from "../nix/NarInfo.ts"
import { nameOf, type StorePath, StorePathError } from "../nix/StorePath.ts"
import type { PathClaim } from "./Offer.ts"
import type { PathInfo } from "./PathInfo.ts"
import { PathInfoService } from "./PathInfoService.ts"

/** The info with a signature by `key` among its signatures. */
export const sign = (info: PathInfo, key: SecretKey): PathInfo => {
  const signature = signNarInfo(info, key)
  return info.signatures.includes(signature) ? info : { ...info, signatures: [...info.signatures, signature] }
}

/** Signs a path of the store; `None` when the store does not have it. */
export const signPath = Effect.fn("store.sign")(function* (
  path: StorePath,
  key: SecretKey
): Effect.fn.Return<Option.Option<PathInfo>, CastoreError, PathInfoService> {
  const service = yield* PathInfoService
  const info = yield* service.get(path)
  if (Option.isNone(info)) return info
  return Option.some(yield* service.put(sign(info.value, key)))
})

/** The first of these keys by which the info is validly signed, or `undefined`. */
export const signedBy = (info: PathInfo, keys: Iterable<PublicKey>): PublicKey | undefined => verifyNarInfo(info, keys)

/**
 * Whether the path follows from the info's own content address, so that nobody needs to vouch for it. That the content has that address is for whoever
 * holds the content to check (`ContentCheck.ts`).
 */
export const isContentAddressed = (info: PathClaim): boolean => {
  if (info.ca === undefined) return false
  const others = info.references.filter((reference) => reference !== info.path)
  const self = others.length < info.references.length
  try {
    return contentAddressedPath(nameOf(info.path), parseContentAddress(info.ca), others, self) === info.path
  } catch (cause) {
    if (cause instanceof ContentAddressError || cause instanceof StorePathError) return false
    throw cause
  }
}
