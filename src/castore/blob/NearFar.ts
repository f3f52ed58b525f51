/**
 * Blobs of a near and a far service: read near, else far, filling near. See `castore/NearFar.ts` for what both promise and where puts go.
 *
 * A blob that is missing near is streamed there from far once, whoever asks for it meanwhile, and then read near: neither side's blob is ever in memory as a whole
 * unless it was asked for by `get`. Of a whole read the first bytes are held back a little, so that damage in all but very large blobs is mended unnoticed.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { type CastoreError, CorruptData, MissingData } from "../CastoreError.ts"
import * as Digest from "../Digest.ts"
import * as InFlight from "../InFlight.ts"
import { listBoth, makeNearFailed, type NearFarOptions, openBoth } from "../NearFar.ts"
import { BlobService } from "./BlobService.ts"

type Blobs = BlobService["Service"]

/** Bytes of a whole read that are held back until more come or the near side has verified that these were all. */
const heldBack = 4 << 20

/** Blobs asked for at the same time by one `getMany`. */
const concurrency = 32

/** How a look-up in far ended. `bytes` when it was one of a blob as a whole. */
type Found = { readonly at: "near" | "far"; readonly bytes?: Uint8Array } | { readonly at: "nowhere" }

/** The far side's failure on its way through the near side's `putStream`. */
class FarFailed {
  readonly error: CastoreError
  constructor(error: CastoreError) {
    this.error = error
  }
}

const lied = (digest: Digest.Digest, actual: Digest.Digest): CorruptData =>
  new CorruptData({ store: "far side", digest: Digest.toText(digest), detail: `its bytes are ${Digest.toText(actual)}` })

/** What a read has given so far. */
interface Progress {
  /** Bytes. */
  given: number
  /** The digest of a whole read's, where more than `heldBack` were given. */
  seen: ReturnType<typeof Digest.incremental> | undefined
}

/** The pieces, counted. */
const counted = (pieces: Stream.Stream<Uint8Array, CastoreError>, progress: Progress): Stream.Stream<Uint8Array, CastoreError> =>
  Stream.map(pieces, (piece) => {
    progress.given += piece.length
    return piece
  })

interface Held {
  pieces: Array<Uint8Array> | undefined
  size: number
}

/** The pieces, the first `heldBack` bytes of them only when more have come or the stream has ended well. */
const holdBack = (pieces: Stream.Stream<Uint8Array, CastoreError>, progress: Progress): Stream.Stream<Uint8Array, CastoreError> => {
  const give = (piece: Uint8Array) => {
    progress.given += piece.length
    progress.seen ??= Digest.incremental()
    progress.seen.update(piece)
  }
  // The end is an element of its own: `onHalt` is called for failures too.
  const ended: Stream.Stream<Uint8Array | undefined> = Stream.succeed(undefined)
  return Stream.mapAccum(
    Stream.concat(pieces, ended),
    (): Held => ({ pieces: [], size: 0 }),
    (held, piece): readonly [Held, ReadonlyArray<Uint8Array>] => {
      if (piece === undefined) return [held, held.pieces ?? []]
      if (held.pieces === undefined) {
        give(piece)
        return [held, [piece]]
      }
      held.pieces.push(piece)
      held.size += piece.length
      if (held.size <= heldBack) return [held, []]
      held.pieces.forEach(give)
      return [{ pieces: undefined, size: 0 }, held.pieces]
    }
  )
}

/** What follows the first `given` bytes, if these are the ones that `prefix` is the digest of; else `CorruptData`. */
const following = (
  pieces: Stream.Stream<Uint8Array, CastoreError>,
  digest: Digest.Digest,
  given: number,
  prefix: Digest.Digest
): Stream.Stream<Uint8Array, CastoreError> =>
  Stream.suspend(() => {
    const hasher = Digest.incremental()
    let left = given
    return Stream.mapEffect(pieces, (piece) => {
      if (left === 0) return Effect.succeed(piece)
      const known = piece.subarray(0, left)
      hasher.update(known)
      left -= known.length
      if (left > 0) return Effect.succeed(piece.subarray(piece.length))
      return hasher.end() === prefix
        ? Effect.succeed(piece.subarray(known.length))
        : Effect.fail(
            new CorruptData({
              store: "near side",
              digest: Digest.toText(digest),
              detail: "bytes that were already given were damaged; it has been mended from the far side, so reading it again will do"
            })
          )
    }).pipe(Stream.filter((piece) => piece.length > 0))
  })

