/**
 * Where syntax trees may be kept from one run to the next: what a host can offer besides answers. Evaluation is the same without it.
 */
import type { ByteString } from "../nix/Bytes.ts"

/** The place of one source in the store. */
export interface SyntaxPlace {
  /** What was kept here, intact; `undefined` where nothing was, or nothing that can be trusted. */
  readonly bytes: Uint8Array | undefined
  /** A digest of the bytes was compared: they need not be looked at again, one by one. */
  readonly intact?: boolean
  /** What is to be kept here from now on. `encode` is called when there is time for it, or never. */
  keep(encode: () => Uint8Array): void
}

export interface SyntaxStore {
  /** `variant` names what else the tree depends on. `undefined`: such a source is not worth keeping. */
  place(source: ByteString, variant: string): SyntaxPlace | undefined
}
