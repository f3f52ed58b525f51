/**
 * Binary caches as Nix's settings name them, for what is realised.
 */
import type * as Effect from "effect/Effect"
import { type TrustInput, withSubstituters, withTrust } from "../Caches.ts"
import type { Settings } from "./Settings.ts"

/** Whose signatures count. */
export const trustIn = (settings: Settings): TrustInput => ({
  trustedPublicKeys: settings.list("trusted-public-keys"),
  noCheckSigs: !settings.bool("require-sigs", true)
})

/** Runs `use` with the caches that the settings name as substituters; with none when `substitute` is off. */
export const withCaches = <A, E, R>(settings: Settings, use: Effect.Effect<A, E, R>) =>
  settings.bool("substitute", true)
    ? withSubstituters({ substituters: settings.list("substituters"), ...trustIn(settings) }, use)
    : withTrust(trustIn(settings), use)
