import "./crypto.ts"
import { execFileSync } from "node:child_process"
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import { make as memoryBlobs } from "../../src/castore/blob/Memory.ts"
import { InvalidData } from "../../src/castore/CastoreError.ts"
import * as Digest from "../../src/castore/Digest.ts"
import * as Directory from "../../src/castore/Directory.ts"
import { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import { make as memoryDirectories } from "../../src/castore/directory/Memory.ts"
import { ingestPath } from "../../src/castore/ingest/FileSystem.ts"
import { HostTree } from "../../src/castore/ingest/HostTree.ts"
import { ingest, type IngestEntry } from "../../src/castore/ingest/Ingest.ts"
import { ingestNar } from "../../src/castore/ingest/Nar.ts"
import { FileChanged, FileUnreadable, TreeUnfit, UnsupportedFile } from "../../src/castore/ingest/SourceError.ts"
import { NarError } from "../../src/nix/Nar.ts"
import { type NarTree, renderNar } from "../../src/nix/NarTree.ts"
import { randomBytes, text } from "./bytes.ts"

const root = mkdtempSync(join(tmpdir(), "yix-ingest-"))
afterAll(() => {
  execFileSync("chmod", ["-R", "u+rwx", root])
  rmSync(root, { recursive: true })
})
let counter = 0
const fresh = () => {
  const directory = join(root, String(++counter))
  mkdirSync(directory)
  return directory
}

const layer = () =>
  Layer.mergeAll(
    Layer.sync(BlobService, () => memoryBlobs()),
    Layer.sync(DirectoryService, () => memoryDirectories())
  )
const test = (name: string, body: () => Effect.Effect<unknown, unknown, BlobService | DirectoryService>) =>
  it.live(name, () => Effect.provide(Effect.suspend(body), layer()))

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const file = (path: string, contents: Uint8Array = text(path), executable = false): IngestEntry => ({
  _tag: "File",
  path,
  executable,
  contents
})
const directory = (path: string): IngestEntry => ({ _tag: "Directory", path })
const run = (...entries: ReadonlyArray<IngestEntry>) => ingest(Stream.fromIterable(entries))

/** The tree C of the golden vectors: `keep/.keep`, `.keep`, `aa` → /nix/store/somewhereelse. */
const goldenTree = () => {
  const directory = fresh()
  mkdirSync(join(directory, "keep"))
  writeFileSync(join(directory, "keep", ".keep"), "")
  writeFileSync(join(directory, ".keep"), "")
  symlinkSync("/nix/store/somewhereelse", join(directory, "aa"))
  return directory
}
const goldenDigest = "blake3-P5UaFa/VhvsxIe9NE9WC6BHODlp/IcBJf9h0kOniNVo="
const goldenNar = "ebd52279a8df024c9fd5718de4103bf5e760dc7f2cf49044ee7dea87ab16911a"

describe("a stream of entries", () => {
  test("makes the tree it tells, in whatever order siblings come", () =>
    Effect.gen(function* () {
      const one = yield* run(file("a/x"), file("a/y"), directory("a"), file("b"), directory(""))
      const other = yield* run(file("b"), file("a/y"), file("a/x"), directory("a"), directory(""))
      assert.deepStrictEqual(one, other)
      assert.strictEqual(one._tag === "Directory" && one.size, 4)
      const directories = yield* DirectoryService
      const top = Option.getOrThrow(yield* directories.get((one as { digest: Digest.Digest }).digest))
      assert.deepStrictEqual(
        top.entries.map((entry) => entry.name),
        ["a", "b"]
      )
    }))

  test("a root may be a file or a symlink", () =>
    Effect.gen(function* () {
      const contents = text("contents")
      assert.deepStrictEqual(yield* run(file("", contents, true)), {
        _tag: "File",
        digest: Digest.ofBytes(contents),
        size: 8,
        executable: true
      })
      assert.deepStrictEqual(yield* run({ _tag: "Symlink", path: "", target: "x" }), { _tag: "Symlink", target: "x" })
    }))

  for (const [why, entries] of [
    ["no entries", []],
    ["no root", [file("a")]],
    ["a parent before its child", [directory("a"), file("a/x"), directory("")]],
    ["a parent that never comes", [file("a/x"), directory("")]],
    ["something after the root", [file("a"), directory(""), file("b")]],
    ["a root twice", [directory(""), directory("")]],
    ["an entry twice", [file("a"), file("a"), directory("")]],
    ["a file and a directory of one name", [file("a"), file("a/b"), directory("a"), directory("")]],
    ["a file as parent", [file("a/b"), file("a"), directory("")]],
    ["an absolute path", [file("/a"), directory("/"), directory("")]],
    ["a path with '..'", [file("../a"), directory(".."), directory("")]],
    ["a path with '.'", [file("./a"), directory("."), directory("")]],
    ["a path with an empty name", [file("a//b"), directory("a/"), directory("a"), directory("")]],
    ["a name of 256 bytes", [file("n".repeat(256)), directory("")]],
    ["a NUL in a name", [file("a\0"), directory("")]],
    ["an empty symlink target", [{ _tag: "Symlink", path: "l", target: "" }, directory("")]]
  ] as Array<[string, Array<IngestEntry>]>) {
    test(`is refused when it has ${why}`, () =>
      Effect.gen(function* () {
        assert.instanceOf(yield* Effect.flip(run(...entries)), InvalidData)
        const directories = yield* DirectoryService
        if (why !== "something after the root" && why !== "a root twice") {
          assert.isTrue((yield* Stream.runCollect(directories.list())).length <= 1)
        }
      }))
  }

  test("a failure of the producer is the failure of the whole", () =>
    Effect.gen(function* () {
      const entries = Stream.concat(Stream.fromIterable([file("a")]), Stream.fail("no more" as const))
      assert.strictEqual(yield* Effect.flip(ingest(entries)), "no more")
    }))

  test("a hundred thousand entries pass in groups", () =>
    Effect.gen(function* () {
      const entries = Stream.concat(
        Stream.map(Stream.range(0, 99_999), (i) => file(`d${i % 100}/f${i}`, text(String(i % 1000)))),
        Stream.fromIterable([...Array.from({ length: 100 }, (_, i) => directory(`d${i}`)), directory("")])
      )
      const node = yield* ingest(entries)
      assert.strictEqual(node._tag === "Directory" && node.size, 100_100)
    }))
})

describe("a tree of the file system", () => {
  test("has the golden digest and NAR hash", () =>
    Effect.gen(function* () {
      const { node, narHash, narSize } = yield* ingestPath(goldenTree())
      assert.strictEqual(Digest.toText((node as { digest: Digest.Digest }).digest), goldenDigest)
      assert.strictEqual(hex(narHash), goldenNar)
      assert.strictEqual(narSize, 840)
    }))

  test("keeps names that are not UTF-8, orders them by byte, and takes the owner's executable bit alone", () =>
    Effect.gen(function* () {
      const directory = fresh()
      const names = [
        Buffer.from([0xff, 0xfe]),
        Buffer.from("\u{10000}"),
        Buffer.from("\uffff"),
        Buffer.from("é"),
        Buffer.from("Z"),
        Buffer.from("a b")
      ]
      for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), name]), name)
      writeFileSync(join(directory, "owner"), "", { mode: 0o700 })
      writeFileSync(join(directory, "group"), "")
      chmodSync(join(directory, "group"), 0o677)
      const { node, narHash } = yield* ingestPath(directory)
      const directories = yield* DirectoryService
      const { entries } = Option.getOrThrow(yield* directories.get((node as { digest: Digest.Digest }).digest))
      const expected = [...names.map((name) => name.toString("latin1")), "owner", "group"].sort()
      assert.deepStrictEqual(
        entries.map((entry) => entry.name),
        expected
      )
      assert.deepStrictEqual(
        entries.filter((entry) => entry.node._tag === "File" && entry.node.executable).map((entry) => entry.name),
        ["owner"]
      )
      const tree: NarTree = {
        _tag: "Directory",
        entries: expected.map((name) => ({
          name,
          node: {
            _tag: "File",
            executable: name === "owner",
            contents: Uint8Array.from(name === "owner" || name === "group" ? [] : Buffer.from(name, "latin1"))
          }
        }))
      }
      assert.strictEqual(
        hex(narHash),
        hex(yield* Effect.promise(async () => new Uint8Array(await crypto.subtle.digest("SHA-256", renderNar(tree)))))
      )
    }))

  test("may be a file, also one too large to be held, or a symlink that leads nowhere", () =>
    Effect.gen(function* () {
      const directory = fresh()
      const contents = randomBytes(1, 5_000_001)
      writeFileSync(join(directory, "large"), contents, { mode: 0o755 })
      symlinkSync("nowhere", join(directory, "link"))
      const large = yield* ingestPath(join(directory, "large"))
      assert.deepStrictEqual(large.node, { _tag: "File", digest: Digest.ofBytes(contents), size: contents.length, executable: true })
      const nar = renderNar({ _tag: "File", executable: true, contents })
      assert.strictEqual(large.narSize, nar.length)
      assert.strictEqual(
        hex(large.narHash),
        hex(yield* Effect.promise(async () => new Uint8Array(await crypto.subtle.digest("SHA-256", nar))))
      )
      assert.deepStrictEqual((yield* ingestPath(join(directory, "link"))).node, { _tag: "Symlink", target: "nowhere" })
      symlinkSync(directory, join(directory, "itself"))
      assert.deepStrictEqual((yield* ingestPath(`${join(directory, "itself")}/`)).node, { _tag: "Symlink", target: directory })
      rmSync(join(directory, "itself"))
      const whole = yield* ingestPath(directory)
      assert.strictEqual(whole.node._tag === "Directory" && whole.node.size, 2)
    }))

  test("is cut down to an accepted list", () =>
    Effect.gen(function* () {
      const directory = fresh()
      for (const name of ["a", "a/b", "c"]) mkdirSync(join(directory, name))
      for (const name of ["a/1", "a/b/2", "c/3", "4"]) writeFileSync(join(directory, name), name)
      const { node } = yield* ingestPath(directory, { accepted: ["a", "a/b", "a/b/2", "c"] })
      const expected = yield* run(
        { ...file("a/b/2"), contents: text("a/b/2") } as IngestEntry,
        { _tag: "Directory", path: "a/b" },
        { _tag: "Directory", path: "a" },
        { _tag: "Directory", path: "c" },
        { _tag: "Directory", path: "" }
      )
      assert.deepStrictEqual(node, expected)
      const nothing = yield* ingestPath(directory, { accepted: [] })
      assert.deepStrictEqual(nothing.node, { _tag: "Directory", digest: Digest.empty, size: 0 })
    }))

  test("with a named pipe, a socket or a device is refused, and the error names it", () =>
    Effect.gen(function* () {
      const pipe = fresh()
      mkdirSync(join(pipe, "sub"))
      execFileSync("mkfifo", [join(pipe, "sub", "pipe")])
      const first = yield* Effect.flip(ingestPath(pipe))
      assert.instanceOf(first, UnsupportedFile)
      assert.include(first.message, join(pipe, "sub", "pipe"))
      assert.include(first.message, "a named pipe")
      const socket = fresh()
      const server = createServer().listen(join(socket, "s"))
      yield* Effect.promise(() => new Promise((resolve) => server.once("listening", resolve)))
      assert.include((yield* Effect.flip(ingestPath(socket))).message, "a socket")
      server.close()
      assert.include((yield* Effect.flip(ingestPath("/dev/null"))).message, "a character device")
    }))

  test("that is not there, or lies behind a file, fails with the path", () =>
    Effect.gen(function* () {
      const directory = fresh()
      writeFileSync(join(directory, "file"), "")
      for (const [path, code] of [
        [join(directory, "missing"), "ENOENT"],
        [join(directory, "file", "x"), "ENOTDIR"]
      ] as const) {
        const error = yield* Effect.flip(ingestPath(path))
        assert.instanceOf(error, FileUnreadable)
        assert.strictEqual((error as FileUnreadable).code, code)
        assert.include(error.message, path)
      }
    }))

  test("whose file changes while it is read is refused", () =>
    Effect.gen(function* () {
      const directory = fresh()
      const path = join(directory, "growing")
      writeFileSync(path, randomBytes(1, 40_000_000))
      const ticks = setInterval(() => appendFileSync(path, "x"), 1)
      const error = yield* Effect.flip(ingestPath(directory)).pipe(Effect.ensuring(Effect.sync(() => clearInterval(ticks))))
      assert.instanceOf(error, FileChanged)
      assert.include(error.message, path)
      const cut = new HostTree(path).next()
      assert.strictEqual(cut?._tag, "File")
      if (cut?._tag === "File") {
        writeFileSync(path, "short")
        assert.throws(() => cut.file.readAll(), FileChanged)
      }
      const proc = yield* Effect.flip(ingestPath("/proc/self/status"))
      assert.instanceOf(proc, FileChanged)
    }))

  test("deeper than a NAR may be is refused as it is, not by a crash", () =>
    Effect.gen(function* () {
      const directory = fresh()
      mkdirSync(join(directory, ...Array.from({ length: 63 }, () => "d")), { recursive: true })
      assert.strictEqual((yield* ingestPath(directory)).node._tag, "Directory")
      mkdirSync(join(directory, ...Array.from({ length: 64 }, () => "d")), { recursive: true })
      const error = yield* Effect.flip(ingestPath(directory))
      assert.instanceOf(error, TreeUnfit)
      assert.include(error.message, directory)
    }))

  test("with directories and files of mode 000 is read when we may change that, and refused when we may not", () =>
    Effect.gen(function* () {
      if (process.getuid?.() === 0) {
        // Root reads everything: only the result can be looked at.
        const directory = fresh()
        mkdirSync(join(directory, "closed"))
        writeFileSync(join(directory, "closed", "file"), "x", { mode: 0 })
        chmodSync(join(directory, "closed"), 0)
        assert.strictEqual((yield* ingestPath(directory, { makeAccessible: true })).node._tag, "Directory")
        const script = `
          import { installNode } from "${process.cwd()}/src/castore/crypto/Node.ts"
          import { hashPath } from "${process.cwd()}/src/store/HashPath.ts"
          installNode()
          process.setgid(65534); process.setuid(65534)
          const [path, accessible] = process.argv.slice(1)
          try { console.log(Buffer.from(hashPath(path, { makeAccessible: accessible === "1" })).toString("hex")) } catch (e) { console.log(e._tag, e.message) }
        `
        const as = (accessible: string) =>
          execFileSync(process.execPath, ["--input-type=module-typescript", "-e", script, directory, accessible], {
            encoding: "utf8"
          }).trim()
        execFileSync("chown", ["-R", "65534:65534", directory])
        chmodSync(root, 0o755)
        const refused = as("0")
        assert.include(refused, "FileUnreadable")
        assert.include(refused, join(directory, "closed"))
        assert.match(as("1"), /^[0-9a-f]{64}$/)
      } else {
        const directory = fresh()
        mkdirSync(join(directory, "closed"), { mode: 0 })
        assert.instanceOf(yield* Effect.flip(ingestPath(directory)), FileUnreadable)
        assert.strictEqual((yield* ingestPath(directory, { makeAccessible: true })).node._tag, "Directory")
      }
    }))

  test("does not keep timers from running while it is read", () =>
    Effect.gen(function* () {
      const directory = fresh()
      for (let i = 0; i < 3000; i++) writeFileSync(join(directory, `f${i}`), randomBytes(i, 20_000))
      let longest = 0
      let last = performance.now()
      const ticks = setInterval(() => {
        longest = Math.max(longest, performance.now() - last)
        last = performance.now()
      }, 1)
      yield* ingestPath(directory).pipe(Effect.ensuring(Effect.sync(() => clearInterval(ticks))))
      assert.isAbove(longest, 0)
      assert.isBelow(longest, 1000)
    }))
})

