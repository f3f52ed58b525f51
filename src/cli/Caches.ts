/**
 * Binary caches and whom to trust, as flags name them.
 */
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import { KeyError, parsePublicKey } from "../nix/Keys.ts"
import { type Substituter, Substituters } from "../realise/Substituters.ts"
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

export const substituterFlags = {
  substituters: Flag.String("substituter").pipe(
    Flag.atLeast(0),
    Flag.withMetavar("URL"),
    Flag.withDescription("Ask this binary cache before building (http://, https:// or file:///); may be repeated")
  ),
  ...trustFlags
} as const

export interface TrustInput {
  readonly trustedPublicKeys: ReadonlyArray<string>
  readonly noCheckSigs: boolean
}

export interface SubstituterInput extends TrustInput {
  readonly substituters: ReadonlyArray<string>
}

/** Runs `use`, which has a store, with the caches that the flags name as substituters. */
export const withSubstituters = <A, E, R>(input: SubstituterInput, use: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const trustedKeys = yield* trustedKeysOf(input)
    if (input.substituters.length === 0) return yield* use
    const [NixCache, Negative, Http] = yield* Effect.promise(() =>
      Promise.all([import("../store/pathinfo/NixCache.ts"), import("../store/pathinfo/Negative.ts"), import("../wire/Http.ts")])
    )
    // What a cache does not have is asked for by every dependent.
    const opened = Effect.forEach(input.substituters, (url) =>
      Effect.map(NixCache.make({ url, trustedKeys }), (cache): Substituter => ({
        name: url,
        pathInfos: Negative.make(cache)
      }))
    )
    return yield* Effect.flatMap(opened, (substituters) => Effect.provideService(use, Substituters, substituters)).pipe(
      Effect.provide(Http.layer())
    )
  })

/** The keys that count; `undefined`: none is needed. */
export const trustedKeysOf = (input: TrustInput) =>
  Effect.try({
    try: () =>
      input.noCheckSigs ? undefined : (input.trustedPublicKeys.length === 0 ? [defaultKey] : input.trustedPublicKeys).map(parsePublicKey),
    catch: (error) => new UsageError({ detail: `--trusted-public-key: ${error instanceof KeyError ? error.message : String(error)}` })
  })
