import "./crypto.ts"
import { execFileSync, spawn } from "node:child_process"
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { MissingData } from "../../src/castore/CastoreError.ts"
import * as Digest from "../../src/castore/Digest.ts"
import { ingestPath } from "../../src/castore/ingest/FileSystem.ts"
import { removeTree } from "../../src/castore/local/RemoveTree.ts"
import { LocalDatabase } from "../../src/castore/local/LocalDatabase.ts"
import { CheckoutCache, CheckoutFailed, CheckoutInTheWay, copyTo } from "../../src/castore/view/Checkout.ts"
import { layerLocal, layerMemory, type StoreServices } from "../../src/store/LocalStore.ts"
import { randomBytes } from "./bytes.ts"

const root = mkdtempSync(join(tmpdir(), "yix-checkout-"))
afterAll(() => removeTree(root))
let counter = 0
const fresh = () => join(root, String(++counter))

/** A tree with everything a tree can have. */
const source = () => {
  const directory = fresh()
  mkdirSync(join(directory, "bin/empty"), { recursive: true })
  writeFileSync(join(directory, "bin/tool"), "#!/bin/sh\n", { mode: 0o755 })
  writeFileSync(join(directory, "bin/copy"), "#!/bin/sh\n", { mode: 0o644 })
  writeFileSync(join(directory, "large"), randomBytes(1, 3_000_000))
  writeFileSync(join(directory, "none"), "")
  writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0x0a, 0x20])]), "odd name")
  symlinkSync("bin/tool", join(directory, "link"))
  symlinkSync(Buffer.from([0x2f, 0xfe]), join(directory, "odd link"))
  return directory
}

const test = (
  name: string,
  body: () => Effect.Effect<unknown, unknown, StoreServices>,
  layer: () => Layer.Layer<StoreServices, unknown> = () => layerMemory
) => it.live(name, () => Effect.provide(Effect.suspend(body), layer(), { local: true }))

describe("a checkout", () => {
  test("is the tree that was stored, read-only and timeless", () =>
    Effect.gen(function* () {
      const { node } = yield* ingestPath(source())
      const destination = fresh()
      yield* copyTo(node, destination)
      assert.deepStrictEqual((yield* ingestPath(destination)).node, node)
      for (const [name, mode] of [
        ["", 0o40555],
        ["bin", 0o40555],
        ["bin/empty", 0o40555],
        ["bin/tool", 0o100555],
        ["bin/copy", 0o100444],
        ["large", 0o100444],
        ["link", undefined]
      ] as const) {
        const stat = lstatSync(join(destination, name))
        if (mode !== undefined) assert.strictEqual(stat.mode, mode, name)
        assert.strictEqual(stat.mtimeMs, 1000, name)
      }
      assert.strictEqual(readlinkSync(join(destination, "link")), "bin/tool")
      assert.deepStrictEqual(
        readdirSync(root).filter((name) => name.startsWith(".")),
        []
      )
    }))

  test("may be a file, a symlink, or writable", () =>
    Effect.gen(function* () {
      const directory = source()
      const tool = yield* ingestPath(join(directory, "bin/tool"))
      const [first, second, third] = [fresh(), fresh(), fresh()]
      yield* copyTo(tool.node, first)
      assert.strictEqual(readFileSync(first, "latin1"), "#!/bin/sh\n")
      assert.strictEqual(statSync(first).mode, 0o100555)
      yield* copyTo({ _tag: "Symlink", target: "x/y" }, second)
      assert.strictEqual(readlinkSync(second), "x/y")
      yield* copyTo((yield* ingestPath(directory)).node, third, { writable: true })
      assert.strictEqual(statSync(third).mode & 0o200, 0o200)
      assert.strictEqual(statSync(join(third, "bin/tool")).mode, 0o100755)
      assert.isAbove(statSync(join(third, "none")).mtimeMs, 1e12)
    }))

  test("never overwrites, and leaves nothing when it fails", () =>
    Effect.gen(function* () {
      const parent = fresh()
      mkdirSync(join(parent, "taken/below"), { recursive: true })
      writeFileSync(join(parent, "file"), "mine")
      const { node } = yield* ingestPath(source())
      for (const name of ["taken", "file", "taken/"]) {
        assert.instanceOf(yield* Effect.flip(copyTo(node, join(parent, name))), CheckoutInTheWay)
      }
      assert.strictEqual(readFileSync(join(parent, "file"), "latin1"), "mine")
      assert.instanceOf(yield* Effect.flip(copyTo(node, join(parent, "no/such/place"))), CheckoutFailed)
      const missing = { _tag: "Directory", digest: Digest.ofBytes(randomBytes(9, 9)), size: 3 } as const
      assert.instanceOf(yield* Effect.flip(copyTo(missing, join(parent, "out"))), MissingData)
      assert.deepStrictEqual(readdirSync(parent).sort(), ["file", "taken"])
    }))
})

