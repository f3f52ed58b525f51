/**
 * Whose word counts for what an expression itself takes from a binary cache (`builtins.fetchClosure`).
 */
import * as Context from "effect/Context"
import { parsePublicKey, type PublicKey } from "../nix/Keys.ts"

/** The key of cache.nixos.org, which counts where no key is named. */
export const defaultKey = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="

/** Whose signatures count on what an expression takes from a cache; `undefined`: none is needed. */
export const TrustedKeys = Context.Reference<ReadonlyArray<PublicKey> | undefined>("yix/realise/TrustedKeys", {
  defaultValue: () => [parsePublicKey(defaultKey)]
})
