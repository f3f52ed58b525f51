/**
 * Whether a path that claims a content address has the content for it: then its name alone vouches for it, and no signature is needed.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { BlobService } from "../castore/blob/BlobService.ts"
import type { CastoreError } from "../castore/CastoreError.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import { type ContentAddress, parseContentAddress } from "../nix/ContentAddress.ts"
import * as Crypto from "../nix/Crypto.ts"
import { sameHash } from "../nix/Hash.ts"
import { hashPart } from "../nix/StorePath.ts"
import { calculateWith } from "./Nar.ts"
import type { PathInfo } from "./PathInfo.ts"
import { selfHashes } from "./SelfHash.ts"
import { isContentAddressed } from "./Signing.ts"

const digestBy = Effect.fnUntraced(function* ({ method, hash }: ContentAddress, info: PathInfo) {
  const { node } = info
  if (method === "recursive") {
    return hash.algorithm === "sha256" ? info.narHash : (yield* calculateWith(node, hash.algorithm)).digest
  }
  if (method === "git" || node._tag !== "File" || node.executable) return undefined
  const hasher = Crypto.hasher(hash.algorithm)
  yield* Stream.runForEach((yield* BlobService).read(node.digest), (piece) => Effect.sync(() => hasher.update(piece)))
  return Uint8Array.from(hasher.digest())
})

/**
 * Whether the path follows from its content address and the stored content has that address. `narHash` is believed: whoever took the content in computed it.
 * Git trees cannot be judged and count as not.
 */
export const hasItsContent = Effect.fn("store.hasItsContent")(function* (
  info: PathInfo
): Effect.fn.Return<boolean, CastoreError, BlobService | DirectoryService> {
  if (info.ca === undefined || !isContentAddressed(info)) return false
  const address = parseContentAddress(info.ca)
  const { algorithm } = address.hash
  if (info.references.includes(info.path)) {
    const digests = yield* selfHashes(info.node, hashPart(info.path), ["2.34", "with-positions"])
    return digests.some((digest) => sameHash(address.hash, { algorithm, digest }))
  }
  const digest = yield* digestBy(address, info)
  return digest !== undefined && sameHash(address.hash, { algorithm, digest })
})
