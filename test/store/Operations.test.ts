import "../castore/crypto.ts"
import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import { make as memoryBlobs } from "../../src/castore/blob/Memory.ts"
import { CorruptData, InvalidData, MissingData, StoreUnavailable } from "../../src/castore/CastoreError.ts"
import * as Digest from "../../src/castore/Digest.ts"
import { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import { make as memoryDirectories } from "../../src/castore/directory/Memory.ts"
import { ingestPath } from "../../src/castore/ingest/FileSystem.ts"
import { ingestNar } from "../../src/castore/ingest/Nar.ts"
import { UnsupportedFile } from "../../src/castore/ingest/SourceError.ts"
import { removeTree } from "../../src/castore/local/RemoveTree.ts"
import * as LocalDatabase from "../../src/castore/local/LocalDatabase.ts"
import type { FileNode, Node } from "../../src/castore/Node.ts"
import { ExportError } from "../../src/nix/Export.ts"
import { hashBytes, parseHash } from "../../src/nix/Hash.ts"
import { NarError } from "../../src/nix/Nar.ts"
import { parseSecretKey, publicKeyOf } from "../../src/nix/Keys.ts"
import { fromBaseName, type StorePath } from "../../src/nix/StorePath.ts"
import { AddedHashMismatch, addPath, addText } from "../../src/store/Add.ts"
import { closure } from "../../src/store/Closure.ts"
import { hashPath } from "../../src/store/HashPath.ts"
import { layerLocal } from "../../src/store/LocalStore.ts"
import { cat, list, locate, NotAFile, NotInStore } from "../../src/store/Lookup.ts"
import { calculate, calculateWith, render } from "../../src/store/Nar.ts"
import type { PathInfo } from "../../src/store/PathInfo.ts"
import { make as memoryPathInfos } from "../../src/store/pathinfo/Memory.ts"
import { PathInfoService } from "../../src/store/PathInfoService.ts"
import { openReadOnly } from "../../src/store/ReadOnlyView.ts"
import { isContentAddressed, sign, signedBy, signPath } from "../../src/store/Signing.ts"
import { exportPaths, importPaths } from "../../src/store/Transfer.ts"
import { verify } from "../../src/store/Verify.ts"
import { concatBytes } from "../../src/nix/Bytes.ts"
import { randomBytes, text } from "../castore/bytes.ts"

const root = mkdtempSync(join(tmpdir(), "yix-store-"))
afterAll(() => removeTree(root))
let counter = 0
const fresh = () => join(root, String(++counter))

type Services = BlobService | DirectoryService | PathInfoService
const memory = () =>
  Layer.mergeAll(
    Layer.sync(BlobService, () => memoryBlobs()),
    Layer.sync(DirectoryService, () => memoryDirectories()),
    Layer.sync(PathInfoService, () => memoryPathInfos())
  )
const test = (name: string, body: () => Effect.Effect<unknown, unknown, Services>) =>
  it.live(name, () => Effect.provide(Effect.suspend(body), memory()))

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const whole = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) => Effect.map(Stream.runCollect(stream), concatBytes)

const hi = () => {
  const path = fresh()
  writeFileSync(path, "hi\n", { mode: 0o755 })
  return path
}

const tree = () => {
  const directory = fresh()
  mkdirSync(join(directory, "bin"), { recursive: true })
  writeFileSync(join(directory, "bin/tool"), "#!/bin/sh\necho tool\n", { mode: 0o755 })
  writeFileSync(join(directory, "data"), randomBytes(1, 200_000))
  writeFileSync(join(directory, "large"), randomBytes(2, 2_500_000))
  symlinkSync("bin/tool", join(directory, "link"))
  mkdirSync(join(directory, "empty"))
  return directory
}

/** A path info made up around a node: as if something had been built. */
const commit = Effect.fnUntraced(function* (name: string, node: Node, references: ReadonlyArray<StorePath> = [], self = false) {
  const service = yield* PathInfoService
  const path = fromBaseName(
    `${hex(hashBytes("sha256", text(name)).digest)
      .replaceAll("e", "z")
      .slice(0, 32)}-${name}`
  )
  const { narHash, narSize } = yield* calculate(node)
  const all = [...references, ...(self ? [path] : [])].sort()
  return yield* service.put({
    path,
    node,
    references: all,
    narHash,
    narSize,
    signatures: [],
    deriver: undefined,
    ca: undefined,
    registrationTime: 1
  })
})

