import { execFileSync } from "node:child_process"
import { chmodSync, linkSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { inspect } from "../../src/build/OutputInspection.ts"
import { fromUnicode } from "../../src/nix/Bytes.ts"

const isRoot = process.getuid!() === 0
const own = process.getuid!()
const builder = 30_999
const home = mkdtempSync(join(tmpdir(), "yix-inspect-"))
afterAll(() => rmSync(home, { recursive: true, force: true }))
let counter = 0

/** An area with an output `out` in it. */
const area = () => {
  const path = join(home, String(++counter))
  mkdirSync(path)
  return { path, out: join(path, "out") }
}

const look = (out: string, owner: number = own) => inspect("/nix/store/x-out", fromUnicode(out), owner, ["last"])
const kindOf = (out: string, owner?: number) =>
  Effect.map(Effect.flip(look(out, owner)), (error) => [error._tag, (error as { kind?: string }).kind, (error as { path: string }).path])

describe("looking an output over", () => {
  it.live("accepts files, directories, links and hard links", () =>
    Effect.gen(function* () {
      const { out } = area()
      mkdirSync(join(out, "d"), { recursive: true })
      writeFileSync(join(out, "d/f"), "x")
      linkSync(join(out, "d/f"), join(out, "hard"))
      symlinkSync("/etc/shadow", join(out, "link"))
      chmodSync(join(out, "d"), 0o111)
      yield* look(out)
    })
  )

  it.live("names sockets, pipes and files with special bits", () =>
    Effect.gen(function* () {
      const { out } = area()
      mkdirSync(out)
      const server = createServer()
      yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(join(out, "s"), resolve)))
      assert.deepStrictEqual(yield* kindOf(out), ["OutputRejected", "socket", "/nix/store/x-out/s"])
      server.close()
      rmSync(join(out, "s"), { force: true })
      execFileSync("mkfifo", [join(out, "p")])
      assert.deepStrictEqual(yield* kindOf(out), ["OutputRejected", "fifo", "/nix/store/x-out/p"])
      rmSync(join(out, "p"))
      writeFileSync(join(out, "g"), "")
      chmodSync(join(out, "g"), 0o2755)
      assert.deepStrictEqual(yield* kindOf(out), ["OutputRejected", "setgid", "/nix/store/x-out/g"])
      chmodSync(join(out, "g"), 0o755)
      yield* look(out)
    })
  )

  it.live("tells a missing output, with the end of the log", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(look(area().out))
      assert.strictEqual(error._tag, "OutputMissing")
      assert.include(error.message, "> last")
    })
  )

  it.live.skipIf(!isRoot)("refuses what the build user does not own, devices too", () =>
    Effect.gen(function* () {
      const { out } = area()
      mkdirSync(out)
      execFileSync("chown", ["-R", String(builder), out])
      writeFileSync(join(out, "foreign"), "")
      assert.deepStrictEqual(yield* kindOf(out, builder), ["OutputRejected", "foreign-owner", "/nix/store/x-out/foreign"])
      execFileSync("mknod", [join(out, "a-device"), "c", "1", "3"])
      execFileSync("chown", ["-R", String(builder), out])
      assert.deepStrictEqual(yield* kindOf(out, builder), ["OutputRejected", "device", "/nix/store/x-out/a-device"])
    })
  )

  it.live.skipIf(!isRoot)("takes every directory away from the build user, so that nobody can change what was looked at", () =>
    Effect.gen(function* () {
      const { path, out } = area()
      mkdirSync(join(out, "a/b"), { recursive: true })
      writeFileSync(join(out, "a/b/f"), "")
      execFileSync("chown", ["-R", String(builder), path])
      yield* look(out, builder)
      for (const directory of [path, out, join(out, "a"), join(out, "a/b")]) {
        const stat = lstatSync(directory)
        assert.deepStrictEqual([stat.uid, stat.mode & 0o777], [0, 0o700], directory)
      }
      const attempt = () =>
        execFileSync("setpriv", [`--reuid=${builder}`, "--clear-groups", "sh", "-c", `cd ${out} && touch a/b/new`], { stdio: "ignore" })
      assert.throws(attempt)
    })
  )

  it.live.skipIf(!isRoot)("does not go through a link that stands where a directory was", () =>
    Effect.gen(function* () {
      const { path, out } = area()
      mkdirSync(join(path, "elsewhere"))
      symlinkSync("elsewhere", out)
      execFileSync("chown", ["-hR", String(builder), path])
      yield* look(out, builder)
      assert.strictEqual(lstatSync(join(path, "elsewhere")).uid, builder)
    })
  )
})
