import "../castore/crypto.ts"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { StoreUnavailable } from "../../src/castore/CastoreError.ts"
import * as Base32 from "../../src/nix/Base32.ts"
import { hash } from "../../src/nix/Crypto.ts"
import { parsePublicKey, parseSecretKey, printKey, publicKeyOf } from "../../src/nix/Keys.ts"
import { parseNarInfo } from "../../src/nix/NarInfo.ts"
import { printListing } from "../../src/nix/NarListing.ts"
import { fromBaseName, hashPart } from "../../src/nix/StorePath.ts"
import { copyClosure, type CopySide } from "../../src/store/Copy.ts"
import { calculate } from "../../src/store/Nar.ts"
import { listingOf } from "../../src/store/NarLayout.ts"
import { has, offerOf } from "../../src/store/Offer.ts"
import type { PathInfo } from "../../src/store/PathInfo.ts"
import { make as memoryPathInfos } from "../../src/store/pathinfo/Memory.ts"
import { make as nearFar } from "../../src/store/pathinfo/NearFar.ts"
import * as NixCache from "../../src/store/pathinfo/NixCache.ts"
import { sign } from "../../src/store/Signing.ts"
import { add, fileNar, http as httpLayer, inside, memorySide, serving, treeNar } from "../serve/http/world.ts"

const vectors = "/work/shared/vectors/store"
const present = fs.existsSync(vectors)
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-nixcache-"))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))

const cacheOf = (side: CopySide, url: string, trustedKeys: NixCache.NixCacheOptions["trustedKeys"]) =>
  inside(side, NixCache.make({ url, trustedKeys })).pipe(Effect.provide(httpLayer))

/** A side whose path infos are a cache's, with the castore of `side`. */
const fromCache = (side: CopySide, url: string, trustedKeys: NixCache.NixCacheOptions["trustedKeys"]) =>
  Effect.map(cacheOf(side, url, trustedKeys), (pathInfos) => ({ ...side, pathInfos }))

const refusal = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
  Effect.map(Effect.flip(effect), (error) => (error as StoreUnavailable).cause as NixCache.CacheRefused)

/** Serves the files of a directory and counts who asked for what. */
const fileServer = (directory: string) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly server: http.Server; readonly url: string; readonly asked: Array<string> }>((resolve) => {
          const asked: Array<string> = []
          const server = http.createServer((request, response) => {
            asked.push(request.url!)
            const file = path.join(directory, request.url!)
            if (request.url!.includes("forbidden")) return void response.writeHead(403).end()
            if (!fs.existsSync(file)) return void response.writeHead(404).end()
            response.end(fs.readFileSync(file))
          })
          server.listen(0, "127.0.0.1", () => resolve({ server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }))
        })
    ),
    ({ server }) => Effect.sync(() => void (server.close(), server.closeAllConnections()))
  )

const topsOf = (directory: string) =>
  fs
    .readdirSync(directory)
    .filter((name) => name.endsWith(".narinfo"))
    .map((name) => parseNarInfo(fs.readFileSync(path.join(directory, name))).path)

describe.skipIf(!present)(present ? "recorded caches" : `recorded caches (skipped: ${vectors} is not here)`, () => {
  for (const compression of ["none", "xz", "zstd", "gzip", "bzip2", "br"]) {
    for (const medium of ["http", "file"]) {
      it.live(`with ${compression} are read over ${medium}, signatures checked, references first`, () =>
        Effect.gen(function* () {
          const directory = path.join(vectors, `cache-${compression}`)
          const key = parsePublicKey(fs.readFileSync(path.join(vectors, "public.key"), "utf8"))
          const side = memorySide()
          const server = medium === "http" ? yield* fileServer(directory) : undefined
          const source = yield* fromCache(side, server?.url ?? pathToFileURL(directory).href, [key])
          const paths = topsOf(directory)
          assert.isAtLeast(paths.length, 6)
          const copied = yield* copyClosure(paths, source, side)
          assert.deepStrictEqual(copied.map((info) => info.path).sort(), [...paths].sort())
          for (const [i, info] of copied.entries()) {
            const told = parseNarInfo(fs.readFileSync(path.join(directory, `${hashPart(info.path)}.narinfo`)))
            assert.deepStrictEqual(
              [info.references, info.signatures, info.deriver, info.ca],
              [told.references, told.signatures, told.deriver, told.ca]
            )
            assert.deepStrictEqual(yield* inside(side, calculate(info.node)), { narHash: told.narHash, narSize: told.narSize })
            const before = new Set(copied.slice(0, i + 1).map((other) => other.path))
            for (const reference of info.references) assert.isTrue(before.has(reference))
          }
          assert.deepStrictEqual(yield* copyClosure(paths, source, side), [])
          if (server !== undefined) assert.strictEqual(server.asked.filter((url) => url === "/nix-cache-info").length, 1)
        })
      )
    }
  }
})

