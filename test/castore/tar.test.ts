import "./crypto.ts"
import { execFileSync } from "node:child_process"
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import * as Blobs from "../../src/castore/blob/Memory.ts"
import { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import * as Directories from "../../src/castore/directory/Memory.ts"
import { ingest } from "../../src/castore/ingest/Ingest.ts"
import type { BadArchive } from "../../src/castore/ingest/ArchiveTree.ts"
import { tarEntries } from "../../src/castore/ingest/TarEntries.ts"
import type { Node } from "../../src/castore/Node.ts"
import { randomBytes } from "./bytes.ts"
import { archive, header, long, member, type Member, pax } from "./TarMaker.ts"

type Shown = string | { readonly [name: string]: Shown }

/** A tree as nested objects: file contents, `!` before those of executables, `-> target`. */
const show = (node: Node): Effect.Effect<Shown, never, BlobService | DirectoryService> =>
  Effect.gen(function* () {
    switch (node._tag) {
      case "Symlink":
        return `-> ${node.target}`
      case "File": {
        const contents = Option.getOrThrow(yield* (yield* BlobService).get(node.digest))
        assert.strictEqual(contents.length, node.size)
        return `${node.executable ? "!" : ""}${Buffer.from(contents).toString("latin1")}`
      }
      case "Directory": {
        const directory = Option.getOrThrow(yield* (yield* DirectoryService).get(node.digest))
        const shown: Record<string, Shown> = {}
        for (const entry of directory.entries) shown[entry.name] = yield* show(entry.node)
        return shown
      }
    }
  }).pipe(Effect.orDie)

const inPieces = (bytes: Uint8Array, size: number) =>
  Stream.fromIterable(
    (function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    })(),
    { chunkSize: 2 }
  )

const services = Layer.mergeAll(Blobs.layer, Directories.layer)

const unpack = (bytes: Uint8Array, options: { readonly size?: number; readonly strip?: boolean } = {}) =>
  ingest(tarEntries({ source: "test.tar", strip: options.strip ?? true })(inPieces(bytes, options.size ?? 10_240))).pipe(
    Effect.flatMap(show),
    Effect.provide(services)
  )

const refusal = (bytes: Uint8Array) =>
  Effect.map(Effect.flip(unpack(bytes)), (error) => {
    assert.strictEqual(error._tag, "BadArchive", error.message)
    return error as BadArchive
  })

const equal = (actual: Shown, expected: Shown) => assert.deepStrictEqual(actual, expected)

