/**
 * A directory service that refuses puts with `StoreReadOnly`, whatever the service behind it would do. Type `readonly` in a composition.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { StoreReadOnly } from "../CastoreError.ts"
import { openInner } from "../NearFar.ts"
import { DirectoryService } from "./DirectoryService.ts"

/** `name` is what the refusal calls the service. */
export const make = (inner: DirectoryService["Service"], name: string): DirectoryService["Service"] =>
  DirectoryService.of({
    ...inner,
    putMany: () => Effect.suspend(() => Effect.fail(StoreReadOnly.refusing(name, "store directories")))
  })

export const layer = <E, R>(
  inner: Layer.Layer<DirectoryService, E, R>,
  name = "read-only directories"
): Layer.Layer<DirectoryService, E, R> => openInner(DirectoryService, inner, (inner) => Effect.succeed(make(inner, name)))
