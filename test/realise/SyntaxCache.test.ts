/**
 * The packs of syntax trees on disk: found again, bounded, and harmless whatever happens to them.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import manifest from "../../package.json" with { type: "json" }
import { release } from "../../src/realise/Release.ts"
import { SyntaxCache } from "../../src/realise/SyntaxCache.ts"
import { Pack, packPieces } from "../../src/realise/SyntaxPack.ts"
import { Random } from "../fuzz/Random.ts"

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-syntax-cache-"))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))
let folders = 0
const fresh = (): string => path.join(scratch, String(folders++), "syntax")

/** A source that is long enough to be kept, and what stands for its tree: the cache looks at neither. */
const sourceOf = (name: string | number): string => `${name} `.padEnd(80, "#")
const treeOf = (name: string | number, length = 40): Uint8Array =>
  new Uint8Array(length).fill(String(name).length).fill(Number(name) & 255, 1)

/** The cache of a run in which so many bytes are parsed before anything is looked for. */
const open = (folder: string, total = 2 ** 28, parsed = 0): SyntaxCache => new SyntaxCache(folder, { total, pack: total / 4, parsed })

const put = (cache: SyntaxCache, names: ReadonlyArray<string | number>, length?: number): void => {
  for (const name of names) cache.place(sourceOf(name), "")!.keep(() => treeOf(name, length))
}
/** One run of the program that keeps these. */
const run = (folder: string, names: ReadonlyArray<string | number>, length?: number, total?: number): void => {
  const cache = open(folder, total)
  put(cache, names, length)
  cache.save()
}
const found = (folder: string, name: string | number, variant = ""): Uint8Array | undefined => {
  const cache = open(folder)
  const bytes = cache.place(sourceOf(name), variant)!.bytes
  cache.close()
  return bytes
}
const packsIn = (folder: string): ReadonlyArray<string> => fs.readdirSync(folder).map((name) => path.join(folder, name))
const sizeOf = (folder: string): number => packsIn(folder).reduce((sum, file) => sum + fs.statSync(file).size, 0)

describe("what is kept from run to run", () => {
  it("is that of this release", () => {
    assert.strictEqual(release, manifest.version)
  })
})