describe("tar", () => {
  it.effect("files, executables, directories and symlinks of the single top directory", () =>
    Effect.gen(function* () {
      const tree = yield* unpack(
        archive(
          { name: "top/", type: "5" },
          { name: "top/a", data: "hello" },
          { name: "top/x", data: "run", mode: 0o755 },
          { name: "top/group-only", data: "g", mode: 0o655 },
          { name: "top/owner-only", data: "o", mode: 0o100 },
          { name: "top/empty", data: "" },
          { name: "top/sub/", type: "5" },
          { name: "top/sub/l", type: "2", target: "../a" },
          { name: "top/nothing/", type: "5" }
        )
      )
      equal(tree, { a: "hello", x: "!run", "group-only": "g", "owner-only": "!o", empty: "", sub: { l: "-> ../a" }, nothing: {} })
    })
  )

  it.effect("the top level is kept where it is not exactly one directory, as Nix does", () =>
    Effect.gen(function* () {
      equal(yield* unpack(archive({ name: "a/f", data: "1" }, { name: "b/g", data: "2" })), { a: { f: "1" }, b: { g: "2" } })
      equal(yield* unpack(archive({ name: "single", data: "1" })), { single: "1" })
      equal(yield* unpack(archive({ name: "link", type: "2", target: "x" })), { link: "-> x" })
      equal(yield* unpack(archive({ name: "./", type: "5" }, { name: "./a", data: "1" }, { name: "./b", data: "2" })), { a: "1", b: "2" })
      equal(yield* unpack(archive({ name: "top/", type: "5" })), {})
      equal(yield* unpack(Buffer.alloc(10_240)), {})
      equal(yield* unpack(archive({ name: "top/a", data: "1" }), { strip: false }), { top: { a: "1" } })
    })
  )

  it.effect("order of members does not matter", () =>
    Effect.gen(function* () {
      const members: ReadonlyArray<Member> = [
        { name: "t/z/y", data: "1" },
        { name: "t/", type: "5" },
        { name: "t/a", data: "2" },
        { name: "t/z/", type: "5" },
        { name: "t/z/b", data: "3" }
      ]
      const expected = { a: "2", z: { b: "3", y: "1" } }
      equal(yield* unpack(archive(...members)), expected)
      equal(yield* unpack(archive(...members.toReversed())), expected)
    })
  )

  it.effect("a later member of the same path replaces the earlier", () =>
    Effect.gen(function* () {
      const tree = yield* unpack(
        archive(
          { name: "t/a", data: "old" },
          { name: "t/a", data: "new", mode: 0o755 },
          { name: "t/b", data: "file" },
          { name: "t/b", type: "2", target: "a" },
          { name: "t/c", type: "2", target: "a" },
          { name: "t/c/", type: "5" },
          { name: "t/c/d", data: "below" }
        )
      )
      equal(tree, { a: "!new", b: "-> a", c: { d: "below" } })
    })
  )

  it.effect("paths are normalised", () =>
    Effect.gen(function* () {
      equal(yield* unpack(archive({ name: "./t/.//a", data: "1" }, { name: "/t/b/", type: "5" })), { a: "1", b: {} })
    })
  )

  it.effect("names are bytes", () =>
    Effect.gen(function* () {
      const names = ["\xff\xfe", "\xc3\xa9", "new\nline", " ", "\x01"]
      const tree = yield* unpack(archive(...names.map((name) => ({ name: `t/${name}`, data: "x" }))))
      assert.deepStrictEqual(Object.keys(tree).sort(), [...names].sort())
      equal(yield* unpack(archive(pax({ path: "t/\xff\xc3" }), { name: "x", data: "1" })), { "\xff\xc3": "1" })
      equal(yield* unpack(archive({ name: "t/l", type: "2", target: "\xff" })), { l: "-> \xff" })
    })
  )

  describe("long names and targets", () => {
    const deep = `t/${"d".repeat(200)}/${"f".repeat(255)}`
    const nested = { ["d".repeat(200)]: { ["f".repeat(255)]: "1" } }

    it.effect("of GNU", () =>
      Effect.gen(function* () {
        equal(yield* unpack(archive(long("L", deep), { name: deep.slice(0, 100), data: "1", magic: "ustar  \0" })), nested)
        const target = "x".repeat(4095)
        equal(yield* unpack(archive(long("K", target), long("L", "t/l"), { name: "y", type: "2", target: "z" })), { l: `-> ${target}` })
      })
    )

    it.effect("of pax, for the next member or for all", () =>
      Effect.gen(function* () {
        equal(yield* unpack(archive(pax({ path: deep, mtime: "1.5" }), { name: "other", data: "1" })), nested)
        equal(
          yield* unpack(
            archive(pax({ linkpath: "far" }, "g"), { name: "t/a", type: "2", target: "x" }, { name: "t/b", type: "2", target: "y" })
          ),
          {
            a: "-> far",
            b: "-> far"
          }
        )
        equal(yield* unpack(archive(pax({ comment: "0123" }, "g"), { name: "t/a", data: "1" })), { a: "1" })
      })
    )

    it.effect("of ustar, by prefix, which GNU archives do not have", () =>
      Effect.gen(function* () {
        equal(yield* unpack(archive({ name: "b", prefix: "t/a", data: "1" })), { a: { b: "1" } })
        equal(yield* unpack(archive({ name: "t/b", prefix: "12345670", data: "1", magic: "ustar  \0" })), { b: "1" })
      })
    )

    it.effect("replace each other, the last one given counts", () =>
      Effect.gen(function* () {
        equal(yield* unpack(archive(long("L", "t/1"), long("L", "t/2"), { name: "x", data: "1" }, { name: "t/3", data: "2" })), {
          2: "1",
          3: "2"
        })
      })
    )

    it.effect("that never end are refused", () =>
      Effect.gen(function* () {
        const error = yield* refusal(archive(long("L", "x".repeat(2_000_000)), { name: "x" }))
        assert.strictEqual(error.problem, "record")
        assert.strictEqual((yield* refusal(member(long("L", "t/1")))).problem, "truncated")
      })
    )
  })

  describe("sizes", () => {
    const base256 = (value: bigint): Uint8Array => {
      const bytes = new Uint8Array(12)
      for (let i = 11; i > 0; i--) {
        bytes[i] = Number(value & 255n)
        value >>= 8n
      }
      bytes[0] = 0x80 | Number(value)
      return bytes
    }

    it.effect("in octal, base 256 and pax", () =>
      Effect.gen(function* () {
        for (const size of ["00000000005", "5          ", "          5 ", "000000005\0\0\0", base256(5n)]) {
          equal(yield* unpack(archive({ name: "t/a", data: "12345", size }, { name: "t/b", data: "x" })), { a: "12345", b: "x" })
        }
        equal(yield* unpack(archive(pax({ size: "5" }), { name: "t/a", data: "12345", size: "00000000000" }, { name: "t/b", data: "x" })), {
          a: "12345",
          b: "x"
        })
      })
    )

    it.effect("that are impossible are refused, before anything is allocated", () =>
      Effect.gen(function* () {
        for (const size of ["99999999999", "zzz", "-0000000001", base256(2n ** 60n), new Uint8Array(12).fill(255), base256(2n ** 88n)]) {
          assert.strictEqual((yield* refusal(archive({ name: "t/a", data: "12345", size }))).problem, "number", String(size))
        }
        for (const size of ["-1", "1e3", "99999999999999999999", "0x10", " 5"]) {
          assert.strictEqual((yield* refusal(archive(pax({ size }), { name: "t/a", data: "12345" }))).problem, "number", size)
        }
        const before = process.memoryUsage().arrayBuffers
        assert.strictEqual((yield* refusal(archive({ name: "t/a", data: "12345", size: "77777777777" }))).problem, "truncated")
        assert.strictEqual((yield* refusal(archive({ name: "t/a", data: "1", size: base256(2n ** 52n) }))).problem, "truncated")
        assert.isBelow(process.memoryUsage().arrayBuffers - before, 10_000_000)
      })
    )

    it.effect("beyond what is held in memory", () =>
      Effect.gen(function* () {
        const big = randomBytes(3, 3_000_000)
        const tree = yield* unpack(
          archive({ name: "t/a", data: "1" }, { name: "t/big", data: big, mode: 0o755 }, { name: "t/z", data: "2" }),
          { size: 65_536 }
        )
        assert.deepStrictEqual(tree, { a: "1", big: `!${Buffer.from(big).toString("latin1")}`, z: "2" })
      })
    )

    it.effect("of directories and symlinks mean nothing", () =>
      Effect.gen(function* () {
        equal(
          yield* unpack(
            archive(
              { name: "t/", type: "5", size: "00000001000" },
              { name: "t/l", type: "2", target: "a", size: "00000000001" },
              { name: "t/a", data: "1" }
            )
          ),
          { a: "1", l: "-> a" }
        )
      })
    )
  })

  describe("hard links", () => {
    it.effect("are other names of a member, earlier or later, symlinks and links too", () =>
      Effect.gen(function* () {
        const tree = yield* unpack(
          archive(
            { name: "t/h0", type: "1", target: "t/a" },
            { name: "t/a", data: "1", mode: 0o755 },
            { name: "t/h1", type: "1", target: "./t/a" },
            { name: "t/h2", type: "1", target: "t/h1" },
            { name: "t/l", type: "2", target: "a" },
            { name: "t/h3", type: "1", target: "t/l" }
          )
        )
        equal(tree, { a: "!1", h0: "!1", h1: "!1", h2: "!1", l: "-> a", h3: "-> a" })
      })
    )

    it.effect("follow a member that is replaced, as in Nix", () =>
      Effect.gen(function* () {
        equal(yield* unpack(archive({ name: "t/a", data: "1" }, { name: "t/h", type: "1", target: "t/a" }, { name: "t/a", data: "2" })), {
          a: "2",
          h: "2"
        })
      })
    )

    it.effect("that lead nowhere, to a directory, out or round are refused", () =>
      Effect.gen(function* () {
        for (const target of ["/etc/passwd", "t/missing", "t/d", "../x", "t/h"]) {
          const error = yield* refusal(archive({ name: "t/d/", type: "5" }, { name: "t/h", type: "1", target }))
          assert.include(error.message, "t/h", target)
        }
        yield* refusal(archive({ name: "t/a", type: "1", target: "t/b" }, { name: "t/b", type: "1", target: "t/a" }))
      })
    )

    it.effect("carry their contents in pax only", () =>
      Effect.gen(function* () {
        equal(
          yield* unpack(
            archive(
              { name: "t/a", data: "1" },
              pax({ mtime: "1" }),
              { name: "t/h", type: "1", target: "t/a", data: "1" },
              { name: "t/b", data: "2" }
            )
          ),
          {
            a: "1",
            b: "2",
            h: "1"
          }
        )
        const v7 = Buffer.concat([
          member({ name: "t/a", data: "1" }),
          header({ name: "t/h", type: "1", target: "t/a", size: "00000000001" }),
          archive({ name: "t/b", data: "2" })
        ])
        equal(yield* unpack(v7), { a: "1", b: "2", h: "1" })
      })
    )
  })

  describe("what would leave the tree", () => {
    for (const name of ["../x", "t/../../x", "t/..", "t/a/../b"]) {
      it.effect(`the path ${name} is refused`, () =>
        Effect.map(refusal(archive({ name, data: "1" })), (error) => assert.strictEqual(error.problem, "name"))
      )
    }

    it.effect("nothing is written through a symlink or a file", () =>
      Effect.gen(function* () {
        for (const first of [
          { name: "t/l", type: "2", target: "/tmp" },
          { name: "t/l", type: "2", target: "sub" },
          { name: "t/l", data: "file" }
        ] as const) {
          const error = yield* refusal(archive(first, { name: "t/l/x", data: "1" }))
          assert.strictEqual(error.problem, "tree")
          assert.include(error.message, "t/l/x")
        }
      })
    )

    it.effect("a directory does not become a file", () =>
      Effect.gen(function* () {
        for (const last of [
          { name: "t/d", data: "1" },
          { name: "t/d", type: "2", target: "a" }
        ] as const) {
          assert.strictEqual((yield* refusal(archive({ name: "t/d/x", data: "1" }, last))).problem, "tree")
        }
      })
    )

    it.effect("a path with a NUL, of pax, is refused, one with a newline is a name", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* refusal(archive(pax({ path: "t/a\0b" }), { name: "x" }))).problem, "name")
        assert.strictEqual((yield* refusal(archive(pax({ linkpath: "a\0b" }), { name: "t/x", type: "2" }))).problem, "name")
        equal(yield* unpack(archive(pax({ path: "t/a\nb" }), { name: "x", data: "1" })), { "a\nb": "1" })
      })
    )

    it.effect("names and depths beyond the limits are refused", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* refusal(archive(pax({ path: `t/${"x".repeat(256)}` }), { name: "x" }))).problem, "name")
        const deep = (levels: number) => archive(pax({ path: "d/".repeat(levels) + "f" }), { name: "x", data: "1" })
        assert.strictEqual((yield* refusal(deep(63))).problem, "tree")
        yield* unpack(deep(62))
        assert.strictEqual((yield* refusal(deep(200_000))).problem, "tree")
      })
    )

    it.effect("symlink targets must not be empty or too long", () =>
      Effect.gen(function* () {
        yield* refusal(archive({ name: "t/l", type: "2", target: "" }))
        yield* refusal(archive(long("K", "x".repeat(4096)), { name: "t/l", type: "2" }))
      })
    )
  })

  describe("what a store cannot hold", () => {
    for (const [type, words] of [
      ["3", "character device"],
      ["4", "block device"],
      ["6", "fifo"],
      ["M", "volume"],
      ["Z", "unknown type"]
    ] as const) {
      it.effect(`type ${type} is refused by name`, () =>
        Effect.gen(function* () {
          const error = yield* refusal(archive({ name: "t/thing", type }))
          assert.strictEqual(error.problem, "type")
          assert.include(error.message, words)
          assert.include(error.message, "t/thing")
        })
      )
    }

    it.effect("sparse files of GNU and pax are refused", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* refusal(archive({ name: "t/s", type: "S", data: "x" }))).problem, "sparse")
        assert.strictEqual(
          (yield* refusal(archive(pax({ "GNU.sparse.major": "1", "GNU.sparse.name": "t/s" }), { name: "t/x", data: "x" }))).problem,
          "sparse"
        )
      })
    )
  })

  describe("damage", () => {
    it.effect("something else is called no tar archive", () =>
      Effect.gen(function* () {
        for (const bytes of [
          Buffer.from("<html>not found</html>"),
          Buffer.from("<html>".repeat(1000)),
          Buffer.alloc(0),
          Buffer.alloc(511),
          Buffer.alloc(600, 1)
        ]) {
          const error = yield* refusal(bytes)
          assert.strictEqual(error.problem, "not-archive")
        }
      })
    )

    it.effect("a wrong checksum is noticed", () =>
      Effect.gen(function* () {
        const error = yield* refusal(archive({ name: "t/a", data: "1" }, { name: "t/b", data: "1", badChecksum: true }))
        assert.strictEqual(error.problem, "checksum")
      })
    )

    it.effect("signed checksums of old writers are right too", () =>
      Effect.gen(function* () {
        const block = header({ name: "t/\xff\xfe", data: "" })
        let sum = 8 * 32
        for (let i = 0; i < 512; i++) if (i < 148 || i >= 156) sum += (block[i]! << 24) >> 24
        block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
        equal(yield* unpack(Buffer.concat([block, Buffer.alloc(1024)])), { "\xff\xfe": "" })
      })
    )

    it.effect("malformed pax records are refused", () =>
      Effect.gen(function* () {
        for (const data of [
          "5 a=b\n",
          "99 path=x\n",
          "path=x\n",
          "9 path=x",
          "0 =\n",
          "3 =\n",
          "7 pathx\n",
          "99999999999999999999 a=b\n",
          "-3 a=b\n"
        ]) {
          assert.strictEqual((yield* refusal(archive({ name: "p", type: "x", data }, { name: "t/a" }))).problem, "record", data)
        }
      })
    )

    it.effect("cut anywhere it is refused or, between members, ends there", () =>
      Effect.gen(function* () {
        const whole = archive(
          { name: "t/a", data: "x".repeat(700) },
          pax({ path: "t/b" }),
          { name: "b", data: "y" },
          { name: "t/l", type: "2", target: "a" }
        )
        const between = new Set([512 + 1024, 512 + 1024 + 2048, 512 + 1024 + 2048 + 512])
        for (let end = 0; end < whole.length - 1024; end += end % 512 < 3 || end % 512 > 508 ? 1 : 13) {
          const result = yield* Effect.exit(unpack(whole.subarray(0, end), { size: 333 }))
          assert.strictEqual(result._tag === "Success", between.has(end), `cut at ${end}`)
        }
      })
    )

    it.effect("what follows the end is ignored, zeros or not", () =>
      Effect.gen(function* () {
        const one = archive({ name: "t/a", data: "1" })
        equal(yield* unpack(Buffer.concat([one, Buffer.alloc(20_000)])), { a: "1" })
        equal(yield* unpack(Buffer.concat([one, Buffer.from("garbage")])), { a: "1" })
        equal(yield* unpack(Buffer.concat([one, archive({ name: "t/b", data: "2" })])), { a: "1" })
      })
    )

    it.effect("an error of the source passes through, also after the archive's end", () =>
      Effect.gen(function* () {
        const one = archive({ name: "t/a", data: "1" })
        for (const end of [100, 700, one.length]) {
          const source = Stream.concat(Stream.succeed<Uint8Array>(one.subarray(0, end)), Stream.fail("lost" as const))
          const error = yield* Effect.flip(ingest(tarEntries({ source: "x", strip: true })(source)).pipe(Effect.provide(services)))
          assert.strictEqual(error, "lost")
        }
      })
    )
  })

  it.effect("pieces of any size give the same tree", () =>
    Effect.gen(function* () {
      const whole = archive(
        { name: "t/a", data: randomBytes(1, 1500) },
        pax({ path: "t/b" }),
        { name: "x", data: "1" },
        { name: "t/h", type: "1", target: "t/a" }
      )
      const expected = yield* unpack(whole)
      for (const size of [1, 2, 3, 7, 17, 511, 512, 513, 5000]) equal(yield* unpack(whole, { size }), expected)
    })
  )

  it.effect("random damage gives an error or a tree, never a crash", () =>
    Effect.gen(function* () {
      const whole = archive(
        { name: "t/", type: "5" },
        { name: "t/a", data: "hello" },
        pax({ path: "t/b", size: "3" }),
        { name: "x", data: "abc" },
        long("L", "t/c"),
        { name: "y", data: "1" },
        { name: "t/h", type: "1", target: "t/a" },
        { name: "t/l", type: "2", target: "a" }
      )
      const noise = randomBytes(9, 6000)
      for (let i = 0; i < 2000; i++) {
        const broken = Buffer.from(whole)
        const at = ((noise[3 * i]! << 8) | noise[3 * i + 1]!) % broken.length
        broken[at] = noise[3 * i + 2]!
        // Repair the header's checksum, so that the damage gets past it.
        const block = broken.subarray(at - (at % 512), at - (at % 512) + 512)
        if (i % 2 === 0 && block.length === 512 && block[156] !== 0) {
          let sum = 8 * 32
          for (let j = 0; j < 512; j++) if (j < 148 || j >= 156) sum += block[j]!
          block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
        }
        const result = yield* Effect.result(unpack(broken))
        if (result._tag === "Failure") assert.strictEqual(result.failure._tag, "BadArchive")
      }
    })
  )

  describe("as GNU tar writes it", () => {
    const withTree = <A>(use: (directory: string) => A): A => {
      const directory = mkdtempSync(join(tmpdir(), "yix-tar-"))
      try {
        const top = join(directory, "top")
        mkdirSync(join(top, "sub", "empty"), { recursive: true })
        writeFileSync(join(top, "a"), "hello")
        writeFileSync(join(top, "sub", "run"), "#!")
        chmodSync(join(top, "sub", "run"), 0o755)
        writeFileSync(join(top, "big"), randomBytes(4, 1_500_000))
        symlinkSync("../a", join(top, "sub", "link"))
        linkSync(join(top, "a"), join(top, "hard"))
        writeFileSync(Buffer.concat([Buffer.from(`${top}/`), Buffer.from([0xff, 0xc3])]), "bytes")
        return use(directory)
      } finally {
        rmSync(directory, { recursive: true })
      }
    }
    const expected = {
      a: "hello",
      hard: "hello",
      big: Buffer.from(randomBytes(4, 1_500_000)).toString("latin1"),
      sub: { empty: {}, run: "!#!", link: "-> ../a" },
      "\xff\xc3": "bytes"
    }

    for (const format of ["gnu", "pax", "ustar", "v7", "oldgnu"]) {
      it.effect(`in format ${format}`, () =>
        Effect.gen(function* () {
          const bytes = withTree((directory) =>
            execFileSync("tar", ["-C", directory, `--format=${format}`, "-cf", "-", "top"], { maxBuffer: 1 << 28 })
          )
          assert.deepStrictEqual(yield* unpack(bytes, { size: 65_536 }), expected)
        })
      )
    }

    for (const format of ["gnu", "pax"]) {
      it.effect(`with long names in format ${format}`, () =>
        Effect.gen(function* () {
          const name = "n".repeat(250)
          const bytes = withTree((directory) => {
            mkdirSync(join(directory, "top", name))
            writeFileSync(join(directory, "top", name, "f"), "1")
            symlinkSync("x".repeat(300), join(directory, "top", name, "l"))
            return execFileSync("tar", ["-C", directory, `--format=${format}`, "-cf", "-", `top/${name}`], { maxBuffer: 1 << 28 })
          })
          equal(yield* unpack(bytes), { [name]: { f: "1", l: `-> ${"x".repeat(300)}` } })
        })
      )
    }
  })

  it.live(
    "a hundred thousand small files pass in bounded time and memory",
    () =>
      Effect.gen(function* () {
        const count = 100_000
        const source = Stream.fromIterable(
          (function* () {
            for (let i = 0; i < count; i++) yield member({ name: `t/${i % 100}/${i}`, data: `file ${i % 1000}` })
            yield Buffer.alloc(1024)
          })(),
          { chunkSize: 100 }
        )
        const node = yield* ingest(tarEntries({ source: "x", strip: true })(source)).pipe(Effect.provide(services))
        assert.strictEqual(node._tag === "Directory" ? node.size : 0, count + 100)
      }),
    60_000
  )
})
