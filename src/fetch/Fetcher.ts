/**
 * The fetcher service: does a `Fetch`. Contents are checked while they stream and land in the castore; the caller commits the path info.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { PathInfo } from "../store/PathInfo.ts"
import type { Fetch } from "./Fetch.ts"
import type { FetchError } from "./FetchError.ts"
import type { TreeAttributes } from "./tree/FetchedTree.ts"

export interface Fetched extends PathInfo {
  /** Of a `Tree`: what is known of it besides its content. */
  readonly tree?: TreeAttributes | undefined
}

export interface FetchProgress {
  /** Bytes received so far. */
  readonly done: number
  /** Announced length, where the other side told. */
  readonly total: number | undefined
}

export class Fetcher extends Context.Service<
  Fetcher,
  {
    /** Set where no fetch uses the network, so that it may be asked under `--offline`. */
    readonly offline?: boolean | undefined
    /** The fetched tree with its NAR hash, size and content address, not yet committed. Interrupting it leaves nothing behind. */
    fetch(fetch: Fetch, onProgress?: (progress: FetchProgress) => void): Effect.Effect<Fetched, FetchError>
  }
>()("yix/fetch/Fetcher") {}
