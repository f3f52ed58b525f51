import "../castore/crypto.ts"
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as zlib from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import * as Blobs from "../../src/castore/blob/Memory.ts"
import { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import * as Directories from "../../src/castore/directory/Memory.ts"
import type { Fetch } from "../../src/fetch/Fetch.ts"
import { Fetcher, type FetchProgress } from "../../src/fetch/Fetcher.ts"
import { exitCodeOf } from "../../src/fetch/FetchError.ts"
import * as LocalFetcher from "../../src/fetch/LocalFetcher.ts"
import * as MemoryFetcher from "../../src/fetch/MemoryFetcher.ts"
import * as NetworkFetcher from "../../src/fetch/NetworkFetcher.ts"
import * as Transfer from "../../src/fetch/Transfer.ts"
import { hashBytes, type NixHash, type NixHashAlgorithm, parseHash } from "../../src/nix/Hash.ts"
import { nameOf } from "../../src/nix/StorePath.ts"
import * as Http from "../../src/wire/Http.ts"
import { archive, type Member, pax } from "../castore/TarMaker.ts"
import { zip, type ZipFile } from "../castore/ZipMaker.ts"
import { serve, serveContent, someBytes } from "../wire/LoopbackServer.ts"
import { narOfFile as narOf } from "./fetcher.contract.ts"

const store = Layer.mergeAll(Blobs.layer, Directories.layer)

const network = (options: Partial<LocalFetcher.FetcherOptions> = {}, http: Partial<Http.HttpOptions> = {}) =>
  LocalFetcher.layer(options).pipe(
    Layer.provide(Transfer.layer),
    Layer.provide(Http.layer({ connectSeconds: 1, stallSeconds: 0.5, backoff: { base: 5, cap: 20 }, ...http })),
    Layer.provideMerge(store)
  )

const fetchIt = (fetch: Fetch, onProgress?: (progress: FetchProgress) => void) =>
  Effect.flatMap(Fetcher, (fetcher) => fetcher.fetch(fetch, onProgress))

/** How many blobs and directories there are. */
const stored = Effect.gen(function* () {
  const blobs = yield* Stream.runCollect((yield* BlobService).list())
  const directories = yield* Stream.runCollect((yield* DirectoryService).list())
  return blobs.length + directories.length
})

const fromMemory = (url: string, bytes: Uint8Array, options?: Partial<LocalFetcher.FetcherOptions>) =>
  MemoryFetcher.layer(new Map([[url, bytes]]), options).pipe(Layer.provideMerge(store))

const urlFetch = (url: string, hash?: NixHash, name = "file"): Fetch => ({ _tag: "Url", url, name, hash })
const tarball = (url: string, hash?: NixHash): Fetch => ({ _tag: "Tarball", url, name: "source", hash })

describe("fetching one file", () => {
  for (const algorithm of ["md5", "sha1", "sha256", "sha512"] as const satisfies ReadonlyArray<NixHashAlgorithm>) {
    it.live(`checks its ${algorithm} and knows its path, address, NAR hash and size`, () =>
      Effect.gen(function* () {
        const content = someBytes(100_000)
        const hash = hashBytes(algorithm, content)
        const info = yield* Effect.provide(fetchIt(urlFetch("http://x/f", hash)), fromMemory("http://x/f", content))
        const nar = narOf(content, false)
        assert.deepStrictEqual(Buffer.from(info.narHash), createHash("sha256").update(nar).digest())
        assert.strictEqual(info.narSize, nar.length)
        assert.strictEqual(info.node._tag === "File" ? info.node.size : 0, 100_000)
        assert.strictEqual(nameOf(info.path), "file")
        assert.match(info.ca!, new RegExp(`^fixed:${algorithm}:`))
        assert.deepStrictEqual([info.references, info.signatures, info.deriver], [[], [], undefined])
      })
    )
  }

  it.live("without a hash gets the path of its SHA-256", () =>
    Effect.gen(function* () {
      const content = someBytes(1000)
      const with_ = yield* Effect.provide(fetchIt(urlFetch("http://x/f", hashBytes("sha256", content))), fromMemory("http://x/f", content))
      const without = yield* Effect.provide(fetchIt(urlFetch("http://x/f")), fromMemory("http://x/f", content))
      assert.strictEqual(without.path, with_.path)
      assert.strictEqual(without.ca, with_.ca)
    })
  )

  it.live("with another hash is refused, both named, and leaves nothing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(fetchIt(urlFetch("http://x/f", hashBytes("sha256", someBytes(5)))))
      assert.strictEqual(error._tag, "HashMismatch")
      assert.strictEqual(exitCodeOf(error), 102)
      assert.include(error.message, "http://x/f")
      const base64 = (bytes: Uint8Array) => `sha256-${createHash("sha256").update(bytes).digest("base64")}`
      assert.include(error.message, `specified: ${base64(someBytes(5))}`)
      assert.include(error.message, `got:    ${base64(someBytes(3_000_000))}`)
      assert.strictEqual(yield* stored, 0)
    }).pipe(Effect.provide(fromMemory("http://x/f", someBytes(3_000_000))))
  )

  it.live("with the executable bit is checked by its NAR", () =>
    Effect.gen(function* () {
      const content = Buffer.from("#!/bin/sh\n")
      for (const [tag, executable] of [
        ["Executable", true],
        ["File", false]
      ] as const) {
        for (const algorithm of ["sha256", "sha1"] as const) {
          const right: Fetch = { _tag: tag, url: "http://x/f", name: "sh", hash: hashBytes(algorithm, narOf(content, executable)) }
          const info = yield* Effect.provide(fetchIt(right), fromMemory("http://x/f", content))
          assert.strictEqual(info.node._tag === "File" && info.node.executable, executable)
          assert.match(info.ca!, new RegExp(`^fixed:r:${algorithm}:`))
          const wrong: Fetch = { ...right, hash: hashBytes(algorithm, narOf(content, !executable)) }
          const error = yield* Effect.flip(Effect.provide(fetchIt(wrong), fromMemory("http://x/f", content)))
          assert.strictEqual(error._tag, "HashMismatch")
        }
      }
    })
  )

  it.live("under a bad name is refused before anything is fetched", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.provide(fetchIt(urlFetch("http://nowhere/f", undefined, "a b")), fromMemory("x", new Uint8Array()))
      )
      assert.strictEqual(error._tag, "BadName")
    })
  )

  it.live("beyond the allowed size is refused", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.provide(fetchIt(urlFetch("http://x/f")), fromMemory("http://x/f", someBytes(100), { maxBytes: 99 }))
      )
      assert.strictEqual(error._tag, "TooLarge")
    })
  )
})