describe("NAR hashes", () => {
  test("of a stored tree, of the tree on the host and of the bytes rendered are one", () =>
    Effect.gen(function* () {
      const directory = tree()
      const { node, narHash, narSize } = yield* ingestPath(directory)
      assert.strictEqual(hex(hashPath(directory)), hex(narHash))
      const nar = yield* whole(render(node))
      assert.strictEqual(nar.length, narSize)
      assert.strictEqual(hex(hashBytes("sha256", nar).digest), hex(narHash))
      assert.deepStrictEqual(yield* calculate(node), { narHash, narSize })
      assert.strictEqual(hex((yield* calculateWith(node, "sha512")).digest), hex(hashBytes("sha512", nar).digest))
      assert.deepStrictEqual((yield* ingestNar(Stream.succeed(nar))).node, node)
      assert.strictEqual(
        hex(hashPath(join(directory, "data"), { flat: true, algorithm: "md5" })),
        hex(hashBytes("md5", readFileSync(join(directory, "data"))).digest)
      )
      assert.throws(() => hashPath(join(directory, "link"), { flat: true }), UnsupportedFile)
    }))

  test("are not given for a tree with a missing or wrong part", () =>
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const directories = yield* DirectoryService
      const [known] = yield* blobs.putMany([text("12345")])
      const unknown = Digest.ofBytes(text("unknown"))
      const file = (digest: Digest.Digest, size: number): FileNode => ({ _tag: "File", digest, size, executable: false })
      for (const [node, kind] of [
        [file(unknown, 7), MissingData],
        [file(known!, 4), CorruptData],
        [file(known!, 6), CorruptData],
        [file(unknown, 2_000_000), MissingData],
        [file(known!, 2_000_000), CorruptData],
        [{ _tag: "Directory", digest: unknown, size: 1 } as const, MissingData]
      ] as const) {
        const refused = kind as new (...args: Array<unknown>) => Error
        assert.instanceOf(yield* Effect.flip(calculate(node)), refused)
        const [digest] = node._tag === "File" ? yield* directories.putMany([{ entries: [{ name: "x", node }] }]) : [undefined]
        if (digest !== undefined) assert.instanceOf(yield* Effect.flip(calculate({ _tag: "Directory", digest, size: 1 })), refused)
      }
    }))
})

describe("adding", () => {
  for (const [method, algorithm, path] of [
    ["recursive", "sha256", "gskwlibdpjdy1cpxh2x6dsg6bsi3vsrn"],
    ["flat", "sha256", "hrbblgbxbvz8al5a8l85i8giajyajiwj"],
    ["flat", "sha1", "miyzd4rdj1idrrzcmmlphhh8g1m3npgb"],
    ["recursive", "sha1", "mxa08n6ka57qrf25jd7hb3rf6wcf2k13"],
    ["flat", "md5", "xbimgry92d3nikdz6pinaw4mxg8wh29p"],
    ["recursive", "md5", "f3sd1ijk275gb5f4af9f4515nn3cwq0h"],
    ["flat", "sha512", "4iv2qk4p0fgdjkgh7pi5nz6svn06vkgx"],
    ["recursive", "sha512", "xgkb8za7abdkxf9b4i49vwq0mzrw0hmv"]
  ] as const) {
    test(`a file gives the path that nix-store gives (${method}, ${algorithm})`, () =>
      Effect.gen(function* () {
        const info = yield* addPath("f", hi(), { method, algorithm })
        assert.strictEqual(info.path, `/nix/store/${path}-f`)
        assert.isTrue(isContentAddressed(info))
        assert.deepStrictEqual(Option.getOrThrow(yield* (yield* PathInfoService).get(info.path)), info)
        assert.strictEqual((info.node as FileNode).executable, method === "recursive")
        assert.deepStrictEqual(yield* calculate(info.node), { narHash: info.narHash, narSize: info.narSize })
      }))
  }

  test("a text gives the path of builtins.toFile, with and without references", () =>
    Effect.gen(function* () {
      const one = yield* addText("t", text("text\n"))
      assert.strictEqual(one.path, "/nix/store/cv5maq6nnr2j9plpywdrns79zd6sb0jj-t")
      const other = yield* addText("u", text(`see ${one.path}`), [one.path])
      assert.strictEqual(other.path, "/nix/store/ff4v1f0543zz62y4l4pdvb61hkww919i-u")
      assert.deepStrictEqual([...other.references], [one.path])
      assert.isTrue(isContentAddressed(other))
    }))

  test("again changes nothing, not even the time", () =>
    Effect.gen(function* () {
      const path = hi()
      const first = yield* addPath("f", path)
      const service = yield* PathInfoService
      yield* service.put({ ...first, registrationTime: 7, signatures: ["k:AAAA"] })
      const second = yield* addPath("f", path)
      assert.strictEqual(second.registrationTime, 7)
      assert.deepStrictEqual([...second.signatures], ["k:AAAA"])
    }))

  test("under an impossible name, or with another hash than expected, adds nothing", () =>
    Effect.gen(function* () {
      for (const name of ["", "a b", "a/b", "x".repeat(212)]) assert.instanceOf(yield* Effect.flip(addPath(name, hi())), InvalidData)
      const expected = parseHash("sha256-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=")
      const error = yield* Effect.flip(addPath("f", hi(), { expected }))
      assert.instanceOf(error, AddedHashMismatch)
      assert.include(error.message, "sha256-rxNJ")
      assert.instanceOf(yield* Effect.flip(addPath("d", tree(), { method: "flat" })), UnsupportedFile)
      assert.deepStrictEqual([...(yield* Stream.runCollect((yield* PathInfoService).list()))], [])
    }))
})