const secret = parseSecretKey("t-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==")

describe("a binary cache as a store", () => {
  it.live("gives nothing for 404, 403 and what is no hash part, and cannot be listed", () =>
    Effect.gen(function* () {
      fs.mkdirSync(path.join(scratch, "empty"), { recursive: true })
      const server = yield* fileServer(path.join(scratch, "empty"))
      const cache = yield* cacheOf(memorySide(), server.url, undefined)
      const forbidden = yield* cacheOf(memorySide(), `${server.url}/forbidden`, undefined)
      const file = yield* cacheOf(memorySide(), pathToFileURL(path.join(scratch, "nowhere")).href, undefined)
      const name = fromBaseName(`${"1".repeat(32)}-x`)
      for (const service of [cache, forbidden, file]) assert.isTrue(Option.isNone(yield* service.get(name)))
      assert.isTrue(Option.isNone(yield* cache.getByHashPart("../../../etc/passwd")))
      const error = yield* Effect.flip(Stream.runDrain(cache.list()))
      assert.match(error.message, /cannot be listed/)
    })
  )

  it.live("believes what a trusted key signed, or content addresses prove, and nothing else", () =>
    Effect.gen(function* () {
      const origin = memorySide()
      const addressed = yield* add(origin, "addressed", fileNar("a"))
      const plain = yield* add(origin, "plain", fileNar("b"), [], { ca: undefined })
      const signed = yield* origin.pathInfos.put(sign(yield* add(origin, "signed", fileNar("c"), [], { ca: undefined }), secret))
      const other = parsePublicKey("t-1:Y5NF+iqX/RhzaxBJjeyKXvUFS0FDnsu1CODLpAG46e4=")
      const url = yield* serving(origin)
      const strict = yield* cacheOf(memorySide(), url, [publicKeyOf(secret)])
      assert.isTrue(Option.isSome(yield* strict.get(addressed.path)))
      assert.isTrue(Option.isSome(yield* strict.get(signed.path)))
      assert.strictEqual((yield* refusal(strict.get(plain.path))).reason, "unsigned")
      const stranger = yield* cacheOf(memorySide(), url, [other])
      assert.strictEqual((yield* refusal(stranger.get(signed.path))).reason, "unsigned")
      const trusting = yield* cacheOf(memorySide(), url, undefined)
      assert.isTrue(Option.isSome(yield* trusting.get(plain.path)))
    })
  )

  it.live("finds out every lie of a cache", () =>
    Effect.gen(function* () {
      const directory = path.join(scratch, "lies")
      const origin = memorySide()
      const info = yield* add(origin, "tree", treeNar("lies"), [])
      const writer = yield* cacheOf(origin, `${pathToFileURL(directory).href}?compression=none`, undefined)
      yield* writer.put(info)
      const file = path.join(directory, `${hashPart(info.path)}.narinfo`)
      const text = fs.readFileSync(file, "utf8")
      const nar = path.join(directory, parseNarInfo(text).url)
      const bytes = fs.readFileSync(nar)
      const reader = yield* cacheOf(memorySide(), pathToFileURL(directory).href, undefined)
      assert.isTrue(Option.isSome(yield* reader.get(info.path)))
      const lie = (from: RegExp, to: string) => {
        assert.match(text, from)
        fs.writeFileSync(file, text.replace(from, to))
        return Effect.map(refusal(reader.get(info.path)), (error) => error.reason)
      }
      assert.strictEqual(yield* lie(/NarSize: \d+/, "NarSize: 1500000"), "nar")
      assert.strictEqual(yield* lie(/NarSize: (\d+)/, "NarSize: 9$1"), "nar")
      assert.strictEqual(yield* lie(/NarHash: sha256:./, "NarHash: sha256:0"), "nar")
      assert.strictEqual(yield* lie(/StorePath: .*-tree/, `StorePath: /nix/store/${"1".repeat(32)}-tree`), "narinfo")
      assert.strictEqual(yield* lie(/-tree\n/, "-other\n"), "narinfo")
      assert.strictEqual(yield* lie(/Compression: none/, "Compression: lzip"), "compression")
      assert.strictEqual(yield* lie(/URL: .*\n/, "URL: nar/absent.nar\n"), "nar")
      assert.strictEqual(yield* lie(/References:.*\n/, "References: x\n"), "narinfo")
      assert.strictEqual(yield* lie(/FileSize: (\d+)/, "FileSize: 9$1"), "nar")
      assert.strictEqual(yield* lie(/FileSize: \d+/, "FileSize: 1500000"), "nar")
      assert.strictEqual(yield* lie(/FileHash: sha256:./, "FileHash: sha256:0"), "nar")
      fs.writeFileSync(file, text.replace(/File.*\n/g, ""))
      assert.isTrue(Option.isSome(yield* reader.get(info.path)), "nothing said of the file")
      fs.writeFileSync(file, text)
      fs.writeFileSync(nar, bytes.subarray(0, -9))
      assert.strictEqual((yield* refusal(reader.get(info.path))).reason, "nar")
      fs.writeFileSync(nar, Buffer.from(bytes).fill(88, 1000, 1001))
      assert.strictEqual((yield* refusal(reader.get(info.path))).reason, "nar")
      fs.writeFileSync(nar, bytes)
      fs.writeFileSync(path.join(directory, "nix-cache-info"), "StoreDir: /gnu/store\n")
      const foreign = yield* cacheOf(memorySide(), pathToFileURL(directory).href, undefined)
      assert.strictEqual((yield* refusal(foreign.get(info.path))).reason, "store directory")
    })
  )

  it.live("tells what it has without moving it, and moves it with progress when the offer is taken up", () =>
    Effect.gen(function* () {
      const directory = path.join(scratch, "offers")
      const origin = memorySide()
      const low = yield* add(origin, "low", treeNar("low"))
      const high = yield* add(origin, "high", fileNar("high"), [low.path])
      const writer = yield* fromCache(origin, pathToFileURL(directory).href, undefined)
      yield* copyClosure([high.path], origin, writer)
      const server = yield* fileServer(directory)
      const side = memorySide()
      const cache = yield* fromCache(side, server.url, undefined)
      const offer = Option.getOrThrow(yield* offerOf(cache.pathInfos, low.path))
      assert.isTrue(yield* has(cache.pathInfos, high.path))
      assert.isFalse(yield* has(cache.pathInfos, fromBaseName(`${"1".repeat(32)}-x`)))
      assert.deepStrictEqual([offer.told.narSize, offer.told.narHash, offer.here], [low.narSize, low.narHash, undefined])
      assert.deepStrictEqual(
        server.asked.filter((url) => url.startsWith("/nar/")),
        []
      )
      const progress: Array<number> = []
      assert.deepStrictEqual((yield* offer.fetch((done) => progress.push(done))).node, low.node)
      assert.strictEqual(progress.at(-1), offer.file?.size)
      // A cache that has it all is told nothing, and asked for nothing but narinfos.
      const asked = server.asked.length
      assert.deepStrictEqual(yield* copyClosure([high.path, low.path], origin, yield* fromCache(origin, server.url, undefined)), [])
      assert.isTrue(server.asked.slice(asked).every((url) => /narinfo$|nix-cache-info$/.test(url)))
      // Near and far: an offer of the far side, until it was taken up.
      const near = memoryPathInfos()
      const both = nearFar(near, cache.pathInfos, { write: "near" })
      const composed = Option.getOrThrow(yield* offerOf(both, high.path))
      assert.isTrue(composed.here === undefined && Option.isNone(yield* near.get(high.path)))
      yield* composed.fetch()
      assert.isTrue(Option.isSome(yield* near.get(high.path)))
      assert.strictEqual(Option.getOrThrow(yield* offerOf(both, high.path)).here?.path, high.path)
    })
  )

  it.live("is made by what is put there: with its info, NARs compressed as its address says, listings, and signatures", () =>
    Effect.gen(function* () {
      const origin = memorySide()
      const info = yield* add(origin, "tree", treeNar("put"), [], { ca: undefined })
      fs.writeFileSync(path.join(scratch, "secret"), printKey(secret))
      for (const [compression, suffix] of [
        ["none", ""],
        ["gzip", ".gz"],
        ["zstd", ".zst"],
        ["br", ".br"],
        [undefined, ".zst"]
      ] as const) {
        const directory = path.join(scratch, `made-${compression}`)
        const more = compression === undefined ? "" : `compression=${compression}&compression-level=${compression === "none" ? 0 : 1}&`
        const url = `${pathToFileURL(directory).href}?${more}write-nar-listing=true&priority=30&secret-key=${path.join(scratch, "secret")}`
        yield* (yield* cacheOf(origin, url, undefined)).put(info)
        assert.strictEqual(fs.readFileSync(path.join(directory, "nix-cache-info"), "utf8"), "StoreDir: /nix/store\nPriority: 30\n")
        const told = parseNarInfo(fs.readFileSync(path.join(directory, `${hashPart(info.path)}.narinfo`)))
        const file = fs.readFileSync(path.join(directory, told.url))
        const digest = hash("sha256", file)
        assert.deepStrictEqual([told.compression, told.fileSize], [compression ?? "zstd", file.length])
        assert.deepStrictEqual(told.fileHash, { algorithm: "sha256", digest })
        assert.strictEqual(told.url, `nar/${Base32.encode(digest)}.nar${suffix}`)
        const listing = printListing(yield* inside(origin, listingOf(info.node)))
        assert.strictEqual(fs.readFileSync(path.join(directory, `${hashPart(info.path)}.ls`), "utf8"), listing)
        assert.deepStrictEqual(
          fs.readdirSync(directory).sort(),
          ["nar", "nix-cache-info", `${hashPart(info.path)}.ls`, `${hashPart(info.path)}.narinfo`].sort()
        )
        const got = yield* (yield* cacheOf(memorySide(), pathToFileURL(directory).href, [publicKeyOf(secret)])).get(info.path)
        assert.deepStrictEqual(Option.getOrThrow(got).node, info.node)
      }
      for (const wrong of ["compression=xz", "compression=zstd&compression-level=99", "priority=x", "secret-key=/nowhere"]) {
        const cache = yield* cacheOf(origin, `${pathToFileURL(path.join(scratch, "wrong")).href}?${wrong}`, undefined)
        assert.match((yield* Effect.flip(cache.put(info))).message, /cannot be/, wrong)
        assert.isFalse(fs.existsSync(path.join(scratch, "wrong")))
      }
      // A tree that is not what its path info says leaves nothing behind.
      const directory = path.join(scratch, "unfinished")
      const lying = yield* cacheOf(origin, `${pathToFileURL(directory).href}?compression=zstd`, undefined)
      assert.match((yield* Effect.flip(lying.put({ ...info, narHash: new Uint8Array(32) }))).message, /another NAR hash/)
      assert.deepStrictEqual(fs.readdirSync(directory), ["nix-cache-info"])
    })
  )

  it.live("takes a closure by PUT, which another store copies from there, byte for byte", () =>
    Effect.gen(function* () {
      const origin = memorySide()
      const server = memorySide()
      const target = memorySide()
      const infos: Array<PathInfo> = []
      for (let i = 0; i < 60; i++) {
        const references = infos.slice(Math.max(0, i - 3)).map((info) => info.path)
        const info = yield* add(origin, `p${i}`, i % 20 === 0 ? treeNar(`t${i}`) : fileNar(`f${i}`), references, { ca: undefined })
        infos.push(yield* origin.pathInfos.put(sign(info, secret)))
      }
      const url = yield* serving(server)
      const top = infos.at(-1)!.path
      const sent = yield* copyClosure([top], origin, yield* fromCache(origin, url, undefined))
      assert.strictEqual(sent.length, 60)
      const got = yield* copyClosure([top], yield* fromCache(target, url, [publicKeyOf(secret)]), target)
      assert.strictEqual(got.length, 60)
      for (const info of infos) {
        const there = Option.getOrThrow(yield* target.pathInfos.get(info.path))
        assert.deepStrictEqual({ ...there, registrationTime: 0 }, { ...info, registrationTime: 0 })
        assert.deepStrictEqual(yield* inside(target, calculate(there.node)), { narHash: info.narHash, narSize: info.narSize })
      }
    })
  )
})