describe("the cache of syntax trees", () => {
  it("gives the next run what the last ones kept, and nothing that nobody kept", () => {
    const folder = fresh()
    run(folder, [1, 2, 3])
    run(folder, [4])
    for (const name of [1, 2, 3, 4]) assert.deepStrictEqual(found(folder, name), treeOf(name))
    assert.isUndefined(found(folder, 5))
    assert.isUndefined(found(folder, 1, "other"))
  })

  it("touches nothing where nothing was parsed, and keeps no sources that are tiny", () => {
    const folder = fresh()
    const cache = open(folder)
    assert.isUndefined(cache.place("1 + 1", ""))
    assert.isUndefined(cache.place(sourceOf(1), "")!.bytes)
    assert.isFalse(cache.unsaved)
    cache.save()
    assert.isFalse(fs.existsSync(folder))
  })

  it("is asked from the source on with which so much has been read, and from then on for all", () => {
    const folder = fresh()
    run(folder, [1, 2, 3])
    const cache = open(folder, undefined, 200)
    assert.isUndefined(cache.place(sourceOf(1), ""))
    assert.isUndefined(cache.place(sourceOf(2), ""))
    assert.deepStrictEqual(cache.place(sourceOf(3), "")!.bytes, treeOf(3))
    assert.deepStrictEqual(cache.place(sourceOf(1), "")!.bytes, treeOf(1))
    cache.close()
    assert.deepStrictEqual(cache.place(sourceOf(2), "")!.bytes, treeOf(2))
    cache.close()
  })

  it("goes on within one process, after it was saved", () => {
    const cache = open(fresh())
    put(cache, [1])
    assert.isTrue(cache.unsaved)
    cache.save()
    assert.isFalse(cache.unsaved)
    assert.deepStrictEqual(cache.place(sourceOf(1), "")!.bytes, treeOf(1))
    cache.close()
  })

  it("holds what processes wrote at the same time", () => {
    const folder = fresh()
    run(folder, [0])
    const caches = [1, 2, 3, 4].map((name) => {
      const cache = open(folder)
      put(cache, [name, 9])
      return cache
    })
    for (const cache of caches) cache.save()
    for (const name of [0, 1, 2, 3, 4, 9]) assert.deepStrictEqual(found(folder, name), treeOf(name))
  })

  it("reads on in packs that another process has merged or deleted meanwhile", () => {
    const folder = fresh()
    run(folder, [1, 2])
    const cache = open(folder)
    assert.deepStrictEqual(cache.place(sourceOf(1), "")!.bytes, treeOf(1))
    run(folder, [3])
    fs.rmSync(folder, { recursive: true })
    assert.deepStrictEqual(cache.place(sourceOf(2), "")!.bytes, treeOf(2))
    put(cache, [4])
    cache.save()
    assert.deepStrictEqual(found(folder, 4), treeOf(4))
  })

  it("stays in few files, however many runs write to it", () => {
    const folder = fresh()
    for (let i = 0; i < 120; i++) run(folder, [i])
    assert.isBelow(packsIn(folder).length, 10)
    for (let i = 0; i < 120; i++) assert.deepStrictEqual(found(folder, i), treeOf(i))
  })

  it("never becomes larger than its limit: what was not used for longest goes first", () => {
    const folder = fresh()
    const total = 100_000
    for (let i = 0; i < 60; i++) run(folder, [i], 20_000, total)
    assert.isAtMost(sizeOf(folder), total)
    assert.isDefined(found(folder, 59))
    assert.isUndefined(found(folder, 0))

    // Everything is old; what is found is not any more.
    const old = Date.now() / 1000 - 100_000
    packsIn(folder).forEach((file, i) => fs.utimesSync(file, old - i, old - i))
    const before = [...Array(60).keys()].filter((name) => found(folder, name) !== undefined)
    packsIn(folder).forEach((file, i) => fs.utimesSync(file, old - i, old - i))
    const used = before[0]!
    assert.isDefined(found(folder, used))
    run(folder, [100, 101], 15_000, total)
    assert.isDefined(found(folder, used))
    assert.isDefined(found(folder, 100))
    assert.isBelow(before.filter((name) => found(folder, name) !== undefined).length, before.length)
  })

  it("gives nothing or the right thing, whatever its files hold", () => {
    const random = new Random("damaged packs")
    const folder = fresh()
    run(folder, [1, 2, 3, 4, 5])
    const [file] = packsIn(folder) as [string]
    const whole = fs.readFileSync(file)
    let lost = 0
    for (let i = 0; i < 200; i++) {
      const bytes = Buffer.from(whole)
      if (i % 4 === 0) fs.writeFileSync(file, bytes.subarray(0, random.below(bytes.length)))
      else {
        for (let k = random.below(3); k >= 0; k--) bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
        fs.writeFileSync(file, bytes)
      }
      for (const name of [1, 3, 5]) {
        const bytes = found(folder, name)
        if (bytes === undefined) lost++
        else assert.deepStrictEqual(bytes, treeOf(name))
      }
    }
    assert.isAbove(lost, 150)
    // And such a file is no hindrance.
    run(folder, [1])
    assert.deepStrictEqual(found(folder, 1), treeOf(1))
  })

  it("believes no file that others may have written", () => {
    const folder = fresh()
    run(folder, [1])
    const [file] = packsIn(folder) as [string]
    assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
    fs.chmodSync(file, 0o622)
    assert.isUndefined(found(folder, 1))
    fs.chmodSync(file, 0o644)
    assert.isDefined(found(folder, 1))
    if (process.geteuid?.() === 0) {
      fs.chownSync(file, 12345, 12345)
      assert.isUndefined(found(folder, 1))
    }
  })

  it("is silently none where its folder cannot be", () => {
    fs.writeFileSync(path.join(scratch, "file"), "")
    const folder = path.join(scratch, "file", "syntax")
    run(folder, [1])
    assert.isUndefined(found(folder, 1))
    assert.strictEqual(fs.readFileSync(path.join(scratch, "file"), "utf8"), "")
  })

  it("clears away what a process that was killed left half written", () => {
    const folder = fresh()
    run(folder, [1])
    const [abandoned, recent] = ["a.tmp", "b.tmp"].map((name) => path.join(folder, name)) as [string, string]
    for (const file of [abandoned, recent]) fs.writeFileSync(file, "half")
    fs.utimesSync(abandoned, 1e9, 1e9)
    run(folder, [2])
    assert.deepStrictEqual(
      [abandoned, recent].map((file) => fs.existsSync(file)),
      [false, true]
    )
  })
})

describe("a pack", () => {
  it("tells keys apart that begin alike", () => {
    const folder = fresh()
    fs.mkdirSync(folder, { recursive: true })
    const keys = Array.from({ length: 20 }, (_, i) => new Uint32Array(8).fill(0xffffffff).fill(i, 7))
    const entries = keys.map((key, i) => ({ key, bytes: treeOf(i, 4 + i) }))
    fs.writeFileSync(path.join(folder, "x.pack"), Buffer.concat(packPieces(entries)), { mode: 0o600 })
    const pack = Pack.open(folder, "x.pack")!
    for (const { key, bytes } of entries) assert.deepStrictEqual(pack.find(key), bytes)
    assert.isUndefined(pack.find(new Uint32Array(8).fill(0xffffffff)))
    assert.strictEqual([...pack.entries()].length, 20)
    pack.close()
  })
})
