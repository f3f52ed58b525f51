/**
 * Two services of one kind as one: what the near-and-far services of blobs, directories and path infos have in common.
 *
 * Reads ask near, else far, and what far gave is stored near. A near side that fails or holds damaged data costs speed, never an answer: far is asked,
 * and what comes from there mends the near side. Where far cannot be asked either, the reader gets the near side's failure.
 * In a composition these are the types `cache` and `combined`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { CastoreError } from "./CastoreError.ts"

export interface NearFarOptions {
  /**
   * Where puts go. `both` (the default): a put returns when both sides have it and fails when one of them refuses, so that the near side may be lost or evicted
   * without loss. `near`: nothing is ever sent to far, for far sides that belong to others or cannot be written, such as binary caches.
   * `far`: the near side holds only what was read.
   */
  readonly write?: "both" | "near" | "far"
}

/** Builds the layers that a combinator stands on, so that one which several combinators share opens once. */
export const openBoth = <I, S, E1, R1, E2, R2>(
  service: Context.Key<I, S>,
  near: Layer.Layer<I, E1, R1>,
  far: Layer.Layer<I, E2, R2>,
  make: (near: S, far: S) => S
): Layer.Layer<I, E1 | E2, R1 | R2> =>
  Layer.fromBuildMemo((memoMap, scope) => {
    // `Layer.build` would fork the memo map: a child of two parents would open twice.
    const open = <E, R>(layer: Layer.Layer<I, E, R>) =>
      Effect.map(Layer.buildWithMemoMap(layer, memoMap, scope), (context) => Context.get(context, service))
    return Effect.map(Effect.all([open(near), open(far)], { concurrency: 2 }), ([near, far]) => Context.make(service, make(near, far)))
  })

/** Builds the one layer that a combinator stands on; shared like those of `openBoth`. */
export const openInner = <I, S, E1, R1, E2, R2>(
  service: Context.Key<I, S>,
  inner: Layer.Layer<I, E1, R1>,
  make: (inner: S) => Effect.Effect<S, E2, R2>
): Layer.Layer<I, E1 | E2, R1 | R2> =>
  Layer.fromBuildMemo((memoMap, scope) =>
    Layer.buildWithMemoMap(inner, memoMap, scope).pipe(
      Effect.flatMap((context) => make(Context.get(context, service))),
      Effect.map((wrapped) => Context.make(service, wrapped))
    )
  )

/** Tells that a near side failed: aloud the first time, to the debug log from then on. */
export const makeNearFailed = (kind: string): ((error: CastoreError) => Effect.Effect<void>) => {
  let told = false
  return (error) =>
    Effect.suspend(() => {
      const message = `the near side of the ${kind} failed, the far side is used: ${error.message}`
      if (told) return Effect.logDebug(message)
      told = true
      return Effect.logWarning(message)
    })
}

/** Everything of near, then what far has besides; by `keyOf`, the keys of near held in memory. A near side that fails does so after far was listed. */
export const listBoth = <A>(
  near: Stream.Stream<A, CastoreError>,
  far: Stream.Stream<A, CastoreError>,
  keyOf: (item: A) => string
): Stream.Stream<A, CastoreError> =>
  Stream.suspend(() => {
    const listed = new Set<string>()
    let failure: CastoreError | undefined
    const first = Stream.tap(near, (item) => Effect.sync(() => listed.add(keyOf(item)))).pipe(
      Stream.catch((error) => {
        failure = error
        return Stream.empty
      })
    )
    const rest = Stream.filter(far, (item) => !listed.has(keyOf(item)))
    const end = Stream.suspend(() => (failure === undefined ? Stream.empty : Stream.fail(failure)))
    return first.pipe(Stream.concat(rest), Stream.concat(end))
  })