describe("copying between stores", () => {
  it.live("brings blobs and directories that the other castore lacks, and stops at what is missing without committing referrers", () =>
    Effect.gen(function* () {
      const from = memorySide()
      const to = memorySide()
      const low = yield* add(from, "low", treeNar("low"))
      const high = yield* add(from, "high", treeNar("high"), [low.path])
      yield* copyClosure([high.path], from, to)
      for (const info of [low, high]) {
        assert.deepStrictEqual(yield* inside(to, calculate(info.node)), { narHash: info.narHash, narSize: info.narSize })
      }
      const dangling = yield* add(from, "dangling", fileNar("d"), [fromBaseName(`${"2".repeat(32)}-absent`)])
      const exit = yield* Effect.exit(copyClosure([dangling.path], from, to))
      assert.isTrue(Exit.isFailure(exit))
      assert.isTrue(Option.isNone(yield* to.pathInfos.get(dangling.path)))
    })
  )

  it.live("ends with an error where paths refer to each other in a circle", () =>
    Effect.gen(function* () {
      const from = memorySide()
      const one = yield* add(from, "one", fileNar("1"), [fromBaseName(`${"3".repeat(32)}-two`)])
      yield* from.pathInfos.put({ ...one, path: fromBaseName(`${"3".repeat(32)}-two`), references: [one.path], ca: undefined })
      const error = yield* Effect.flip(copyClosure([one.path], from, memorySide()))
      assert.match(error.message, /refer back/)
    })
  )
})
