import "../castore/crypto.ts"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
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
import * as TestClock from "effect/testing/TestClock"
import { CorruptData, InvalidData, StoreReadOnly, StoreUnavailable } from "../../src/castore/CastoreError.ts"
import * as LocalDatabase from "../../src/castore/local/LocalDatabase.ts"
import type { NearFarOptions } from "../../src/castore/NearFar.ts"
import { parseSecretKey, printKey, publicKeyOf, signerOf } from "../../src/nix/Keys.ts"
import { baseName, hashPart } from "../../src/nix/StorePath.ts"
import * as KeyfileSigning from "../../src/store/pathinfo/KeyfileSigning.ts"
import * as Local from "../../src/store/pathinfo/Local.ts"
import * as Lru from "../../src/store/pathinfo/Lru.ts"
import * as Memory from "../../src/store/pathinfo/Memory.ts"
import * as NearFar from "../../src/store/pathinfo/NearFar.ts"
import * as Negative from "../../src/store/pathinfo/Negative.ts"
import * as ReadOnly from "../../src/store/pathinfo/ReadOnly.ts"
import type { PathInfo } from "../../src/store/PathInfo.ts"
import { PathInfoService } from "../../src/store/PathInfoService.ts"
import { signedBy } from "../../src/store/Signing.ts"
import { pathInfoContract, samplePathInfo } from "./pathinfo.contract.ts"

const root = mkdtempSync(join(tmpdir(), "yix-pathinfo-combinators-"))
afterAll(() => rmSync(root, { recursive: true }))
let counter = 0
let lastDirectory = ""

type PathInfos = PathInfoService["Service"]

const memory = () => Layer.sync(PathInfoService, () => Memory.make())
const local = Layer.suspend(() => {
  lastDirectory = join(root, String(++counter))
  return Layer.provide(Local.layer, LocalDatabase.layer(lastDirectory))
})
const down = new StoreUnavailable({ store: "test", operation: "answer", cause: "it is down" })

/** A service that counts what it is asked for and can be switched off. */
const watched = (inner: PathInfos) => {
  const seen = { asked: 0, dead: false }
  const ask = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend((): Effect.Effect<A, E | StoreUnavailable, R> => {
      seen.asked++
      return seen.dead ? Effect.fail(down) : effect
    })
  const service = PathInfoService.of({
    get: (path) => ask(inner.get(path)),
    getByHashPart: (part) => ask(inner.getByHashPart(part)),
    put: (info) => ask(inner.put(info)),
    paths: () => Stream.unwrap(ask(Effect.succeed(inner.paths()))),
    list: () => Stream.unwrap(ask(Effect.succeed(inner.list())))
  })
  return { seen, service }
}

for (const write of ["both", "near", "far"] as const) {
  describe(`path infos near in memory and far in a local store, puts to ${write}`, () => {
    pathInfoContract({ layer: () => NearFar.layer(memory(), local, { write }) })
  })
}

describe("path infos of which only the near side has what was put, and that is damaged", () => {
  pathInfoContract({
    layer: () => NearFar.layer(local, memory(), { write: "near" }),
    damage: (info) =>
      Effect.sync(() => {
        const connection = new LocalDatabase.Connection(new DatabaseSync(join(lastDirectory, "yix.sqlite")))
        connection.run("UPDATE path_infos SET nar_size = nar_size + 1 WHERE name = ?", baseName(info.path))
        connection.database.close()
      })
  })
})

describe("path infos of a cache with an lru before memory", () => {
  pathInfoContract({ layer: () => NearFar.layer(Lru.layer({ capacity: 3 }), memory()) })
})

describe("path infos of a cache whose far side is a cache, with what is absent remembered", () => {
  pathInfoContract({
    layer: () =>
      NearFar.layer(Lru.layer({ capacity: 50 }), Negative.layer(NearFar.layer(local, ReadOnly.layer(memory()), { write: "near" })))
  })
})

describe("path infos in an lru that is large enough", () => {
  pathInfoContract({ layer: () => Lru.layer({ capacity: 3000 }) })
})

describe("path infos with absence remembered", () => {
  pathInfoContract({ layer: () => Negative.layer(memory()) })
})

