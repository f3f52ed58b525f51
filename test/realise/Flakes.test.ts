/**
 * `fetchTree`, `fetchGit` and `getFlake` through evaluator, realiser and fetcher, over repositories made here. Expected values are those of Nix 2.34.8 for the same trees; where a
 * lock file is needed, it is as Nix writes it.
 */
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { layerTest as memoryBuilder } from "../../src/build/MemoryBuilder.ts"
import * as LocalFetcher from "../../src/fetch/LocalFetcher.ts"
import * as Transfer from "../../src/fetch/Transfer.ts"
import * as BuildLogs from "../../src/realise/BuildLogs.ts"
import { type EvaluationJob, Evaluator } from "../../src/realise/Evaluation.ts"
import * as EvaluatorInThread from "../../src/realise/EvaluatorInThread.ts"
import { expression, job } from "../../src/realise/Jobs.ts"
import * as Graph from "../../src/realise/Graph.ts"
import * as InputMemory from "../../src/realise/InputMemory.ts"
import { prepareNode } from "../../src/castore/crypto/Node.ts"
import * as LocalStore from "../../src/store/LocalStore.ts"
import { gitIn } from "../fetch/Repositories.ts"

await prepareNode()

const scratch = fs.mkdtempSync(path.join(tmpdir(), "yix-flakes-"))
const at = (...names: ReadonlyArray<string>): string => path.join(scratch, ...names)
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))

const git = gitIn(scratch)

const write = (directory: string, files: Readonly<Record<string, string>>): void => {
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(directory, file)), { recursive: true })
    fs.writeFileSync(path.join(directory, file), text)
  }
}

const commit = (directory: string): string => {
  git(directory, "add", "--all")
  git(directory, "commit", "--quiet", "--message=m")
  return git(directory, "rev-parse", "HEAD")
}

const world = Graph.layer.pipe(
  Layer.provide([
    memoryBuilder(() => Effect.die("nothing is built here")),
    LocalFetcher.layer({ repositories: at("mirrors") }).pipe(Layer.provide(Transfer.layerMemory(new Map()))),
    BuildLogs.layerMemory,
    InputMemory.layerDirectory(at("inputs"))
  ]),
  Layer.provideMerge(LocalStore.layerMemory)
)

const jobOf = (text: string, more: Partial<EvaluationJob> = {}): EvaluationJob =>
  job(expression(text, "/"), { kind: "print", strict: true, format: "nix" }, more)

const evaluator = EvaluatorInThread.layer.pipe(Layer.provideMerge(world))

const evaluate = (text: string, more: Partial<EvaluationJob> = {}) =>
  Effect.gen(function* () {
    const result = yield* (yield* Evaluator).run(jobOf(text, more))
    return result._tag === "Values" ? result.texts.join("\n") : ""
  }).pipe(Effect.provide(evaluator))

const refusal = (text: string, more: Partial<EvaluationJob> = {}) =>
  Effect.map(Effect.flip(evaluate(text, more)), (error) => error.rendered)

let leaf: string
let top: string
let revision: string

beforeAll(() => {
  leaf = at("leaf")
  top = at("top")
  write(leaf, {
    "flake.nix": `{ inputs.data = { url = "path:${at("data")}"; flake = false; }; outputs = { self, data }: { v = 1; r = self.rev or "none"; d = data.outPath; }; }`,
    "sub/flake.nix": `{ outputs = { self }: { inner = self.outPath; }; }`
  })
  write(at("data"), { f: "hi\n" })
  write(at("other"), { g: "x\n" })
  git(leaf, "init", "--quiet", "--initial-branch=main")
  revision = commit(leaf)
  write(top, {
    "flake.nix": `{
      inputs.leaf.url = "git+file://${leaf}";
      inputs.part.url = "path:./part";
      inputs.data.follows = "leaf/data";
      inputs.swapped = { url = "git+file://${leaf}"; inputs.data.follows = "other"; };
      inputs.other = { url = "path:${at("other")}"; flake = false; };
      outputs = { self, leaf, part, data, swapped, other }: {
        a = leaf.v; b = leaf.r; c = part.p; same = data.outPath == leaf.d; swap = swapped.d == other.outPath; mine = self.rev or "none";
      };
    }`,
    "part/flake.nix": `{ outputs = { self }: { p = 3; }; }`
  })
  git(top, "init", "--quiet", "--initial-branch=main")
  commit(top)
})

