/** The fetchers' contract over every driver, opened from the text of a `yix.toml` where one can name it, and what the offline ones do besides. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Blobs from "../../src/castore/blob/Memory.ts"
import * as Directories from "../../src/castore/directory/Memory.ts"
import { parse } from "../../src/config/Composition.ts"
import { layersOf } from "../../src/config/CompositionLayers.ts"
import { standardDrivers } from "../../src/config/Drivers.ts"
import type { Fetch } from "../../src/fetch/Fetch.ts"
import { Fetcher } from "../../src/fetch/Fetcher.ts"
import { exitCodeOf } from "../../src/fetch/FetchError.ts"
import * as FileFetcher from "../../src/fetch/FileFetcher.ts"
import * as MemoryFetcher from "../../src/fetch/MemoryFetcher.ts"
import * as NearFar from "../../src/fetch/NearFar.ts"
import * as NetworkFetcher from "../../src/fetch/NetworkFetcher.ts"
import * as RecordedFetcher from "../../src/fetch/RecordedFetcher.ts"
import { hashBytes, printHash } from "../../src/nix/Hash.ts"
import { serve, someBytes } from "../wire/LoopbackServer.ts"
import { contents, fetcherContract } from "./fetcher.contract.ts"

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-fetchers-"))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))
const fresh = (): string => fs.mkdtempSync(path.join(scratch, "d-"))

const castore = () => Layer.mergeAll(Layer.fresh(Blobs.layer), Layer.fresh(Directories.layer))
/** The root fetcher of a composition. */
const composed = (text: string, directory: string = scratch) =>
  Layer.unwrap(
    Effect.map(parse("yix.toml", text, { drivers: standardDrivers, place: { directory, stateDirectory: directory } }), (composition) =>
      layersOf(composition).service("fetchers", "root")
    )
  ).pipe(Layer.provideMerge(castore()))
const at = (base: string) => (name: string) => `${base}/${name}`
const inMemory = MemoryFetcher.layer(new Map([...contents].map(([name, bytes]) => [`https://example.org/${name}`, bytes])))
const nothing = MemoryFetcher.layer(new Map())

/** A directory with the contents at these places. */
const directoryWith = (placeOf: (name: string) => string): string => {
  const root = fresh()
  for (const [name, bytes] of contents) {
    const file = path.join(root, placeOf(name))
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, bytes)
  }
  return root
}

const server = serve((request, response) => {
  const bytes = contents.get(request.url!.slice(1))
  if (bytes === undefined) response.writeHead(404).end()
  else response.end(bytes)
})

describe("the fetcher in memory", () =>
  fetcherContract({
    open: Effect.sync(() => ({ layer: Layer.provideMerge(inMemory, castore()), addressOf: at("https://example.org") })),
    absent: "HttpStatus",
    wrong: "HashMismatch"
  }))

describe("the fetcher http", () =>
  fetcherContract({
    open: Effect.map(server, ({ base }) => ({
      layer: composed('[fetchers.root]\ntype = "http"\nretries = 0\n'),
      addressOf: at(base)
    })),
    absent: "HttpStatus",
    wrong: "HashMismatch"
  }))

describe("the fetcher mirror", () =>
  fetcherContract({
    // The mirror has what has a flat hash, and the address everything.
    open: Effect.gen(function* () {
      const byHash = new Map<string, Uint8Array>(
        [...contents.values()].flatMap((bytes) =>
          (["sha1", "sha256", "sha512"] as const).map((a) => [`/${a}/${printHash(hashBytes(a, bytes), "base16")}`, bytes] as const)
        )
      )
      const mirror = yield* serve((request, response) => {
        const bytes = byHash.get(request.url!)
        if (bytes === undefined) response.writeHead(404).end()
        else response.end(bytes)
      })
      const { base } = yield* server
      return {
        layer: composed(`[fetchers.root]\ntype = "mirror"\nmirrors = ["${mirror.base}"]\nretries = 0\n`),
        addressOf: at(base)
      }
    }),
    absent: "HttpStatus",
    wrong: "HashMismatch"
  }))

