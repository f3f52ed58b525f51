/**
 * Sources and texts that an evaluation puts into the store.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import type { BlobService } from "../castore/blob/BlobService.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import { isSourceError } from "../castore/ingest/SourceError.ts"
import type { FarRequest } from "../eval/IoRequest.ts"
import { type ByteString, toBytes, toUnicode } from "../nix/Bytes.ts"
import { hash } from "../nix/Crypto.ts"
import { makeFixedOutput, makeText, type StorePath } from "../nix/StorePath.ts"
import * as Add from "../store/Add.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import type { PathInfoService } from "../store/PathInfoService.ts"
import { announced } from "./Announce.ts"
import { severalFailures, together } from "./Needs.ts"
import { HashMismatch, type RealiseError, SourceUnreadable, storeFailure } from "./RealiseError.ts"

/** Sources read at the same time: they share one disk and one thread. */
const sourcesAtOnce = 4

type AddSource = Extract<FarRequest, { readonly _tag: "AddSource" }>

export interface AdditionWays {
  readonly services: Context.Context<BlobService | DirectoryService | PathInfoService>
  readonly lookup: (path: StorePath) => Effect.Effect<Option.Option<PathInfo>, RealiseError>
  /** Makes a path present. */
  readonly needPath: (path: StorePath) => Effect.Effect<PathInfo, RealiseError>
}

export const makeAdditions = ({ services, lookup, needPath }: AdditionWays) => {
  const readers = Semaphore.makeUnsafe(sourcesAtOnce)

  /** Stores a text. What it refers to is made present first. */
  const addText = (name: ByteString, contents: ByteString, references: Iterable<StorePath>): Effect.Effect<PathInfo, RealiseError> =>
    Effect.gen(function* () {
      const sorted = [...new Set(references)].sort()
      const bytes = toBytes(contents)
      const present = yield* lookup(makeText(name, hash("sha256", bytes), sorted))
      if (Option.isSome(present)) return present.value
      yield* together(
        sorted.map((reference) => ({ what: reference, work: needPath(reference) })),
        severalFailures
      )
      return yield* Effect.mapError(Effect.provideContext(Add.addText(name, bytes, sorted), services), storeFailure)
    })

  /** Copies a source into the store. Read even where a path of that content is there, since only reading tells; not where a hash is declared. */
  const addSource = (request: AddSource): Effect.Effect<PathInfo, RealiseError> =>
    Effect.gen(function* () {
      const { name, accepted, expected } = request
      const method = request.recursive ? "recursive" : "flat"
      const present = expected === undefined ? Option.none<PathInfo>() : yield* lookup(makeFixedOutput(name, method, expected))
      if (Option.isSome(present)) return present.value
      const path = toUnicode(request.path)
      const adding = Add.addPath(name, request.path, { accepted, method, algorithm: expected?.algorithm, expected }).pipe(
        Effect.provideContext(services),
        Effect.mapError((error) =>
          error._tag === "AddedHashMismatch"
            ? new HashMismatch({ what: path, expected: error.expected, actual: error.actual })
            : isSourceError(error)
              ? new SourceUnreadable({ path, detail: error.message })
              : storeFailure(error)
        )
      )
      return yield* Semaphore.withPermit(
        readers,
        announced("add-source", name, undefined, () => adding)
      )
    })

  return { addText, addSource }
}
