/**
 * A fetch as data: what to bring, under which store path it will stand (known beforehand wherever a hash is), and how it is checked.
 * (Contract; the path calculation follows in this file, the doing in `Fetcher.ts` and one file a kind.)
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { NixHash } from "../nix/Hash.ts"

export type Fetch =
  /** One file, flat hash. Without a hash the path is known after fetching. */
  | { readonly _tag: "Url"; readonly url: string; readonly name: ByteString; readonly hash: NixHash | undefined }
  /** An archive, unpacked; its single top-level directory is the result. Hash: NAR SHA-256. */
  | { readonly _tag: "Tarball"; readonly url: string; readonly name: ByteString; readonly hash: NixHash | undefined }
  /** A NAR (possibly compressed), unpacked. Hash: of the NAR, any algorithm. */
  | { readonly _tag: "Nar"; readonly url: string; readonly name: ByteString; readonly hash: NixHash }
  /** One file with the executable bit set. Hash: of its NAR, any algorithm. */
  | { readonly _tag: "Executable"; readonly url: string; readonly name: ByteString; readonly hash: NixHash }
