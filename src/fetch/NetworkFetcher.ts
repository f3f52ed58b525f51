/**
 * The local fetcher with the real outside, HTTP client and all, loaded by the first fetch: programs that fetch nothing do not pay for it.
 */
import * as os from "node:os"
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { BlobService } from "../castore/blob/BlobService.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { HttpOptions } from "../wire/Http.ts"
import { Fetcher } from "./Fetcher.ts"
import type { FetcherOptions } from "./LocalFetcher.ts"

export interface NetworkFetcherOptions {
  /** Over `LocalFetcher.defaultOptions`. */
  readonly fetcher?: Partial<FetcherOptions> | undefined
  /** Over `Http.defaultOptions`. */
  readonly http?: Partial<HttpOptions> | undefined
}

/** Where mirrors of git repositories are: they may be deleted. */
const repositories = (): string => path.join(process.env["XDG_CACHE_HOME"] || path.join(os.homedir(), ".cache"), "yix", "git")

/** Connections are closed with the layer. */
export const layer = (options: NetworkFetcherOptions = {}): Layer.Layer<Fetcher, never, BlobService | DirectoryService> =>
  Layer.effect(
    Fetcher,
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const services = yield* Effect.context<BlobService | DirectoryService>()
      const load = async (): Promise<Fetcher["Service"]> => {
        const [LocalFetcher, Transfer, Http] = await Promise.all([
          import("./LocalFetcher.ts"),
          import("./Transfer.ts"),
          import("../wire/Http.ts")
        ])
        const whole = LocalFetcher.layer({ repositories: repositories(), ...options.fetcher }).pipe(
          Layer.provide(Transfer.layer),
          Layer.provide(Http.layer(options.http))
        )
        // Not in the fiber of the first fetch: its interruption must not take the others' fetcher away.
        const built = await Effect.runPromiseWith(services)(Layer.buildWithScope(whole, scope))
        return Context.get(built, Fetcher)
      }
      let loading: Promise<Fetcher["Service"]> | undefined
      const loaded = Effect.promise(() => (loading ??= load()))
      return { fetch: (fetch, onProgress) => Effect.flatMap(loaded, (fetcher) => fetcher.fetch(fetch, onProgress)) }
    })
  )
