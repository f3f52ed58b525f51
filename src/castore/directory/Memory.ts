/**
 * Directories in memory, for tests, for evaluation without a store and for playgrounds.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { attempt, type CastoreError } from "../CastoreError.ts"
import * as Digest from "../Digest.ts"
import * as Directory from "../Directory.ts"
import type { Directory as DirectoryData } from "../Node.ts"
import { descend, encodeAll } from "./Closure.ts"
import { DirectoryService } from "./DirectoryService.ts"

const store = "memory"

/** A map from digest to canonical bytes, which may be handed in for a test to look at or to damage. */
export const make = (encoded: Map<Digest.Digest, Uint8Array> = new Map()): DirectoryService["Service"] => {
  const get = (digest: Digest.Digest): Effect.Effect<Option.Option<DirectoryData>, CastoreError> =>
    Effect.suspend(() => {
      if (digest === Digest.empty) return Effect.succeedSome({ entries: [] })
      const bytes = encoded.get(digest)
      if (bytes === undefined) return Effect.succeedNone
      return Effect.map(Digest.verified(store, digest, bytes), (bytes) => Option.some(Directory.decode(bytes)))
    })
  const sizeOf = (digest: Digest.Digest) => {
    const bytes = encoded.get(digest)
    return bytes === undefined ? undefined : Directory.size(Directory.decode(bytes))
  }
  return DirectoryService.of({
    get,
    getRecursive: (root) => descend(store, root, (digests) => Effect.forEach(digests, get)),
    putMany: (directories) =>
      attempt(store, "store directories", () => {
        const all = encodeAll(directories, sizeOf)
        for (const { digest, bytes } of all) if (digest !== Digest.empty) encoded.set(digest, bytes)
        return all.map(({ digest }) => digest)
      }),
    list: () => Stream.suspend(() => Stream.fromIterable([...encoded.keys()]))
  })
}

export const layer: Layer.Layer<DirectoryService> = Layer.sync(DirectoryService, make)
