import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import * as Directory from "../../src/castore/Directory.ts"
import { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import type { Builder } from "../../src/build/Builder.ts"
import type { StoreServices } from "../../src/store/LocalStore.ts"
import { build, buildFailure, devPath, makeWorld, outPath, plain, requestOf, type Settings } from "./world.ts"

const needles = ["a", "b", "c", "d", "f"].map((letter) => letter.repeat(32))

describe.each(["bubblewrap", "util-linux", "oci"] as const)("the local builder by %s", (driver) => {
  const world = makeWorld({ driver, slots: 2 })
  afterAll(world.end)

  const test = (name: string, body: () => Effect.Effect<void, unknown, never>, timeout = 60_000) => it.live(name, body, timeout)
  /** Builds, and gives the outputs as plain data. */
  const outputs = (script: string, settings?: Settings) =>
    Effect.flatMap(build(requestOf(script, settings)), (built) => Effect.forEach(built, ({ node }) => plain(node)))
  const provided = <A, E>(effect: Effect.Effect<A, E, Builder | StoreServices>) => Effect.provide(effect, world.layer)

  test("takes in what the builder made: files, directories, links, executables, odd names, what it made unreadable", () =>
    provided(
      Effect.gen(function* () {
        const [out] = yield* outputs(`
          mkdir -p $out/d/e $out/closed; echo hi > $out/d/f; echo run > $out/d/x; chmod 755 $out/d/x; ln -s ../gone $out/d/link
          echo odd > "$out/new
line"; echo bad > "$out/$(printf 'b\\377')"; ln $out/d/f $out/hard; echo s > $out/closed/s; chmod 000 $out/closed/s $out/closed; : > $out/empty; chmod 1755 $out/d/e; chmod 111 $out/empty`)
        assert.deepStrictEqual(out, {
          closed: { s: "s\n" },
          d: { e: {}, f: "hi\n", link: "-> ../gone", x: "*run\n" },
          empty: "*",
          hard: "hi\n",
          "new\nline": "odd\n",
          "b\xff": "bad\n"
        })
      })
    ))

  test("takes in outputs that are a file or a link, also one that leads nowhere, in the order asked for", () =>
    provided(
      Effect.gen(function* () {
        const result = yield* outputs("echo file > $out; ln -s /nowhere $dev", { outputs: [devPath, outPath] })
        assert.deepStrictEqual(result, ["-> /nowhere", "file\n"])
      })
    ))

  test("shows inputs of all kinds under their names", () =>
    provided(
      Effect.gen(function* () {
        const blobs = yield* BlobService
        const [digest] = yield* blobs.putMany([Buffer.from("contents\n")])
        const file = { _tag: "File", digest: digest!, size: 9, executable: false } as const
        const directory = { entries: [{ name: "inner", node: file }] }
        yield* (yield* DirectoryService).putMany([directory])
        const inputs = [
          { name: "a-dir", node: Directory.nodeOf(directory) },
          { name: "b-file", node: file },
          { name: "c-link", node: { _tag: "Symlink", target: "a-dir/inner" } as const }
        ]
        const [out] = yield* outputs(
          "cd /nix/store; { for i in *; do echo $i; done; while read l; do echo $l; done < a-dir/inner; while read l; do echo $l; done < b-file; while read l; do echo $l; done < c-link; } > $out",
          { inputs, tools: false }
        )
        assert.strictEqual(out, `${outPath.slice("nix/store/".length)}\na-dir\nb-file\nc-link\ncontents\ncontents\ncontents\n`)
      })
    ))

  test("finds references in contents, names and link targets, overlapping ones and those of the output itself", () =>
    provided(
      Effect.gen(function* () {
        const own = outPath.slice("nix/store/".length, "nix/store/".length + 32)
        const overlapping = `${"g".repeat(16)}${"h".repeat(16)}`
        const after = `${"h".repeat(16)}${"i".repeat(16)}`
        const all = [own, ...needles, overlapping, after]
        const [a, b, c, d] = needles
        const [built] = yield* build(
          requestOf(
            `mkdir $out; head -c 300000 /dev/zero > $out/big; printf %s ${a} >> $out/big; head -c 100000 /dev/zero >> $out/big; : > $out/${b}-name
             ln -s /nix/store/${c}-x $out/link; echo x${"g".repeat(16)}${"h".repeat(16)}${"i".repeat(16)} > $out/over; echo $out > $out/self; printf ${d!.slice(1)} > $out/cut`,
            { needles: all }
          )
        )
        assert.deepStrictEqual(
          built!.needles.map((index) => all[index]),
          [own, a!, b!, c!, overlapping, after]
        )
      })
    ))

  test("tells the NAR's hash and size of what it took in", () =>
    provided(
      Effect.gen(function* () {
        const [built] = yield* build(requestOf("printf x > $out"))
        assert.strictEqual(built!.nar?.narSize, 120)
        // nix-hash --type sha256 of a file with the contents "x"
        assert.strictEqual(Buffer.from(built!.nar!.narHash).toString("hex"), narOfX)
      })
    ))

  const refused = (what: string, script: string, kind: string, path: string) =>
    test(`refuses an output with ${what}, and names it`, () =>
      provided(
        Effect.gen(function* () {
          const error = yield* buildFailure(requestOf(script))
          assert.strictEqual(error._tag, "OutputRejected")
          assert.strictEqual((error as { kind?: string }).kind, kind)
          assert.strictEqual((error as { path?: string }).path, `/${outPath}${path}`)
          assert.strictEqual(error.exitCode, 100)
        })
      ))
  // Not by chmod, which a filter of system calls may refuse.
  const make = (mode: string) => `mkdir $out; perl -MFcntl -e 'sysopen(F, "$ENV{out}/f", O_CREAT | O_WRONLY, ${mode}) or die'`
  refused("a setuid file", make("04755"), "setuid", "/f")
  refused("a setgid file", make("02755"), "setgid", "/f")
  refused("a named pipe", "mkdir $out; mkfifo $out/pipe", "fifo", "/pipe")
  refused("permissions for everybody", "mkdir $out; chmod 777 $out", "world-writable", "")
  refused(
    "directories too deep for a NAR",
    "mkdir $out; cd $out; i=0; while [ $i -lt 63 ]; do mkdir d; cd d; i=$((i+1)); done; echo > f",
    "too-deep",
    `${"/d".repeat(63)}/f`
  )

  test("takes in a tree that is just as deep as a NAR may be", () =>
    provided(Effect.asVoid(outputs("mkdir $out; cd $out; i=0; while [ $i -lt 62 ]; do mkdir d; cd d; i=$((i+1)); done; echo > f"))))

  test("says which output is missing, with the end of the log", () =>
    provided(
      Effect.gen(function* () {
        const error = yield* buildFailure(requestOf("echo only out; echo > $out", { outputs: [outPath, devPath] }))
        assert.strictEqual(error._tag, "OutputMissing")
        assert.include(error.message, `/${devPath}`)
        assert.include(error.message, "only out")
      })
    ))

  test("runs at most as many builds at a time as it has slots", () =>
    provided(
      Effect.gen(function* () {
        let running = 0
        let most = 0
        const one = (index: number) =>
          build(requestOf("echo begin; sleep 0.4; echo end; echo > $out", { environment: { index: String(index) } }), {
            onLog: (bytes) => {
              const text = Buffer.from(bytes).toString()
              if (text.includes("begin")) most = Math.max(most, ++running)
              if (text.includes("end")) running--
            }
          })
        yield* Effect.forEach([1, 2, 3, 4, 5], one, { concurrency: "unbounded" })
        assert.strictEqual(most, 2)
      })
    ))

  test("refuses other systems and requests that break the rules, before anything runs", () =>
    provided(
      Effect.gen(function* () {
        const other = yield* buildFailure(requestOf(":", { system: "m68k-linux" }))
        assert.strictEqual(other._tag, "UnsupportedSystem")
        const twice = yield* buildFailure(requestOf(":", { outputs: [outPath, outPath] }))
        assert.strictEqual(twice._tag, "InvalidBuildRequest")
        const outside = yield* buildFailure(requestOf(":", { outputs: ["etc/x"] }))
        assert.strictEqual(outside._tag, "InvalidBuildRequest")
        const needle = yield* buildFailure(requestOf(":", { needles: ["short"] }))
        assert.strictEqual(needle._tag, "InvalidBuildRequest")
      })
    ))

  test("ends a build that is interrupted, and gives its slot to the next", () =>
    provided(
      Effect.gen(function* () {
        for (let i = 0; i < 3; i++) {
          let begun = () => {}
          const ready = new Promise<void>((resolve) => (begun = resolve))
          const fiber = yield* Effect.forkChild(build(requestOf("echo begin; sleep 1000"), { onLog: () => begun() }))
          yield* Effect.promise(() => ready)
          const start = performance.now()
          yield* Fiber.interrupt(fiber)
          assert.isBelow(performance.now() - start, 2_000)
        }
        assert.deepStrictEqual(yield* outputs("echo ok > $out"), ["ok\n"])
      })
    ))

  test("takes nothing from a build that failed, although it made its output", () =>
    provided(
      Effect.gen(function* () {
        const error = yield* buildFailure(requestOf("echo > $out; exit 3"))
        assert.strictEqual(error._tag, "BuilderFailed")
      })
    ))
})

/** SHA-256 of the NAR of a file with the contents "x", by nix-hash. */
const narOfX = "2ca0b8ce996f865db37619bfe91023559305aad8158042fc6ddb0ef1d43c5b67"
