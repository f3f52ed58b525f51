/**
 * Flakes and lock files that somebody made to do harm, or by mistake: each ends in a plain error, and none reads what lies outside the trees that it names.
 */
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { layerTest as memoryBuilder } from "../../src/build/MemoryBuilder.ts"
import { prepareNode } from "../../src/castore/crypto/Node.ts"
import * as LocalFetcher from "../../src/fetch/LocalFetcher.ts"
import * as Transfer from "../../src/fetch/Transfer.ts"
import * as BuildLogs from "../../src/realise/BuildLogs.ts"
import { Evaluator } from "../../src/realise/Evaluation.ts"
import * as EvaluatorInThread from "../../src/realise/EvaluatorInThread.ts"
import * as Graph from "../../src/realise/Graph.ts"
import * as InputMemory from "../../src/realise/InputMemory.ts"
import { expression, job } from "../../src/realise/Jobs.ts"
import * as LocalStore from "../../src/store/LocalStore.ts"

await prepareNode()

const scratch = fs.mkdtempSync(path.join(tmpdir(), "yix-locks-"))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))

const world = Graph.layer.pipe(
  Layer.provide([
    memoryBuilder(() => Effect.die("nothing is built here")),
    LocalFetcher.layer({ repositories: path.join(scratch, "mirrors") }).pipe(Layer.provide(Transfer.layerMemory(new Map()))),
    BuildLogs.layerMemory,
    InputMemory.layerDirectory(path.join(scratch, "inputs"))
  ]),
  Layer.provideMerge(LocalStore.layerMemory)
)
const evaluator = EvaluatorInThread.layer.pipe(Layer.provideMerge(world))

let made = 0

/** A flake in a directory of its own. */
const flake = (source: string, lock?: unknown): string => {
  const directory = path.join(scratch, `flake${made++}`)
  fs.mkdirSync(directory)
  fs.writeFileSync(path.join(directory, "flake.nix"), source.replaceAll("HERE", directory))
  if (lock !== undefined) fs.writeFileSync(path.join(directory, "flake.lock"), typeof lock === "string" ? lock : JSON.stringify(lock))
  return directory
}

const inner = flake("{ outputs = _: { x = 1; }; }")
const taking = `{ inputs.a.url = "path:${inner}"; outputs = { self, a }: { v = a.x; }; }`
const at = { type: "path", path: inner }
const locked = (nodes: unknown, more: object = {}) => ({ version: 7, root: "root", nodes, ...more })

/** What `v` of the flake is, or the error. */
const valueOf = (directory: string, suffix = "") =>
  Effect.gen(function* () {
    const text = `(builtins.getFlake "path:${directory}${suffix}").v`
    const result = yield* (yield* Evaluator).run(job(expression(text, "/"), { kind: "print", strict: true, format: "nix" }, {}))
    return result._tag === "Values" ? result.texts.join("\n") : ""
  }).pipe(
    Effect.catch((error) => Effect.succeed(error.rendered)),
    Effect.provide(evaluator)
  )