describe("fetching a tarball", () => {
  /** Contents and the store path that Nix 2.34.8's `builtins.fetchTarball` gives for them. */
  const asNix: ReadonlyArray<readonly [string, string, ReadonlyArray<Member>]> = [
    [
      "with one top directory",
      "9a31b9ixmjlmqbj968nf5hryikzxq48s",
      [
        { name: "top/", type: "5" },
        { name: "top/a", data: "hi\n" },
        { name: "top/empty/", type: "5" },
        { name: "top/hard", type: "1", target: "top/a" },
        { name: "top/l", type: "2", target: "a" },
        { name: "top/sub/", type: "5" },
        { name: "top/x", data: "#!\n", mode: 0o755 }
      ]
    ],
    [
      "with two top directories",
      "k7sfd7q0jfibg9k93c7nfyyalm4mf7mh",
      [
        { name: "t1/a", data: "1\n" },
        { name: "t2/b", data: "2\n" }
      ]
    ],
    ["with a single file", "8sygvwmffmi595frpndzizy7vyfyqfxx", [{ name: "single", data: "f\n" }]],
    ["with a single symlink", "mgjcncjxfpz6m9611f64zxxryv53yzbv", [{ name: "link", type: "2", target: "/etc/foo" }]],
    ["with an empty top directory", "0ccnxa25whszw7mgbgyzdm4nqc0zwnm8", [{ name: "t/", type: "5" }]],
    [
      "whose members begin with ./",
      "93d75xv4dg9wzhg0bsasxfnj828lf4na",
      [
        { name: "./", type: "5" },
        { name: "./d1/", type: "5" },
        { name: "./d1/q", data: "q\n" }
      ]
    ],
    ["whose paths are absolute", "gxydwx05xw43djxcvlhi10zrq7kr72ix", [{ name: "/abs/a", data: "1" }]],
    [
      "with a hard link before its target",
      "lqnnpqxm9j4gb1v018nfzaql8h4cngd2",
      [
        { name: "t/h", type: "1", target: "t/a" },
        { name: "t/a", data: "1" }
      ]
    ],
    [
      "with a replaced member",
      "bryyf7c0x6j7rrpa46l8s9gf0g0waybp",
      [
        { name: "t/a", data: "1" },
        { name: "t/h", type: "1", target: "t/a" },
        { name: "t/a", data: "2", mode: 0o711 }
      ]
    ],
    [
      "with odd modes",
      "51f0ln4qdkag4s14mlx3jb691i7pn1xa",
      [
        { name: "t/g", data: "1", mode: 0o655 },
        { name: "t/x", data: "1", mode: 0o711 }
      ]
    ],
    [
      "with a hard link to a symlink",
      "7dlgk2axddkq388rhvj4g2p81bg7llln",
      [
        { name: "t/l", type: "2", target: "a" },
        { name: "t/a", data: "1" },
        { name: "t/h", type: "1", target: "t/l" }
      ]
    ],
    ["with dots and double slashes", "dk1zkgk1lb43j6gnkj7rgk9y600v49iy", [{ name: "t/./a//b", data: "1" }]],
    [
      "with a directory in place of a symlink",
      "qbjgqx8qr9a4wjka0c0jxb3xd793zxka",
      [
        { name: "t/d", type: "2", target: "a" },
        { name: "t/d", type: "5" },
        { name: "t/d/b", data: "1" }
      ]
    ]
  ]
  for (const [what, path, members] of asNix) {
    it.live(`${what} gives the store path that Nix gives`, () =>
      Effect.gen(function* () {
        const info = yield* Effect.provide(fetchIt(tarball("http://x/t")), fromMemory("http://x/t", archive(...members)))
        assert.strictEqual(info.path, `/nix/store/${path}-source`)
        assert.match(info.ca!, /^fixed:r:sha256:/)
      })
    )
  }

  for (const [what, path, files] of [
    [
      "with files, executables, symlinks and directories",
      "ilpnjf361509fvkv2njr11xi7g92wn66",
      [
        { name: "t/", mode: 0o40755 },
        { name: "t/a", data: "hi\n".repeat(100) },
        { name: "t/x", data: "#!\n", mode: 0o100755 },
        { name: "t/l", data: "a", mode: 0o120777 },
        { name: "t/e/", mode: 0o40755 }
      ]
    ],
    [
      "with odd modes",
      "a8r82gvbk3x387bajjmfvwgschqc1c9f",
      [
        { name: "t/a", data: "1", mode: 0o644 },
        { name: "t/g", data: "1", mode: 0o100655 },
        { name: "t/x", data: "1", mode: 0o711 }
      ]
    ],
    ["with backslashes", "gxydwx05xw43djxcvlhi10zrq7kr72ix", [{ name: "t\\a", data: "1", host: 0 }]],
    [
      "with two top directories",
      "i61l66fmmjsdigpg8yd2y5xxpgnlfbsf",
      [
        { name: "t/a", data: "1" },
        { name: "u/b", data: "2" }
      ]
    ]
  ] as ReadonlyArray<readonly [string, string, ReadonlyArray<ZipFile>]>) {
    it.live(`in zip ${what} gives the store path that Nix gives`, () =>
      Effect.gen(function* () {
        const info = yield* Effect.provide(fetchIt(tarball("http://x/t")), fromMemory("http://x/t", zip(files)))
        assert.strictEqual(info.path, `/nix/store/${path}-source`)
      })
    )
  }

  const members: ReadonlyArray<Member> = [
    { name: "top/a", data: someBytes(40_000) },
    pax({ path: "top/\xff" }),
    { name: "x", data: "bytes" },
    { name: "top/run", data: "#!", mode: 0o755 }
  ]
  const plain = archive(...members)
  const packed: ReadonlyArray<readonly [string, Buffer]> = [
    ["nothing", plain],
    ["gzip", zlib.gzipSync(plain)],
    ["gzip in members", Buffer.concat([zlib.gzipSync(plain.subarray(0, 5000)), zlib.gzipSync(plain.subarray(5000))])],
    ["zstd", zlib.zstdCompressSync(plain)],
    ["bzip2", execFileSync("bzip2", ["-c"], { input: plain })],
    ["xz", execFileSync("xz", ["-c"], { input: plain })]
  ]

  for (const [how, bytes] of packed) {
    it.live(`packed with ${how} is recognised by its bytes`, () =>
      Effect.gen(function* () {
        const reference = yield* Effect.provide(fetchIt(tarball("http://x/t")), fromMemory("http://x/t", plain))
        const hash: NixHash = { algorithm: "sha256", digest: reference.narHash }
        const info = yield* Effect.provide(fetchIt(tarball("http://x/page.html", hash)), fromMemory("http://x/page.html", bytes))
        assert.strictEqual(info.path, reference.path)
      })
    )

    it.live(`packed with ${how} is refused wherever it was cut`, () =>
      Effect.gen(function* () {
        // Between members and after the last, an uncompressed archive may end.
        const last = how === "nothing" ? plain.length - 1536 : bytes.length - 1
        for (let end = 0; end < last; end += Math.ceil(bytes.length / 97)) {
          const exit = yield* Effect.exit(Effect.provide(fetchIt(tarball("http://x/t")), fromMemory("http://x/t", bytes.subarray(0, end))))
          assert.strictEqual(exit._tag, "Failure", `cut at ${end}`)
        }
      })
    )
  }

  it.live("with another hash is refused, after unpacking", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.provide(fetchIt(tarball("http://x/t", hashBytes("sha256", new Uint8Array(1)))), fromMemory("http://x/t", plain))
      )
      assert.strictEqual(error._tag, "HashMismatch")
      assert.include(error.message, "unpacked")
    })
  )

  it.live("that is a web page is said to be none", () =>
    Effect.gen(function* () {
      const page = Buffer.from("<html>".repeat(200))
      const error = yield* Effect.flip(Effect.provide(fetchIt(tarball("http://x/t.tar.gz")), fromMemory("http://x/t.tar.gz", page)))
      assert.strictEqual(error._tag, "BadArchive")
      assert.include(error.message, "http://x/t.tar.gz")
    })
  )

  it.live("that unfolds beyond the limit is refused", () =>
    Effect.gen(function* () {
      const bomb = zlib.gzipSync(archive({ name: "t/zeros", data: Buffer.alloc(5_000_000) }))
      const error = yield* Effect.flip(
        Effect.provide(fetchIt(tarball("http://x/t")), fromMemory("http://x/t", bomb, { maxUnpacked: 4_000_000 }))
      )
      assert.strictEqual(error._tag, "ExpandsTooFar")
    })
  )
})

