import "./crypto.ts"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import * as LocalBlobs from "../../src/castore/blob/Local.ts"
import * as MemoryBlobs from "../../src/castore/blob/Memory.ts"
import * as NearFarBlobs from "../../src/castore/blob/NearFar.ts"
import * as ReadOnlyBlobs from "../../src/castore/blob/ReadOnly.ts"
import { CorruptData, InvalidData, StoreReadOnly, StoreUnavailable } from "../../src/castore/CastoreError.ts"
import * as Digest from "../../src/castore/Digest.ts"
import * as Directory from "../../src/castore/Directory.ts"
import { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import * as LocalDirectories from "../../src/castore/directory/Local.ts"
import * as MemoryDirectories from "../../src/castore/directory/Memory.ts"
import * as NearFarDirectories from "../../src/castore/directory/NearFar.ts"
import * as ReadOnlyDirectories from "../../src/castore/directory/ReadOnly.ts"
import * as LocalDatabase from "../../src/castore/local/LocalDatabase.ts"
import type { NearFarOptions } from "../../src/castore/NearFar.ts"
import type { Directory as DirectoryData } from "../../src/castore/Node.ts"
import { blobContract } from "./blob.contract.ts"
import { concatBytes } from "../../src/nix/Bytes.ts"
import { randomBytes, text } from "./bytes.ts"
import { directoryContract } from "./directory.contract.ts"

const root = mkdtempSync(join(tmpdir(), "yix-nearfar-"))
afterAll(() => rmSync(root, { recursive: true }))
let counter = 0

type Blobs = BlobService["Service"]
type Directories = DirectoryService["Service"]

const damaged = (bytes: Uint8Array, how: "flip" | "cut" = "flip") => {
  const copy = how === "cut" ? bytes.slice(0, bytes.length - 1) : bytes.slice()
  if (how === "flip") copy[copy.length >> 1]! ^= 4
  return copy
}

const blobsLayer = (make: () => Blobs) => Layer.sync(BlobService, make)
const memoryBlobs = (held?: Map<Digest.Digest, Uint8Array>) => blobsLayer(() => MemoryBlobs.make(held))
const localBlobs = Layer.suspend(() =>
  Layer.provide(LocalBlobs.layer({ fsync: "never" }), LocalDatabase.layer(join(root, String(++counter))))
)
const down = new StoreUnavailable({ store: "test", operation: "answer", cause: "it is down" })

/** A service that counts what it is asked for and can be switched off. */
const watchedBlobs = (inner: Blobs) => {
  const seen = { asked: 0, dead: false }
  const ask = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend((): Effect.Effect<A, E | StoreUnavailable, R> => {
      seen.asked++
      return seen.dead ? Effect.fail(down) : effect
    })
  const stream = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.unwrap(ask(Effect.succeed(stream)))
  return {
    seen,
    blobs: BlobService.of({
      has: (digest) => ask(inner.has(digest)),
      get: (digest) => ask(inner.get(digest)),
      getMany: (digests) => ask(inner.getMany(digests)),
      read: (digest, range) => stream(inner.read(digest, range)),
      putMany: (blobs) => ask(inner.putMany(blobs)),
      putStream: (bytes) => ask(inner.putStream(bytes)),
      list: () => stream(inner.list())
    })
  }
}

const whole = (stream: Stream.Stream<Uint8Array, unknown>) => Effect.map(Stream.runCollect(stream), concatBytes)
const same = (actual: Uint8Array, expected: Uint8Array) =>
  assert.isTrue(
    Buffer.from(actual).equals(expected),
    `other bytes: ${actual.length} for ${expected.length}, first ${actual.findIndex((byte, i) => byte !== expected[i])}`
  )

for (const write of ["both", "near", "far"] as const) {
  describe(`blobs near in memory and far in a local store, puts to ${write}`, () => {
    blobContract({ layer: () => NearFarBlobs.layer(memoryBlobs(), localBlobs, { write }) })
  })
}

describe("blobs of which only the near side has what was put, and that is damaged", () => {
  let held = new Map<Digest.Digest, Uint8Array>()
  blobContract({
    layer: () => NearFarBlobs.layer(memoryBlobs((held = new Map())), memoryBlobs(), { write: "near" }),
    damage: (digest, how) => Effect.sync(() => held.set(digest, damaged(held.get(digest)!, how)))
  })
})

describe("blobs of a cache whose far side is a cache", () => {
  blobContract({
    layer: () => NearFarBlobs.layer(memoryBlobs(), NearFarBlobs.layer(localBlobs, memoryBlobs(), { write: "near" }))
  })
})

describe("blobs near and far", () => {
  const sizes = [10, 70_000, 9_000_000]
  const world = (options: NearFarOptions = {}) => {
    const held = { near: new Map<Digest.Digest, Uint8Array>(), far: new Map<Digest.Digest, Uint8Array>() }
    const near = watchedBlobs(MemoryBlobs.make(held.near))
    const far = watchedBlobs(MemoryBlobs.make(held.far))
    return { held, near, far, blobs: NearFarBlobs.make(near.blobs, far.blobs, options) }
  }

  it.effect("after one read, however it was made, the near side answers with the far side dead", () =>
    Effect.gen(function* () {
      for (const size of sizes) {
        const contents = randomBytes(size, size)
        const digest = Digest.ofBytes(contents)
        const reads: ReadonlyArray<(blobs: Blobs) => Effect.Effect<Uint8Array, unknown>> = [
          (blobs) => Effect.map(blobs.get(digest), Option.getOrThrow),
          (blobs) => Effect.map(blobs.getMany([digest]), ([answer]) => Option.getOrThrow(answer!)),
          (blobs) => whole(blobs.read(digest))
        ]
        for (const read of reads) {
          const { blobs, far, held } = world()
          held.far.set(digest, contents)
          same(yield* read(blobs), contents)
          far.seen.dead = true
          for (const again of reads) same(yield* again(blobs), contents)
          assert.isTrue(yield* blobs.has(digest))
          same(yield* whole(blobs.read(digest, { offset: 3, length: 4 })), contents.subarray(3, 7))
        }
        const { blobs, far, held } = world()
        held.far.set(digest, contents)
        same(yield* whole(blobs.read(digest, { offset: 3, length: 4 })), contents.subarray(3, 7))
        far.seen.dead = true
        same(yield* whole(blobs.read(digest)), contents)
      }
    })
  )

  it.effect("a near side that is dead loses no answer of the far side, and none of its own is taken for absence", () =>
    Effect.gen(function* () {
      for (const size of sizes) {
        const contents = randomBytes(size, size)
        const digest = Digest.ofBytes(contents)
        const { blobs, near, far, held } = world()
        held.far.set(digest, contents)
        near.seen.dead = true
        assert.isTrue(yield* blobs.has(digest))
        same(Option.getOrThrow(yield* blobs.get(digest)), contents)
        same(Option.getOrThrow((yield* blobs.getMany([digest]))[0]!), contents)
        same(yield* whole(blobs.read(digest)), contents)
        same(yield* whole(blobs.read(digest, { offset: 2 })), contents.subarray(2))
        const other = Digest.ofBytes(text("only near might have it"))
        for (const ask of [blobs.has(other), blobs.get(other), Stream.runDrain(blobs.read(other))])
          assert.strictEqual(yield* Effect.flip(ask as Effect.Effect<unknown, unknown>), down)
        far.seen.dead = true
        assert.strictEqual(yield* Effect.flip(blobs.get(digest)), down)
      }
    })
  )

  it.effect("a near side that takes no puts still lets the far side answer", () =>
    Effect.gen(function* () {
      const contents = randomBytes(1, 100_000)
      const digest = Digest.ofBytes(contents)
      const far = MemoryBlobs.make(new Map([[digest, contents]]))
      const blobs = NearFarBlobs.make(ReadOnlyBlobs.make(MemoryBlobs.make(), "near"), far)
      same(Option.getOrThrow(yield* blobs.get(digest)), contents)
      same(yield* whole(blobs.read(digest)), contents)
      assert.instanceOf(yield* Effect.flip(blobs.putMany([text("x")])), StoreReadOnly)
    })
  )

  it.effect("a blob that is damaged near is mended from the far side while it is read", () =>
    Effect.gen(function* () {
      for (const size of [10, 70_000, 3_000_000]) {
        for (const how of ["flip", "cut"] as const) {
          const contents = randomBytes(size, size)
          const digest = Digest.ofBytes(contents)
          for (const read of [
            (blobs: Blobs) => Effect.map(blobs.get(digest), Option.getOrThrow),
            (blobs: Blobs) => Effect.map(blobs.getMany([digest]), ([answer]) => Option.getOrThrow(answer!)),
            (blobs: Blobs) => whole(blobs.read(digest)),
            (blobs: Blobs) => Effect.as(Stream.runDrain(blobs.read(digest, { offset: 3, length: 4 })), contents)
          ]) {
            const { blobs, far, held } = world()
            yield* blobs.putMany([contents])
            held.near.set(digest, damaged(contents, how))
            same(yield* read(blobs), contents)
            same(held.near.get(digest)!, contents)
            far.seen.dead = true
            held.near.set(digest, damaged(contents, how))
            assert.instanceOf(yield* Effect.flip(read(blobs) as Effect.Effect<unknown, unknown>), CorruptData)
          }
        }
      }
    })
  )

  it.live("files of a local store that are damaged are mended, also such as are too large to be held back", () =>
    Effect.gen(function* () {
      const directory = join(root, String(++counter))
      const near = Layer.provide(LocalBlobs.layer({ fsync: "never" }), LocalDatabase.layer(directory))
      yield* Effect.gen(function* () {
        const blobs = yield* BlobService
        const damage = (digest: Digest.Digest, at: (bytes: Uint8Array) => number) => {
          const file = join(directory, "blobs", digest.slice(0, 2), digest)
          const bytes = new Uint8Array(readFileSync(file))
          bytes[at(bytes)]! ^= 1
          chmodSync(file, 0o644)
          writeFileSync(file, bytes)
        }
        for (const size of [100_000, 3_000_000, 9_000_000]) {
          const contents = randomBytes(size, size)
          const [digest] = yield* blobs.putMany([contents])
          damage(digest!, (bytes) => bytes.length - 1)
          same(yield* whole(blobs.read(digest!)), contents)
          const other = randomBytes(size + 1, size)
          const [second] = yield* blobs.putMany([other])
          damage(second!, (bytes) => bytes.length >> 1)
          same(yield* whole(blobs.read(second!, { offset: 5, length: 100 })), other.subarray(5, 105))
          for (const mended of [digest!, second!]) assert.isTrue(existsSync(join(directory, "blobs", mended.slice(0, 2), mended)))
        }
        const contents = randomBytes(1, 9_000_000)
        const [digest] = yield* blobs.putMany([contents])
        damage(digest!, () => 0)
        const error = yield* Effect.flip(whole(blobs.read(digest!)))
        assert.instanceOf(error, CorruptData)
        assert.include((error as CorruptData).message, "reading it again")
        same(yield* whole(blobs.read(digest!)), contents)
      }).pipe(Effect.provide(NearFarBlobs.layer(near, memoryBlobs())))
    })
  )

  it.effect("readers that ask for a missing blob at the same time fetch it once; leaving does not harm the others", () =>
    Effect.gen(function* () {
      const contents = randomBytes(1, 200_000)
      const digest = Digest.ofBytes(contents)
      const gate = yield* Deferred.make<void>()
      let fetched = 0
      const inner = MemoryBlobs.make(new Map([[digest, contents]]))
      const far = BlobService.of({
        ...inner,
        get: (digest) =>
          Effect.andThen(
            Deferred.await(gate),
            Effect.andThen(
              Effect.sync(() => fetched++),
              inner.get(digest)
            )
          ),
        read: (digest, range) =>
          Stream.unwrap(
            Effect.as(
              Effect.andThen(
                Deferred.await(gate),
                Effect.sync(() => fetched++)
              ),
              inner.read(digest, range)
            )
          )
      })
      const blobs = NearFarBlobs.make(MemoryBlobs.make(), far)
      const fibers = yield* Effect.forEach(Array.from({ length: 30 }), (_, i) =>
        Effect.forkChild(
          i % 3 === 0
            ? Effect.map(blobs.get(digest), Option.getOrThrow)
            : i % 3 === 1
              ? whole(blobs.read(digest))
              : Effect.map(blobs.getMany([digest, digest]), ([, answer]) => Option.getOrThrow(answer!)),
          { startImmediately: true }
        )
      )
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fibers[0]!)
      yield* Fiber.interrupt(fibers[1]!)
      yield* Deferred.succeed(gate, undefined)
      for (const fiber of fibers.slice(2)) same(yield* Fiber.join(fiber), contents)
      assert.strictEqual(fetched, 1)
    })
  )

  it.effect("when the last reader leaves, the fetch is interrupted and leaves nothing near", () =>
    Effect.gen(function* () {
      const digest = Digest.ofBytes(text("never comes"))
      const ended = yield* Deferred.make<void>()
      const far = BlobService.of({
        ...MemoryBlobs.make(),
        read: () => Stream.concat(Stream.succeed(text("never")), Stream.never).pipe(Stream.ensuring(Deferred.succeed(ended, undefined)))
      })
      const near = MemoryBlobs.make()
      const blobs = NearFarBlobs.make(near, far)
      const reader = yield* Effect.forkChild(Stream.runDrain(blobs.read(digest)), { startImmediately: true })
      for (let i = 0; i < 20; i++) yield* Effect.yieldNow
      yield* Fiber.interrupt(reader)
      yield* Deferred.await(ended)
      assert.deepStrictEqual([...(yield* Stream.runCollect(near.list()))], [])
    })
  )

  it.effect("a far side that gives other bytes than were asked for is not believed", () =>
    Effect.gen(function* () {
      const digest = Digest.ofBytes(text("right"))
      const far = BlobService.of({
        ...MemoryBlobs.make(),
        has: () => Effect.succeed(true),
        get: () => Effect.succeedSome(text("wrong")),
        read: () => Stream.succeed(text("wrong"))
      })
      for (const near of [MemoryBlobs.make(), ReadOnlyBlobs.make(MemoryBlobs.make(), "near")]) {
        assert.instanceOf(yield* Effect.flip(NearFarBlobs.make(near, far).get(digest)), CorruptData)
      }
      assert.instanceOf(yield* Effect.flip(whole(NearFarBlobs.make(MemoryBlobs.make(), far).read(digest))), CorruptData)
    })
  )

  it.effect("puts go where the policy says, and streams are not sent to a far side that has them", () =>
    Effect.gen(function* () {
      for (const [write, near, far] of [
        ["both", 2, 2],
        ["near", 2, 0],
        ["far", 0, 2]
      ] as const) {
        const { blobs, held } = world({ write })
        yield* blobs.putMany([text("a")])
        yield* blobs.putStream(Stream.succeed(text("b")))
        assert.deepStrictEqual([write, held.near.size, held.far.size], [write, near, far])
        assert.strictEqual((yield* Stream.runCollect(blobs.list())).length, 2)
      }
      const { blobs, far } = world()
      yield* blobs.putStream(Stream.succeed(text("b")))
      const { asked } = far.seen
      yield* blobs.putStream(Stream.succeed(text("b")))
      assert.strictEqual(far.seen.asked, asked + 1)
      far.seen.dead = true
      assert.strictEqual(yield* Effect.flip(blobs.putMany([text("c")])), down)
      assert.strictEqual(yield* Effect.flip(blobs.putStream(Stream.succeed(text("d")))), down)
    })
  )

  it.effect("a list gives what either side has and fails when one of them does", () =>
    Effect.gen(function* () {
      for (const side of ["near", "far"] as const) {
        const made = world({ write: "near" })
        yield* made.near.blobs.putMany([text("a"), text("b")])
        yield* made.far.blobs.putMany([text("b"), text("c")])
        assert.strictEqual((yield* Stream.runCollect(made.blobs.list())).length, 3)
        made[side].seen.dead = true
        const listed: Array<string> = []
        const error = yield* Effect.flip(Stream.runForEach(made.blobs.list(), (digest) => Effect.sync(() => listed.push(digest))))
        assert.strictEqual(error, down)
        assert.strictEqual(listed.length, 2)
      }
    })
  )

  it.effect("a layer that two combinators stand on opens once", () =>
    Effect.gen(function* () {
      let opened = 0
      const shared = blobsLayer(() => {
        opened++
        return MemoryBlobs.make()
      })
      const layer = NearFarBlobs.layer(NearFarBlobs.layer(shared, memoryBlobs()), ReadOnlyBlobs.layer(shared), { write: "near" })
      const context = yield* Layer.build(Layer.merge(layer, Layer.effectDiscard(Effect.void)))
      yield* Context.get(context, BlobService).putMany([text("x")])
      assert.strictEqual(opened, 1)
    })
  )

  it.effect("a read-only service gives what it has and refuses puts without reading their stream", () =>
    Effect.gen(function* () {
      const inner = MemoryBlobs.make()
      const [digest] = yield* inner.putMany([text("here")])
      const blobs = ReadOnlyBlobs.make(inner, "mirror")
      same(Option.getOrThrow(yield* blobs.get(digest!)), text("here"))
      const error = yield* Effect.flip(blobs.putStream(Stream.die("read")))
      assert.instanceOf(error, StoreReadOnly)
      assert.include(error.message, "'mirror'")
    })
  )
})

