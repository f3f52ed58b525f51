/** What a kind of fetch makes of the bytes that come, and how it is told whether their hash is right. */
import type { Effect } from "effect/Effect"
import type { Stream } from "effect/Stream"
import type { NarSummary } from "../castore/ingest/NarDigest.ts"
import type { Node } from "../castore/Node.ts"
import type { NixHash } from "../nix/Hash.ts"
import type { FetchError, HashMismatch } from "./FetchError.ts"

export interface Content {
  readonly node: Node
  /** By the method of the kind, with the algorithm of the fetch (SHA-256 where it has no hash). */
  readonly hash: NixHash
  readonly nar: NarSummary
}

/** The content of an address, for error messages named `source`. */
export interface Source {
  readonly source: string
  readonly bytes: Stream<Uint8Array, FetchError>
  /** Bytes that may come out of decompression, at most. */
  readonly maxUnpacked: number
}

/** Fails when a hash was expected and this is another. */
export type Verify = (hash: NixHash) => Effect<void, HashMismatch>
