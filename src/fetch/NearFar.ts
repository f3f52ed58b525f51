/**
 * Two fetchers as one: the near one is asked first, and what it cannot bring, or has wrong, the far one brings. In a composition this is the type `combined`.
 * Where both fail, the far one's failure is told; but a wrong hash that only the near one found tells more.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { openBoth } from "../castore/NearFar.ts"
import { Fetcher } from "./Fetcher.ts"

/** Both are opened with the layer; one that several combinators share opens once. */
export const layer = <E1, R1, E2, R2>(
  near: Layer.Layer<Fetcher, E1, R1>,
  far: Layer.Layer<Fetcher, E2, R2>
): Layer.Layer<Fetcher, E1 | E2, R1 | R2> =>
  openBoth(Fetcher, near, far, (near, far) => ({
    offline: near.offline === true && far.offline === true,
    fetch: (fetch, onProgress) =>
      Effect.catch(near.fetch(fetch, onProgress), (error) =>
        Effect.logDebug(`the near fetcher: ${error.message}`).pipe(
          Effect.andThen(far.fetch(fetch, onProgress)),
          Effect.mapError((farError) => (error._tag === "HashMismatch" ? error : farError))
        )
      )
  }))
