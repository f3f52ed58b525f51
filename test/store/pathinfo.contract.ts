/**
 * What every path-info service does. A driver's test calls `pathInfoContract` with a layer that gives each test a service of its own.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { CorruptData, InvalidData } from "../../src/castore/CastoreError.ts"
import * as Digest from "../../src/castore/Digest.ts"
import { fromBaseName, hashPart } from "../../src/nix/StorePath.ts"
import type { PathInfo } from "../../src/store/PathInfo.ts"
import { PathInfoService } from "../../src/store/PathInfoService.ts"
import { randomBytes } from "../castore/bytes.ts"

export interface PathInfoContract {
  /** A fresh, empty service. */
  readonly layer: () => Layer.Layer<PathInfoService, unknown>
  /** Entries that "many" are (default 3000). Fewer where each is a round trip to another process. */
  readonly many?: number
  /** Changes something in the stored entry, something else each time, `damages` ways in all. Absent where a driver's data cannot be reached. */
  readonly damages?: number
  readonly damage?: (info: PathInfo) => Effect.Effect<void, unknown, PathInfoService>
}

const letters = "0123456789abcdfghijklmnpqrsvwxyz"
const pathOf = (seed: number, name = `thing-${seed}`) =>
  fromBaseName(`${Array.from(randomBytes(seed + 1, 31), (byte) => letters[byte % 32]).join("")}0-${name}`)

export const samplePathInfo = (seed: number, change: Partial<PathInfo> = {}): PathInfo => ({
  path: pathOf(seed),
  node: { _tag: "File", digest: Digest.ofBytes(randomBytes(seed, 9)), size: 9, executable: seed % 2 === 0 },
  references: [pathOf(900_001), pathOf(900_002), pathOf(seed)].sort(),
  narSize: 128 + seed,
  narHash: Uint8Array.from(randomBytes(seed + 5, 32)),
  signatures: [signature(`key-${seed}`)],
  deriver: pathOf(2000 + seed, "thing.drv"),
  ca: "fixed:r:sha256:0000000000000000000000000000000000000000000000000000",
  registrationTime: 1_700_000_000 + seed,
  ...change
})

/** Of 64 bytes, as every signature: drivers may refuse another length. */
const signature = (key: string): string => `${key}:${Buffer.alloc(64, key).toString("base64")}`

const plain = (info: PathInfo) => ({ ...info, narHash: Buffer.from(info.narHash).toString("hex") })

