/**
 * What every blob service does. A driver's test calls `blobContract` with a layer that gives each test a service of its own.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import { type CastoreError, CorruptData, MissingData } from "../../src/castore/CastoreError.ts"
import * as Digest from "../../src/castore/Digest.ts"
import { concatBytes } from "../../src/nix/Bytes.ts"
import { randomBytes, text } from "./bytes.ts"

/** Sizes around the limits that drivers have: pages, rows, files, reads. */
const sizes = [0, 1, 31, 64, 1023, 1024, 1025, 65_535, 65_536, 65_537, 1_048_575, 1_048_576, 1_048_577, 3_000_000]

export interface BlobContract {
  /** A fresh, empty service. */
  readonly layer: () => Layer.Layer<BlobService, unknown>
  /** Damages the stored blob in place: changes a byte of it, or cuts it short. Absent where a driver's data cannot be reached. */
  readonly damage?: (digest: Digest.Digest, how: "flip" | "cut") => Effect.Effect<void, unknown, BlobService>
}

export const blobContract = (driver: BlobContract): void => {
  const test = (name: string, body: Effect.Effect<unknown, unknown, BlobService>) =>
    it.live(name, () => Effect.provide(body, driver.layer()))
  const whole = (stream: Stream.Stream<Uint8Array, unknown>) => Effect.map(Stream.runCollect(stream), concatBytes)

  test(
    "a blob comes back as it was put, whatever its size and however it is read",
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const contents = sizes.map((size) => randomBytes(size, size))
      const digests = yield* blobs.putMany(contents)
      assert.deepStrictEqual([...digests], contents.map(Digest.ofBytes))
      for (let i = 0; i < sizes.length; i++) {
        assert.isTrue(yield* blobs.has(digests[i]!))
        assert.deepStrictEqual(Buffer.from(Option.getOrThrow(yield* blobs.get(digests[i]!))), Buffer.from(contents[i]!))
        assert.deepStrictEqual(Buffer.from(yield* whole(blobs.read(digests[i]!))), Buffer.from(contents[i]!))
      }
      const all = yield* blobs.getMany(digests)
      assert.deepStrictEqual(
        all.map((bytes) => Option.getOrThrow(bytes).length),
        sizes
      )
    })
  )

  test(
    "a streamed blob equals one put whole, however it is cut into pieces",
    Effect.gen(function* () {
      const blobs = yield* BlobService
      for (const size of sizes) {
        const contents = randomBytes(size + 7, size)
        for (const cut of [Math.max(1, size >> 3), 65_536, 1_000_003]) {
          const pieces: Array<Uint8Array> = []
          for (let at = 0; at < size; at += cut) pieces.push(contents.subarray(at, at + cut))
          const stored = yield* blobs.putStream(Stream.fromIterable(pieces))
          assert.deepStrictEqual(stored, { digest: Digest.ofBytes(contents), size })
        }
        assert.deepStrictEqual(Buffer.from(yield* whole(blobs.read(Digest.ofBytes(contents)))), Buffer.from(contents))
      }
    })
  )

  test(
    "buffers may be reused after they were put",
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const buffer = randomBytes(3, 100)
      const expected = buffer.slice()
      const [digest] = yield* blobs.putMany([buffer])
      buffer.fill(0)
      assert.deepStrictEqual(Buffer.from(Option.getOrThrow(yield* blobs.get(digest!))), Buffer.from(expected))
      const streamed = yield* blobs.putStream(
        Stream.fromIterable([1, 2, 3]).pipe(
          Stream.rechunk(1),
          Stream.map((n) => buffer.fill(n))
        )
      )
      const read = yield* whole(blobs.read(streamed.digest))
      assert.deepStrictEqual(Buffer.from(read), Buffer.concat([1, 2, 3].map((n) => Buffer.alloc(100, n))))
    })
  )

  test(
    "a range gives these bytes and no others, also at and beyond the end",
    Effect.gen(function* () {
      const blobs = yield* BlobService
      for (const size of [10, 65_537, 3_000_000]) {
        const contents = randomBytes(size, size)
        const [digest] = yield* blobs.putMany([contents])
        for (const [offset, length] of [
          [0, size],
          [0, 0],
          [3, 4],
          [size - 1, 1],
          [size - 1, 100],
          [size, 5],
          [size + 5, 5],
          [Math.floor(size / 2), size]
        ] as const) {
          const part = yield* whole(blobs.read(digest!, { offset, length }))
          assert.deepStrictEqual(Buffer.from(part), Buffer.from(contents.subarray(offset, offset + length)), `${size} ${offset} ${length}`)
        }
        assert.strictEqual((yield* whole(blobs.read(digest!, { offset: 7 }))).length, size - 7)
      }
    })
  )

  test(
    "an unknown blob is absent; reading it fails with MissingData",
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const digest = Digest.ofBytes(text("never put"))
      assert.isFalse(yield* blobs.has(digest))
      assert.isTrue(Option.isNone(yield* blobs.get(digest)))
      const error = yield* Effect.flip(Stream.runDrain(blobs.read(digest)))
      assert.instanceOf(error, MissingData)
      const [known] = yield* blobs.putMany([text("put")])
      const answers = yield* blobs.getMany([digest, known!])
      assert.deepStrictEqual(answers.map(Option.isSome), [false, true])
    })
  )

  test(
    "the empty blob is always there",
    Effect.gen(function* () {
      const blobs = yield* BlobService
      assert.isTrue(yield* blobs.has(Digest.empty))
      assert.strictEqual(Option.getOrThrow(yield* blobs.get(Digest.empty)).length, 0)
      assert.strictEqual((yield* whole(blobs.read(Digest.empty))).length, 0)
    })
  )

  test(
    "putting twice stores once, and the list names each blob once",
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const contents = [randomBytes(1, 10), randomBytes(2, 100_000), randomBytes(1, 10)]
      const first = yield* blobs.putMany(contents)
      const second = yield* blobs.putMany(contents)
      assert.deepStrictEqual([...first], [...second])
      const listed = yield* Stream.runCollect(blobs.list())
      assert.deepStrictEqual([...listed].sort(), [first[0]!, first[1]!].sort())
    })
  )

  test(
    "an upload that fails or is interrupted leaves nothing",
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const start = Stream.fromIterable([randomBytes(1, 700_000), randomBytes(2, 700_000)]).pipe(Stream.rechunk(1))
      const failed = yield* Effect.flip(blobs.putStream(Stream.concat(start, Stream.fail("torn" as const))))
      assert.strictEqual(failed, "torn")
      const stuck = yield* Effect.exit(Effect.timeoutOption(blobs.putStream(Stream.concat(start, Stream.never)), "50 millis"))
      assert.isTrue(Exit.isSuccess(stuck) && Option.isNone(stuck.value))
      assert.deepStrictEqual([...(yield* Stream.runCollect(blobs.list()))], [])
    })
  )

  test(
    "many fibers may put the same blobs at the same time",
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const contents = Array.from({ length: 20 }, (_, i) => randomBytes(i, 50_000 + 2_000 * i))
      yield* Effect.forEach(
        Array.from({ length: 8 }),
        (_, i) =>
          i % 2 === 0
            ? Effect.asVoid(blobs.putMany(contents))
            : Effect.forEach(contents, (bytes) => blobs.putStream(Stream.succeed(bytes)), { discard: true }),
        { concurrency: "unbounded" }
      )
      assert.strictEqual((yield* Stream.runCollect(blobs.list())).length, 20)
      for (const bytes of contents) assert.isTrue(Option.isSome(yield* blobs.get(Digest.ofBytes(bytes))))
    })
  )

  const { damage } = driver
  if (damage === undefined) return
  for (const how of ["flip", "cut"] as const) {
    for (const size of [100, 70_000, 2_500_000]) {
      test(
        `a stored blob of ${size} bytes that was damaged (${how}) is never given; CorruptData names it, and putting it again mends it`,
        Effect.gen(function* () {
          const blobs = yield* BlobService
          const contents = randomBytes(size, size)
          const [digest] = yield* blobs.putMany([contents])
          for (const read of [
            Effect.asVoid(blobs.get(digest!)) as Effect.Effect<void, CastoreError>,
            Stream.runDrain(blobs.read(digest!)),
            Stream.runDrain(blobs.read(digest!, { offset: 5, length: 10 }))
          ]) {
            yield* damage(digest!, how)
            const error = yield* Effect.flip(read)
            assert.instanceOf(error, CorruptData)
            assert.strictEqual((error as CorruptData).digest, Digest.toText(digest!))
            yield* blobs.putMany([contents])
            assert.deepStrictEqual(Buffer.from(Option.getOrThrow(yield* blobs.get(digest!))), Buffer.from(contents))
          }
        })
      )
    }
  }
}
