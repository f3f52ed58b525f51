/**
 * A path-info service that refuses puts with `StoreReadOnly`, whatever the service behind it would do. Type `readonly` in a composition.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { StoreReadOnly } from "../../castore/CastoreError.ts"
import { openInner } from "../../castore/NearFar.ts"
import { PathInfoService } from "../PathInfoService.ts"

/** `name` is what the refusal calls the service. */
export const make = (inner: PathInfoService["Service"], name: string): PathInfoService["Service"] =>
  PathInfoService.of({
    ...inner,
    put: (info) => Effect.suspend(() => Effect.fail(StoreReadOnly.refusing(name, `store the path info of '${info.path}'`)))
  })

export const layer = <E, R>(inner: Layer.Layer<PathInfoService, E, R>, name = "read-only path infos"): Layer.Layer<PathInfoService, E, R> =>
  openInner(PathInfoService, inner, (inner) => Effect.succeed(make(inner, name)))