describe("the fetcher file", () => {
  describe("asked for web addresses", () =>
    fetcherContract({
      open: Effect.sync(() => ({
        layer: composed(`[fetchers.root]\ntype = "file"\nroots = ["empty", "${directoryWith((name) => `example.org/v 1/${name}`)}"]\n`),
        addressOf: at("https://example.org/v%201")
      })),
      absent: "NotServed",
      wrong: "HashMismatch"
    }))

  describe("asked for files", () =>
    fetcherContract({
      open: Effect.sync(() => {
        const root = directoryWith((name) => name)
        return { layer: composed('[fetchers.root]\ntype = "file"\nroots = ["."]\n', root), addressOf: at(`file://${root}`) }
      }),
      absent: "NotServed",
      wrong: "HashMismatch"
    }))

  const content = someBytes(1000)
  const hash = hashBytes("sha256", content)
  const fetch = (url: string, fetched: Partial<Fetch> = {}): Fetch =>
    ({ _tag: "Url", url, name: "f", hash: undefined, ...fetched }) as Fetch
  const from = (root: string, what: Fetch) =>
    Effect.flatMap(Fetcher, (fetcher) => fetcher.fetch(what)).pipe(
      Effect.provide(Layer.provideMerge(FileFetcher.layer({ roots: [root] }), castore()))
    )

  it.live("serves what has a flat hash by that, wherever the address leads, and believes no file's name", () =>
    Effect.gen(function* () {
      const root = fresh()
      const file = path.join(root, "sha256", printHash(hash, "base16"))
      fs.mkdirSync(path.dirname(file))
      fs.writeFileSync(file, content)
      const info = yield* from(root, fetch("https://nowhere.example/x", { hash }))
      assert.strictEqual(info.node._tag === "File" ? info.node.size : 0, 1000)
      fs.writeFileSync(file, someBytes(1000, 2))
      const error = yield* Effect.flip(from(root, fetch("https://nowhere.example/x", { hash })))
      assert.strictEqual(error._tag, "NotServed")
    })
  )

  it.live("reads nothing outside of its roots, however the address is written", () =>
    Effect.gen(function* () {
      const parent = fresh()
      const root = path.join(parent, "root")
      fs.mkdirSync(path.join(root, "example.org"), { recursive: true })
      for (const outside of ["secret", "root-of-another"]) fs.writeFileSync(path.join(parent, outside), "secret")
      for (const url of [
        `file://${parent}/secret`,
        `${parent}/secret`,
        `file://${root}/../secret`,
        `file://${root}/%2e%2e/secret`,
        `file://${root}/x/../../secret`,
        `${root}-of-another`,
        root,
        "https://example.org/%2e%2e%2f%2e%2e%2fsecret",
        "https://example.org/..%2f..%2fsecret",
        "https://..%2fsecret/"
      ]) {
        const error = yield* Effect.flip(from(root, fetch(url)))
        assert.oneOf(error._tag, ["NotServed", "FileUnreadable"], url)
        if (error._tag === "NotServed") assert.include(error.message, root)
      }
    })
  )

  it.live("says where it would look, and what it cannot serve at all", () =>
    Effect.gen(function* () {
      const root = fresh()
      assert.strictEqual(
        (yield* Effect.flip(from(root, fetch("https://user:secret@example.org:81/a/b?c=d#e")))).message,
        `'https://example.org:81/a/b?c=d#e' is not below '${root}'; put the file at '${root}/example.org:81/a/b?c=d'`
      )
      assert.strictEqual(
        (yield* Effect.flip(from(root, fetch("file:///etc/passwd")))).message,
        `'file:///etc/passwd' leads out of what this fetcher serves, which is below '${root}'; add the directory to its 'roots'`
      )
      assert.strictEqual((yield* Effect.flip(from(root, fetch("s3://bucket/x"))))._tag, "UnsupportedScheme")
    })
  )
})

