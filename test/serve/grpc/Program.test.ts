/**
 * `yix serve --grpc` as a process of its own: a store's paths are there for another process, and a signal ends it and takes its socket away.
 */
import { execFileSync, spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as GrpcBlobs from "../../../src/castore/blob/Grpc.ts"
import { open } from "../../../src/wire/grpc/Channel.ts"
import * as GrpcPathInfos from "../../../src/store/pathinfo/Grpc.ts"
import "../../castore/crypto.ts"

const directory = mkdtempSync(join(tmpdir(), "yix-serve-grpc-"))
afterAll(() => rmSync(directory, { recursive: true }))
const program = join(import.meta.dirname, "../../../src/cli/main.ts")

describe("yix serve --grpc", () => {
  it.live("gives another process what the store has, until a signal ends it", () =>
    Effect.gen(function* () {
      const store = ["--store", join(directory, "store")]
      const socket = join(directory, "yix.sock")
      writeFileSync(join(directory, "greeting"), "hello")
      const path = execFileSync(process.execPath, [program, ...store, "store", "add", join(directory, "greeting")], {
        encoding: "utf8"
      }).trim()
      const child = spawn(process.execPath, [program, ...store, "serve", "--grpc", `unix:${socket}`], {
        stdio: ["ignore", "ignore", "pipe"]
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
      const said = yield* Effect.callback<string>((resume) => {
        child.stderr.once("data", (bytes: Buffer) => resume(Effect.succeed(bytes.toString())))
      })
      assert.include(said, socket)
      const channel = yield* open(`unix:${socket}`)
      const [info] = yield* Stream.runCollect(GrpcPathInfos.make(channel).list())
      assert.strictEqual(info?.path, path)
      assert(info?.node._tag === "File")
      const contents = yield* Stream.runCollect(GrpcBlobs.make(channel).read(info.node.digest))
      assert.strictEqual(Buffer.concat(contents).toString(), "hello")
      child.kill("SIGTERM")
      const status = yield* Effect.callback<number | null>((resume) => {
        child.once("exit", (code) => resume(Effect.succeed(code)))
      })
      assert.strictEqual(status, 143)
      assert.isFalse(existsSync(socket))
    }).pipe(Effect.scoped)
  )
})