describe("lock files", () => {
  const cases: ReadonlyArray<readonly [what: string, lock: unknown, expected: RegExp]> = [
    ["a node that is not there", locked({ root: { inputs: { a: "gone" } } }), /error: attribute 'gone' missing/],
    ["a path of inputs in the place of a node", locked({ root: { inputs: { a: ["a"] } } }), /^1$/],
    ["a node without a reference", locked({ root: { inputs: { a: "a" } }, a: { original: at } }), /error: attribute 'locked' missing/],
    [
      "a node that is an input of itself",
      locked({ root: { inputs: { a: "a" } }, a: { original: at, locked: at, inputs: { z: "a" } } }),
      /^1$/
    ],
    [
      "inputs that follow each other",
      locked({ root: { inputs: { a: "a" } }, a: { original: at, locked: at, inputs: { z: ["a", "z"] } } }),
      /^1$/
    ],
    [
      "a node that is its own parent",
      locked({ root: { inputs: { a: "a" } }, a: { original: at, locked: { type: "path", path: "x" }, parent: ["a"] } }),
      /error: infinite recursion encountered/
    ],
    [
      "a path that leads out of the tree",
      locked({ root: { inputs: { a: "a" } }, a: { original: at, locked: { type: "path", path: "../../../../etc" }, parent: [] } }),
      /error: input path '\.\.\/\.\.\/\.\.\/\.\.\/etc' leads out of the tree of its flake/
    ],
    [
      "a directory that lies outside of the tree",
      locked({ root: { inputs: { a: "a" } }, a: { original: at, locked: { ...at, dir: "x/../../../etc" } } }),
      /error: input path 'x\/\.\.\/\.\.\/\.\.\/etc' leads out of the tree of its flake/
    ],
    ["a version of another kind", locked({}, { version: "x" }), /error: cannot compare a string with an integer/],
    ["a version to come", locked({}, { version: 8 }), /error: lock file '.*' has unsupported version 8/],
    ["a list", [], /error: expected a set but found a list/],
    ["no JSON", "no", /error: \[json.exception.parse_error.101\]/],
    ["nesting without end", "[".repeat(100_000), /error: \[json.exception.parse_error.101\]/]
  ]
  for (const [what, lock, expected] of cases) {
    it.effect(`with ${what}: a value or a plain error`, () =>
      Effect.gen(function* () {
        const said = yield* valueOf(flake(taking, lock))
        assert.match(said, expected)
        assert.notMatch(said, /\.[jt]s:\d|defect/)
      })
    )
  }
})

describe("flakes", () => {
  const cases: ReadonlyArray<readonly [what: string, source: string, expected: RegExp]> = [
    [
      "an input that is the flake itself",
      `{ inputs.a.url = "path:HERE"; outputs = { self, a }: { v = a.v; }; }`,
      /error: found circular import of flake '\/nix\/store\/\S+' by the input 'a'/
    ],
    [
      "inputs that follow each other",
      `{ inputs.b.follows = "c"; inputs.c.follows = "b"; outputs = { self, b, c }: { v = b.x; }; }`,
      /error: infinite recursion encountered/
    ],
    [
      "an input that follows what is no input",
      `{ inputs.a.follows = "x/y"; outputs = { self, a }: { v = a.x; }; }`,
      /error: an input follows 'x', which is no input/
    ],
    [
      "a relative input outside of the tree",
      `{ inputs.a.url = "./../../../etc"; outputs = { self, a }: { v = a; }; }`,
      /error: input path '\.\/\.\.\/\.\.\/\.\.\/etc' leads out of the tree of its flake/
    ],
    ["inputs that are no set", `{ inputs = 1; outputs = { self, a }: { v = a; }; }`, /error: expected a set but found an integer: 1/]
  ]
  for (const [what, source, expected] of cases) {
    it.effect(`with ${what} are refused`, () =>
      Effect.gen(function* () {
        assert.match(yield* valueOf(flake(source)), expected)
      })
    )
  }

  it.effect("whose locked inputs follow each other for ever are refused when one is used", () =>
    Effect.gen(function* () {
      const needy = flake("{ outputs = { self, z }: { x = z.y; }; }")
      const reference = { type: "path", path: needy }
      const lock = locked({ root: { inputs: { a: "a" } }, a: { original: reference, locked: reference, inputs: { z: ["a", "z"] } } })
      const said = yield* valueOf(flake(`{ inputs.a.url = "path:${needy}"; outputs = { self, a }: { v = a.x; }; }`, lock))
      // Of three ends the first that comes: the evaluator of this test has the stack of the test.
      assert.match(
        said,
        /^(?:error: )?stack overflow \(possible infinite recursion\)|error: (?:infinite recursion|stack overflow; max-call-depth)/
      )
    })
  )

  it.effect("in a directory outside of their tree are refused", () =>
    Effect.gen(function* () {
      assert.match(yield* valueOf(inner, "?dir=../../etc"), /error: input path '\.\.\/\.\.\/etc' leads out of the tree of its flake/)
    })
  )
})