/** base ← library (self) ← program → base; and one that nobody needs. */
const sampleStore = Effect.gen(function* () {
  const { node } = yield* ingestPath(tree())
  const base = yield* commit("base", { _tag: "Symlink", target: "x" })
  const library = yield* commit("library", node, [base.path], true)
  const program = yield* commit("a-program", node, [base.path, library.path])
  const other = yield* commit("other", { _tag: "Directory", digest: Digest.empty, size: 0 })
  return { base, library, program, other }
})

describe("closures", () => {
  test("hold all that is referred to, references first, each once", () =>
    Effect.gen(function* () {
      const { base, library, program, other } = yield* sampleStore
      const paths = (infos: ReadonlyArray<PathInfo>) => infos.map((info) => info.path)
      assert.deepStrictEqual(paths(yield* closure([program.path])), [base.path, library.path, program.path])
      assert.deepStrictEqual(paths(yield* closure([base.path, base.path])), [base.path])
      assert.strictEqual((yield* closure([program.path, other.path])).length, 4)
      assert.deepStrictEqual([...(yield* closure([]))], [])
      const missing = fromBaseName(`${"0".repeat(32)}-missing`)
      const broken = yield* commit("broken", { _tag: "Symlink", target: "x" }, [missing])
      const error = yield* Effect.flip(closure([broken.path]))
      assert.instanceOf(error, MissingData)
      assert.include(error.message, missing)
    }))

  test("may be long chains", () =>
    Effect.gen(function* () {
      let last: PathInfo | undefined
      for (let i = 0; i < 5000; i++) last = yield* commit(`n${i}`, { _tag: "Symlink", target: "x" }, last === undefined ? [] : [last.path])
      assert.strictEqual((yield* closure([last!.path])).length, 5000)
    }))
})

const cut = (bytes: Uint8Array, size: number) => {
  const pieces: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
  return Stream.fromIterable(pieces)
}