const memoryDirectories = (held?: Map<Digest.Digest, Uint8Array>) => Layer.sync(DirectoryService, () => MemoryDirectories.make(held))
const directoryDatabase = Layer.suspend(() => {
  const directory = join(root, String(++counter))
  return Layer.provide(LocalDirectories.layer, LocalDatabase.layer(directory))
})

for (const write of ["both", "near", "far"] as const) {
  describe(`directories near in memory and far in a local store, puts to ${write}`, () => {
    directoryContract({ layer: () => NearFarDirectories.layer(memoryDirectories(), directoryDatabase, { write }) })
  })
}

describe("directories of which only the near side has what was put, and that is damaged", () => {
  let held = new Map<Digest.Digest, Uint8Array>()
  directoryContract({
    layer: () => NearFarDirectories.layer(memoryDirectories((held = new Map())), memoryDirectories(), { write: "near" }),
    damage: (digest) => Effect.sync(() => held.set(digest, damaged(held.get(digest)!))),
    forget: (digest) => Effect.sync(() => held.delete(digest))
  })
})

describe("directories of a cache whose far side is a cache", () => {
  directoryContract({
    layer: () =>
      NearFarDirectories.layer(memoryDirectories(), NearFarDirectories.layer(directoryDatabase, memoryDirectories(), { write: "near" }))
  })
})

