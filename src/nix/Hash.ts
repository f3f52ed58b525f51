/**
 * Nix hashes: an algorithm and a digest, and all their text forms. (Contract; text forms follow in this file.)
 */

export type NixHashAlgorithm = "md5" | "sha1" | "sha256" | "sha512" | "blake3"

export interface NixHash {
  readonly algorithm: NixHashAlgorithm
  readonly digest: Uint8Array
}
