import { execFileSync, spawnSync } from "node:child_process"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { acquire, remove, sweep } from "../../src/build/ScratchDirectory.ts"

const home = mkdtempSync(join(tmpdir(), "yix-scratch-"))
afterAll(() => rmSync(home, { recursive: true, force: true }))
let counter = 0
const fresh = () => join(home, `root-${++counter}`)

describe("a scratch directory", () => {
  it.live("is ours alone, has a new name each time and goes with its scope, whatever is in it", () =>
    Effect.gen(function* () {
      const root = fresh()
      const make = Effect.gen(function* () {
        const path = yield* acquire(root, undefined)
        assert.strictEqual(statSync(path).mode & 0o777, 0o700)
        assert.strictEqual(statSync(root).mode & 0o777, 0o700)
        mkdirSync(join(path, "a/b"), { recursive: true })
        writeFileSync(join(path, "a/b/f"), "")
        chmodSync(join(path, "a/b"), 0)
        chmodSync(join(path, "a"), 0)
        return path
      })
      const first = yield* Effect.scoped(make)
      const second = yield* Effect.scoped(make)
      assert.notStrictEqual(first, second)
      assert.deepStrictEqual(readdirSync(root), [])
    })
  )

  it.live("is told to leases before it is made and after it is gone", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const leases = {
        register: (path: string) => Effect.sync(() => void told.push(`register ${existsSync(path)}`)),
        release: (path: string) => Effect.sync(() => void told.push(`release ${existsSync(path)}`))
      }
      yield* Effect.scoped(acquire(fresh(), leases))
      assert.deepStrictEqual(told, ["register false", "release false"])
    })
  )

  it.live("takes its root away from others, and refuses one that is not ours", () =>
    Effect.gen(function* () {
      const open = fresh()
      mkdirSync(open, { mode: 0o755 })
      yield* Effect.scoped(acquire(open, undefined))
      assert.strictEqual(statSync(open).mode & 0o777, 0o700)
      const file = fresh()
      writeFileSync(file, "")
      const error = yield* Effect.flip(Effect.scoped(acquire(join(file, "x"), undefined)))
      assert.strictEqual(error._tag, "ScratchUnavailable")
      assert.include(error.message, file)
    })
  )
})

describe("removing", () => {
  it.live("follows no link, of directories or of files", () =>
    Effect.gen(function* () {
      const outside = fresh()
      mkdirSync(join(outside, "d"), { recursive: true })
      writeFileSync(join(outside, "d/keep"), "kept")
      chmodSync(join(outside, "d"), 0o500)
      const tree = fresh()
      mkdirSync(join(tree, "sub"), { recursive: true })
      symlinkSync(join(outside, "d"), join(tree, "sub/link"))
      symlinkSync(join(outside, "d/keep"), join(tree, "file"))
      symlinkSync("sub", join(tree, "self"))
      yield* remove(tree)
      assert.isFalse(existsSync(tree))
      assert.strictEqual(readFileSync(join(outside, "d/keep"), "utf8"), "kept")
      assert.strictEqual(statSync(join(outside, "d")).mode & 0o777, 0o500)
      // A link at the very place is removed itself.
      symlinkSync(outside, tree)
      yield* remove(tree)
      assert.isTrue(existsSync(outside))
      assert.isFalse(existsSync(tree))
    })
  )

  it.live("copes with names that are no UTF-8, with nothing there, and with depth beyond any path", () =>
    Effect.gen(function* () {
      const tree = fresh()
      yield* remove(tree)
      mkdirSync(tree)
      writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0x0a, 0x80])]), "")
      const dig = 'process.chdir(process.argv[1]); for (let i = 0; i < 1500; i++) { fs.mkdirSync("abcdefgh"); process.chdir("abcdefgh") }'
      execFileSync(process.execPath, ["-e", dig, tree])
      yield* remove(tree)
      assert.isFalse(existsSync(tree))
    })
  )
})

describe("sweeping", () => {
  it.live("removes what dead processes left, keeps what the living have and what is not ours to judge", () =>
    Effect.gen(function* () {
      const root = fresh()
      const program = `
        import * as Effect from "effect/Effect"
        import { acquire } from ${JSON.stringify(join(import.meta.dirname, "../../src/build/ScratchDirectory.ts"))}
        await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
          yield* acquire(${JSON.stringify(root)}, undefined)
          process.kill(process.pid, "SIGKILL")
          yield* Effect.never
        })))`
      const { signal } = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", program], {
        cwd: join(import.meta.dirname, "../.."),
        encoding: "utf8"
      })
      assert.strictEqual(signal, "SIGKILL")
      const [left] = readdirSync(root)
      assert.isDefined(left)
      mkdirSync(join(root, "something-else"))
      const otherNamespace = left!.replace(/^(build-[^-]+-)[0-9]+/, "$17")
      mkdirSync(join(root, otherNamespace))
      const otherBoot = left!.replace(/^build-[^-]+/, "build-00000000").replace(/-[0-9]+-([0-9]+)-/, "-7-$1-")
      mkdirSync(join(root, otherBoot))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const mine = yield* acquire(root, undefined)
          const removed = yield* sweep(root)
          assert.deepStrictEqual([...removed].map((path) => basename(path)).sort(), [left!, otherBoot].sort())
          assert.deepStrictEqual(readdirSync(root).sort(), [basename(mine), otherNamespace, "something-else"].sort())
        })
      )
    })
  )

  it.live("minds neither a missing root nor a link in its place", () =>
    Effect.gen(function* () {
      const root = fresh()
      assert.deepStrictEqual(yield* sweep(root), [])
      symlinkSync("/", root)
      assert.deepStrictEqual(yield* sweep(root), [])
    })
  )
})