const keyText = "cache-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA=="

/** The same without the signatures of the key, so that it can be held against the contract. */
const unsigned = (inner: PathInfos): PathInfos => {
  const strip = (info: PathInfo) => ({ ...info, signatures: info.signatures.filter((signature) => signerOf(signature) !== "cache-1") })
  return PathInfoService.of({
    get: (path) => Effect.map(inner.get(path), Option.map(strip)),
    getByHashPart: (part) => Effect.map(inner.getByHashPart(part), Option.map(strip)),
    put: (info) => Effect.map(inner.put(info), strip),
    paths: () => inner.paths(),
    list: () => Stream.map(inner.list(), strip)
  })
}

describe("path infos signed on their way, but for the signatures", () => {
  pathInfoContract({
    layer: () => Layer.sync(PathInfoService, () => unsigned(KeyfileSigning.make(Memory.make(), parseSecretKey(keyText))))
  })
})

describe("path infos near and far", () => {
  const world = (options?: NearFarOptions) => {
    const near = watched(Memory.make())
    const far = watched(Memory.make())
    return { near, far, infos: NearFar.make(near.service, far.service, options) }
  }
  const info = samplePathInfo(1)
  const part = hashPart(info.path)

  it.effect("after one look-up, by path or by hash part, the near side answers with the far side dead", () =>
    Effect.gen(function* () {
      for (const ask of [(infos: PathInfos) => infos.get(info.path), (infos: PathInfos) => infos.getByHashPart(part)]) {
        const { infos, far } = world()
        yield* far.service.put(info)
        assert.deepStrictEqual(Option.getOrThrow(yield* ask(infos)), info)
        far.seen.dead = true
        assert.deepStrictEqual(Option.getOrThrow(yield* infos.get(info.path)), info)
        assert.deepStrictEqual(Option.getOrThrow(yield* infos.getByHashPart(part)), info)
        assert.strictEqual(yield* Effect.flip(infos.get(samplePathInfo(2).path)), down)
      }
    })
  )

  it.effect("a near side that is dead loses no answer of the far side, and its failure is not taken for absence", () =>
    Effect.gen(function* () {
      const { infos, near, far } = world()
      yield* far.service.put(info)
      near.seen.dead = true
      assert.deepStrictEqual(Option.getOrThrow(yield* infos.get(info.path)), info)
      assert.deepStrictEqual(Option.getOrThrow(yield* infos.getByHashPart(part)), info)
      assert.strictEqual(yield* Effect.flip(infos.get(samplePathInfo(2).path)), down)
    })
  )

  it.live("a damaged entry near is mended from the far side", () =>
    Effect.gen(function* () {
      const infos = yield* PathInfoService
      yield* infos.put(info)
      const connection = new LocalDatabase.Connection(new DatabaseSync(join(lastDirectory, "yix.sqlite")))
      connection.run("UPDATE path_infos SET nar_size = nar_size + 1 WHERE name = ?", baseName(info.path))
      assert.strictEqual(Option.getOrThrow(yield* infos.get(info.path)).narSize, info.narSize)
      assert.strictEqual(connection.get<[number]>("SELECT nar_size FROM path_infos WHERE name = ?", baseName(info.path))![0], info.narSize)
      connection.database.close()
    }).pipe(Effect.provide(NearFar.layer(local, memory())))
  )

  it.effect("look-ups of one path at the same time ask the far side once", () =>
    Effect.gen(function* () {
      const { infos, far } = world()
      yield* far.service.put(info)
      const before = far.seen.asked
      yield* Effect.forEach(Array.from({ length: 20 }), () => infos.get(info.path), { concurrency: "unbounded" })
      assert.strictEqual(far.seen.asked, before + 1)
    })
  )

  it.effect("a look-up that was slow does not replace what was put meanwhile", () =>
    Effect.gen(function* () {
      const old = samplePathInfo(1, { registrationTime: 1 })
      const gate = yield* Deferred.make<void>()
      const far = PathInfoService.of({ ...Memory.make(), get: () => Effect.as(Deferred.await(gate), Option.some(old)) })
      const infos = NearFar.make(Memory.make(), far, { write: "near" })
      const looking = yield* Effect.forkChild(infos.get(old.path), { startImmediately: true })
      yield* Effect.yieldNow
      yield* infos.put(samplePathInfo(1, { registrationTime: 2 }))
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(looking)
      assert.strictEqual(Option.getOrThrow(yield* infos.get(old.path)).registrationTime, 2)
    })
  )

  it.effect("puts go where the policy says, and never leave an older entry near", () =>
    Effect.gen(function* () {
      for (const [write, near, far] of [
        ["both", 1, 1],
        ["near", 1, 0],
        ["far", 0, 1]
      ] as const) {
        const made = world({ write })
        yield* made.infos.put(info)
        assert.strictEqual((yield* Stream.runCollect(made.near.service.list())).length, near)
        assert.strictEqual((yield* Stream.runCollect(made.far.service.list())).length, far)
        yield* made.infos.get(info.path)
        yield* made.infos.put({ ...info, registrationTime: 5 })
        assert.strictEqual(Option.getOrThrow(yield* made.infos.get(info.path)).registrationTime, 5)
        assert.strictEqual((yield* Stream.runCollect(made.infos.list())).length, 1)
        assert.strictEqual((yield* Stream.runCollect(made.infos.paths())).length, 1)
      }
    })
  )

  it.effect("a put that the far side refuses is not in the near side either", () =>
    Effect.gen(function* () {
      const near = Memory.make()
      const infos = NearFar.make(near, ReadOnly.make(Memory.make(), "mirror"))
      const error = yield* Effect.flip(infos.put(info))
      assert.instanceOf(error, StoreReadOnly)
      assert.include(error.message, "'mirror'")
      assert.include(error.message, info.path)
      assert.isTrue(Option.isNone(yield* near.get(info.path)))
    })
  )

  it.effect("a far side that gives another path's entry, or one that breaks a rule, is not believed", () =>
    Effect.gen(function* () {
      for (const wrong of [samplePathInfo(2), samplePathInfo(1, { narSize: -1 })]) {
        const far = PathInfoService.of({
          ...Memory.make(),
          get: () => Effect.succeedSome(wrong),
          getByHashPart: () => Effect.succeedSome(wrong)
        })
        const near = Memory.make()
        const infos = NearFar.make(near, far)
        assert.instanceOf(yield* Effect.flip(infos.get(info.path)), CorruptData)
        assert.instanceOf(yield* Effect.flip(infos.getByHashPart(part)), CorruptData)
        assert.deepStrictEqual([...(yield* Stream.runCollect(near.paths()))], [])
      }
    })
  )

  it.effect("a layer that several combinators stand on opens once", () =>
    Effect.gen(function* () {
      let opened = 0
      const shared = Layer.sync(PathInfoService, () => {
        opened++
        return Memory.make()
      })
      const layer = NearFar.layer(Negative.layer(shared), NearFar.layer(ReadOnly.layer(shared), shared), { write: "near" })
      yield* Context.get(yield* Layer.build(layer), PathInfoService).put(info)
      assert.strictEqual(opened, 1)
    })
  )
})

