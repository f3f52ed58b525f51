/**
 * Binary caches and whom to trust, as flags name them.
 */
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import { KeyError, parsePublicKey } from "../nix/Keys.ts"
import { Switch } from "./CommonFlags.ts"
import { UsageError } from "./Usage.ts"

/** The key of cache.nixos.org, which counts where no key is named. */
const defaultKey = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="

export const trustFlags = {
  trustedPublicKeys: Flag.String("trusted-public-key").pipe(
    Flag.atLeast(0),
    Flag.withMetavar("NAME:KEY"),
    Flag.withDescription("Whose signatures on paths of caches count (default: that of cache.nixos.org); may be repeated")
  ),
  noCheckSigs: Switch("no-check-sigs").pipe(Flag.withDescription("Take paths of caches without valid signatures, too"))
} as const

export interface TrustInput {
  readonly trustedPublicKeys: ReadonlyArray<string>
  readonly noCheckSigs: boolean
}

/** The keys that count; `undefined`: none is needed. */
export const trustedKeysOf = (input: TrustInput) =>
  Effect.try({
    try: () =>
      input.noCheckSigs ? undefined : (input.trustedPublicKeys.length === 0 ? [defaultKey] : input.trustedPublicKeys).map(parsePublicKey),
    catch: (error) => new UsageError({ detail: `--trusted-public-key: ${error instanceof KeyError ? error.message : String(error)}` })
  })
