/**
 * Sources and texts that an evaluation puts into the store.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import type { BlobService } from "../castore/blob/BlobService.ts"
import type { CastoreError } from "../castore/CastoreError.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import { isSourceError, type SourceError } from "../castore/ingest/SourceError.ts"
import type { Node } from "../castore/Node.ts"
import { pruneTree } from "../castore/PruneTree.ts"
import type { FarRequest } from "../eval/IoRequest.ts"
import { type ByteString, toBytes, toUnicode } from "../nix/Bytes.ts"
import { hash } from "../nix/Crypto.ts"
import { isInStore, makeFixedOutput, makeText, type StorePath } from "../nix/StorePath.ts"
import * as Add from "../store/Add.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import type { PathInfoService } from "../store/PathInfoService.ts"
import { announced } from "./Announce.ts"
import { severalFailures, together } from "./Needs.ts"
import { HashMismatch, isRealiseError, type RealiseError, SourceUnreadable, storeFailure } from "./RealiseError.ts"
import { locate, type Place } from "./StorePlaces.ts"

/** Sources read at the same time: they share one disk and one thread. */
const sourcesAtOnce = 4

export type AddSource = Extract<FarRequest, { readonly _tag: "AddSource" }>

/** What is wrong with the source at `path`, as the realiser tells it. */
export const sourceFailure = (path: ByteString, error: SourceError | CastoreError | Add.AddedHashMismatch): RealiseError => {
  const what = toUnicode(path)
  if (error._tag === "AddedHashMismatch") return new HashMismatch({ what, expected: error.expected, actual: error.actual })
  return isSourceError(error) ? new SourceUnreadable({ path: what, detail: error.message }) : storeFailure(error)
}

/** How a request wants its source hashed. */
export const addOptions = ({ recursive, expected }: AddSource) =>
  ({ method: recursive ? "recursive" : "flat", algorithm: expected?.algorithm, expected }) as const

/** The node of a source that a store has. */
export const sourceNode = (path: ByteString, { found }: Extract<Place, { _tag: "Inside" }>): Effect.Effect<Node, SourceUnreadable> => {
  if (found._tag === "Node") return Effect.succeed(found.node)
  const detail =
    found._tag === "Missing"
      ? "no such file in the store"
      : found._tag === "Loop"
        ? "too many symbolic links"
        : `directory ${found.digest} is missing in the store; run 'yix store verify'`
  return new SourceUnreadable({ path: toUnicode(path), detail })
}

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

  const available = (path: StorePath): Effect.Effect<Option.Option<PathInfo>, RealiseError> =>
    Effect.catchTag(Effect.asSome(needPath(path)), "PathUnavailable", () => Effect.succeedNone)

  /** Where a source is: in the store, such as one next to a file that was imported out of the store, or on the host. */
  const source = Effect.fnUntraced(function* (path: ByteString) {
    const place = isInStore(path) ? yield* locate(path, false, available) : undefined
    return place?._tag === "Inside" ? yield* sourceNode(path, place) : (place?.path ?? path)
  })

  /** Copies a source into the store. Read even where a path of that content is there, since only reading tells; not where a hash is declared. */
  const addSource = (request: AddSource): Effect.Effect<PathInfo, RealiseError> =>
    Effect.gen(function* () {
      const { name, path, accepted, expected } = request
      const options = addOptions(request)
      const present = expected === undefined ? Option.none<PathInfo>() : yield* lookup(makeFixedOutput(name, options.method, expected))
      if (Option.isSome(present)) return present.value
      const adding = Effect.gen(function* () {
        const found = yield* source(path)
        if (typeof found === "string") return yield* Add.addPath(name, found, { ...options, accepted })
        const node = accepted === undefined ? found : yield* pruneTree(found, accepted, yield* DirectoryService)
        return yield* Add.addNode(name, path, node, options)
      }).pipe(
        Effect.provideContext(services),
        Effect.mapError((error) => (isRealiseError(error) ? error : sourceFailure(path, error)))
      )
      return yield* Semaphore.withPermit(
        readers,
        announced("add-source", name, undefined, () => adding)
      )
    })

  return { addText, addSource }
}
