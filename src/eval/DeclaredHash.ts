/**
 * Hashes as programs declare them (`sha256 = …`, `outputHash = …`): an empty one stands for a hash of zeros, with a warning, so that the mismatch tells the right one.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { NixHash, NixHashAlgorithm } from "../nix/Hash.ts"
import { HashError, parseHashOrEmpty, printHash } from "../nix/Hash.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"

/** Parses a declared hash. Throws a `NixError` in Nix's words. */
export const declaredHash = (text: ByteString, algorithm: NixHashAlgorithm | undefined): NixHash => {
  try {
    const { hash, empty } = parseHashOrEmpty(text, algorithm)
    if (empty) machine.print(`warning: found empty hash, assuming '${printHash(hash, "sri")}'`)
    return hash
  } catch (error) {
    throw error instanceof HashError ? new NixError("eval", error.message) : error
  }
}
