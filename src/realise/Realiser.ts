/**
 * The runtime between evaluator and world: one graph in memory of the work that is under way.
 *
 * Promises: work with the same content is under way once at a time and shared by all who ask; independent needs go on at the same time, bounded only by
 * the limits of fetcher and builder; nothing is realised that nothing asked for; when the last interested party leaves, the work is interrupted down to the
 * builder's processes; a path info is committed last, after all that it refers to.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Fetch } from "../fetch/Fetch.ts"
import type { FarRequest } from "../eval/IoRequest.ts"
import type { ByteString } from "../nix/Bytes.ts"
import type { Derivation } from "../nix/Derivation.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import type { RealiseError } from "./RealiseError.ts"

export interface RealiseOptions {
  /** Go on with what does not depend on a failure. */
  readonly keepGoing: boolean
  /** Builds at the same time. */
  readonly maxJobs: number
  /** Seconds a build may take; 0 is no limit. */
  readonly timeout: number
  /** Seconds a build may be silent; 0 is no limit. */
  readonly maxSilent: number
  /** No network: fetches fail at once. */
  readonly offline: boolean
  /** Build the targets although their outputs exist, and compare. */
  readonly check: boolean
}

/** The options of a run; a layer or `Effect.provideService` sets others. */
export const RealiseOptions = Context.Reference<RealiseOptions>("yix/realise/RealiseOptions", {
  defaultValue: () => ({ keepGoing: false, maxJobs: 4, timeout: 0, maxSilent: 0, offline: false, check: false })
})

/** Whether what an evaluation asks for must be in the store already: one that writes nothing has nothing built. What it fetches goes into the store all the same. */
export const BuildNothing = Context.Reference<boolean>("yix/realise/BuildNothing", { defaultValue: () => false })

export type Target =
  | { readonly _tag: "Path"; readonly path: StorePath }
  /** `outputs` undefined: all. */
  | { readonly _tag: "Derivation"; readonly drvPath: StorePath; readonly outputs: ReadonlyArray<ByteString> | undefined }

export interface Realised {
  readonly target: Target
  /** One for a path (name ""), else one per wanted output in the order wanted. */
  readonly outputs: ReadonlyArray<{ readonly name: ByteString; readonly path: StorePath; readonly info: PathInfo }>
}

export class Realiser extends Context.Service<
  Realiser,
  {
    /** Makes derivations known: path and ATerm text, parsed when needed. Others are read from the store. Cheap, idempotent, never fails. */
    addDerivations(list: Iterable<readonly [StorePath, ByteString]>): void
    /** Makes fetches known by the store path that each will give: done only when that path is needed. Cheap, idempotent, never fails. */
    addFetches(list: Iterable<readonly [StorePath, Fetch]>): void
    /** The derivation, from memory or the store. */
    derivation(drvPath: StorePath): Effect.Effect<Derivation, RealiseError>
    /** Answers one far request of the evaluator (shapes: `eval/IoRequest.ts`). Equal requests share one run. */
    answer(request: FarRequest): Effect.Effect<unknown, RealiseError>
    /** Makes the targets present; the answers in the order of the targets. */
    realise(targets: ReadonlyArray<Target>): Effect.Effect<ReadonlyArray<Realised>, RealiseError>
    /** Writes the `.drv` file and those of all its inputs, inputs first. */
    writeDerivation(drvPath: StorePath): Effect.Effect<PathInfo, RealiseError>
  }
>()("yix/realise/Realiser") {}