describe("exports", () => {
  test("bring a closure into another store as it was, however they are cut", () =>
    Effect.gen(function* () {
      const { program } = yield* sampleStore
      const infos = yield* closure([program.path])
      const bytes = yield* whole(exportPaths(infos))
      for (const size of [7, 4099, 1 << 20, bytes.length]) {
        yield* Effect.provide(
          Effect.gen(function* () {
            const imported = yield* importPaths(size === 7 ? cut(bytes.subarray(0), 70_007) : cut(bytes, size))
            const plain = (all: ReadonlyArray<PathInfo>) =>
              all.map((info) => ({ ...info, narHash: hex(info.narHash), registrationTime: 0 }))
            assert.deepStrictEqual(plain(imported), plain(infos))
            assert.deepStrictEqual((yield* verify()).problems, [])
            assert.strictEqual((yield* verify()).paths, 3)
            // Once more: everything is there already.
            assert.strictEqual((yield* importPaths(Stream.succeed(bytes))).length, 3)
          }),
          memory()
        )
      }
      assert.strictEqual((yield* importPaths(Stream.succeed(yield* whole(exportPaths([]))))).length, 0)
    }))

  test("that are cut anywhere, or do not begin as one, add nothing", () =>
    Effect.gen(function* () {
      const base = yield* commit("base", { _tag: "Symlink", target: "x" })
      const user = yield* commit("user", { _tag: "Symlink", target: "y" }, [base.path])
      const bytes = yield* whole(exportPaths([base, user]))
      yield* Effect.provide(
        Effect.gen(function* () {
          for (let length = 0; length < bytes.length; length++) {
            const error = yield* Effect.flip(importPaths(Stream.fromIterable(length === 0 ? [] : [bytes.subarray(0, length)])))
            assert.isTrue(error instanceof ExportError || error instanceof NarError, String(error))
          }
          assert.instanceOf(yield* Effect.flip(importPaths(Stream.fromIterable([bytes, text("x")]))), ExportError)
          assert.instanceOf(yield* Effect.flip(importPaths(Stream.succeed(text("<!DOCTYPE html>\n")))), ExportError)
          assert.deepStrictEqual([...(yield* Stream.runCollect((yield* PathInfoService).paths()))], [])
        }),
        memory()
      )
    }))

  test("without something that they refer to are refused, unless the store has it", () =>
    Effect.gen(function* () {
      const { program, base, library } = yield* sampleStore
      const onlyProgram = yield* whole(exportPaths([program]))
      const others = yield* whole(exportPaths([base, library]))
      yield* Effect.provide(
        Effect.gen(function* () {
          const error = yield* Effect.flip(importPaths(Stream.succeed(onlyProgram)))
          assert.instanceOf(error, MissingData)
          yield* importPaths(Stream.succeed(others))
          assert.strictEqual((yield* importPaths(Stream.succeed(onlyProgram))).length, 1)
        }),
        memory()
      )
    }))

  test("are refused by the sender when a tree is not what its path info says", () =>
    Effect.gen(function* () {
      const { base } = yield* sampleStore
      assert.instanceOf(yield* Effect.flip(whole(exportPaths([{ ...base, narHash: new Uint8Array(32) }]))), CorruptData)
    }))

  const hasNix = spawnSync("nix-store", ["--version"]).status === 0
  ;(hasNix ? it.live : it.live.skip)("are understood by the real nix-store, and its exports by us", () =>
    Effect.gen(function* () {
      const store = fresh()
      const environment = { ...process.env, NIX_REMOTE: "" }
      const nixStore = (args: ReadonlyArray<string>, input?: Uint8Array) =>
        execFileSync("nix-store", ["--store", store, ...args], {
          env: environment,
          maxBuffer: 1 << 26,
          ...(input === undefined ? {} : { input })
        })
      const { program, library, base } = yield* sampleStore
      const bytes = yield* whole(exportPaths(yield* closure([program.path])))
      const imported = nixStore(["--import"], bytes).toString().trim().split("\n")
      assert.deepStrictEqual(imported.sort(), [program.path, library.path, base.path].sort())
      const hash = nixStore(["--query", "--hash", program.path]).toString().trim()
      assert.strictEqual(hex(parseHash(hash).digest), hex(program.narHash))
      assert.deepStrictEqual(nixStore(["--query", "--references", library.path]).toString().trim().split("\n").sort(), [
        ...library.references
      ])
      const back = nixStore(["--export", base.path, library.path, program.path])
      const received = yield* Effect.provide(importPaths(Stream.succeed(new Uint8Array(back))), memory())
      assert.deepStrictEqual(
        received.map((info) => [info.path, hex(info.narHash), info.node, [...info.references]]),
        [base, library, program].map((info) => [info.path, hex(info.narHash), info.node, [...info.references]])
      )
      const source = tree()
      const added = nixStore(["--add", source]).toString().trim()
      const ours = yield* addPath(source.slice(source.lastIndexOf("/") + 1), source)
      assert.strictEqual(ours.path, added)
    }).pipe(Effect.provide(memory()))
  )
})

