/**
 * A blob service that refuses puts with `StoreReadOnly`, whatever the service behind it would do. Type `readonly` in a composition.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { StoreReadOnly } from "../CastoreError.ts"
import { openInner } from "../NearFar.ts"
import { BlobService } from "./BlobService.ts"

/** `name` is what the refusal calls the service. */
export const make = (inner: BlobService["Service"], name: string): BlobService["Service"] => {
  const refusal = Effect.suspend(() => Effect.fail(StoreReadOnly.refusing(name, "store a blob")))
  return BlobService.of({ ...inner, putMany: () => refusal, putStream: () => refusal })
}

export const layer = <E, R>(inner: Layer.Layer<BlobService, E, R>, name = "read-only blobs"): Layer.Layer<BlobService, E, R> =>
  openInner(BlobService, inner, (inner) => Effect.succeed(make(inner, name)))
