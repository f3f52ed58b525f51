/**
 * Fixed outputs: what was declared, whether the content that came is that, and the content address to write down. The declared hash is of the content
 * itself (flat: one file's bytes; recursive: its NAR), never of the text that the store path is computed from.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { CastoreError } from "../castore/CastoreError.ts"
import type { Node } from "../castore/Node.ts"
import { BlobService } from "../castore/blob/BlobService.ts"
import { hasher } from "../nix/Crypto.ts"
import { type NixHash, type NixHashAlgorithm, printPrefixed } from "../nix/Hash.ts"
import type { IngestionMethod } from "../nix/StorePath.ts"

/** The `ca` field of a path info: `fixed:sha256:…`, `fixed:r:sha256:…`. */
export const contentAddress = (method: "flat" | "recursive", hash: NixHash): string =>
  `fixed:${method === "recursive" ? "r:" : ""}${printPrefixed(hash, "nix32")}`

/** Methods whose content can be checked here. */
export const isSupported = (method: IngestionMethod): method is "flat" | "recursive" => method === "flat" || method === "recursive"

/** The hash of a file's bytes, read in bounded memory. */
export const flatHash = (
  node: Extract<Node, { readonly _tag: "File" }>,
  algorithm: NixHashAlgorithm
): Effect.Effect<NixHash, CastoreError, BlobService> =>
  Effect.gen(function* () {
    const blobs = yield* BlobService
    const hash = hasher(algorithm)
    yield* Stream.runForEach(blobs.read(node.digest), (bytes) => Effect.sync(() => hash.update(bytes)))
    return { algorithm, digest: hash.digest() }
  })