describe("fetching trees from an expression", () => {
  it.effect("tells path, hash and what is known of the commit", () =>
    Effect.gen(function* () {
      const text = yield* evaluate(`builtins.fetchGit { url = "${leaf}"; rev = "${revision}"; }`)
      assert.match(
        text,
        new RegExp(
          `^\\{ lastModified = 1577934245; lastModifiedDate = "20200102030405"; narHash = "sha256-.{44}"; outPath = "/nix/store/.{32}-source"; rev = "${revision}"; revCount = 1; shortRev = "${revision.slice(0, 7)}"; submodules = false; \\}$`
        )
      )
      const shallow = yield* evaluate(`builtins.fetchTree { type = "git"; url = "file://${leaf}"; }`)
      assert.notInclude(shallow, "revCount")
    })
  )

  it.effect("gives a work tree with changes a revision of zeros for fetchGit alone", () =>
    Effect.gen(function* () {
      const dirty = at("dirty")
      write(dirty, { f: "1\n" })
      git(dirty, "init", "--quiet")
      commit(dirty)
      write(dirty, { f: "2\n" })
      assert.match(
        yield* evaluate(`builtins.fetchGit "${dirty}"`),
        /dirtyRev = "[0-9a-f]{40}-dirty".* rev = "0{40}"; revCount = 0; shortRev = "0000000"/
      )
      assert.notMatch(yield* evaluate(`builtins.fetchTree { type = "git"; url = "${dirty}"; }`), / rev = | revCount /)
    })
  )

  it.effect("reads from what was fetched", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* evaluate(`builtins.readFile "\${builtins.fetchTree { type = "path"; path = "${at("data")}"; }}/f"`),
        `"hi\\n"`
      )
    })
  )

  it.effect("fetches nothing for a tree whose lock says all, until it is read", () =>
    Effect.gen(function* () {
      const locked = `builtins.fetchTree { type = "git"; url = "file:///absent"; rev = "${revision}"; revCount = 1; lastModified = 5; shallow = false; narHash = "sha256-${"A".repeat(43)}="; }`
      assert.match(yield* evaluate(`(${locked}).outPath`), /^"\/nix\/store\/.{32}-source"$/)
      assert.match(yield* refusal(`builtins.readDir (${locked})`), /there is no such directory/)
    })
  )

  it.effect("remembers a locked tree: its source may go away", () =>
    Effect.gen(function* () {
      const passing = at("passing")
      write(passing, { f: "1\n" })
      git(passing, "init", "--quiet")
      const rev = commit(passing)
      const text = `builtins.fetchGit { url = "${passing}"; rev = "${rev}"; }`
      yield* Effect.gen(function* () {
        const service = yield* Evaluator
        const locked = jobOf(text, { pure: true })
        const first = yield* service.run(locked)
        fs.rmSync(passing, { recursive: true })
        assert.deepStrictEqual(yield* service.run(locked), first)
      }).pipe(Effect.provide(evaluator))
    })
  )

  it.effect("refuses what it must", () =>
    Effect.gen(function* () {
      assert.match(yield* refusal(`builtins.fetchTree { }`), /argument 'type' is missing in call to 'fetchTree'/)
      assert.match(yield* refusal(`builtins.fetchTree "${leaf}"`), /doesn't have a scheme/)
      assert.match(yield* refusal(`builtins.fetchTree { type = "path"; path = [ ]; }`), /argument 'path' to 'fetchTree' is a list while/)
      assert.match(
        yield* refusal(`builtins.fetchGit { url = "${leaf}"; nope = 1; }`),
        /input attribute 'nope' not supported by scheme 'git'/
      )
      assert.match(
        yield* refusal(`builtins.fetchGit "${leaf}"`, { pure: true }),
        /in pure evaluation mode, 'fetchGit' doesn't fetch unlocked input 'git\+file:/
      )
      assert.match(
        yield* refusal(`builtins.fetchGit "${leaf}"`, { restrict: true }),
        /access to URI 'git\+file:.*' is forbidden in restricted mode/
      )
      const wrong = `builtins.readDir (builtins.fetchGit { url = "${leaf}"; rev = "${revision}"; narHash = "sha256-${"A".repeat(43)}="; })`
      assert.match(yield* refusal(wrong), /hash mismatch/)
    })
  )
})