export const pathInfoContract = (driver: PathInfoContract): void => {
  const test = (name: string, body: () => Effect.Effect<unknown, unknown, PathInfoService>) =>
    it.live(name, () => Effect.provide(Effect.suspend(body), driver.layer()))

  test("an entry comes back as it was put, by path and by hash part", () =>
    Effect.gen(function* () {
      const service = yield* PathInfoService
      const infos = [
        samplePathInfo(1),
        samplePathInfo(2, { references: [], signatures: [], deriver: undefined, ca: undefined, registrationTime: 0 }),
        samplePathInfo(3, { node: { _tag: "Symlink", target: "/nix/store/\xff" } }),
        samplePathInfo(4, { node: { _tag: "Directory", digest: Digest.empty, size: 0 }, narSize: 2 ** 50 })
      ]
      for (const info of infos) assert.deepStrictEqual(plain(yield* service.put(info)), plain(info))
      for (const info of infos) {
        assert.deepStrictEqual(plain(Option.getOrThrow(yield* service.get(info.path))), plain(info))
        assert.deepStrictEqual(plain(Option.getOrThrow(yield* service.getByHashPart(hashPart(info.path)))), plain(info))
      }
      const listed = yield* Stream.runCollect(service.list())
      assert.deepStrictEqual(new Set([...listed].map((info) => info.path)), new Set(infos.map((info) => info.path)))
      assert.deepStrictEqual(new Set(yield* Stream.runCollect(service.paths())), new Set(infos.map((info) => info.path)))
    }))

  test("unknown paths are absent, also one with the hash of a known path and another name", () =>
    Effect.gen(function* () {
      const service = yield* PathInfoService
      const info = yield* service.put(samplePathInfo(1))
      assert.isTrue(Option.isNone(yield* service.get(pathOf(2))))
      assert.isTrue(Option.isNone(yield* service.getByHashPart(hashPart(pathOf(2)))))
      assert.isTrue(Option.isNone(yield* service.get(fromBaseName(`${hashPart(info.path)}-another`))))
      assert.isTrue(Option.isNone(yield* service.getByHashPart(hashPart(info.path).slice(0, 31))))
    }))

  test("putting again replaces the entry and unites the signatures", () =>
    Effect.gen(function* () {
      const service = yield* PathInfoService
      yield* service.put(samplePathInfo(1, { signatures: [signature("a"), signature("b")] }))
      const second = yield* service.put(samplePathInfo(1, { signatures: [signature("c"), signature("a")], registrationTime: 5 }))
      assert.deepStrictEqual([...second.signatures], ["a", "b", "c"].map(signature))
      const stored = Option.getOrThrow(yield* service.get(second.path))
      assert.deepStrictEqual(plain(stored), plain(second))
      assert.strictEqual(stored.registrationTime, 5)
      assert.strictEqual((yield* Stream.runCollect(service.list())).length, 1)
    }))

  test("an entry that breaks a rule is refused and names the path", () =>
    Effect.gen(function* () {
      const service = yield* PathInfoService
      for (const change of [
        { narHash: new Uint8Array(31) },
        { narSize: -1 },
        { narSize: 2 ** 60 },
        { references: [pathOf(900_002), pathOf(900_001)].sort().reverse() },
        { references: [pathOf(900_001), pathOf(900_001)] },
        { references: ["/tmp/x" as never] },
        { signatures: ["no colon"] },
        { signatures: ["a:b c"] },
        { node: { _tag: "File", digest: "abc" as never, size: 0, executable: false } as const },
        { node: { _tag: "Symlink", target: "" } as const },
        { deriver: "x" as never },
        { ca: "with space" },
        { path: "/nix/store/x" as never }
      ] satisfies Array<Partial<PathInfo>>) {
        const info = samplePathInfo(1, change)
        const error = yield* Effect.flip(service.put(info))
        assert.instanceOf(error, InvalidData)
        assert.include(error.message, info.path)
      }
      assert.strictEqual((yield* Stream.runCollect(service.list())).length, 0)
    }))

  test("many entries, put at the same time, are all there", () =>
    Effect.gen(function* () {
      const service = yield* PathInfoService
      const { many = 3000 } = driver
      yield* Effect.forEach(
        Array.from({ length: many }, (_, i) => i),
        (i) => service.put(samplePathInfo(i)),
        { concurrency: 100 }
      )
      assert.strictEqual((yield* Stream.runCollect(service.list())).length, many)
      assert.strictEqual(new Set(yield* Stream.runCollect(service.paths())).size, many)
    }))

  const { damage } = driver
  if (damage === undefined) return
  test("a damaged entry is never given; CorruptData names it, the paths still list it, and putting it again mends it", () =>
    Effect.gen(function* () {
      const service = yield* PathInfoService
      const info = yield* service.put(samplePathInfo(1))
      for (let i = 0; i < (driver.damages ?? 1); i++) {
        yield* damage(info)
        const error = yield* Effect.flip(service.get(info.path))
        assert.instanceOf(error, CorruptData)
        assert.include(error.message, info.path.slice(11))
        assert.instanceOf(yield* Effect.flip(Stream.runDrain(service.list())), CorruptData)
        assert.deepStrictEqual([...(yield* Stream.runCollect(service.paths()))], [info.path])
        yield* service.put(info)
        assert.deepStrictEqual(plain(Option.getOrThrow(yield* service.get(info.path))), plain(info))
      }
    }))
}
