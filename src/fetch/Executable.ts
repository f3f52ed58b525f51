/** One file whose hash is that of its NAR, with or without the executable bit (`builtin:fetchurl` with a recursive hash). */
import * as Effect from "effect/Effect"
import { BlobService } from "../castore/blob/BlobService.ts"
import type { Node } from "../castore/Node.ts"
import type { NixHash, NixHashAlgorithm } from "../nix/Hash.ts"
import { calculate, calculateWith } from "../store/Nar.ts"
import type { Content, Source, Verify } from "./Content.ts"

export const fetchFile = Effect.fnUntraced(function* (algorithm: NixHashAlgorithm, executable: boolean, { bytes }: Source, verify: Verify) {
  const blobs = yield* BlobService
  const blob = yield* blobs.putStream(bytes)
  const node: Node = { _tag: "File", digest: blob.digest, size: blob.size, executable }
  const nar = yield* calculate(node)
  // The NAR begins with the file's length, which is only known now; so its hash takes a second look at the bytes.
  const digest = algorithm === "sha256" ? nar.narHash : (yield* calculateWith(node, algorithm)).digest
  const hash: NixHash = { algorithm, digest }
  yield* verify(hash)
  return { node, hash, nar } satisfies Content
})