describe("fetching a NAR", () => {
  const nar = narOf(someBytes(50_000), true)

  for (const [how, bytes] of [
    ["nothing", nar],
    ["gzip", zlib.gzipSync(nar)],
    ["zstd", zlib.zstdCompressSync(nar)],
    ["bzip2", execFileSync("bzip2", ["-c"], { input: nar })],
    ["xz", execFileSync("xz", ["-c"], { input: nar })]
  ] as const) {
    it.live(`packed with ${how}, checks the hash of the NAR inside`, () =>
      Effect.gen(function* () {
        for (const algorithm of ["sha256", "sha1", "sha512"] as const) {
          const fetch: Fetch = { _tag: "Nar", url: "http://x/n", name: "n", hash: hashBytes(algorithm, nar) }
          const info = yield* Effect.provide(fetchIt(fetch), fromMemory("http://x/n", bytes))
          assert.strictEqual(info.narSize, nar.length)
          assert.deepStrictEqual(Buffer.from(info.narHash), createHash("sha256").update(nar).digest())
          assert.isTrue(info.node._tag === "File" && info.node.executable)
          const wrong: Fetch = { ...fetch, hash: hashBytes(algorithm, new Uint8Array(3)) }
          const error = yield* Effect.flip(Effect.provide(fetchIt(wrong), fromMemory("http://x/n", bytes)))
          assert.strictEqual(error._tag, "HashMismatch")
        }
      })
    )
  }

  it.live("cut or malformed is no sound NAR", () =>
    Effect.gen(function* () {
      for (const bytes of [
        nar.subarray(0, 1000),
        Buffer.concat([nar, Buffer.alloc(8)]),
        Buffer.from("hello, this is no archive"),
        Buffer.alloc(0)
      ]) {
        const fetch: Fetch = { _tag: "Nar", url: "http://x/n", name: "n", hash: hashBytes("sha256", bytes) }
        const error = yield* Effect.flip(Effect.provide(fetchIt(fetch), fromMemory("http://x/n", bytes)))
        assert.strictEqual(error._tag, "BadNar")
      }
    })
  )

  it.live("takes every NAR of the recorded binary caches", () =>
    Effect.gen(function* () {
      const vectors = "/work/shared/vectors/store"
      let count = 0
      for (const cache of readdirSync(vectors).filter((name) => name.startsWith("cache-") && name !== "cache-br")) {
        for (const file of readdirSync(join(vectors, cache)).filter((name) => name.endsWith(".narinfo"))) {
          const info = readFileSync(join(vectors, cache, file), "utf8")
          const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(info)![1]!
          const path = field("StorePath")
          const url = `file://${join(vectors, cache, field("URL"))}`
          const fetch: Fetch = { _tag: "Nar", url, name: path.slice(44), hash: parseHash(field("NarHash")) }
          const fetched = yield* fetchIt(fetch)
          assert.strictEqual(fetched.narSize, Number(field("NarSize")))
          count++
        }
      }
      assert.isAbove(count, 25)
    }).pipe(Effect.provide(network()))
  )
})

