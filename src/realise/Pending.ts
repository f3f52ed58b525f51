/** Stand-ins for what the fetch room has not landed yet; removed as it does. */
import type { Fetch } from "../fetch/Fetch.ts"
import type { Derivation } from "../nix/Derivation.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { FetchFailure } from "./RealiseError.ts"

export const fetchFailure = (error: { readonly message: string }, _what: StorePath | undefined) =>
  new FetchFailure({ detail: error.message, code: 1 })
export const fetchOfDerivation = (_: Derivation): Fetch => {
  throw new Error("pending")
}
export const pathOfFetch = (_: Fetch): StorePath | undefined => undefined