for (const [kind, layer] of [
  ["memory", () => layerMemory],
  ["a local store", () => layerLocal(fresh())]
] as const) {
  describe(`the cache of checkouts of ${kind}`, () => {
    test(
      "gives one path for one node, tells an executable from a plain file, and takes symlinks",
      () =>
        Effect.gen(function* () {
          const checkouts = yield* CheckoutCache
          const directory = source()
          const tree = yield* ingestPath(directory)
          const paths = yield* Effect.forEach(
            Array.from({ length: 8 }, () => tree.node),
            (node) => checkouts.path(node),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(new Set(paths).size, 1)
          assert.deepStrictEqual((yield* ingestPath(paths[0]!)).node, tree.node)
          assert.strictEqual(statSync(paths[0]!).mode, 0o40555)
          const tool = yield* checkouts.path((yield* ingestPath(join(directory, "bin/tool"))).node)
          const copy = yield* checkouts.path((yield* ingestPath(join(directory, "bin/copy"))).node)
          assert.notStrictEqual(tool, copy)
          assert.strictEqual(statSync(tool).mode, 0o100555)
          assert.strictEqual(statSync(copy).mode, 0o100444)
          const link = yield* checkouts.path({ _tag: "Symlink", target: "/nix/store/x" })
          assert.strictEqual(readlinkSync(link), "/nix/store/x")
        }),
      layer
    )

    test(
      "writes a checkout again when somebody removed it",
      () =>
        Effect.gen(function* () {
          const checkouts = yield* CheckoutCache
          const { node } = yield* ingestPath(source())
          const path = yield* checkouts.path(node)
          removeTree(path)
          assert.strictEqual(yield* checkouts.path(node), path)
          assert.deepStrictEqual((yield* ingestPath(path)).node, node)
        }),
      layer
    )
  })
}

describe("a checkout of an earlier boot", () => {
  for (const [what, damage] of [
    ["whole", () => {}],
    [
      "with a file that lost its end",
      (path: string) => {
        chmodSync(join(path, "large"), 0o644)
        writeFileSync(join(path, "large"), "")
      }
    ],
    [
      "without a file",
      (path: string) => {
        chmodSync(path, 0o755)
        rmSync(join(path, "none"))
      }
    ]
  ] as const) {
    it.live(`that is ${what} is checked before it is used`, () =>
      Effect.gen(function* () {
        const directory = fresh()
        const { node, path } = yield* Effect.provide(
          Effect.gen(function* () {
            const { node } = yield* ingestPath(source())
            const path = yield* (yield* CheckoutCache).path(node)
            yield* (yield* LocalDatabase).write("pretend", (connection) => connection.run("UPDATE checkouts SET boot = 'earlier'"))
            return { node, path }
          }),
          layerLocal(directory)
        )
        damage(path)
        yield* Effect.provide(
          Effect.gen(function* () {
            assert.strictEqual(yield* (yield* CheckoutCache).path(node), path)
            assert.deepStrictEqual((yield* ingestPath(path)).node, node)
            assert.strictEqual(statSync(path).mode, 0o40555)
          }),
          layerLocal(directory)
        )
      })
    )
  }
})

describe("removing trees", () => {
  it("takes away read-only, inaccessible and very deep directories, and links only as links", () => {
    const directory = fresh()
    const outside = fresh()
    mkdirSync(outside)
    writeFileSync(join(outside, "keep"), "")
    mkdirSync(join(directory, "closed/below"), { recursive: true })
    writeFileSync(join(directory, "closed/below/file"), "", { mode: 0 })
    symlinkSync(outside, join(directory, "closed/link"))
    symlinkSync(outside, join(directory, "link"))
    // Deeper than any path may be long: built from the inside out.
    let inner = fresh()
    mkdirSync(inner)
    for (let i = 0; i < 60; i++) {
      const outer = fresh()
      mkdirSync(outer)
      renameSync(inner, join(outer, "n".repeat(250)))
      inner = outer
    }
    renameSync(inner, join(directory, "deep"))
    chmodSync(join(directory, "closed/below"), 0)
    chmodSync(join(directory, "closed"), 0)
    removeTree(directory)
    assert.isFalse(existsSync(directory))
    assert.deepStrictEqual(readdirSync(outside), ["keep"])
    removeTree(directory)
  })

  it("lets several processes remove one tree at the same time", async () => {
    const directory = fresh()
    for (let d = 0; d < 60; d++) {
      mkdirSync(join(directory, `d${d}`, "below"), { recursive: true })
      for (let f = 0; f < 20; f++) writeFileSync(join(directory, `d${d}`, f % 2 === 0 ? "below" : ".", String(f)), "")
    }
    // They begin together: each waits for the file that is made once all are there.
    const script = `
      import { existsSync } from "node:fs"
      import { removeTree } from "${process.cwd()}/src/castore/local/RemoveTree.ts"
      console.log("here")
      while (!existsSync(process.argv[2])) {}
      removeTree(process.argv[1])
    `
    const start = fresh()
    const children = [1, 2, 3].map(() => spawn(process.execPath, ["--input-type=module-typescript", "-e", script, directory, start]))
    const errors: Array<string> = []
    for (const child of children) child.stderr.on("data", (bytes) => errors.push(String(bytes)))
    const ends = children.map((child) => new Promise((resolve) => child.on("close", resolve)))
    await Promise.all(children.map((child) => new Promise((resolve) => child.stdout.once("data", resolve))))
    writeFileSync(start, "")
    assert.deepStrictEqual(await Promise.all(ends), [0, 0, 0], errors.join(""))
    assert.isFalse(existsSync(directory))
  })

  it("works for an ordinary user as well", () => {
    if (process.getuid?.() !== 0) return
    const directory = fresh()
    mkdirSync(join(directory, "a/b"), { recursive: true })
    execFileSync("chown", ["-R", "65534:65534", directory])
    chmodSync(join(directory, "a/b"), 0)
    chmodSync(join(directory, "a"), 0o555)
    chmodSync(root, 0o777)
    const script = `import { removeTree } from "${process.cwd()}/src/castore/local/RemoveTree.ts"; process.setgid(65534); process.setuid(65534); removeTree(process.argv[1])`
    execFileSync(process.execPath, ["--input-type=module-typescript", "-e", script, directory])
    assert.isFalse(existsSync(directory))
  })
})

it("two processes that want the same checkout share it", async () => {
  const directory = fresh()
  const tree = source()
  const script = `
    import { prepareNode } from "${process.cwd()}/src/castore/crypto/Node.ts"
    import * as Effect from "effect/Effect"
    import { layerLocal } from "${process.cwd()}/src/store/LocalStore.ts"
    import { ingestPath } from "${process.cwd()}/src/castore/ingest/FileSystem.ts"
    import { CheckoutCache } from "${process.cwd()}/src/castore/view/Checkout.ts"
    await prepareNode()
    const path = await Effect.runPromise(Effect.provide(Effect.gen(function* () {
      const { node } = yield* ingestPath(process.argv[2])
      return yield* (yield* CheckoutCache).path(node)
    }), layerLocal(process.argv[1])))
    console.log(path)
  `
  const run = () =>
    new Promise<string>((resolve, reject) => {
      const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script, directory, tree], { cwd: process.cwd() })
      let out = ""
      let err = ""
      child.stdout.on("data", (bytes) => (out += bytes))
      child.stderr.on("data", (bytes) => (err += bytes))
      child.on("close", (code) => (code === 0 ? resolve(out.trim()) : reject(new Error(err))))
    })
  const paths = await Promise.all([run(), run(), run()])
  assert.strictEqual(new Set(paths).size, 1)
  assert.strictEqual(readdirSync(join(directory, "checkouts")).length, 1)
  assert.deepStrictEqual(readdirSync(join(directory, "sessions")), [])
})