describe("directories near and far", () => {
  const of = (...entries: DirectoryData["entries"]): DirectoryData => ({ entries })
  const file = (name: string, size: number) => ({
    name,
    node: { _tag: "File", digest: Digest.ofBytes(new Uint8Array(size)), size, executable: false } as const
  })
  const child = (name: string, below: DirectoryData) => ({ name, node: Directory.nodeOf(below) })
  const leaf = of(file("f", 1))
  // A child that is both near the root and far below: reversing a walk by breadth would put it after its parent.
  const deep = of(child("leaf", leaf))
  const tree = of(child("a", leaf), child("b", deep), child("c", of(child("d", deep))))
  const all = [leaf, deep, of(child("d", deep)), tree]
  const top = Directory.digest(tree)

  const world = (options: NearFarOptions = {}) => {
    const held = { near: new Map<Digest.Digest, Uint8Array>(), far: new Map<Digest.Digest, Uint8Array>() }
    const dead = { near: false, far: false }
    let asked = 0
    const watched = (side: "near" | "far", inner: Directories): Directories => {
      const ask = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.suspend((): Effect.Effect<A, E | StoreUnavailable, R> => {
          if (side === "far") asked++
          return dead[side] ? Effect.fail(down) : effect
        })
      return DirectoryService.of({
        get: (digest) => ask(inner.get(digest)),
        getRecursive: (digest) => Stream.unwrap(ask(Effect.succeed(inner.getRecursive(digest)))),
        putMany: (batch) => ask(inner.putMany(batch)),
        list: () => Stream.unwrap(ask(Effect.succeed(inner.list())))
      })
    }
    const near = watched("near", MemoryDirectories.make(held.near))
    const far = watched("far", MemoryDirectories.make(held.far))
    return { held, dead, near, far, asked: () => asked, directories: NearFarDirectories.make(near, far, options) }
  }

  it.effect("reading one directory brings its closure near: the far side may die", () =>
    Effect.gen(function* () {
      for (const read of [
        (directories: Directories) => Effect.asVoid(directories.get(top)),
        (directories: Directories) => Stream.runDrain(directories.getRecursive(top))
      ]) {
        const { directories, far, dead, held } = world()
        yield* far.putMany(all)
        yield* read(directories)
        dead.far = true
        assert.strictEqual(held.near.size, all.length)
        assert.deepStrictEqual(Option.getOrThrow(yield* directories.get(Directory.digest(leaf))), leaf)
        const walked = yield* Stream.runCollect(directories.getRecursive(top))
        assert.deepStrictEqual(walked.map(({ digest }) => digest).sort(), all.map(Directory.digest).sort())
        assert.strictEqual(walked[0]!.digest, top)
      }
    })
  )

  it.effect("one look-up serves all that ask for a missing directory at the same time", () =>
    Effect.gen(function* () {
      const { directories, far, asked } = world()
      yield* far.putMany(all)
      const before = asked()
      yield* Effect.forEach(Array.from({ length: 20 }), () => directories.get(top), { concurrency: "unbounded" })
      assert.strictEqual(asked() - before, 1)
    })
  )

  it.effect("a near side that is dead loses no answer of the far side", () =>
    Effect.gen(function* () {
      const { directories, far, dead } = world()
      yield* far.putMany(all)
      dead.near = true
      assert.deepStrictEqual(Option.getOrThrow(yield* directories.get(top)), tree)
      assert.strictEqual((yield* Stream.runCollect(directories.getRecursive(top))).length, all.length)
      assert.strictEqual(yield* Effect.flip(directories.get(Digest.ofBytes(text("other")))), down)
      dead.far = true
      assert.strictEqual(yield* Effect.flip(directories.get(top)), down)
    })
  )

  it.effect("damage and gaps near are mended from the far side, each directory given once, parents first", () =>
    Effect.gen(function* () {
      for (const victim of all) {
        const digest = Directory.digest(victim)
        for (const harm of ["damage", "forget"] as const) {
          const { directories, held, dead } = world()
          yield* directories.putMany(all)
          if (harm === "damage") held.near.set(digest, damaged(held.near.get(digest)!))
          else held.near.delete(digest)
          const walked = (yield* Stream.runCollect(directories.getRecursive(top))).map(({ digest }) => digest)
          assert.strictEqual(walked.length, all.length)
          assert.strictEqual(new Set(walked).size, all.length)
          assert.strictEqual(walked[0], top)
          dead.far = true
          assert.deepStrictEqual(Option.getOrThrow(yield* directories.get(digest)), victim)
        }
      }
    })
  )

  it.effect("a directory whose children only the other side has is stored with them", () =>
    Effect.gen(function* () {
      for (const write of ["both", "near", "far"] as const) {
        for (const side of ["near", "far"] as const) {
          const made = world({ write })
          yield* made[side].putMany(all.slice(0, 3))
          yield* made.directories.putMany([tree])
          for (const written of write === "both" ? (["near", "far"] as const) : [write])
            assert.strictEqual((yield* Stream.runCollect(made[written].getRecursive(top))).length, all.length, `${write} ${side}`)
          const unknown = of(child("x", of(file("nobody has it", 3))))
          assert.instanceOf(yield* Effect.flip(made.directories.putMany([unknown])), InvalidData)
        }
      }
    })
  )

  it.effect("a far side that gives another directory than was asked for is not believed", () =>
    Effect.gen(function* () {
      const far = DirectoryService.of({
        ...MemoryDirectories.make(),
        getRecursive: (digest) => Stream.succeed({ digest, directory: leaf })
      })
      const near = MemoryDirectories.make()
      assert.instanceOf(yield* Effect.flip(NearFarDirectories.make(near, far).get(top)), CorruptData)
      assert.deepStrictEqual([...(yield* Stream.runCollect(near.list()))], [])
    })
  )

  it.effect("a read-only service refuses puts by name", () =>
    Effect.gen(function* () {
      const directories = ReadOnlyDirectories.make(MemoryDirectories.make(), "mirror")
      const error = yield* Effect.flip(directories.putMany([leaf]))
      assert.instanceOf(error, StoreReadOnly)
      assert.include(error.message, "'mirror'")
      assert.deepStrictEqual(Option.getOrThrow(yield* directories.get(Digest.empty)), of())
    })
  )
})
