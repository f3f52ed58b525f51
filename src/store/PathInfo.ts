/**
 * What the store knows about one store path: its tree, its NAR hash and size, its references and who vouches for it.
 */
import type { Node } from "../castore/Node.ts"
import type { StorePath } from "../nix/StorePath.ts"

export interface PathInfo {
  readonly path: StorePath
  readonly node: Node
  /** Sorted; may hold `path` itself. */
  readonly references: ReadonlyArray<StorePath>
  /** Bytes of the NAR. */
  readonly narSize: number
  /** SHA-256 of the NAR, 32 bytes. */
  readonly narHash: Uint8Array
  /** `name:base64` signatures, as in a narinfo. */
  readonly signatures: ReadonlyArray<string>
  /** The derivation that made it, where known. */
  readonly deriver: StorePath | undefined
  /** Content address as in a narinfo: `text:sha256:…`, `fixed:sha256:…`, `fixed:r:sha256:…`. */
  readonly ca: string | undefined
  /** Unix seconds. */
  readonly registrationTime: number
}
