/**
 * The builder service: runs a `BuildRequest` and gives back its outputs as castore nodes, scanned for references.
 *
 * Promises: only the declared inputs are visible; all processes are dead before outputs are read; nothing a builder wrote is trusted
 * (no-follow, copied into the castore); interrupting the effect kills every process and removes the scratch directory.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Node } from "../castore/Node.ts"
import type { BuildError } from "./BuildError.ts"
import type { BuildRequest } from "./BuildRequest.ts"

export interface BuildOptions {
  /** Seconds; 0 is no limit. */
  readonly timeout: number
  /** Seconds without output; 0 is no limit. */
  readonly maxSilent: number
  /** Called with each piece of the builder's standard output and error, as it comes. The bytes may be reused after the call. */
  readonly onLog: (bytes: Uint8Array) => void
}

export interface BuiltOutput {
  readonly node: Node
  /** Indexes into `refscanNeedles`, ascending. */
  readonly needles: ReadonlyArray<number>
  /** The NAR's SHA-256 (32 bytes) and size, where the builder computed them from what it put into the castore; remote builders' word is not taken for it. */
  readonly nar?: { readonly narHash: Uint8Array; readonly narSize: number } | undefined
}

export class Builder extends Context.Service<
  Builder,
  {
    /** Outputs in the order of the request's `outputs`. */
    build(request: BuildRequest, options: BuildOptions): Effect.Effect<ReadonlyArray<BuiltOutput>, BuildError>
  }
>()("yix/build/Builder") {}
