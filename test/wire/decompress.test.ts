import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as zlib from "node:zlib"
import { createHash } from "node:crypto"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { install } from "../../src/nix/Crypto.ts"
import { type Compression, decompress, detect } from "../../src/wire/Decompress.ts"
import { dictionaryLimit } from "../../src/wire/decompress/Xz.ts"
import { engineDictionary } from "../../src/wire/decompress/XzEngine.ts"
import { someBytes } from "./LoopbackServer.ts"

beforeAll(() => {
  const hash = (algorithm: string) => createHash(algorithm)
  install({
    hash: (algorithm, bytes) => hash(algorithm).update(bytes).digest(),
    hasher: (algorithm) => {
      const running = hash(algorithm)
      return { update: (bytes) => void running.update(bytes), digest: () => running.digest() }
    },
    sign: () => new Uint8Array(),
    verify: () => false
  })
})

const vectors = "/work/shared/vectors/store"

const inPieces = (bytes: Uint8Array, size: number): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(
    (function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    })(),
    { chunkSize: 3 }
  )

const decode = (bytes: Uint8Array, compression: Compression | "auto" = "auto", size = 65_536, maxBytes?: number) =>
  Effect.map(Stream.runCollect(decompress({ source: "test", compression, maxBytes })(inPieces(bytes, size))), (pieces) =>
    Buffer.concat(pieces)
  )

/** Runs a compressor of the host. */
const pack = (command: string, args: ReadonlyArray<string>, bytes: Uint8Array): Buffer =>
  execFileSync(command, args, { input: bytes, maxBuffer: 1 << 30, stdio: ["pipe", "pipe", "ignore"] })

/** Text with some structure, so that every kind of match appears. */
const text = (length: number): Buffer => {
  const noise = someBytes(length, 5)
  const words = ["store", "path", "narinfo", "\n", "deriver ", "0123456789", "é", "    "]
  let out = ""
  for (let i = 0; out.length < length; i++) out += words[noise[i % noise.length]! & 7]! + (noise[i]! > 250 ? String(i) : "")
  return Buffer.from(out).subarray(0, length)
}

const samples: ReadonlyArray<readonly [string, Buffer]> = [
  ["nothing", Buffer.alloc(0)],
  ["one byte", Buffer.from("x")],
  ["text", text(300_000)],
  ["noise", Buffer.from(someBytes(200_000))],
  ["zeros", Buffer.alloc(3_000_000)],
  [
    "runs",
    Buffer.concat([Buffer.alloc(259, 1), Buffer.alloc(4, 2), Buffer.alloc(5, 3), Buffer.alloc(255 + 4, 4), Buffer.from("aaaabbbbccccc")])
  ]
]

const packers: ReadonlyArray<readonly [string, Compression, (bytes: Uint8Array) => Buffer]> = [
  ["gzip", "gzip", (bytes) => zlib.gzipSync(bytes)],
  ["zstd", "zstd", (bytes) => zlib.zstdCompressSync(bytes)],
  ["zstd --long", "zstd", (bytes) => pack("zstd", ["-q", "-c", "--long=27"], bytes)],
  ["br", "br", (bytes) => zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } })],
  ["bzip2 -1", "bzip2", (bytes) => pack("bzip2", ["-1c"], bytes)],
  ["bzip2 -9", "bzip2", (bytes) => pack("bzip2", ["-9c"], bytes)],
  ["xz", "xz", (bytes) => pack("xz", ["-c"], bytes)],
  ["xz -0", "xz", (bytes) => pack("xz", ["-0c"], bytes)],
  ["xz in blocks", "xz", (bytes) => pack("xz", ["-1c", "-T2", "--block-size=50000"], bytes)],
  ["xz with a 4 KiB dictionary", "xz", (bytes) => pack("xz", ["-c", "--lzma2=dict=4KiB"], bytes)],
  ["xz lc=0 lp=2 pb=4", "xz", (bytes) => pack("xz", ["-c", "--lzma2=lc=0,lp=2,pb=4"], bytes)],
  ["xz lc=4 lp=0 pb=0", "xz", (bytes) => pack("xz", ["-c", "--lzma2=lc=4,lp=0,pb=0,mode=fast"], bytes)],
  ...["none", "crc32", "crc64", "sha256"].map(
    (check) => [`xz --check=${check}`, "xz", (bytes: Uint8Array) => pack("xz", ["-c", `--check=${check}`], bytes)] as const
  )
]

