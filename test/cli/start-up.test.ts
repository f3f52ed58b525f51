/**
 * What a start loads, and what a run leaves for the next one. Each file of the bundle costs a millisecond or two, so those that are needed together stand together
 * (`rolldown.config.js`).
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"

const project = path.join(import.meta.dirname, "../..")
const program = path.join(project, "bin/yix.js")
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-start-up-"))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))

const yix = (args: ReadonlyArray<string>, environment: Record<string, string> = {}) => {
  const home = path.join(scratch, "home")
  fs.mkdirSync(home, { recursive: true })
  const run = spawnSync(process.execPath, [program, ...args], {
    cwd: scratch,
    encoding: "utf8",
    env: { PATH: process.env["PATH"], HOME: home, ...environment },
    timeout: 60_000
  })
  assert.strictEqual(run.status, 0, run.stderr)
  return run
}

/** The files of the bundle that each thread loads. */
const loaded = (...args: ReadonlyArray<string>) => {
  const { stderr } = yix(args, { NODE_OPTIONS: `--import ${path.join(import.meta.dirname, "LoadedFiles.ts")}` })
  const of = (thread: string): ReadonlyArray<string> =>
    stderr.split("\n").flatMap((line) => (line.startsWith(`${thread} `) ? [line.slice(thread.length + 1)] : []))
  return { main: of("main"), thread: of("thread") }
}

describe("a start", () => {
  it("loads one file for the version, and neither Effect nor the evaluator", () => {
    assert.sameMembers([...loaded("--version").main], ["yix.js"])
  })

  it("loads no more for an evaluation but the evaluator, and begins no thread", () => {
    const { main, thread } = loaded("eval", "--no-eval-cache", "-E", "1")
    assert.sameMembers([...main], ["yix.js"])
    assert.deepStrictEqual(thread, [])
  })

  it("begins a thread for an evaluation that turns out to need more, or is likely to", () => {
    const far = `builtins.pathExists "/nix/store/0c5n3a8xsvdzh2xcpz1zk1n3k4zqh9n6-nothing"`
    const asks = path.join(scratch, "asks.nix")
    fs.writeFileSync(asks, far)
    for (const words of [
      ["eval", "--read-only", "-E", far],
      ["eval", "-f", asks]
    ]) {
      assert.sameMembers([...loaded(...words, "--no-eval-cache").thread], ["EvaluatorBoot.js"])
    }
  })

  it("loads no more, and begins no thread, for an evaluation of which nothing has changed", () => {
    const file = path.join(scratch, "kept.nix")
    fs.writeFileSync(file, "[ 1 2 ]")
    yix(["eval", "-f", file])
    const { main, thread } = loaded("eval", "-f", file)
    assert.sameMembers([...main], ["yix.js"])
    assert.deepStrictEqual(thread, [])
  })

  it("loads a few files more for a build that is done already", () => {
    const file = path.join(scratch, "built.nix")
    fs.writeFileSync(
      file,
      `derivation { name = "x"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }`
    )
    yix(["build", "--no-out-link", "-f", file])
    const { main } = loaded("build", "--no-out-link", "-f", file)
    assert.isBelow(main.length, 28, main.join(" "))
    assert.notInclude(main, "evaluator")
    assert.notInclude(main, "LocalBuilder")
  })
})

describe("the cache of syntax trees on the command line", () => {
  const file = path.join(scratch, "evaluated.nix")
  fs.writeFileSync(
    file,
    `${"# A file that is long enough to be worth keeping.\n".repeat(500)}let numbers = [ 1 2 3 ]; in builtins.length numbers\n`
  )
  const caches = path.join(scratch, "caches")

  it("is written before the program ends, and gives the same", () => {
    const first = yix(["eval", "-f", file], { XDG_CACHE_HOME: caches })
    assert.strictEqual(first.stdout, "3\n")
    const packs = fs.readdirSync(path.join(caches, "yix/syntax"))
    assert.strictEqual(packs.length, 1)
    assert.match(packs[0]!, /\.pack$/)
    assert.strictEqual(yix(["eval", "-f", file], { XDG_CACHE_HOME: caches }).stdout, "3\n")
    assert.deepStrictEqual(fs.readdirSync(path.join(caches, "yix/syntax")), packs, "nothing new, nothing written")
  })

  it("is not asked for small programs, for which it would take longer than parsing", () => {
    const small = path.join(scratch, "small.nix")
    fs.writeFileSync(small, `# A file that is parsed at once, however often it is evaluated, for all its words.\n3\n`)
    const none = path.join(scratch, "small")
    assert.strictEqual(yix(["eval", "-f", small], { XDG_CACHE_HOME: none }).stdout, "3\n")
    assert.isFalse(fs.existsSync(path.join(none, "yix/syntax")))
  })

  it("is not there with --no-syntax-cache, and without a home", () => {
    const other = path.join(scratch, "none")
    assert.strictEqual(yix(["eval", "--no-syntax-cache", "-f", file], { XDG_CACHE_HOME: other }).stdout, "3\n")
    assert.isFalse(fs.existsSync(path.join(other, "yix/syntax")))
    const homeless = path.join(scratch, "homeless")
    assert.strictEqual(yix(["eval", "-f", file, "--store", path.join(scratch, "store")], { HOME: homeless }).stdout, "3\n")
    assert.isFalse(fs.existsSync(homeless))
  })
})
