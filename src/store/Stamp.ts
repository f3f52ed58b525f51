/**
 * What a store says of a path, in one text: content and references. Two equal ones mean that nobody who reads the path sees a difference.
 */
import * as Base16 from "../nix/Base16.ts"

/** `references`: base names or paths, but always the same. */
export const stampOf = (narHash: Uint8Array, references: ReadonlyArray<string>): string =>
  [Base16.encode(narHash), ...references.toSorted()].join(" ")
