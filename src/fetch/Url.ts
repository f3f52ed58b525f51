/** `builtins.fetchurl`: one file as it comes, checked by the hash of its bytes before it is stored. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { BlobService } from "../castore/blob/BlobService.ts"
import type { Node } from "../castore/Node.ts"
import { hasher } from "../nix/Crypto.ts"
import type { NixHashAlgorithm } from "../nix/Hash.ts"
import { calculate } from "../store/Nar.ts"
import type { Content, Source, Verify } from "./Content.ts"

/** A wrong hash fails the upload itself, so nothing of a wrong file stays. */
export const fetchUrl = Effect.fnUntraced(function* (algorithm: NixHashAlgorithm, { bytes }: Source, verify: Verify) {
  const blobs = yield* BlobService
  const running = hasher(algorithm)
  let digest: Uint8Array = new Uint8Array(0)
  const checked = bytes.pipe(
    Stream.map((piece) => {
      running.update(piece)
      return piece
    }),
    Stream.concat(
      Stream.drain(
        Stream.fromEffect(
          Effect.suspend(() => {
            digest = running.digest()
            return verify({ algorithm, digest })
          })
        )
      )
    )
  )
  const blob = yield* blobs.putStream(checked)
  const node: Node = { _tag: "File", digest: blob.digest, size: blob.size, executable: false }
  return { node, hash: { algorithm, digest }, nar: yield* calculate(node) } satisfies Content
})
