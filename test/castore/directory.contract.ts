/**
 * What every directory service does. A driver's test calls `directoryContract` with a layer that gives each test a service of its own.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { CorruptData, InvalidData, MissingData } from "../../src/castore/CastoreError.ts"
import * as Digest from "../../src/castore/Digest.ts"
import * as Directory from "../../src/castore/Directory.ts"
import { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import type { Directory as DirectoryData, DirectoryEntry } from "../../src/castore/Node.ts"

export interface DirectoryContract {
  /** A fresh, empty service. */
  readonly layer: () => Layer.Layer<DirectoryService, unknown>
  /** Changes a byte of a stored directory. Absent where a driver's data cannot be reached. */
  readonly damage?: (digest: Digest.Digest) => Effect.Effect<void, unknown, DirectoryService>
  /** Makes the service forget a directory that others refer to. */
  readonly forget?: (digest: Digest.Digest) => Effect.Effect<void, unknown, DirectoryService>
}

const file = (name: string, size: number): DirectoryEntry => ({
  name,
  node: { _tag: "File", digest: Digest.ofBytes(new Uint8Array(size)), size, executable: size % 2 === 1 }
})
const directory = (name: string, below: DirectoryData): DirectoryEntry => ({ name, node: Directory.nodeOf(below) })
const of = (...entries: Array<DirectoryEntry>): DirectoryData => ({ entries })

export const directoryContract = (driver: DirectoryContract): void => {
  const test = (name: string, body: () => Effect.Effect<unknown, unknown, DirectoryService>) =>
    it.effect(name, () => Effect.provide(Effect.suspend(body), driver.layer()))

  test("a directory comes back as it was put, bytes above ASCII in its names included", () =>
    Effect.gen(function* () {
      const service = yield* DirectoryService
      const stored = of(file("\x01", 3), file("A", 0), { name: "l", node: { _tag: "Symlink", target: "../\xff\xfe" } }, file("\xc3\xa9", 2))
      const digests = yield* service.putMany([stored])
      assert.deepStrictEqual([...digests], [Directory.digest(stored)])
      assert.deepStrictEqual(Option.getOrThrow(yield* service.get(digests[0]!)), stored)
      assert.isTrue(Option.isNone(yield* service.get(Digest.ofBytes(new Uint8Array(77)))))
    }))

  test("the empty directory is always there, and putting nothing is fine", () =>
    Effect.gen(function* () {
      const service = yield* DirectoryService
      assert.deepStrictEqual(Option.getOrThrow(yield* service.get(Digest.empty)), of())
      assert.deepStrictEqual(
        [...(yield* Stream.runCollect(service.getRecursive(Digest.empty)))],
        [{ digest: Digest.empty, directory: of() }]
      )
      assert.deepStrictEqual([...(yield* service.putMany([]))], [])
      assert.deepStrictEqual([...(yield* service.putMany([of()]))], [Digest.empty])
    }))

  test("all below a root come root first, each once, parents before children", () =>
    Effect.gen(function* () {
      const service = yield* DirectoryService
      const leaf = of(file("f", 1))
      const middle = of(directory("x", leaf), directory("y", leaf))
      const root = of(directory("a", middle), directory("b", leaf), directory("c", middle))
      yield* service.putMany([leaf, middle, root])
      const all = yield* Stream.runCollect(service.getRecursive(Directory.digest(root)))
      assert.deepStrictEqual(
        [...all].map(({ directory }) => Directory.digest(directory)).sort(),
        [root, middle, leaf].map(Directory.digest).sort()
      )
      assert.deepStrictEqual(all[0], { digest: Directory.digest(root), directory: root })
      assert.deepStrictEqual([...(yield* Stream.runCollect(service.getRecursive(Directory.digest(of(file("zz", 9))))))], [])
    }))

  test("a wide and a deep tree come back whole", () =>
    Effect.gen(function* () {
      const service = yield* DirectoryService
      const leaves = Array.from({ length: 3000 }, (_, i) => of(file(`f${i}`, 1)))
      const wide = of(...leaves.map((leaf, i) => directory(String(i).padStart(5, "0"), leaf)))
      const chain = [wide]
      for (let i = 0; i < 2000; i++) chain.push(of(directory("d", chain[i]!)))
      yield* service.putMany([...leaves, ...chain])
      const top = chain[chain.length - 1]!
      assert.strictEqual(Directory.size(top), 2000 + 3000 + 3000)
      const all = yield* Stream.runCollect(service.getRecursive(Directory.digest(top)))
      assert.strictEqual(new Set([...all].map(({ directory }) => Directory.digest(directory))).size, 1 + 2000 + 3000)
      assert.strictEqual(all.length, 5001)
    }))

  test("a directory whose child is unknown, comes later, or has another size than stated is refused, and nothing of its batch is stored", () =>
    Effect.gen(function* () {
      const service = yield* DirectoryService
      const child = of(file("f", 1))
      const other = of(file("g", 1))
      const parent = of(directory("c", child))
      const wrong = of({ name: "c", node: { _tag: "Directory", digest: Directory.digest(child), size: 2 } })
      const forged = of({ name: "c", node: { _tag: "Directory", digest: Digest.ofBytes(new Uint8Array([1])), size: 1 } })
      for (const batch of [
        [other, parent],
        [other, parent, child],
        [other, child, wrong],
        [other, forged]
      ]) {
        assert.instanceOf(yield* Effect.flip(service.putMany(batch)), InvalidData)
      }
      assert.deepStrictEqual([...(yield* Stream.runCollect(service.list()))], [])
      yield* service.putMany([child])
      assert.instanceOf(yield* Effect.flip(service.putMany([wrong])), InvalidData)
      yield* service.putMany([parent])
      assert.strictEqual((yield* Stream.runCollect(service.list())).length, 2)
    }))

  test("a directory that breaks a rule of names or order is refused", () =>
    Effect.gen(function* () {
      const service = yield* DirectoryService
      for (const bad of [
        of(file("b", 1), file("a", 1)),
        of(file("a", 1), file("a", 2)),
        of(file("a/b", 1)),
        of(file("..", 1)),
        of(file("", 1))
      ]) {
        assert.instanceOf(yield* Effect.flip(service.putMany([bad])), InvalidData)
      }
    }))

  const { damage, forget } = driver
  if (damage !== undefined) {
    test("a damaged directory is never given; CorruptData names it, and putting it again mends it", () =>
      Effect.gen(function* () {
        const service = yield* DirectoryService
        const stored = of(file("name", 5))
        const [digest] = yield* service.putMany([stored])
        yield* damage(digest!)
        for (const read of [Effect.asVoid(service.get(digest!)), Stream.runDrain(service.getRecursive(digest!))]) {
          const error = yield* Effect.flip(read)
          assert.instanceOf(error, CorruptData)
          assert.strictEqual((error as CorruptData).digest, Digest.toText(digest!))
        }
        yield* service.putMany([stored])
        assert.deepStrictEqual(Option.getOrThrow(yield* service.get(digest!)), stored)
      }))
  }
  if (forget !== undefined) {
    test("a missing child makes the walk fail with MissingData instead of ending early", () =>
      Effect.gen(function* () {
        const service = yield* DirectoryService
        const child = of(file("f", 1))
        const parent = of(directory("c", child))
        yield* service.putMany([child, parent])
        yield* forget(Directory.digest(child))
        assert.instanceOf(yield* Effect.flip(Stream.runDrain(service.getRecursive(Directory.digest(parent)))), MissingData)
      }))
  }
}
