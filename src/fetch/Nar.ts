/** A NAR, compressed or not, unpacked (`builtin:fetchurl` with `unpack`). Its hash is checked when its last byte came, before its root is told. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { ingestNar } from "../castore/ingest/Nar.ts"
import { hasher } from "../nix/Crypto.ts"
import type { NixHash, NixHashAlgorithm } from "../nix/Hash.ts"
import { NarError } from "../nix/Nar.ts"
import { decompress } from "../wire/Decompress.ts"
import type { Content, Source, Verify } from "./Content.ts"
import { BadNar } from "./FetchError.ts"

export const fetchNar = Effect.fnUntraced(function* (algorithm: NixHashAlgorithm, { source, bytes, maxUnpacked }: Source, verify: Verify) {
  const running = hasher(algorithm)
  let digest: Uint8Array = new Uint8Array(0)
  const checked = decompress({ source, compression: "auto", maxBytes: maxUnpacked })(bytes).pipe(
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
  const { node, narHash, narSize } = yield* Effect.mapError(ingestNar(checked, { observers: [running] }), (error) =>
    error instanceof NarError ? new BadNar({ url: source, offset: error.offset, detail: error.message }) : error
  )
  const hash: NixHash = { algorithm, digest }
  return { node, hash, nar: { narHash, narSize } } satisfies Content
})
