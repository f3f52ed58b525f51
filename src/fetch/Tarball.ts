/**
 * `builtins.fetchTarball`: an archive, unpacked. Where its top level is exactly one directory, that directory is the result, else all of it (as Nix since 2.20).
 * The hash is of the NAR of what was unpacked.
 */
import * as Effect from "effect/Effect"
import { ingest } from "../castore/ingest/Ingest.ts"
import { archiveEntries } from "../castore/ingest/ArchiveEntries.ts"
import type { NixHash, NixHashAlgorithm } from "../nix/Hash.ts"
import { calculate, calculateWith } from "../store/Nar.ts"
import { decompress } from "../wire/Decompress.ts"
import type { Content, Source, Verify } from "./Content.ts"

/** The tree that an archive holds, compressed or not. `onTime` hears when each member was last modified, in Unix seconds. */
export const unpack = ({ source, bytes, maxUnpacked }: Source, onTime?: (seconds: number) => void) => {
  const archive = decompress({ source, compression: "auto", maxBytes: maxUnpacked })(bytes)
  return ingest(archiveEntries({ source, strip: true, onTime })(archive))
}

export const fetchTarball = Effect.fnUntraced(function* (algorithm: NixHashAlgorithm, source: Source, verify: Verify) {
  const node = yield* unpack(source)
  const nar = yield* calculate(node)
  const digest = algorithm === "sha256" ? nar.narHash : (yield* calculateWith(node, algorithm)).digest
  const hash: NixHash = { algorithm, digest }
  yield* verify(hash)
  return { node, hash, nar } satisfies Content
})