describe("flakes", () => {
  const values = `{ inherit (builtins.getFlake "git+file://${at("top")}") a b c mine same swap; }`

  it.effect("take their inputs as declared, where no lock file has them, and have no revision then", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* evaluate(values), `{ a = 1; b = "${revision}"; c = 3; mine = "none"; same = true; swap = true; }`)
    })
  )

  it.effect("are made of what they put out, their inputs and their source", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* evaluate(`builtins.attrNames (builtins.getFlake "git+file://${leaf}?dir=sub")`),
        `[ "_type" "inner" "inputs" "lastModified" "lastModifiedDate" "narHash" "outPath" "outputs" "rev" "revCount" "shortRev" "sourceInfo" "submodules" ]`
      )
      assert.match(yield* evaluate(`(builtins.getFlake "git+file://${leaf}?dir=sub").inner`), /-source\/sub"$/)
    })
  )

  it.effect("keep to their lock file, though a branch has moved on", () =>
    Effect.gen(function* () {
      const { nar, other, data } = yield* Effect.all({
        nar: evaluate(`(builtins.fetchTree "git+file://${leaf}?rev=${revision}").narHash`),
        other: evaluate(`(builtins.fetchTree "path:${at("other")}")`),
        data: evaluate(`(builtins.fetchTree "path:${at("data")}")`)
      })
      const attribute = (text: string, name: string): string => new RegExp(`${name} = "?([^";]*)`).exec(text)![1]!
      const lockedPath = (text: string, where: string) => ({
        flake: false,
        locked: {
          lastModified: Number(attribute(text, "lastModified")),
          narHash: attribute(text, "narHash"),
          path: where,
          type: "path"
        },
        original: { path: where, type: "path" }
      })
      const lockedLeaf = (input: string | ReadonlyArray<string>) => ({
        inputs: { data: input },
        locked: {
          lastModified: 1577934245,
          narHash: JSON.parse(nar) as string,
          ref: "refs/heads/main",
          rev: revision,
          revCount: 1,
          type: "git",
          url: `file://${leaf}`
        },
        original: { type: "git", url: `file://${leaf}` }
      })
      const lock = {
        nodes: {
          data: lockedPath(data, at("data")),
          leaf: lockedLeaf("data"),
          other: lockedPath(other, at("other")),
          part: { locked: { path: "./part", type: "path" }, original: { path: "./part", type: "path" }, parent: [] },
          root: { inputs: { data: ["leaf", "data"], leaf: "leaf", other: "other", part: "part", swapped: "swapped" } },
          swapped: lockedLeaf(["other"])
        },
        root: "root",
        version: 7
      }
      write(top, { "flake.lock": JSON.stringify(lock) })
      const rev = commit(top)
      write(leaf, { "flake.nix": `{ outputs = { self }: { v = 2; r = "new"; d = "new"; }; }` })
      commit(leaf)
      const expected = `{ a = 1; b = "${revision}"; c = 3; mine = "${rev}"; same = true; swap = true; }`
      assert.strictEqual(yield* evaluate(values), expected)
      const pure = values.replace('/top"', `/top?rev=${rev}"`)
      assert.strictEqual(yield* evaluate(pure, { pure: true }), expected)
      write(top, { "flake.lock": JSON.stringify({ ...lock, version: 8 }) })
      assert.match(yield* refusal(values), /has unsupported version 8/)
    })
  )

  it.effect("are refused where they are none, and in pure mode where they are not locked", () =>
    Effect.gen(function* () {
      assert.match(yield* refusal(`builtins.getFlake "path:${at("data")}"`), /flake\.nix' does not exist/)
      assert.match(
        yield* refusal(`builtins.getFlake "git+file://${top}"`, { pure: true }),
        /cannot call 'getFlake' on unlocked flake reference/
      )
      write(at("bad"), { "flake.nix": "{ outputs = 1; }" })
      assert.match(yield* refusal(`builtins.getFlake "path:${at("bad")}"`), /attribute 'outputs' of flake .* must be a function/)
    })
  )
})