const sample: NarTree = {
  _tag: "Directory",
  entries: [
    {
      name: "bin",
      node: { _tag: "Directory", entries: [{ name: "tool", node: { _tag: "File", executable: true, contents: text("#!/bin/sh\n") } }] }
    },
    { name: "empty", node: { _tag: "Directory", entries: [] } },
    { name: "link", node: { _tag: "Symlink", target: "bin/tool" } },
    { name: "\xff", node: { _tag: "File", executable: false, contents: new Uint8Array(0) } }
  ]
}

const cutInto = (bytes: Uint8Array, size: number) => {
  const pieces: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
  return Stream.fromIterable(pieces)
}

describe("a NAR", () => {
  test("gives the same tree however its bytes are cut", () =>
    Effect.gen(function* () {
      const nar = renderNar(sample)
      const expected = yield* ingestNar(Stream.succeed(nar))
      for (let size = 1; size <= 17; size++) {
        const got = yield* ingestNar(size % 2 === 0 ? Stream.rechunk(cutInto(nar, size), 1) : cutInto(nar, size))
        assert.deepStrictEqual(got, expected)
      }
      assert.strictEqual(expected.narSize, nar.length)
      assert.deepStrictEqual(
        yield* ingestNar(Stream.succeed(renderNar({ _tag: "Symlink", target: "t" }))).pipe(Effect.map((r) => r.node)),
        {
          _tag: "Symlink",
          target: "t"
        }
      )
    }))

  test("with files too large to be held gives them all, also at the end and one after another", () =>
    Effect.gen(function* () {
      const large = [randomBytes(1, 1_048_577), randomBytes(2, 3_000_000), randomBytes(3, 1_500_000)]
      const tree: NarTree = {
        _tag: "Directory",
        entries: [
          { name: "a", node: { _tag: "File", executable: false, contents: large[0]! } },
          { name: "b", node: { _tag: "File", executable: true, contents: large[1]! } },
          { name: "c", node: { _tag: "File", executable: false, contents: text("small") } },
          { name: "d", node: { _tag: "File", executable: false, contents: large[2]! } }
        ]
      }
      const nar = renderNar(tree)
      const blobs = yield* BlobService
      let expected: unknown
      for (const size of [1000, 65_536, 1 << 20, nar.length]) {
        const got = yield* ingestNar(cutInto(nar, size))
        expected ??= got
        assert.deepStrictEqual(got, expected)
        for (const contents of large) assert.isTrue(yield* blobs.has(Digest.ofBytes(contents)))
      }
      const single = yield* ingestNar(cutInto(renderNar({ _tag: "File", executable: false, contents: large[1]! }), 70_001))
      assert.deepStrictEqual(single.node, { _tag: "File", digest: Digest.ofBytes(large[1]!), size: 3_000_000, executable: false })
    }))

  test("cut at any byte, or with a byte too many, fails with NarError", () =>
    Effect.gen(function* () {
      const nar = renderNar(sample)
      for (let length = 0; length < nar.length; length++) {
        const error = yield* Effect.flip(ingestNar(Stream.fromIterable(length === 0 ? [] : [nar.subarray(0, length)])))
        assert.instanceOf(error, NarError)
      }
      assert.instanceOf(yield* Effect.flip(ingestNar(Stream.fromIterable([nar, text("x")]))), NarError)
      const large = renderNar({ _tag: "File", executable: false, contents: randomBytes(1, 2_000_000) })
      for (const length of [large.length - 1, 1_000_000, 500]) {
        assert.instanceOf(yield* Effect.flip(ingestNar(cutInto(large.subarray(0, length), 65_536))), NarError)
      }
      assert.instanceOf(yield* Effect.flip(ingestNar(Stream.succeed(nar), { sizeLimit: nar.length - 1 })), NarError)
      yield* ingestNar(Stream.succeed(nar), { sizeLimit: nar.length })
    }))

  test("that announces a huge file allocates nothing for it", () =>
    Effect.gen(function* () {
      const nar = renderNar({ _tag: "File", executable: false, contents: text("12345678") })
      const lying = nar.slice()
      // The length of the contents stands 24 bytes before the end (8 of length, 8 of contents, 16 of the closing tag).
      lying[nar.length - 32 + 5] = 1
      const before = process.memoryUsage().rss
      assert.instanceOf(yield* Effect.flip(ingestNar(Stream.succeed(lying))), NarError)
      assert.isBelow(process.memoryUsage().rss - before, 200e6)
    }))
})

it("directories made here are encoded as the vectors say", () => {
  assert.strictEqual(Digest.toText(Directory.digest({ entries: [] })), "blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=")
})
