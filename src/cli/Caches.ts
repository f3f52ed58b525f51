/**
 * Binary caches and whom to trust, as flags name them, or else the environment: `YIX_SUBSTITUTERS` and `YIX_TRUSTED_PUBLIC_KEYS`, separated by blanks.
 */
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import { KeyError, parsePublicKey } from "../nix/Keys.ts"
import { type Substituter, Substituters } from "../realise/Substituters.ts"
import { Switch } from "./CommonFlags.ts"
import { defaultKey, TrustedKeys } from "../realise/TrustedKeys.ts"
import { UsageError } from "./Usage.ts"

export const trustFlags = {
  trustedPublicKeys: Flag.String("trusted-public-key").pipe(
    Flag.atLeast(0),
    Flag.withMetavar("NAME:KEY"),
    Flag.withDescription(
      "Whose signatures on paths of caches count; may be repeated (default: YIX_TRUSTED_PUBLIC_KEYS, or else that of cache.nixos.org)"
    )
  ),
  noCheckSigs: Switch("no-check-sigs").pipe(Flag.withDescription("Take paths of caches without valid signatures, too"))
} as const

export const substituterFlags = {
  substituters: Flag.String("substituter").pipe(
    Flag.atLeast(0),
    Flag.withMetavar("URL"),
    Flag.withDescription(
      "Ask this binary cache before building: http://, https:// or file:///; may be repeated (default: what YIX_SUBSTITUTERS names)"
    )
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

const listed = (variable: string): ReadonlyArray<string> => (process.env[variable] ?? "").split(/\s+/).filter((word) => word !== "")

/** The caches that are to be asked. */
export const substitutersOf = ({ substituters }: { readonly substituters: ReadonlyArray<string> }): ReadonlyArray<string> =>
  substituters.length > 0 ? substituters : listed("YIX_SUBSTITUTERS")

/** Runs `use` with the keys that count on what expressions themselves take from caches. */
export const withTrust = <A, E, R>(input: TrustInput, use: Effect.Effect<A, E, R>) =>
  Effect.flatMap(trustedKeysOf(input), (keys) => Effect.provideService(use, TrustedKeys, keys))

/** Runs `use`, which has a store, with the caches that the flags name as substituters. */
export const withSubstituters = <A, E, R>(input: SubstituterInput, use: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const trustedKeys = yield* trustedKeysOf(input)
    const urls = substitutersOf(input)
    const trusting = Effect.provideService(use, TrustedKeys, trustedKeys)
    if (urls.length === 0) return yield* trusting
    const [NixCache, Negative, Http] = yield* Effect.promise(() =>
      Promise.all([import("../store/pathinfo/NixCache.ts"), import("../store/pathinfo/Negative.ts"), import("../wire/Http.ts")])
    )
    // What a cache does not have is asked for by every dependent.
    const opened = Effect.forEach(urls, (url) =>
      Effect.map(NixCache.make({ url, trustedKeys }), (cache): Substituter => ({
        name: url,
        pathInfos: Negative.make(cache)
      }))
    )
    return yield* Effect.flatMap(opened, (substituters) => Effect.provideService(trusting, Substituters, substituters)).pipe(
      Effect.provide(Http.layer())
    )
  })

/** The keys that count; `undefined`: none is needed. */
export const trustedKeysOf = (input: TrustInput) => {
  const named = input.trustedPublicKeys.length > 0
  const keys = named ? input.trustedPublicKeys : listed("YIX_TRUSTED_PUBLIC_KEYS")
  return Effect.try({
    try: () => (input.noCheckSigs ? undefined : (keys.length === 0 ? [defaultKey] : keys).map(parsePublicKey)),
    catch: (error) =>
      new UsageError({
        detail: `${named ? "--trusted-public-key" : "YIX_TRUSTED_PUBLIC_KEYS"}: ${error instanceof KeyError ? error.message : String(error)}`
      })
  })
}