describe("the fetcher recorded", () => {
  describe("recording", () =>
    fetcherContract({
      open: Effect.sync(() => ({
        layer: composed(
          '[fetchers.root]\ntype = "recorded"\ninner = "files"\ndirectory = "recordings"\n[fetchers.files]\ntype = "file"\nroots = ["."]\n',
          directoryWith((name) => `example.org/${name}`)
        ),
        addressOf: at("https://example.org")
      })),
      absent: "NotServed",
      wrong: "HashMismatch"
    }))

  /** Records each fetch with a castore of its own, then replays it into an empty one. */
  const recordedBefore = (directory: string) =>
    Layer.effect(
      Fetcher,
      Effect.gen(function* () {
        const replay = yield* Fetcher
        return {
          fetch: (fetch, onProgress) =>
            Effect.flatMap(Fetcher, (fetcher) => fetcher.fetch(fetch)).pipe(
              Effect.provide(Layer.provide(RecordedFetcher.layer(inMemory, { directory, mode: "auto" }), castore()), { local: true }),
              Effect.ignore,
              Effect.andThen(replay.fetch(fetch, onProgress))
            )
        }
      })
    ).pipe(
      Layer.provide(
        RecordedFetcher.layer(Layer.effect(Fetcher, Effect.die(new Error("opened")) as Effect.Effect<Fetcher["Service"]>), {
          directory,
          mode: "replay"
        })
      )
    )

  describe("replaying, with nothing behind it", () =>
    fetcherContract({
      open: Effect.sync(() => ({
        layer: Layer.provideMerge(recordedBefore(fresh()), castore()),
        addressOf: at("https://example.org")
      })),
      absent: "NotRecorded",
      wrong: "NotRecorded"
    }))

  const url = "https://example.org/file"
  const file: Fetch = { _tag: "Url", url, name: "f", hash: undefined }
  const tarball: Fetch = { _tag: "Tarball", url: "https://example.org/source.tar", name: "source", hash: undefined }
  const by = (directory: string, mode: "auto" | "record" | "replay", what: Fetch, inner = inMemory) =>
    Effect.flatMap(Fetcher, (fetcher) => fetcher.fetch(what)).pipe(
      Effect.provide(Layer.provideMerge(RecordedFetcher.layer(inner, { directory, mode }), castore()), { local: true })
    )
  const filesIn = (directory: string) =>
    fs
      .readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .sort()
  const description = (directory: string) => filesIn(directory).find((name) => name.endsWith(".json"))!
  const nar = (directory: string) => filesIn(directory).find((name) => name.endsWith(".nar.zst"))!

  it.live("automatically asks once, and then no more, though what is at the address changes", () =>
    Effect.gen(function* () {
      const directory = fresh()
      const first = yield* by(directory, "auto", file)
      const changed = MemoryFetcher.layer(new Map([[url, someBytes(7)]]))
      const second = yield* by(directory, "auto", file, changed)
      assert.strictEqual(second.path, first.path)
      const third = yield* by(directory, "record", file, changed)
      assert.notStrictEqual(third.path, first.path)
      assert.strictEqual((yield* by(directory, "replay", file, nothing)).path, third.path)
    })
  )

  it.live("writes the same bytes for the same answer, and nothing of a failure", () =>
    Effect.gen(function* () {
      const directory = fresh()
      yield* by(directory, "record", file)
      const before = filesIn(directory).map((name) => [name, fs.readFileSync(name)] as const)
      assert.strictEqual(before.length, 2)
      yield* by(directory, "record", file)
      yield* Effect.flip(by(directory, "record", { ...file, url: "https://example.org/absent" }))
      assert.deepStrictEqual(
        filesIn(directory).map((name) => [name, fs.readFileSync(name)] as const),
        before
      )
    })
  )

  it.live("fetched by hash replays for another address of that hash", () =>
    Effect.gen(function* () {
      const directory = fresh()
      const hash = hashBytes("sha256", contents.get("file")!)
      const info = yield* by(directory, "auto", { ...file, hash })
      const moved = yield* by(directory, "replay", { ...file, hash, url: "https://elsewhere.example/moved" })
      assert.strictEqual(moved.path, info.path)
    })
  )

  it.live("replays what is known of a tree besides its content, by the whole of its input", () =>
    Effect.gen(function* () {
      const directory = fresh()
      const input = new Map<string, string | number | boolean>([
        ["type", "tarball"],
        ["url", "https://example.org/source.tar"]
      ])
      const tree: Fetch = { _tag: "Tree", input, url: "https://example.org/source.tar", name: "source", hash: undefined }
      const first = yield* by(directory, "auto", tree)
      assert.isTrue(first.tree!.has("lastModified"))
      const again = yield* by(directory, "replay", tree)
      assert.deepStrictEqual([again.path, again.tree], [first.path, first.tree])
      const other = { ...tree, input: new Map([...input, ["lastModified", 1] as const]) }
      assert.strictEqual((yield* Effect.flip(by(directory, "replay", other)))._tag, "NotRecorded")
    })
  )

  const damages: ReadonlyArray<readonly [what: string, fetch: Fetch, damage: (directory: string) => void, detail: string]> = [
    ["a description cut short", file, (d) => fs.truncateSync(description(d), 40), "no description of a fetch"],
    [
      "a description of another hash",
      file,
      (d) => {
        const text = fs.readFileSync(description(d), "utf8")
        fs.writeFileSync(
          description(d),
          text.replace(/"hash": "[^"]*"/, `"hash": "${printHash(hashBytes("sha256", someBytes(1)), "sri")}"`)
        )
      },
      "hash mismatch"
    ],
    [
      "a description with a hash that is none",
      file,
      (d) => fs.writeFileSync(description(d), fs.readFileSync(description(d), "utf8").replaceAll("sha256-", "sha257-")),
      "damaged"
    ],
    [
      "a description of another fetch",
      file,
      (d) => fs.writeFileSync(description(d), fs.readFileSync(description(d), "utf8").replace('"Url f ', '"Url g ')),
      "of another fetch"
    ],
    ["content that is missing", tarball, (d) => fs.rmSync(nar(d)), "it does not exist"],
    ["content cut short", tarball, (d) => fs.truncateSync(nar(d), fs.statSync(nar(d)).size - 5), "damaged"],
    [
      "content with a byte changed",
      file,
      (d) => {
        const bytes = fs.readFileSync(nar(d))
        bytes[bytes.length >> 1]! ^= 1
        fs.writeFileSync(nar(d), bytes)
      },
      "damaged"
    ]
  ]
  for (const [what, fetch, damage, detail] of damages) {
    it.live(`refuses ${what}, and says which file to delete`, () =>
      Effect.gen(function* () {
        const directory = fresh()
        yield* by(directory, "auto", fetch)
        damage(directory)
        for (const mode of ["replay", "auto"] as const) {
          const error = yield* Effect.flip(by(directory, mode, fetch))
          assert.oneOf(error._tag, ["RecordingDamaged", "HashMismatch"])
          assert.include(error.message, directory)
          assert.include(error.message, detail)
          assert.strictEqual(exitCodeOf(error), error._tag === "HashMismatch" ? 102 : 1)
        }
        yield* by(directory, "record", fetch)
        yield* by(directory, "replay", fetch)
      })
    )
  }

  it.live("says what is not recorded and how to record it", () =>
    Effect.gen(function* () {
      const directory = path.join(fresh(), "absent")
      const error = yield* Effect.flip(by(directory, "replay", file))
      assert.strictEqual(
        error.message,
        `the fetch of '${url}' is not recorded in '${directory}'; fetch it once with mode = "auto" or "record"`
      )
    })
  )

  it.live("fails when it cannot record, and leaves no half of it", () =>
    Effect.gen(function* () {
      const directory = path.join(fresh(), "file")
      fs.writeFileSync(directory, "")
      const error = yield* Effect.flip(by(directory, "record", file))
      assert.strictEqual(error._tag, "RecordingFailed")
      assert.include(error.message, `in '${directory}'`)
      assert.strictEqual(fs.readFileSync(directory, "utf8"), "")
    })
  )
})

