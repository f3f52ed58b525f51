import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as BuildUsers from "../../src/build/BuildUsers.ts"

const first = 900_000 + (process.pid % 1000) * 10

describe("user ids for builders", () => {
  it.live("are given to one build at a time, and again when it ends", () =>
    Effect.gen(function* () {
      const both = Effect.all([BuildUsers.acquire(first, 3), BuildUsers.acquire(first, 3)])
      assert.deepStrictEqual(yield* Effect.scoped(both), [first, first + 1])
      assert.deepStrictEqual(yield* Effect.scoped(both), [first, first + 1])
    })
  )

  it.live("run out with an error that says so", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Effect.all([1, 2, 3].map(() => BuildUsers.acquire(first, 2)))))
      assert.strictEqual(error._tag, "SandboxFailed")
      assert.include(error.message, `all of ${first} to ${first + 1} are in use`)
    })
  )

  it.live("are not shared with another process, which loses its own when it dies", () =>
    Effect.gen(function* () {
      const program = `
        import * as Effect from "effect/Effect"
        import { acquire } from ${JSON.stringify(join(import.meta.dirname, "../../src/build/BuildUsers.ts"))}
        await Effect.runPromise(Effect.scoped(Effect.andThen(acquire(${first}, 3), (uid) => Effect.andThen(Effect.sync(() => console.log(uid)), Effect.never))))
        `
      const other = spawn(process.execPath, ["--input-type=module-typescript", "-e", `setInterval(() => {}, 1000);${program}`], {
        cwd: join(import.meta.dirname, "../.."),
        stdio: ["ignore", "pipe", "inherit"]
      })
      const [said] = yield* Effect.promise(() => once(other.stdout, "data"))
      assert.strictEqual(String(said).trim(), String(first))
      assert.strictEqual(yield* Effect.scoped(BuildUsers.acquire(first, 3)), first + 1)
      other.kill("SIGKILL")
      yield* Effect.promise(() => once(other, "exit"))
      assert.strictEqual(yield* Effect.scoped(BuildUsers.acquire(first, 3)), first)
    })
  )
})