describe("an lru", () => {
  it.effect("holds as many as it may and drops what was not asked for the longest", () =>
    Effect.gen(function* () {
      const infos = Lru.make({ capacity: 2 })
      const [a, b, c] = [samplePathInfo(1), samplePathInfo(2), samplePathInfo(3)]
      yield* infos.put(a)
      yield* infos.put(b)
      yield* infos.getByHashPart(hashPart(a.path))
      yield* infos.put(c)
      assert.deepStrictEqual([...(yield* Stream.runCollect(infos.paths()))].sort(), [a.path, c.path].sort())
      assert.isTrue(Option.isNone(yield* infos.get(b.path)))
    })
  )

  it.effect("refuses a capacity that is none", () =>
    Effect.gen(function* () {
      for (const capacity of [0, -1, 1.5, Number.NaN])
        assert.instanceOf(yield* Effect.flip(Effect.scoped(Layer.build(Lru.layer({ capacity })))), InvalidData)
    })
  )
})

describe("remembered absence", () => {
  const info = samplePathInfo(1)
  const part = hashPart(info.path)

  it.effect("spares the service until its time has passed, and not a moment longer", () =>
    Effect.gen(function* () {
      const inner = watched(Memory.make())
      const infos = Negative.make(inner.service, { ttl: "10 minutes" })
      for (let i = 0; i < 3; i++) {
        assert.isTrue(Option.isNone(yield* infos.get(info.path)))
        assert.isTrue(Option.isNone(yield* infos.getByHashPart(part)))
      }
      assert.strictEqual(inner.seen.asked, 2)
      yield* inner.service.put(info)
      yield* TestClock.adjust("599 seconds")
      assert.isTrue(Option.isNone(yield* infos.get(info.path)))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Option.isSome(yield* infos.get(info.path)))
      assert.isTrue(Option.isSome(yield* infos.getByHashPart(part)))
    })
  )

  it.effect("ends with a put, also for a look-up that the put overtakes", () =>
    Effect.gen(function* () {
      const held = Memory.make()
      const gate = yield* Deferred.make<void>()
      let slow = false
      const inner = PathInfoService.of({
        ...held,
        get: (path) => Effect.tap(held.get(path), () => (slow ? Deferred.await(gate) : Effect.void))
      })
      const infos = Negative.make(inner)
      assert.isTrue(Option.isNone(yield* infos.getByHashPart(part)))
      slow = true
      const looking = yield* Effect.forkChild(infos.get(info.path), { startImmediately: true })
      yield* Effect.yieldNow
      yield* infos.put(info)
      slow = false
      yield* Deferred.succeed(gate, undefined)
      assert.isTrue(Option.isNone(yield* Fiber.join(looking)))
      assert.isTrue(Option.isSome(yield* infos.get(info.path)))
      assert.isTrue(Option.isSome(yield* infos.getByHashPart(part)))
    })
  )

  it.effect("does not come from failures, and keeps to its capacity", () =>
    Effect.gen(function* () {
      const inner = watched(Memory.make())
      const infos = Negative.make(inner.service, { capacity: 2 })
      inner.seen.dead = true
      assert.strictEqual(yield* Effect.flip(infos.get(info.path)), down)
      inner.seen.dead = false
      for (const seed of [1, 2, 3]) yield* infos.get(samplePathInfo(seed).path)
      const { asked } = inner.seen
      yield* infos.get(samplePathInfo(3).path)
      yield* infos.get(samplePathInfo(2).path)
      assert.strictEqual(inner.seen.asked, asked)
      yield* infos.get(samplePathInfo(1).path)
      assert.strictEqual(inner.seen.asked, asked + 1)
    })
  )
})