describe("Decompress", () => {
  for (const [name, compression, packer] of packers) {
    describe(name, () => {
      for (const [what, sample] of samples) {
        it.live(`gives back ${what}`, () =>
          Effect.gen(function* () {
            const packed = packer(sample)
            assert.isTrue((yield* decode(packed, compression)).equals(sample))
            if (compression !== "br") assert.strictEqual(detect(packed), compression)
          })
        )
      }

      it.live("does not care how its input is cut", () =>
        Effect.gen(function* () {
          const sample = text(20_000)
          const packed = packer(sample)
          for (const size of [1, 2, 3, 5, 7, 17, 1000]) {
            assert.isTrue((yield* decode(packed, compression === "br" ? "br" : "auto", size)).equals(sample), `pieces of ${size}`)
          }
        })
      )

      // A window of 128 MiB for each of hundreds of attempts takes long; plain zstd shows the same.
      if (name !== "zstd --long")
        it.live("notices at every byte that it was cut off there", () =>
          Effect.gen(function* () {
            const packed = packer(text(400))
            for (let end = 0; end < packed.length; end++) {
              const error = yield* Effect.flip(decode(packed.subarray(0, end), compression, 64))
              assert.strictEqual(error._tag === "Undecodable" ? error.reason : error._tag, "truncated", `cut at ${end}`)
            }
          })
        )

      if (compression !== "br") {
        it.live("takes several of them one after the other for one", () =>
          Effect.gen(function* () {
            const [a, b] = [text(5000), Buffer.from(someBytes(777))]
            const both = Buffer.concat([packer(a), packer(b)])
            assert.isTrue((yield* decode(both, "auto", 100)).equals(Buffer.concat([a, b])))
          })
        )
      }

      it.live("stops at the allowed size", () =>
        Effect.gen(function* () {
          const packed = packer(Buffer.alloc(3_000_000))
          const error = yield* Effect.flip(decode(packed, compression, 65_536, 2_999_999))
          assert.strictEqual(error._tag, "ExpandsTooFar")
          assert.strictEqual((yield* decode(packed, compression, 65_536, 3_000_000)).length, 3_000_000)
        })
      )
    })
  }

  // Brotli has no checksum, and neither has xz --check=none; gzip ignores some header bits.
  for (const [name, compression, packer] of packers.filter(([name]) => /^(bzip2 -9|xz|xz --check=sha256|gzip|zstd)$/.test(name))) {
    it.live(`${name}: a flipped bit never gives other contents`, () =>
      Effect.gen(function* () {
        const sample = text(700)
        const packed = name === "zstd" ? pack("zstd", ["-q", "-c", "--check"], sample) : packer(sample)
        for (let i = 0; i < packed.length; i++) {
          const broken = Buffer.from(packed)
          broken[i] = broken[i]! ^ (1 << (i % 8))
          const exit = yield* Effect.exit(decode(broken, compression))
          if (Exit.isSuccess(exit)) assert.isTrue(exit.value.equals(sample), `bit flipped in byte ${i}`)
        }
      })
    )
  }

  it.live("xz: padding between and after streams is skipped, in groups of four only", () =>
    Effect.gen(function* () {
      const packed = pack("xz", ["-c"], Buffer.from("abc"))
      const padded = Buffer.concat([packed, Buffer.alloc(8), packed, Buffer.alloc(4)])
      assert.strictEqual((yield* decode(padded)).toString(), "abcabc")
      const error = yield* Effect.flip(decode(Buffer.concat([packed, Buffer.alloc(3)])))
      assert.strictEqual(error._tag, "Undecodable")
      const junk = yield* Effect.flip(decode(Buffer.concat([packed, Buffer.from("junkjunkjunk")])))
      assert.strictEqual(junk._tag === "Undecodable" ? junk.reason : junk._tag, "corrupt")
    })
  )

  it.live("xz: what has another filter is refused by the filter's name", () =>
    Effect.gen(function* () {
      for (const [filter, shown] of [
        ["--x86", "x86 branches"],
        ["--delta=dist=4", "delta"]
      ]) {
        const error = yield* Effect.flip(decode(pack("xz", ["-c", filter!, "--lzma2"], text(1000))))
        assert.strictEqual(error._tag === "Undecodable" ? error.reason : error._tag, "unsupported")
        assert.include(error.message, shown!)
      }
    })
  )

  it.live("xz: a dictionary beyond the limit is refused before anything is allocated", () =>
    Effect.gen(function* () {
      const packed = pack("xz", ["-c", "--lzma2=dict=1536MiB"], text(1000))
      const before = process.memoryUsage().arrayBuffers
      const error = yield* Effect.flip(decode(packed))
      assert.include(error.message, String(dictionaryLimit))
      assert.isBelow(process.memoryUsage().arrayBuffers - before, 50_000_000)
    })
  )

  it.live("xz: a big announced dictionary costs only what the contents need", () =>
    Effect.gen(function* () {
      const packed = pack("xz", ["-c", "--lzma2=dict=128MiB"], text(1000))
      const before = process.memoryUsage().arrayBuffers
      assert.strictEqual((yield* decode(packed)).length, 1000)
      assert.isBelow(process.memoryUsage().arrayBuffers - before, 20_000_000)
    })
  )

  it.live("xz: what really reaches back farther than the engine's dictionary is refused, never decoded to something else", () =>
    Effect.gen(function* () {
      const noise = Buffer.from(someBytes(4096))
      const sample = Buffer.concat([noise, Buffer.alloc(engineDictionary), noise])
      const far = yield* Effect.flip(decode(pack("xz", ["-c", "--lzma2=preset=0,dict=128MiB"], sample)))
      assert.strictEqual(far._tag === "Undecodable" ? far.reason : far._tag, "unsupported")
      assert.include(far.message, String(engineDictionary))
      const near = Buffer.concat([noise, Buffer.alloc(engineDictionary - 4096), noise])
      assert.isTrue((yield* decode(pack("xz", ["-c", "--lzma2=preset=0,dict=128MiB"], near))).equals(near))
    })
  )

  it.live("xz: a stream that waits for its source holds nobody else up", () =>
    Effect.gen(function* () {
      const sample = text(100_000)
      const packed = pack("xz", ["-c"], sample)
      const started = yield* Deferred.make<void>()
      const stalled = Stream.concat(
        Stream.succeed<Uint8Array>(packed.subarray(0, packed.length >> 1)),
        Stream.fromEffect(Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
      )
      const waiting = yield* Effect.forkChild(Stream.runDrain(decompress({ source: "x", compression: "xz" })(stalled)))
      yield* Deferred.await(started)
      const all = yield* Effect.all([decode(packed), decode(packed, "xz", 100)], { concurrency: 2 })
      for (const one of all) assert.isTrue(one.equals(sample))
      yield* Fiber.interrupt(waiting)
      assert.isTrue((yield* decode(packed)).equals(sample))
    })
  )

  it.live("xz: matches reach back over the whole dictionary while the window moves on", () =>
    Effect.gen(function* () {
      // Noise of 1 MiB, repeated at the distance of the dictionary, for more than the window holds.
      const unit = Buffer.from(someBytes(1 << 20))
      const sample = Buffer.concat(Array.from({ length: 9 }, () => unit))
      for (const dict of ["1MiB", "1100KiB", "8MiB"]) {
        assert.isTrue((yield* decode(pack("xz", ["-c", `--lzma2=preset=0,dict=${dict}`], sample))).equals(sample), dict)
      }
    })
  )

  it.live("zstd: a window beyond the limit is refused", () =>
    Effect.gen(function* () {
      const packed = pack("zstd", ["-q", "-c", "--ultra", "--long=30", "--no-content-size", "-3"], Buffer.alloc(150_000_000))
      const error = yield* Effect.flip(decode(packed))
      assert.strictEqual(error._tag, "Undecodable")
    })
  )

  it.live("what is not compressed passes as it is, short or empty", () =>
    Effect.gen(function* () {
      for (const sample of ["", "B", "BZ", "BZh", "hello", "PK\x03\x04", "x".repeat(200_000)]) {
        assert.strictEqual((yield* decode(Buffer.from(sample), "auto", 2)).toString(), sample)
      }
      const error = yield* Effect.flip(decode(Buffer.alloc(100), "auto", 10, 99))
      assert.strictEqual(error._tag, "ExpandsTooFar")
    })
  )

  it.live("compressions that are not supported are refused by name", () =>
    Effect.gen(function* () {
      for (const [magic, shown] of [
        ["LZIP\x01", "lzip"],
        ["\x1f\x9d\x90", "compress"],
        ["\x04\x22\x4d\x18", "lz4"]
      ]) {
        const error = yield* Effect.flip(decode(Buffer.from(`${magic}aaaaaaa`, "latin1")))
        assert.include(error.message, shown!)
      }
    })
  )

  it.live("bombs are decoded in bounded memory", () =>
    Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "yix-bomb-"))
      try {
        writeFileSync(join(directory, "zeros"), Buffer.alloc(60_000_000))
        const base = process.memoryUsage().rss
        for (const command of [
          ["zstd", "-q", "-c", "-1"],
          ["gzip", "-1c"],
          ["bzip2", "-9c"],
          ["xz", "-0c"]
        ]) {
          const packed = execFileSync(command[0]!, [...command.slice(1), join(directory, "zeros")], { maxBuffer: 1 << 30 })
          const size = yield* inPieces(packed, 65_536).pipe(
            decompress({ source: "bomb", compression: "auto" }),
            Stream.runFold(
              () => 0,
              (sum, piece) => sum + piece.length
            )
          )
          assert.strictEqual(size, 60_000_000)
          assert.isBelow(process.memoryUsage().rss - base, 120_000_000, command[0])
        }
      } finally {
        rmSync(directory, { recursive: true })
      }
    })
  )

  it.live("others get their turn while much is decoded", () =>
    Effect.gen(function* () {
      const sample = text(3_000_000)
      for (const packed of [pack("xz", ["-1c"], sample), pack("bzip2", ["-9c"], sample)]) {
        let turns = 0
        const timer = setInterval(() => turns++, 1)
        yield* decode(packed)
        clearInterval(timer)
        assert.isAbove(turns, 3)
      }
    })
  )

  it.live("an error of the source passes through unchanged", () =>
    Effect.gen(function* () {
      const packed = zlib.gzipSync(text(10_000))
      const source = Stream.concat(Stream.succeed<Uint8Array>(packed.subarray(0, 50)), Stream.fail("connection lost" as const))
      const error = yield* Effect.flip(Stream.runDrain(decompress({ source: "x", compression: "auto" })(source)))
      assert.strictEqual(error, "connection lost")
    })
  )

  it.live("every file of the binary caches decodes to the NAR that its narinfo names", () =>
    Effect.gen(function* () {
      let files = 0
      for (const cache of readdirSync(vectors).filter((name) => name.startsWith("cache-"))) {
        for (const file of readdirSync(join(vectors, cache)).filter((name) => name.endsWith(".narinfo"))) {
          const info = readFileSync(join(vectors, cache, file), "utf8")
          const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(info)![1]!
          const compression = field("Compression") as Compression
          const nar = yield* decode(readFileSync(join(vectors, cache, field("URL"))), compression, 4096, Number(field("NarSize")))
          assert.strictEqual(nar.length, Number(field("NarSize")))
          const digest = createHash("sha256").update(nar).digest()
          const alphabet = "0123456789abcdfghijklmnpqrsvwxyz"
          let base32 = ""
          for (let n = 51; n >= 0; n--) {
            const bit = n * 5
            const wide = (digest[bit >> 3]! | ((digest[(bit >> 3) + 1] ?? 0) << 8)) >> (bit & 7)
            base32 += alphabet[wide & 31]
          }
          assert.strictEqual(`sha256:${base32}`, field("NarHash"))
          if (compression !== "none" && compression !== "br") {
            assert.strictEqual((yield* decode(readFileSync(join(vectors, cache, field("URL"))))).length, nar.length)
          }
          files++
        }
      }
      assert.isAbove(files, 30)
    })
  )
})
