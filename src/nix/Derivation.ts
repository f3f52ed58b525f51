/**
 * Derivations. (Contract; ATerm form, hash-modulo and output paths follow in files beside this one.)
 */
import type { ByteString } from "./Bytes.ts"
import type { StorePath } from "./StorePath.ts"

export interface DerivationOutput {
  /** Empty where the path cannot be known before building (floating content-addressed outputs). */
  readonly path: StorePath | ""
  /** As in ATerm: "", "sha256", "r:sha256", … */
  readonly hashAlgorithm: ByteString
  /** Hex; empty where not fixed. */
  readonly hash: ByteString
}

export interface Derivation {
  /** Name without `.drv`. */
  readonly name: ByteString
  readonly outputs: ReadonlyMap<ByteString, DerivationOutput>
  readonly inputDerivations: ReadonlyMap<StorePath, ReadonlyArray<ByteString>>
  readonly inputSources: ReadonlyArray<StorePath>
  readonly system: ByteString
  readonly builder: ByteString
  readonly args: ReadonlyArray<ByteString>
  readonly env: ReadonlyMap<ByteString, ByteString>
}
