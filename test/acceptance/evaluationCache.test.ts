/**
 * Results of evaluations that are kept from run to run, on the command line: where nothing has changed, nothing is evaluated, and nobody can tell but by the time it takes.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { withShell } from "./Expressions.ts"
import { bundle, World } from "./World.ts"

const folderOf = (world: World): string => path.join(world.home, ".cache/yix/evaluation")

const recordsOf = (world: World): ReadonlyArray<string> => (fs.existsSync(folderOf(world)) ? fs.readdirSync(folderOf(world)) : [])

/** What the words print, and the files that were evaluated for it. */
const traced = async (world: World, words: ReadonlyArray<string>) => {
  const trace = path.join(world.directory, "trace.json")
  const printed = await world.ok([...words, "--trace-out", trace])
  const text = fs.readFileSync(trace, "utf8")
  fs.rmSync(trace)
  return { printed, files: text.split('"eval.file"').length - 1 }
}

describe("an evaluation of which nothing has changed", { timeout: 180_000 }, () => {
  it("evaluates no file, and prints the same", async () => {
    using world = new World()
    const file = world.write("f.nix", "{ a = import ./g.nix; b = builtins.readFile ./t; }")
    world.write("g.nix", "[ 1 2 ]")
    world.write("t", "text")
    const words = ["eval", "--strict", "-f", file]
    const first = await traced(world, words)
    assert.strictEqual(first.printed, `{ a = [ 1 2 ]; b = "text"; }`)
    assert.strictEqual(first.files, 2)
    assert.deepStrictEqual(await traced(world, words), { ...first, files: 0 })
    // At the quick door, too.
    assert.strictEqual(await world.ok(words), first.printed)
    assert.deepStrictEqual(await traced(world, [...words, "--no-eval-cache"]), first)
    const { stderr } = await world.yix([...words, "--log-format", "json"])
    assert.include(stderr, "the result of the evaluation is the one that was kept")
    world.write("g.nix", "[ 1 3 ]")
    assert.strictEqual(await world.ok(words), `{ a = [ 1 3 ]; b = "text"; }`)
    world.write("t", "other")
    assert.strictEqual(await world.ok(words), `{ a = [ 1 3 ]; b = "other"; }`)
    assert.strictEqual(recordsOf(world).length, 1)
  })

  it("keeps nothing with --no-eval-cache, of what failed, or where there is no home", async () => {
    using world = new World()
    await world.ok(["eval", "-E", "1", "--no-eval-cache"])
    await world.yix(["eval", "-E", "throw ''no''"])
    await world.ok(["eval", "-E", "builtins.currentTime > 0"])
    await world.ok(["eval", "-E", "1"], { env: { XDG_CACHE_HOME: "", HOME: "/homeless-shelter" } })
    assert.deepStrictEqual(recordsOf(world), [])
  })

  it("is another one in another directory, where a relative name may mean something else", async () => {
    using world = new World()
    const file = world.write("find.nix", `toString (builtins.findFile [ { prefix = "a"; path = "sub"; } ] "a")`)
    for (const name of ["one", "two"]) {
      const cwd = path.join(world.directory, name)
      fs.mkdirSync(path.join(cwd, "sub"), { recursive: true })
      assert.strictEqual(await world.ok(["eval", "-f", file], { cwd }), JSON.stringify(path.join(cwd, "sub")))
    }
  })

  it("keeps nothing that shows a source which could not be read", async () => {
    using world = new World()
    const pipe = path.join(path.dirname(world.write("tree/file", "text")), "pipe")
    execFileSync("mkfifo", [pipe])
    const words = ["compat", "nix", "eval", "--impure", "--read-only", "--expr", `{ a = "\${${path.dirname(pipe)}}"; }`]
    assert.include(await world.ok(words), "«error")
    assert.deepStrictEqual(recordsOf(world), [])
    fs.rmSync(pipe)
    assert.match(await world.ok(words), /^\{ a = "\/nix\/store\/\w+-tree"; \}$/)
  })

  it("gives builds and instantiations their derivations, of which an edit is still seen", async () => {
    using world = new World()
    world.write("t", "one")
    const text = withShell(world.mark, `{ a = shell "a" { } "read -r line < \${./t} || :; printf %s $line > $out"; }`)
    const file = world.write("default.nix", text)
    const words = ["build", "-f", file, "-A", "a", "-o", path.join(world.directory, "result")]
    const first = await traced(world, words)
    assert.isAbove(first.files, 0)
    fs.rmSync(path.join(world.directory, "result"))
    assert.deepStrictEqual(await traced(world, words), { ...first, files: 0 })
    assert.strictEqual(fs.readFileSync(path.join(world.directory, "result"), "utf8"), "one")
    const instantiate = ["instantiate", "-f", file, "-A", "a"]
    const drv = await world.ok(instantiate)
    assert.match(drv, /^\/nix\/store\/.*-a\.drv$/)
    assert.strictEqual(await world.ok(instantiate), drv)
    // Another store has neither the source nor the output.
    const other = ["--store", path.join(world.directory, "store")]
    assert.strictEqual(await world.ok([...words, ...other]), first.printed)
    fs.rmSync(path.join(world.directory, "store"), { recursive: true })
    assert.strictEqual(await world.ok([...words, ...other]), first.printed)
    assert.strictEqual(fs.readFileSync(path.join(world.directory, "result"), "utf8"), "one")
    world.write("t", "two")
    assert.notStrictEqual(await world.ok(words), first.printed)
    assert.strictEqual(fs.readFileSync(path.join(world.directory, "result"), "utf8"), "two")
  })

  it("puts sources into the store again that the store has lost", async () => {
    using world = new World()
    world.write("t", "one")
    const words = ["eval", "--raw", "-E", `"\${${path.join(world.directory, "work/t")}}"`]
    const source = await world.ok(words)
    assert.strictEqual(await world.ok(words), source)
    fs.rmSync(path.join(world.home, ".local"), { recursive: true })
    assert.strictEqual(await world.ok(words), source)
    assert.strictEqual(await world.ok(["store", "cat", source]), "one")
  })

  it("reads what derivations made again only where that is another", async () => {
    using world = new World()
    const words = ["eval", "--raw", "-E", withShell(world.mark, `builtins.readFile (shell "read" { } "printf made > $out")`)]
    assert.strictEqual(await world.ok(words), "made")
    const { stderr, stdout } = await world.yix([...words, "--log-format", "json"])
    assert.strictEqual(stdout, "made")
    assert.include(stderr, "the one that was kept")
    assert.notInclude(stderr, '"kind":"build"')
    fs.rmSync(path.join(world.home, ".local"), { recursive: true })
    assert.strictEqual(await world.ok(words), "made")
  })

  it("may be asked for by many at once", async () => {
    using world = new World()
    const file = world.write("f.nix", "builtins.foldl' (a: b: a + b) 0 (builtins.genList (i: i) 1000)")
    for (let round = 0; round < 2; round++) {
      const all = await Promise.all(Array.from({ length: 4 }, () => world.ok(["eval", "-f", file])))
      assert.deepStrictEqual([...new Set(all)], ["499500"])
    }
    assert.strictEqual(recordsOf(world).length, 1)
    assert.match(recordsOf(world)[0]!, /\.result$/)
  })

  it("is evaluated by another build of the program", () => {
    using world = new World()
    const copy = path.join(world.directory, "program")
    for (const part of ["bin", "dist", "package.json"]) fs.cpSync(path.join(bundle, part), path.join(copy, part), { recursive: true })
    const once = (): number => {
      const trace = path.join(world.directory, "trace.json")
      const file = world.write("f.nix", "1 + 1")
      const words = [path.join(copy, "bin/yix.js"), "eval", "-f", file, "--trace-out", trace]
      assert.strictEqual(execFileSync(process.execPath, words, { env: world.environment, encoding: "utf8" }), "2\n")
      return fs.readFileSync(trace, "utf8").split('"eval.file"').length - 1
    }
    assert.deepStrictEqual([once(), once()], [1, 0])
    fs.appendFileSync(path.join(copy, "dist/EvaluatorBoot.js"), "\n// changed\n")
    assert.deepStrictEqual([once(), once()], [1, 0])
  })
})
