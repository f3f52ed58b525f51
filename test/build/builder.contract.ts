/**
 * What holds of every builder that runs commands, whosever machine they run on. Scripts use nothing but the shell itself, so that a builder which shows no
 * directories of its host will do.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import type { Builder } from "../../src/build/Builder.ts"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import * as Directory from "../../src/castore/Directory.ts"
import { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import { build, buildFailure, devPath, outPath, plain, requestOf, type Settings } from "./world.ts"

export interface BuilderContract {
  /** A builder, and the castore that inputs come from and outputs go to. Made anew for each test. */
  readonly layer: () => Layer.Layer<Builder | BlobService | DirectoryService, unknown>
  /** Where the builder makes directories for builds under way: must be empty, or absent, once they have ended. */
  readonly scratchRoot: string
}

/** Command lines of all processes that have `marker` in theirs. */
const processesWith = (marker: string): ReadonlyArray<string> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, "latin1")
        return line.includes(marker) ? [line] : []
      } catch {
        return []
      }
    })

const ownHash = outPath.slice("nix/store/".length, "nix/store/".length + 32)

/** Marks what is run, so that it can be found among all processes. */
let runs = 0
const freshMarker = () => `contract-${process.pid}-${++runs}`

export const builderContract = ({ layer, scratchRoot }: BuilderContract): void => {
  const left = () => (existsSync(scratchRoot) ? readdirSync(scratchRoot) : [])

  const test = (name: string, body: () => Effect.Effect<void, unknown, Builder | BlobService | DirectoryService>) =>
    it.live(name, () => Effect.suspend(body).pipe(Effect.provide(layer()), Effect.scoped), 60_000)

  const request = (script: string, settings: Settings = {}) => requestOf(script, { tools: false, ...settings })

  test("gives the outputs in the order asked for, with the references that are in them", () =>
    Effect.gen(function* () {
      const needles = [ownHash, "a".repeat(32), "b".repeat(32)]
      const built = yield* build(
        request(`echo "dev ${"b".repeat(32)}" > $dev; echo "$out" > $out`, { outputs: [outPath, devPath], needles })
      )
      assert.deepStrictEqual(
        built.map(({ needles }) => needles),
        [[0], [2]]
      )
      assert.deepStrictEqual(yield* Effect.forEach(built, ({ node }) => plain(node)), [`/${outPath}\n`, `dev ${"b".repeat(32)}\n`])
      const turned = yield* build(request("echo 1 > $dev; echo 2 > $out", { outputs: [devPath, outPath] }))
      assert.deepStrictEqual(yield* Effect.forEach(turned, ({ node }) => plain(node)), ["1\n", "2\n"])
    }))

  test("shows inputs of all kinds under their names, and nothing else in the store", () =>
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const [digest, large] = yield* blobs.putMany([Buffer.from("contents\n"), Buffer.alloc(3 << 20, "0123456789abcde\n")])
      const file = { _tag: "File", digest: digest!, size: 9, executable: false } as const
      const directory = { entries: [{ name: "inner", node: file }] }
      const outer = {
        entries: [
          { name: "deep", node: Directory.nodeOf(directory) },
          { name: "large", node: { _tag: "File", digest: large!, size: 3 << 20, executable: true } as const }
        ]
      }
      yield* (yield* DirectoryService).putMany([directory, outer])
      const inputs = [
        { name: "a-dir", node: Directory.nodeOf(outer) },
        { name: "b-file", node: file },
        { name: "c-link", node: { _tag: "Symlink", target: "a-dir/deep/inner" } as const }
      ]
      const script = `exec > $out; cd /nix/store; for i in *; do echo $i; done; [ -x a-dir/large ] && echo executable
        for f in a-dir/deep/inner b-file c-link a-dir/large; do read -r l < $f; echo $l; done; (echo x > b-file) 2>/dev/null || echo read-only`
      const [built] = yield* build(request(script, { inputs }))
      const lines = String(yield* plain(built!.node)).split("\n")
      assert.deepStrictEqual(lines, [
        outPath.slice("nix/store/".length),
        "a-dir",
        "b-file",
        "c-link",
        "executable",
        "contents",
        "contents",
        "contents",
        "0123456789abcde",
        "read-only",
        ""
      ])
    }))

  test("sets the environment that was asked for and no other, byte for byte, and puts files beside it", () =>
    Effect.gen(function* () {
      const wanted = request('exec > $out; export -p; read -r l < extra; echo "<$l> $PWD $odd"', {
        environment: { odd: "a\xff\n b", secret: "" }
      })
      process.env["YIX_CONTRACT_LEAK"] = "leak"
      const [built] = yield* build({
        ...wanted,
        additionalFiles: [{ path: "build/extra", contents: Buffer.from("from a file\n") }]
      }).pipe(Effect.ensuring(Effect.sync(() => delete process.env["YIX_CONTRACT_LEAK"])))
      const text = String(yield* plain(built!.node))
      assert.include(text, "<from a file> /build a\xff\n b\n")
      assert.match(text, /export secret=''/)
      assert.notInclude(text, "leak")
    }))

  test("has no network", () =>
    Effect.gen(function* () {
      const [built] = yield* build(request("while read -r l; do echo $l; done < /proc/net/dev > $out"))
      const interfaces = [...String(yield* plain(built!.node)).matchAll(/^ *([^ |:]+):/gm)].map((match) => match[1])
      assert.deepStrictEqual(interfaces, ["lo"])
    }))

  test("gives the log as it comes, output and errors alike", () =>
    Effect.gen(function* () {
      let log = ""
      yield* build(request("echo one; echo two >&2; printf 'th\\377ree' ; echo > $out"), {
        onLog: (bytes) => (log += Buffer.from(bytes).toString("latin1"))
      })
      assert.strictEqual(log, "one\ntwo\nth\xffree")
    }))

  test("says how a builder failed, with the end of its log, and takes nothing from it", () =>
    Effect.gen(function* () {
      let log = ""
      const failed = yield* buildFailure(request("i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i; done; echo > $out; exit 7"), {
        onLog: (bytes) => (log += Buffer.from(bytes).toString("latin1"))
      })
      assert(failed._tag === "BuilderFailed", failed.message)
      assert.deepStrictEqual([failed.status, failed.signal, failed.exitCode], [7, undefined, 100])
      assert.strictEqual(failed.lastLines[failed.lastLines.length - 1], "line 100")
      assert.isAtLeast(failed.lastLines.length, 10)
      assert.include(log, "line 1\n")
    }))

  test("says what cannot be executed, what is missing, and what a store cannot hold", () =>
    Effect.gen(function* () {
      const absent = yield* buildFailure({ ...request(""), commandArgs: ["/nix/store/absent"] })
      assert(absent._tag === "BuilderNotExecutable", absent.message)
      assert.deepStrictEqual([absent.path, absent.reason, absent.exitCode], ["/nix/store/absent", "ENOENT", 100])
      const missing = yield* buildFailure(request("echo only out; echo > $out", { outputs: [outPath, devPath] }))
      assert(missing._tag === "OutputMissing", missing.message)
      assert.strictEqual(missing.path, `/${devPath}`)
      assert.deepStrictEqual([...missing.lastLines], ["only out"])
      const open = yield* buildFailure(request("umask 0; echo > $out"))
      assert(open._tag === "OutputRejected", open.message)
      assert.deepStrictEqual([open.kind, open.output, open.exitCode], ["world-writable", `/${outPath}`, 100])
    }))

  test("stops what takes too long or says nothing for too long, with exit code 101", () =>
    Effect.gen(function* () {
      const marker = freshMarker()
      const script = `: ${marker}; echo begun; while :; do :; done`
      const late = yield* buildFailure(request(script), { timeout: 1 })
      assert(late._tag === "BuildTimedOut", late.message)
      assert.deepStrictEqual([late.kind, late.seconds, late.exitCode, ...late.lastLines], ["timeout", 1, 101, "begun"])
      const silent = yield* buildFailure(request(script), { maxSilent: 1 })
      assert(silent._tag === "BuildTimedOut", silent.message)
      assert.deepStrictEqual([silent.kind, silent.seconds], ["silence", 1])
      assert.deepStrictEqual(processesWith(marker), [])
      assert.deepStrictEqual(left(), [])
    }))

  test("that is interrupted leaves no process and no directory", () =>
    Effect.gen(function* () {
      const marker = freshMarker()
      let begun = () => {}
      const ready = new Promise<void>((resolve) => (begun = resolve))
      const script = `: ${marker}; (while :; do :; done) & echo begun; while :; do :; done`
      const fiber = yield* Effect.forkChild(build(request(script), { onLog: () => begun() }))
      yield* Effect.promise(() => ready)
      assert.isAbove(processesWith(marker).length, 0)
      const since = performance.now()
      yield* Fiber.interrupt(fiber)
      // Another machine hears of it a moment later.
      while (performance.now() - since < 3000 && (processesWith(marker).length > 0 || left().length > 0)) yield* Effect.sleep(20)
      assert.deepStrictEqual(processesWith(marker), [])
      assert.deepStrictEqual(left(), [])
    }))

  test("refuses what is for another system or breaks the rules of requests, before anything runs", () =>
    Effect.gen(function* () {
      let log = ""
      const refusal = (wrong: ReturnType<typeof request>) =>
        Effect.map(buildFailure(wrong, { onLog: (bytes) => (log += Buffer.from(bytes).toString()) }), (error) => {
          assert.strictEqual(error.exitCode, 1, error.message)
          return error._tag
        })
      const fine = request("echo ran; echo > $out")
      assert.strictEqual(yield* refusal(request("echo ran", { system: "m68k-linux" })), "UnsupportedSystem")
      for (const wrong of [
        { ...fine, commandArgs: [] },
        { ...fine, outputs: [outPath, outPath] },
        { ...fine, outputs: ["etc/x"] },
        { ...fine, outputs: ["nix/store/../../etc/x"] },
        { ...fine, workingDir: "/build" },
        { ...fine, additionalFiles: [{ path: "../x", contents: new Uint8Array() }] },
        { ...fine, environmentVars: [{ key: "a=b", value: "" }] },
        { ...fine, inputs: [{ name: "../x", node: { _tag: "Symlink", target: "y" } as const }] },
        { ...fine, refscanNeedles: ["short"] }
      ]) {
        assert.strictEqual(yield* refusal(wrong), "InvalidBuildRequest")
      }
      assert.strictEqual(log, "")
    }))
}