export const make = (near: Blobs, far: Blobs, options: NearFarOptions = {}): Blobs => {
  const write = options.write ?? "both"
  const lookups = InFlight.make<Found, CastoreError>()
  const nearFailed = makeNearFailed("blobs")

  const fillWhole = (digest: Digest.Digest): Effect.Effect<Found, CastoreError> =>
    Effect.gen(function* () {
      const answer = yield* far.get(digest)
      if (Option.isNone(answer)) return { at: "nowhere" } as const
      const bytes = answer.value
      const stored = yield* Effect.result(near.putMany([bytes]))
      if (Result.isFailure(stored)) {
        yield* nearFailed(stored.failure)
        return { at: "far", bytes: yield* Digest.verified("far side", digest, bytes) } as const
      }
      if (stored.success[0] !== digest) return yield* lied(digest, stored.success[0]!)
      yield* Effect.logTrace(`filled the near side with blob ${digest}`)
      return { at: "near", bytes } as const
    })

  const fillStream = (digest: Digest.Digest): Effect.Effect<Found, CastoreError> =>
    Effect.gen(function* () {
      const bytes = Stream.mapError(far.read(digest), (error) => new FarFailed(error))
      const stored = yield* Effect.result(near.putStream(bytes))
      if (Result.isSuccess(stored)) {
        if (stored.success.digest !== digest) return yield* lied(digest, stored.success.digest)
        yield* Effect.logTrace(`filled the near side with blob ${digest}`)
        return { at: "near" } as const
      }
      const { failure } = stored
      if (!(failure instanceof FarFailed)) {
        yield* nearFailed(failure)
        return { at: "far" } as const
      }
      if (failure.error instanceof MissingData) return { at: "nowhere" } as const
      return yield* failure.error
    })

  /** Looks in far for what near did not give; `trouble` when that was because near failed. */
  const lookFar = (
    digest: Digest.Digest,
    fill: (digest: Digest.Digest) => Effect.Effect<Found, CastoreError>,
    trouble: CastoreError | undefined
  ): Effect.Effect<Found, CastoreError> => {
    if (trouble !== undefined) {
      const mending = Effect.andThen(nearFailed(trouble), lookups.share(`mend ${digest}`, fill(digest)))
      return Effect.mapError(mending, () => trouble)
    }
    // An earlier run may have ended between the caller's look at near and now.
    const missing = Effect.flatMap(
      Effect.orElseSucceed(near.has(digest), () => false),
      (there) => (there ? Effect.succeed<Found>({ at: "near" }) : fill(digest))
    )
    return lookups.share(digest, missing)
  }

  const getFar = (digest: Digest.Digest, trouble: CastoreError | undefined): Effect.Effect<Option.Option<Uint8Array>, CastoreError> =>
    Effect.flatMap(lookFar(digest, fillWhole, trouble), (found) => {
      if (found.at === "nowhere") return trouble === undefined ? Effect.succeedNone : Effect.fail(trouble)
      if (found.bytes !== undefined) return Effect.succeedSome(found.bytes)
      return found.at === "near" ? Effect.catch(near.get(digest), () => far.get(digest)) : far.get(digest)
    })

  const get = (digest: Digest.Digest): Effect.Effect<Option.Option<Uint8Array>, CastoreError> =>
    Effect.flatMap(Effect.result(near.get(digest)), (answer) => {
      if (Result.isFailure(answer)) return getFar(digest, answer.failure)
      return Option.isSome(answer.success) ? Effect.succeed(answer.success) : getFar(digest, undefined)
    })

  const getMany = (digests: ReadonlyArray<Digest.Digest>): Effect.Effect<ReadonlyArray<Option.Option<Uint8Array>>, CastoreError> =>
    Effect.flatMap(Effect.result(near.getMany(digests)), (answers) =>
      Result.isFailure(answers)
        ? Effect.forEach(digests, get, { concurrency })
        : Effect.forEach(
            answers.success,
            (answer, i) => (Option.isSome(answer) ? Effect.succeed(answer) : getFar(digests[i]!, undefined)),
            { concurrency }
          )
    )

  const read: Blobs["read"] = (digest, range) =>
    Stream.suspend(() => {
      const offset = Math.max(range?.offset ?? 0, 0)
      const { length } = range ?? {}
      const whole = offset === 0 && length === undefined
      const progress: Progress = { given: 0, seen: undefined }

      /** The bytes that were not given yet. Those of a range were verified before the first was given. */
      const rest = (side: Blobs): Stream.Stream<Uint8Array, CastoreError> => {
        const { given, seen } = progress
        if (given === 0) return side.read(digest, range)
        if (seen !== undefined) return following(side.read(digest), digest, given, seen.end())
        return side.read(digest, { offset: offset + given, ...(length === undefined ? {} : { length: length - given }) })
      }

      const elsewhere = (error: CastoreError): Stream.Stream<Uint8Array, CastoreError> => {
        const trouble = error instanceof MissingData ? undefined : error
        const rested = Effect.map(lookFar(digest, fillStream, trouble), (found) => {
          if (found.at === "nowhere") return Stream.fail(error)
          if (found.at === "far" || progress.given > 0) return rest(found.at === "far" ? far : near)
          return Stream.catch(counted(near.read(digest, range), progress), (again) =>
            progress.given === 0 ? far.read(digest, range) : Stream.fail(again)
          )
        })
        // A far side that lacks the blob does not make up for a near side that may have it.
        return Stream.mapError(Stream.unwrap(rested), (later) => (later instanceof MissingData ? error : later))
      }

      const fromNear = near.read(digest, range)
      return Stream.catch(whole ? holdBack(fromNear, progress) : counted(fromNear, progress), elsewhere)
    })

  const putMany: Blobs["putMany"] = (blobs) => {
    if (write === "near") return near.putMany(blobs)
    if (write === "far") return far.putMany(blobs)
    return Effect.map(Effect.all([far.putMany(blobs), near.putMany(blobs)], { concurrency: 2 }), ([digests]) => digests)
  }

  const putStream: Blobs["putStream"] = (bytes) => {
    if (write === "far") return far.putStream(bytes)
    if (write === "near") return near.putStream(bytes)
    return Effect.gen(function* () {
      // Near first: a stream can be read once, and then far need not be sent what it has.
      const stored = yield* near.putStream(bytes)
      if (yield* far.has(stored.digest)) return stored
      const sent = yield* far.putStream(near.read(stored.digest))
      return sent.digest === stored.digest ? stored : yield* lied(stored.digest, sent.digest)
    })
  }

  return BlobService.of({
    has: (digest) =>
      Effect.flatMap(Effect.result(near.has(digest)), (answer) => {
        if (Result.isSuccess(answer)) return answer.success ? Effect.succeed(true) : far.has(digest)
        const { failure } = answer
        return nearFailed(failure).pipe(
          Effect.andThen(Effect.mapError(far.has(digest), () => failure)),
          Effect.filterOrFail(
            (there) => there,
            () => failure
          )
        )
      }),
    get,
    getMany,
    read,
    putMany,
    putStream,
    list: () => listBoth(near.list(), far.list(), (digest) => digest)
  })
}

/** The types `cache` and `combined` of a composition's blob services. */
export const layer = <E1, R1, E2, R2>(
  near: Layer.Layer<BlobService, E1, R1>,
  far: Layer.Layer<BlobService, E2, R2>,
  options?: NearFarOptions
): Layer.Layer<BlobService, E1 | E2, R1 | R2> => openBoth(BlobService, near, far, (near, far) => make(near, far, options))