describe("addresses", () => {
  const withDirectory = <A, E, R>(use: (directory: string) => Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "yix-fetch-"))),
      use,
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
    )

  it.live("of files are read, with percent signs, bytes and symlinks", () =>
    withDirectory((directory) =>
      Effect.gen(function* () {
        const content = someBytes(2_500_000)
        writeFileSync(join(directory, "a b"), content)
        writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff])]), content)
        symlinkSync("a b", join(directory, "link"))
        const hash = hashBytes("sha256", content)
        for (const url of [
          `file://${directory}/a%20b`,
          `file://localhost${directory}/a%20b`,
          `file:${directory}/a b`,
          `${directory}/a b`,
          `file://${directory}/a%20b?query#fragment`,
          `file://${directory}/%ff`,
          `${directory}/\xff`,
          `${directory}/link`
        ]) {
          const info = yield* fetchIt(urlFetch(url, hash))
          assert.strictEqual(info.node._tag === "File" ? info.node.size : 0, content.length, url)
        }
      }).pipe(Effect.provide(network()))
    )
  )

  it.live("of what is no file are refused by what it is", () =>
    withDirectory((directory) =>
      Effect.gen(function* () {
        mkdirSync(join(directory, "d"))
        execFileSync("mkfifo", [join(directory, "pipe")])
        for (const [url, words] of [
          [`file://${directory}/missing`, "does not exist"],
          [`file://${directory}/d`, "is a directory"],
          [`${directory}/pipe`, "not a regular file"],
          ["/dev/zero", "not a regular file"],
          ["file://otherhost/etc/passwd", "file:"]
        ] as const) {
          const error = yield* Effect.flip(fetchIt(urlFetch(url)))
          assert.include(error.message, words, url)
        }
      }).pipe(Effect.provide(network()))
    )
  )

  it.live("of other schemes are refused with what can be done", () =>
    Effect.gen(function* () {
      for (const url of [
        "ftp://x/y",
        "s3://bucket/key",
        "mirror://gnu/x",
        "git+https://x/y",
        "relative/path",
        "",
        "channel:nixos-unstable"
      ]) {
        const error = yield* Effect.flip(fetchIt(urlFetch(url)))
        assert.strictEqual(error._tag, "UnsupportedScheme", url)
      }
    }).pipe(Effect.provide(network()))
  )
})

