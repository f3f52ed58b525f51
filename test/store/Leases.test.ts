import { spawn } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as LocalDatabase from "../../src/castore/local/LocalDatabase.ts"
import { removeTree } from "../../src/castore/local/RemoveTree.ts"
import { layerLocal, layerMemory, Leases } from "../../src/store/Leases.ts"
import { leasesContract } from "./leases.contract.ts"

const root = mkdtempSync(join(tmpdir(), "yix-leases-"))
afterAll(() => removeTree(root))
let counter = 0
const fresh = () => join(root, String(++counter))
const local = (directory: string) => Layer.provide(layerLocal, LocalDatabase.layer(directory))

describe("leases in memory", () => leasesContract(() => Layer.fresh(layerMemory)))
describe("leases of a local store", () => leasesContract(() => local(fresh())))

/** Starts a process that holds `key`; resolves when it does. */
const holder = (directory: string, key: string, scratch: string) =>
  new Promise<{ readonly pid: number; kill(signal: NodeJS.Signals): Promise<void> }>((resolve, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "holder.ts"), directory, key, scratch], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    const closed = new Promise<void>((done) => child.on("close", () => done()))
    child.stdout.once("data", () =>
      resolve({
        pid: child.pid!,
        kill: async (signal) => {
          child.kill(signal)
          await closed
        }
      })
    )
    child.once("error", reject)
    child.once("exit", (code) => reject(new Error(`the holder ended with ${code}`)))
  })

describe("a lease of another process", () => {
  it.live("is waited for while that lives, and taken over, its scratch removed, when it was killed", () =>
    Effect.gen(function* () {
      const [directory, scratch] = [fresh(), fresh()]
      const other = yield* Effect.promise(() => holder(directory, "a", scratch))
      yield* Effect.gen(function* () {
        const leases = yield* Leases
        let told = 0
        let entered = false
        const waiting = yield* Effect.forkChild(
          leases.withLease(
            { kind: "build", key: "a", onWait: ({ pid }) => Effect.sync(() => void (told = pid)) },
            Effect.sync(() => {
              entered = true
              return existsSync(scratch)
            })
          ),
          { startImmediately: true }
        )
        yield* Effect.sleep(300)
        assert.isFalse(entered)
        assert.strictEqual(told, other.pid)
        assert.deepStrictEqual([...(yield* leases.collectDead())], [])
        assert.isTrue(existsSync(join(scratch, "file")))
        yield* Effect.promise(() => other.kill("SIGKILL"))
        assert.isFalse(yield* Fiber.join(waiting))
        assert.deepStrictEqual([...(yield* leases.list())], [])
        yield* leases.collectDead()
      }).pipe(Effect.provide(local(directory)))
      assert.deepStrictEqual(readdirSync(join(directory, "sessions")), [])
    })
  )

  it.live("is collected with all it left after the process was killed", () =>
    Effect.gen(function* () {
      const directory = fresh()
      const scratches = [fresh(), fresh(), fresh()]
      const others = yield* Effect.promise(() => Promise.all(scratches.map((scratch, i) => holder(directory, `key-${i}`, scratch))))
      const [first, second, third] = others as [(typeof others)[0], (typeof others)[0], (typeof others)[0]]
      yield* Effect.promise(() => Promise.all([first.kill("SIGKILL"), second.kill("SIGKILL")]))
      chmodSync(join(scratches[0]!, "work/work"), 0)
      yield* Effect.gen(function* () {
        const leases = yield* Leases
        const collected = yield* leases.collectDead()
        assert.deepStrictEqual(new Set(collected.map((left) => left.scratch)), new Set(scratches.slice(0, 2)))
        assert.deepStrictEqual(scratches.map(existsSync), [false, false, true])
        assert.deepStrictEqual(
          (yield* leases.list()).map((left) => left.pid),
          [third.pid]
        )
        yield* Effect.promise(() => third.kill("SIGKILL"))
        assert.strictEqual((yield* leases.collectDead()).length, 1)
        assert.isFalse(existsSync(scratches[2]!))
        assert.deepStrictEqual([...(yield* leases.collectDead())], [])
      }).pipe(Effect.provide(local(directory)))
    })
  )

  it.live("whose session names a process id that is alive again is still a dead one's", () =>
    Effect.gen(function* () {
      const [directory, scratch] = [fresh(), fresh()]
      yield* Effect.provide(Effect.void, local(directory))
      mkdirSync(scratch)
      const database = new DatabaseSync(join(directory, "yix.sqlite"))
      database
        .prepare(
          "INSERT INTO leases (kind, key, session, pid, started, boot, scratch, acquired) VALUES ('build', 'a', ?, ?, '1', '', ?, 0)"
        )
        .run(`${process.pid}-0123456789abcdef`, process.pid, scratch)
      database.close()
      yield* Effect.gen(function* () {
        const leases = yield* Leases
        assert.strictEqual(yield* Effect.timeout(leases.withLease({ kind: "build", key: "a" }, Effect.succeed(1)), "5 seconds"), 1)
        assert.isFalse(existsSync(scratch))
      }).pipe(Effect.provide(local(directory)))
    })
  )
})

it("sessions begin, look for the dead and end beside others that do so", async () => {
  const directory = fresh()
  const script = `
    import * as Effect from "effect/Effect"
    import * as LocalDatabase from "${process.cwd()}/src/castore/local/LocalDatabase.ts"
    const once = Effect.gen(function* () {
      const database = yield* LocalDatabase.LocalDatabase
      yield* database.beginSession
      yield* database.sweep
    })
    for (let i = 0; i < 60; i++) await Effect.runPromise(Effect.provide(once, LocalDatabase.layer(process.argv[1])))
  `
  const errors: Array<string> = []
  const run = () =>
    new Promise<number | null>((resolve, reject) => {
      const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script, directory], {
        stdio: ["ignore", "ignore", "pipe"]
      })
      child.stderr.on("data", (bytes) => errors.push(String(bytes)))
      child.once("error", reject)
      child.on("close", resolve)
    })
  assert.deepStrictEqual(await Promise.all([run(), run(), run(), run()]), [0, 0, 0, 0], errors.join(""))
  assert.deepStrictEqual(readdirSync(join(directory, "sessions")), [])
})
