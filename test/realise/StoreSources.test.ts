/**
 * Sources that lie in a store path: next to a file that was imported out of it. What Nix 2.34.8 makes of the same tree is written down.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Evaluator } from "../../src/realise/Evaluation.ts"
import * as EvaluatorHost from "../../src/realise/EvaluatorHost.ts"
import * as EvaluatorInThread from "../../src/realise/EvaluatorInThread.ts"
import { expression, job } from "../../src/realise/Jobs.ts"
import { PathInfoService } from "../../src/store/PathInfoService.ts"
import { world } from "./world.ts"

const code = `{
  one = ./part.txt;
  dir = ./sub;
  filtered = builtins.path { path = ./.; name = "only"; filter = p: t: baseNameOf p == "sub" || baseNameOf p == "keep"; };
  flat = builtins.path { path = ./part.txt; recursive = false; };
  links = builtins.filterSource (p: t: t != "symlink") ./sub;
  through = ./sub/up/part.txt;
}
`

// Made by `nix-instantiate --eval --strict --json` of Nix 2.34.8 over a store of its own.
const expected = {
  dir: "/nix/store/38z06n28dsca80nlvgl3836362339m1i-sub",
  filtered: "/nix/store/2xii3n424w8z08azf2w5f7f2bc3skgh0-only",
  flat: "/nix/store/vwbn4mpgfzi2hc0vs5rz0wyz2j1ra6yf-part.txt",
  links: "/nix/store/wj7xnlyxrvlgy59j43wwir8317lvwskj-sub",
  one: "/nix/store/vbifrx0w5qh396im3sybnq1ra0yzvmq9-part.txt",
  through: "/nix/store/vbifrx0w5qh396im3sybnq1ra0yzvmq9-part.txt"
}

const makeTree = (root: string): void => {
  fs.mkdirSync(path.join(root, "lib/sub"), { recursive: true })
  fs.writeFileSync(path.join(root, "lib/default.nix"), code)
  fs.writeFileSync(path.join(root, "lib/part.txt"), "part\n")
  fs.writeFileSync(path.join(root, "lib/sub/keep"), "k\n")
  fs.writeFileSync(path.join(root, "lib/sub/drop"), "d\n")
  fs.chmodSync(path.join(root, "lib/sub/drop"), 0o755)
  fs.symlinkSync("drop", path.join(root, "lib/sub/link"))
  fs.symlinkSync("..", path.join(root, "lib/sub/up"))
}

const print = (text: string, more: { readonly readOnly?: boolean } = {}) =>
  Effect.gen(function* () {
    const evaluator = yield* Evaluator
    const wanted = { kind: "print", strict: true, format: "json" } as const
    const result = yield* evaluator.run(job(expression(text, "/"), wanted, { system: "x86_64-linux", ...more }))
    return result._tag === "Values" ? result.texts.join("\n") : JSON.stringify(result.derivations)
  })

for (const [name, layer] of [
  ["in its own thread", EvaluatorHost.layer],
  ["in the caller's thread", EvaluatorInThread.layer]
] as const) {
  const inTree = <A, E>(use: (root: string) => Effect.Effect<A, E, Evaluator | PathInfoService>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "yix-store-source-"))),
      (root) => {
        makeTree(root)
        return use(root).pipe(Effect.provide(layer.pipe(Layer.provideMerge(world({}))), { local: true }))
      },
      (root) => Effect.sync(() => fs.rmSync(root, { recursive: true }))
    )

  const pathsOf = (root: string) => `builtins.mapAttrs (_: v: "\${v}") (import (builtins.path { path = ${root}/lib; name = "lib"; }))`
  const stored = Effect.flatMap(PathInfoService, (infos) => Stream.runCollect(Stream.map(infos.list(), (info) => info.path)))

  describe(`sources in the store, evaluated ${name}`, () => {
    it.live("get the paths that Nix gives them, whole, filtered and flat, and are in the store afterwards", () =>
      inTree((root) =>
        Effect.gen(function* () {
          const paths = JSON.parse(yield* print(pathsOf(root))) as Record<string, string>
          assert.deepStrictEqual(paths, expected)
          const there = yield* stored
          for (const each of Object.values(paths)) assert.include(there, each)
          const entries = `builtins.concatMap (p: builtins.attrNames (builtins.readDir p)) [ "${expected.filtered}" "${expected.links}" ]`
          assert.deepStrictEqual(JSON.parse(yield* print(entries)), ["sub", "drop", "keep"])
        })
      )
    )

    it.live("get the same paths where nothing may be written, and nothing is", () =>
      inTree((root) =>
        Effect.gen(function* () {
          yield* print(`"\${builtins.path { path = ${root}/lib; name = "lib"; }}"`)
          const before = yield* stored
          assert.strictEqual(before.length, 1)
          assert.deepStrictEqual(JSON.parse(yield* print(pathsOf(root), { readOnly: true })), expected)
          assert.deepStrictEqual(yield* stored, before)
        })
      )
    )

    it.live("are errors that name them where they are missing, under either kind of evaluation", () =>
      inTree((root) =>
        Effect.gen(function* () {
          const lib = JSON.parse(yield* print(`"\${builtins.path { path = ${root}/lib; name = "lib"; }}"`)) as string
          for (const readOnly of [false, true]) {
            const missing = yield* Effect.flip(print(`"\${${lib}/nowhere}"`, { readOnly }))
            assert.include(missing.rendered, `${lib}/nowhere`)
            const unknown = yield* Effect.flip(print(`"\${/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-x/y}"`, { readOnly }))
            assert.include(unknown.rendered, "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-x/y")
          }
        })
      )
    )
  })
}