describe("fetching over HTTP", () => {
  it.live("brings a file and tells how far it is", () =>
    Effect.gen(function* () {
      const content = someBytes(1_000_000)
      const server = yield* serve((request, response) => serveContent(content, request, response))
      const progress: Array<FetchProgress> = []
      yield* fetchIt(urlFetch(`${server.base}/f`, hashBytes("sha256", content)), (now) => progress.push(now))
      assert.deepStrictEqual(progress.at(-1), { done: 1_000_000, total: 1_000_000 })
      assert.isAbove(progress.length, 3)
    }).pipe(Effect.scoped, Effect.provide(network()))
  )

  it.live("continues a broken download without validators, because the hash is checked", () =>
    Effect.gen(function* () {
      const content = someBytes(500_000)
      const server = yield* serve((request, response, count) => {
        if (count > 0) return response.end(content)
        response.writeHead(200, { "content-length": content.length })
        return response.write(content.subarray(0, 200_000), () => setTimeout(() => response.destroy(), 5))
      })
      yield* fetchIt(urlFetch(`${server.base}/f`, hashBytes("sha256", content)))
      assert.strictEqual(server.requests.length, 2)
    }).pipe(Effect.scoped, Effect.provide(network()))
  )

  it.live("begins anew when the content changed on the way", () =>
    Effect.gen(function* () {
      const [old, now] = [someBytes(500_000), someBytes(400_000, 9)]
      const server = yield* serve((request, response, count) => {
        if (count > 0) return serveContent(now, request, response, '"v2"')
        response.writeHead(200, { "content-length": old.length, etag: '"v1"' })
        return response.write(old.subarray(0, 200_000), () => setTimeout(() => response.destroy(), 5))
      })
      const info = yield* fetchIt(urlFetch(`${server.base}/f`))
      assert.strictEqual(info.node._tag === "File" ? info.node.size : 0, 400_000)
    }).pipe(Effect.scoped, Effect.provide(network()))
  )

  it.live("undoes a compression that the server put on for the way", () =>
    Effect.gen(function* () {
      const content = someBytes(10_000)
      const server = yield* serve((_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(zlib.gzipSync(content)))
      yield* fetchIt(urlFetch(`${server.base}/f`, hashBytes("sha256", content)))
    }).pipe(Effect.scoped, Effect.provide(network()))
  )

  it.live("takes the bytes as they come where only they have the hash", () =>
    Effect.gen(function* () {
      const content = zlib.gzipSync(someBytes(10_000))
      const server = yield* serve((_, response) => response.writeHead(200, { "content-encoding": "x-gzip" }).end(content))
      const info = yield* fetchIt(urlFetch(`${server.base}/f.tar.gz`, hashBytes("sha256", content)))
      assert.strictEqual(info.node._tag === "File" ? info.node.size : 0, content.length)
    }).pipe(Effect.scoped, Effect.provide(network()))
  )

  it.live("says which status an address has", () =>
    Effect.gen(function* () {
      const server = yield* serve((_, response) => response.writeHead(404).end())
      const error = yield* Effect.flip(fetchIt(urlFetch(`${server.base}/f`)))
      assert.strictEqual(error._tag === "HttpStatus" ? error.status : 0, 404)
      assert.strictEqual(exitCodeOf(error), 1)
    }).pipe(Effect.scoped, Effect.provide(network()))
  )

  it.live("interrupted leaves nothing stored and no connection", () =>
    Effect.gen(function* () {
      const server = yield* serve((_, response) => {
        response.writeHead(200, { "content-length": 50_000_000 })
        response.write(Buffer.alloc(3_000_000))
      })
      const fiber = yield* Effect.forkChild(fetchIt(urlFetch(`${server.base}/f`)), { startImmediately: true })
      while (server.requests.length === 0) yield* Effect.sleep("10 millis")
      yield* Effect.sleep("100 millis")
      const before = Date.now()
      yield* Fiber.interrupt(fiber)
      assert.isBelow(Date.now() - before, 1000)
      yield* Effect.sleep("50 millis")
      assert.strictEqual(server.sockets.size, 0)
      assert.strictEqual(yield* stored, 0)
    }).pipe(Effect.scoped, Effect.provide(network({}, { stallSeconds: 30 })))
  )

  it.live("keeps to the number of fetches at a time, and at one host", () =>
    Effect.gen(function* () {
      let now = 0
      let most = 0
      const handler = (_: unknown, response: import("node:http").ServerResponse) => {
        most = Math.max(most, ++now)
        setTimeout(() => {
          now--
          response.end("x")
        }, 30)
      }
      const server = yield* serve(handler)
      const all = (count: number) =>
        Effect.forEach(
          Array.from({ length: count }, (_, i) => i),
          (i) => fetchIt(urlFetch(`${server.base}/${i}`)),
          { concurrency: "unbounded", discard: true }
        )
      yield* Effect.provide(all(12), network({ concurrency: 3, perHost: 8 }))
      assert.strictEqual(most, 3)
      most = 0
      yield* Effect.provide(all(12), network({ concurrency: 16, perHost: 2 }))
      assert.strictEqual(most, 2)
    }).pipe(Effect.scoped)
  )

  it.live("by the fetcher that loads itself, also when the first of several is interrupted", () =>
    Effect.gen(function* () {
      const content = someBytes(1000)
      const server = yield* serve((_, response) => response.end(content))
      const first = yield* Effect.forkChild(fetchIt(urlFetch(`${server.base}/a`)), { startImmediately: true })
      yield* Fiber.interrupt(first)
      const infos = yield* Effect.forEach(["b", "c"], (name) => fetchIt(urlFetch(`${server.base}/${name}`)), { concurrency: 2 })
      assert.strictEqual(infos[0]!.path, infos[1]!.path)
    }).pipe(Effect.scoped, Effect.provide(NetworkFetcher.layer({ http: { retries: 0 } }).pipe(Layer.provideMerge(store))))
  )

  describe("with mirrors", () => {
    const content = someBytes(1000)
    const hash = hashBytes("sha256", content)
    const hex = createHash("sha256").update(content).digest("hex")

    it.live("asks them by hash before the address, and only for flat hashes", () =>
      Effect.gen(function* () {
        const mirror = yield* serve((request, response) =>
          request.url === `/m/sha256/${hex}` ? response.end(content) : response.writeHead(404).end()
        )
        const origin = yield* serve((_, response) => response.end(archive({ name: "t/a", data: "1" })))
        const layer = network({ mirrors: [`${mirror.base}/empty`, `${mirror.base}/m/`] })
        yield* Effect.gen(function* () {
          yield* fetchIt(urlFetch(`${origin.base}/f`, hash))
          assert.strictEqual(origin.requests.length, 0)
          assert.deepStrictEqual(
            mirror.requests.map((request) => request.path),
            [`/empty/sha256/${hex}`, `/m/sha256/${hex}`]
          )
          yield* fetchIt(tarball(`${origin.base}/t`))
          assert.strictEqual(mirror.requests.length, 2)
        }).pipe(Effect.provide(layer))
      }).pipe(Effect.scoped)
    )

    it.live("goes on to the address when they lack it, lie or do not answer", () =>
      Effect.gen(function* () {
        const lying = yield* serve((_, response) => response.end("something else"))
        const origin = yield* serve((_, response) => response.end(content))
        yield* Effect.provide(
          fetchIt(urlFetch(`${origin.base}/f`, hash)),
          network({ mirrors: [lying.base, "http://127.0.0.1:1"] }, { retries: 0 })
        )
        assert.strictEqual(lying.requests.length, 1)
        assert.strictEqual(origin.requests.length, 1)
      }).pipe(Effect.scoped)
    )

    it.live("tells the error of the address, not theirs", () =>
      Effect.gen(function* () {
        const mirror = yield* serve((_, response) => response.writeHead(403).end())
        const origin = yield* serve((_, response) => response.writeHead(410).end())
        const error = yield* Effect.flip(Effect.provide(fetchIt(urlFetch(`${origin.base}/f`, hash)), network({ mirrors: [mirror.base] })))
        assert.strictEqual(error._tag === "HttpStatus" ? error.status : 0, 410)
      }).pipe(Effect.scoped)
    )
  })

  it.live("does not keep big contents in memory", () =>
    Effect.gen(function* () {
      const piece = Buffer.from(someBytes(1 << 20))
      const count = 200
      const digest = createHash("sha256")
      for (let i = 0; i < count; i++) digest.update(piece)
      const server = yield* serve((_, response) => {
        response.writeHead(200, { "content-length": count * piece.length })
        let sent = 0
        const send = () => {
          while (sent < count) {
            sent++
            if (!response.write(piece)) return void response.once("drain", send)
          }
          response.end()
        }
        send()
      })
      let largest = 0
      const base = process.memoryUsage().rss
      const timer = setInterval(() => {
        largest = Math.max(largest, process.memoryUsage().rss - base)
      }, 10)
      // A blob service that counts and forgets, so that only the fetcher's own memory shows.
      const counted = { size: 0 }
      const forgetful = Layer.mock(BlobService, {
        putStream: (bytes) =>
          Effect.map(
            Stream.runForEach(bytes, (part) => Effect.sync(() => void (counted.size += part.length))),
            () => ({ digest: "0".repeat(64) as never, size: counted.size })
          ),
        read: () =>
          Stream.fromIterable(
            (function* () {
              for (let i = 0; i < count; i++) yield piece
            })(),
            { chunkSize: 1 }
          ),
        getMany: (digests) => Effect.succeed(digests.map(() => Option.none()))
      })
      const layer = LocalFetcher.layer().pipe(
        Layer.provide(Transfer.layer),
        Layer.provide(Http.layer()),
        Layer.provide(forgetful),
        Layer.provide(Directories.layer)
      )
      const info = yield* Effect.provide(fetchIt(urlFetch(`${server.base}/big`, { algorithm: "sha256", digest: digest.digest() })), layer)
      clearInterval(timer)
      assert.strictEqual(info.node._tag === "File" ? info.node.size : 0, count * piece.length)
      assert.isBelow(largest, 100 * 2 ** 20)
    }).pipe(Effect.scoped)
  )
})
