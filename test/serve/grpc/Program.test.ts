/**
 * `yix serve --grpc` as a process of its own: a store's paths are there for another process, and a signal ends it and takes its socket away.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
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
const children: Array<ChildProcess> = []
afterAll(() => {
  for (const child of children) child.kill("SIGKILL")
  rmSync(directory, { recursive: true })
})
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

/** Processes that run the script with this mark. */
const running = (mark: string): number =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(mark)
    } catch {
      return false
    }
  }).length

const until = async (what: string, holds: () => boolean): Promise<void> => {
  for (const end = performance.now() + 30_000; !holds(); await new Promise((resolve) => setTimeout(resolve, 20))) {
    assert.isBelow(performance.now(), end, what)
  }
}

describe("yix serve --grpc --builds", { timeout: 120_000 }, () => {
  const socket = join(directory, "builds.sock")
  const scratch = join(directory, "far/scratch")

  const start = async (args: ReadonlyArray<string>, said: string) => {
    const child = spawn(process.execPath, [program, ...args], { cwd: directory, stdio: ["ignore", "ignore", "pipe"] })
    children.push(child)
    const output = { text: "" }
    child.stderr.on("data", (bytes: Buffer) => (output.text += bytes.toString()))
    await until(`${args.join(" ")} says '${said}'`, () => output.text.includes(said))
    return {
      child,
      output,
      ended: child.exitCode !== null ? Promise.resolve(child.exitCode) : once(child, "close").then(([code]) => code as number | null)
    }
  }
  const serve = () => start(["--store", "far", "serve", "--grpc", `unix:${socket}`, "--builds"], socket)

  it("leaves nothing of a build whose client or server is killed, and the client knows whom to blame", async () => {
    const mark = `program-${process.pid}`
    writeFileSync(join(directory, "yix.toml"), `[builders.root]\ntype = "grpc"\nurl = "grpc+unix://${socket}"\n`)
    const script = `: ${mark}; echo begun; while :; do :; done`
    writeFileSync(
      join(directory, "endless.nix"),
      `derivation { name = "endless"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "${script}" ]; }`
    )
    const build = () => start(["--store", "near", "--config", "yix.toml", "build", "endless.nix", "--no-out-link"], "begun")
    const nothing = () => running(mark) === 0 && readdirSync(scratch).length === 0

    const far = await serve()
    const killed = await build()
    assert.isAbove(running(mark), 0)
    killed.child.kill("SIGKILL")
    await until("the build of the killed client is gone", nothing)

    const interrupted = await build()
    assert.isAbove(running(mark), 0)
    interrupted.child.kill("SIGINT")
    assert.strictEqual(await interrupted.ended, 130)
    await until("the build of the interrupted client is gone", nothing)

    const bereft = await build()
    assert.isAbove(running(mark), 0)
    far.child.kill("SIGKILL")
    assert.strictEqual(await bereft.ended, 1)
    assert.include(bereft.output.text, `the builder at 'grpc+unix://${socket}' cannot be used`)
    await until("the processes of the killed server are gone", () => running(mark) === 0)
    // The next start takes over the socket and removes what was left.
    const again = await serve()
    again.child.kill("SIGTERM")
    assert.strictEqual(await again.ended, 143)
    assert.deepStrictEqual(readdirSync(scratch), [])
  })

  it("is refused where it makes no sense", () => {
    for (const [args, said] of [
      [["--http", ":0", "--builds"], "add --grpc ADDRESS"],
      [["--grpc", `unix:${socket}`, "--builds", "--read-only"], "does not go with --read-only"],
      [["--grpc", `unix:${socket}`, "--builds-network"], "goes with --builds"]
    ] as const) {
      const ran = spawnSync(process.execPath, [program, "--store", join(directory, "none"), "serve", ...args], { encoding: "utf8" })
      assert.strictEqual(ran.status, 2, ran.stderr)
      assert.include(ran.stderr, said)
    }
    assert.isFalse(existsSync(join(directory, "none")))
  })
})
