import "../castore/crypto.ts"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import { ingestPath } from "../../src/castore/ingest/FileSystem.ts"
import { LocalDatabase } from "../../src/castore/local/LocalDatabase.ts"
import { removeTree } from "../../src/castore/local/RemoveTree.ts"
import { CheckoutCache } from "../../src/castore/view/Checkout.ts"
import type { StorePath } from "../../src/nix/StorePath.ts"
import { Leases } from "../../src/store/Leases.ts"
import { layerLocal } from "../../src/store/LocalStore.ts"
import { PathInfoService } from "../../src/store/PathInfoService.ts"
import { verify } from "../../src/store/Verify.ts"
import { randomBytes } from "../castore/bytes.ts"

const root = mkdtempSync(join(tmpdir(), "yix-faults-"))
afterAll(() => removeTree(root))

const program = (name: string, ...args: Array<string>): ChildProcess =>
  spawn(process.execPath, [join(import.meta.dirname, name), ...args], { stdio: ["ignore", "pipe", "inherit"] })

const closed = (child: ChildProcess) => new Promise<void>((resolve) => child.on("close", () => resolve()))

describe("writers that are killed", () => {
  const rounds = Number(process.env["YIX_KILL_ROUNDS"] ?? 4)
  it.live(
    `lose nothing that was committed and leave nothing else (${rounds} rounds of two)`,
    () =>
      Effect.gen(function* () {
        const directory = join(root, "killed")
        const scratch = join(root, "scratch")
        mkdirSync(scratch)
        const committed = new Set<StorePath>()
        for (let round = 0; round < rounds; round++) {
          yield* Effect.promise(async () => {
            const children = [
              program("writer.ts", directory, scratch, String(round * 3)),
              program("writer.ts", directory, scratch, String(round * 3 + 1))
            ]
            let output = ["", ""]
            const started = children.map(
              (child, i) =>
                new Promise<void>((resolve) =>
                  child.stdout!.on("data", (bytes) => {
                    output[i] += String(bytes)
                    resolve()
                  })
                )
            )
            await Promise.race(started)
            await new Promise((resolve) => setTimeout(resolve, randomBytes(round + 1, 1)[0]! * 2))
            for (const child of children) child.kill("SIGKILL")
            await Promise.all(children.map(closed))
            for (const text of output) for (const line of text.split("\n").slice(0, -1)) committed.add(line as StorePath)
          })
          yield* Effect.gen(function* () {
            const report = yield* verify()
            assert.deepStrictEqual(report.problems, [])
            const infos = yield* PathInfoService
            for (const path of committed) assert.isTrue(Option.isSome(yield* infos.get(path)), path)
            const checkouts = yield* CheckoutCache
            for (const name of existsSync(join(directory, "checkouts")) ? readdirSync(join(directory, "checkouts")) : []) {
              assert.strictEqual(((yield* ingestPath(join(directory, "checkouts", name))).node as { digest: string }).digest, name)
            }
            const some = Option.getOrThrow(yield* infos.get([...committed][0]!))
            yield* checkouts.path(some.node)
            yield* (yield* Leases).collectDead()
            assert.deepStrictEqual([...(yield* (yield* Leases).list())], [])
            // Writing begins a session, which sweeps what the killed ones left.
            yield* (yield* LocalDatabase).beginSession
            assert.strictEqual(readdirSync(join(directory, "sessions")).length, 1)
          }).pipe(Effect.provide(layerLocal(directory)))
          assert.deepStrictEqual(readdirSync(join(directory, "sessions")), [])
          const files = existsSync(join(directory, "blobs"))
            ? readdirSync(join(directory, "blobs"), { recursive: true, encoding: "utf8" })
            : []
          for (const file of files) assert.match(file, /^[0-9a-f]{2}(\/[0-9a-f]{64})?$/)
        }
        assert.isAtLeast(committed.size, rounds)
      }),
    rounds * 40_000
  )
})

describe("several processes", () => {
  it.live("that add the same tree at the same time store it once and all succeed", () =>
    Effect.gen(function* () {
      const directory = join(root, "same")
      const tree = join(root, "tree")
      for (let i = 0; i < 10; i++) {
        mkdirSync(join(tree, `d${i}`), { recursive: true })
        for (let j = 0; j < 100; j++) writeFileSync(join(tree, `d${i}`, `f${j}`), randomBytes(i * 100 + j, 50 + ((j * 997) % 120_000)))
      }
      const paths = yield* Effect.promise(() =>
        Promise.all(
          Array.from({ length: 3 }, async () => {
            const child = program("adder.ts", directory, tree)
            let output = ""
            child.stdout!.on("data", (bytes) => (output += String(bytes)))
            await closed(child)
            return output.trim()
          })
        )
      )
      assert.strictEqual(new Set(paths).size, 1)
      assert.match(paths[0]!, /^\/nix\/store\/[0-9a-z]{32}-tree$/)
      yield* Effect.gen(function* () {
        const report = yield* verify()
        assert.deepStrictEqual(report.problems, [])
        assert.strictEqual(report.paths, 1)
        const blobs = yield* BlobService
        assert.strictEqual((yield* Stream.runCollect(blobs.list())).length, 1000)
      }).pipe(Effect.provide(layerLocal(directory)))
    })
  )
})

describe("sweeping sessions", () => {
  it.effect("is not disturbed by a process that ends and removes its own meanwhile", () =>
    Effect.gen(function* () {
      const directory = join(root, "ending")
      yield* Effect.gen(function* () {
        const { session } = yield* LocalDatabase
        const other = join(directory, "sessions", "1-0123456789abcdef")
        mkdirSync(other, { recursive: true })
        const isAlive = session.isAlive.bind(session)
        session.isAlive = (token) => {
          const alive = isAlive(token)
          removeTree(other)
          return alive
        }
        yield* (yield* LocalDatabase).beginSession
        assert.deepStrictEqual(readdirSync(join(directory, "sessions")), [session.token])
      }).pipe(Effect.provide(layerLocal(directory)))
    })
  )
})