describe("signing by a key file", () => {
  it.effect("every path info that is put carries a valid signature of the key besides those that it had", () =>
    Effect.gen(function* () {
      const keyfile = join(root, "secret")
      writeFileSync(keyfile, `${keyText}\n`)
      const infos = Context.get(yield* Layer.build(KeyfileSigning.layer(memory(), { keyfile })), PathInfoService)
      const put = yield* infos.put(samplePathInfo(1))
      yield* infos.put(samplePathInfo(1))
      const stored = Option.getOrThrow(yield* infos.get(put.path))
      assert.strictEqual(stored.signatures.length, 2)
      const key = publicKeyOf(parseSecretKey(keyText))
      assert.strictEqual(signedBy(stored, [key])?.name, "cache-1")
      assert.isUndefined(signedBy({ ...stored, narSize: stored.narSize + 1 }, [key]))
    })
  )

  it.effect("a key file that is missing or holds no secret key is named, its contents are not", () =>
    Effect.gen(function* () {
      const publicText = printKey(publicKeyOf(parseSecretKey(keyText)))
      for (const text of [undefined, "", "nonsense", publicText, "cache-1:c2VjcmV0!"]) {
        const keyfile = join(root, `key-${++counter}`)
        if (text !== undefined) writeFileSync(keyfile, text)
        const error = yield* Effect.flip(Effect.scoped(Layer.build(KeyfileSigning.layer(memory(), { keyfile }))))
        assert.instanceOf(error, KeyfileSigning.KeyfileUnusable)
        assert.include(error.message, keyfile)
        if (text !== undefined && text !== "") assert.notInclude(error.message, text)
      }
    })
  )
})