describe("looking into a store", () => {
  test("finds what lies inside a path, and says what is wrong where nothing does", () =>
    Effect.gen(function* () {
      const { program } = yield* sampleStore
      const inside = yield* locate(`${program.path}/bin/tool`)
      assert.strictEqual(inside.inside, "bin/tool")
      assert.strictEqual(inside.node._tag === "File" && inside.node.executable, true)
      assert.deepStrictEqual((yield* locate(program.path.slice("/nix/store/".length))).node, program.node)
      assert.strictEqual(Buffer.from(yield* whole(cat(`${program.path}/bin/tool`))).toString(), "#!/bin/sh\necho tool\n")
      for (const [path, detail] of [
        ["/tmp/x", "is no store path"],
        ["/nix/store/short", "is no store path"],
        [`${program.path}/bin/nothing`, "has no entry 'nothing'"],
        [`${program.path}/bin/tool/x`, "is a file"],
        [`${program.path}/link/x`, "is a symlink"],
        [`/nix/store/${"0".repeat(32)}-unknown/x`, "is not in the store"]
      ] as const) {
        const error = yield* Effect.flip(locate(path))
        assert.instanceOf(error, NotInStore)
        assert.include(error.message, detail)
      }
      assert.instanceOf(yield* Effect.flip(whole(cat(`${program.path}/bin`))), NotAFile)
    }))

  test("lists a directory, or all below it, parents first", () =>
    Effect.gen(function* () {
      const { program, base } = yield* sampleStore
      const names = (options?: { recursive: boolean }) =>
        Effect.map(Stream.runCollect(list(program.node, options)), (all) => [...all].map((entry) => entry.path))
      assert.deepStrictEqual(yield* names(), ["bin", "data", "empty", "large", "link"])
      assert.deepStrictEqual(yield* names({ recursive: true }), ["bin", "bin/tool", "data", "empty", "large", "link"])
      assert.deepStrictEqual([...(yield* Stream.runCollect(list(base.node)))], [{ path: "", node: base.node }])
      assert.deepStrictEqual([...(yield* Stream.runCollect(list({ _tag: "Directory", digest: Digest.empty, size: 0 })))], [])
    }))
})

describe("signatures", () => {
  // RFC 8032, test 1: seed and public key.
  const secret = parseSecretKey(
    `test-1:${Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "hex").toString("base64")}`
  )
  test("by a key are recognised as such, and lost when anything signed changes", () =>
    Effect.gen(function* () {
      const { program } = yield* sampleStore
      const signed = Option.getOrThrow(yield* signPath(program.path, secret))
      assert.strictEqual(signed.signatures.length, 1)
      assert.deepStrictEqual([...sign(signed, secret).signatures], [...signed.signatures])
      const key = publicKeyOf(secret)
      assert.strictEqual(signedBy(signed, [key]), key)
      assert.strictEqual(signedBy(program, [key]), undefined)
      assert.strictEqual(signedBy({ ...signed, narSize: signed.narSize + 1 }, [key]), undefined)
      assert.strictEqual(signedBy({ ...signed, references: [] }, [key]), undefined)
      assert.strictEqual(signedBy(signed, [{ ...key, name: "another" }]), undefined)
      assert.isTrue(Option.isNone(yield* signPath(fromBaseName(`${"0".repeat(32)}-unknown`), secret)))
      assert.isFalse(isContentAddressed(program))
    }))
})