describe("the fetcher combined", () => {
  const near = MemoryFetcher.layer(new Map([["https://example.org/file", contents.get("file")!]]))
  fetcherContract({
    open: Effect.sync(() => ({
      layer: composed(
        '[fetchers.root]\ntype = "combined"\nnear = "some"\nfar = "all"\n[fetchers.some]\ntype = "file"\nroots = ["some"]\n[fetchers.all]\ntype = "file"\nroots = ["all"]\n',
        directoryWith((name) => `${name === "file" ? "some" : "all"}/example.org/${name}`)
      ),
      addressOf: at("https://example.org")
    })),
    absent: "NotServed",
    wrong: "HashMismatch"
  })

  it.live("asks the far one only for what the near one lacks, and tells the far one's failure", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const far = Layer.succeed(Fetcher, {
        fetch: (fetch) => {
          asked.push(fetch.url)
          return Effect.die(new Error("far was asked"))
        }
      })
      const fetcher = yield* Effect.provide(Fetcher, Layer.provide(NearFar.layer(near, far), castore()))
      yield* fetcher.fetch({ _tag: "Url", url: "https://example.org/file", name: "f", hash: undefined })
      assert.deepStrictEqual(asked, [])
      const exit = yield* Effect.exit(fetcher.fetch({ _tag: "Url", url: "https://example.org/script", name: "f", hash: undefined }))
      assert.strictEqual(exit._tag, "Failure")
      assert.deepStrictEqual(asked, ["https://example.org/script"])
    })
  )

  it.live("needs no network where neither side does", () =>
    Effect.gen(function* () {
      const offline = (layer: Layer.Layer<Fetcher, never, never>) => Effect.map(Effect.provide(Fetcher, layer), (f) => f.offline === true)
      const files = Layer.provide(FileFetcher.layer({ roots: [scratch] }), castore())
      const network = Layer.provide(NetworkFetcher.layer(), castore())
      const replay = Layer.provide(RecordedFetcher.layer(network, { directory: scratch, mode: "replay" }), castore())
      assert.isTrue(yield* offline(NearFar.layer(files, replay)))
      assert.isFalse(yield* offline(NearFar.layer(files, network)))
      const recording = Layer.provide(RecordedFetcher.layer(network, { directory: scratch, mode: "auto" }), castore())
      assert.isFalse(yield* offline(recording))
    })
  )
})