describe("verification", () => {
  it.live("of a local store finds each kind of damage, names it, and finds nothing in a whole store", () =>
    Effect.gen(function* () {
      const directory = fresh()
      const { program, library, base } = yield* Effect.gen(function* () {
        const all = yield* sampleStore
        const report = yield* verify()
        assert.deepStrictEqual(report.problems, [])
        assert.strictEqual(report.paths, 4)
        assert.strictEqual(report.blobs, 3)
        // Two with contents, and the empty one, which `other` leads to.
        assert.strictEqual(report.directories, 3)
        return all
      }).pipe(Effect.provide(layerLocal(directory)))
      const data = Digest.ofBytes(randomBytes(1, 200_000))
      const tool = Digest.ofBytes(text("#!/bin/sh\necho tool\n"))
      const file = join(directory, "blobs", data.slice(0, 2), data)
      chmodSync(file, 0o644)
      truncateSync(file, 199_999)
      const connection = new LocalDatabase.Connection(new DatabaseSync(join(directory, "yix.sqlite")))
      connection.run("UPDATE blobs SET data = x'00' WHERE digest = ?", Digest.toBytes(tool))
      connection.run("UPDATE path_infos SET nar_size = 5 WHERE name = ?", base.path.slice(11))
      connection.database.close()
      const seen: Array<string> = []
      const report = yield* verify({ onProblem: (problem) => Effect.sync(() => void seen.push(problem.what)) }).pipe(
        Effect.provide(layerLocal(directory))
      )
      assert.deepStrictEqual(report.problems.map((problem) => problem.what).sort(), ["blob", "blob", "path info", "reference", "reference"])
      assert.deepStrictEqual(
        seen,
        report.problems.map((problem) => problem.what)
      )
      const messages = report.problems.map((problem) => problem.message).join("\n")
      for (const part of [Digest.toText(data), Digest.toText(tool), base.path, program.path]) assert.include(messages, part)
      assert.isDefined(library)
      // What was damaged is mended by adding it again.
      const again = yield* Effect.gen(function* () {
        const blobs = yield* BlobService
        yield* blobs.putMany([randomBytes(1, 200_000), text("#!/bin/sh\necho tool\n")])
        yield* (yield* PathInfoService).put(base)
        return yield* verify()
      }).pipe(Effect.provide(layerLocal(directory)))
      assert.deepStrictEqual(again.problems, [])
    })
  )

  test("tells wrong NAR hashes, missing references, missing parts and wrong sizes", () =>
    Effect.gen(function* () {
      const service = yield* PathInfoService
      const directories = yield* DirectoryService
      const blobs = yield* BlobService
      const { base } = yield* sampleStore
      const reports = Effect.map(verify(), ({ problems }) => problems.map((problem) => `${problem.what}: ${problem.detail}`))
      assert.deepStrictEqual(yield* reports, [])
      yield* service.put({ ...base, narHash: new Uint8Array(32) })
      assert.match((yield* reports).join(), /^NAR hash: is sha256-/)
      yield* service.put({ ...base, references: [fromBaseName(`${"0".repeat(32)}-gone`)] })
      assert.deepStrictEqual(yield* reports, ["reference: is not in the store"])
      const unknown = Digest.ofBytes(text("unknown"))
      yield* service.put({ ...base, node: { _tag: "File", digest: unknown, size: 7, executable: false } })
      assert.match((yield* reports).join(), /^blob: .*lacks blob/)
      yield* service.put({ ...base, node: { _tag: "Directory", digest: unknown, size: 7 } })
      assert.deepStrictEqual(yield* reports, ["directory: is missing"])
      const [five] = yield* blobs.putMany([text("12345")])
      const [directory] = yield* directories.putMany([
        { entries: [{ name: "x", node: { _tag: "File", digest: five!, size: 4, executable: false } }] }
      ])
      yield* service.put({ ...base, node: { _tag: "Directory", digest: directory!, size: 1 } })
      assert.match((yield* reports).join(), /^blob: has 5 bytes/)
      yield* service.put({ ...base, node: { _tag: "Directory", digest: Digest.empty, size: 9 } })
      assert.match((yield* reports).join(), /^directory: has 0 entries below it, its parent says 9/)
      assert.strictEqual((yield* verify({ paths: [base.path], narHashes: false })).paths, 1)
    }))
})

describe("a read-only view", () => {
  it.live("reads what another connection wrote, at once, and refuses damage and strangers", () =>
    Effect.gen(function* () {
      const directory = fresh()
      assert.throws(() => openReadOnly(directory), StoreUnavailable)
      yield* Effect.gen(function* () {
        yield* sampleStore
        const view = openReadOnly(directory)
        const info = yield* addPath("later", tree())
        const seen = view.getPathInfo(info.path)!
        assert.deepStrictEqual(seen, info)
        const top = view.getDirectory((info.node as { digest: Digest.Digest }).digest)!
        for (const { node } of top.entries) {
          if (node._tag === "File") assert.strictEqual(view.getBlob(node.digest)!.length, node.size)
        }
        const unknown = Digest.ofBytes(text("unknown"))
        assert.strictEqual(view.getBlob(unknown), undefined)
        assert.strictEqual(view.getDirectory(unknown), undefined)
        assert.strictEqual(view.getPathInfo(fromBaseName(`${"0".repeat(32)}-x`)), undefined)
        const tool = Digest.ofBytes(text("#!/bin/sh\necho tool\n"))
        yield* (yield* LocalDatabase.LocalDatabase).write("damage", (connection) =>
          connection.run("UPDATE blobs SET data = x'00' WHERE digest = ?", Digest.toBytes(tool))
        )
        assert.throws(() => view.getBlob(tool), CorruptData)
        view.close()
      }).pipe(Effect.provide(layerLocal(directory)))
    })
  )
})

describe("a store of a later format", () => {
  it.live("is refused with the directory and what to do", () =>
    Effect.gen(function* () {
      const directory = fresh()
      yield* Effect.provide(Effect.void, layerLocal(directory))
      const database = new DatabaseSync(join(directory, "yix.sqlite"))
      database.exec("PRAGMA user_version = 99")
      database.close()
      const error = yield* Effect.flip(Effect.provide(Effect.void, layerLocal(directory)))
      assert.instanceOf(error, LocalDatabase.StoreFormatUnknown)
      assert.include(error.message, directory)
      assert.include(error.message, "newer yix")
      assert.throws(() => openReadOnly(directory), LocalDatabase.StoreFormatUnknown)
    })
  )
})
