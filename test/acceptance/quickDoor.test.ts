/**
 * The quick door of `yix eval` as its users see it: nobody can tell it from the way through the whole program (which `--otlp=false` always takes), but by its speed.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { withShell } from "./Expressions.ts"
import { bundle, programOnPath, type RunOptions, World } from "./World.ts"

/** Flags that have the whole program loaded for it. */
const wholeWay = "--otlp=false"

const derivation = (world: World, name: string, script: string) => `(${withShell(world.mark, `shell "${name}" { } "${script}"`)})`

/** Runs the words both ways; what they both give. */
const bothWays = async (world: World, words: ReadonlyArray<string>, options: RunOptions = {}) => {
  const quick = await world.yix(words, options)
  const whole = await world.yix(words[0] === "compat" ? [wholeWay, ...words] : [...words, wholeWay], options)
  const told = ({ code, signal, stdout, stderr }: typeof quick) => ({
    words,
    code,
    signal,
    stdout,
    // As quick as it was.
    stderr: stderr.replaceAll(/\b\d+\.\d s\b/g, "0.0 s").replaceAll(/^still evaluating .*\n/gm, "")
  })
  assert.deepStrictEqual(told(quick), told(whole))
  return quick
}

describe("the quick door of yix eval", { timeout: 120_000 }, () => {
  it("prints what the whole program prints: values, traces, warnings, errors, and the same status", async () => {
    using world = new World()
    const file = world.write("f.nix", `{ a ? 1, b ? "x" }: { n.m = a; s = b; l = [ a b ]; bad = throw "no"; f = x: x; }\n`)
    world.write("broken.nix", "{ a = 1; b = ]; }\n")
    const runs = [
      ["-E", '{ a = [ 1 "é" ]; }'],
      ["--strict", "-E", '{ a = [ 1 "é" ]; }'],
      ["--json", "-E", '{ a = [ 1 "é" null ]; }'],
      ["--raw", "-E", '"no line end é"'],
      ["--xml", "--no-location", "-E", "{ a = 1; f = x: x; }"],
      ["-f", file, "--arg", "a", "40 + 2", "--argstr", "b", "y", "-A", "n.m", "-A", "s", "-A", "l"],
      [file, "-A", "bad"],
      [file, "-A", "bad", "--show-trace", "--color", "always"],
      [file, "-A", "n.q"],
      ["-f", path.join(path.dirname(file), "broken.nix")],
      ["-f", "/nowhere/at-all.nix"],
      ["--error-format", "json", "-E", "abort ''x''"],
      ["-E", 'builtins.trace "one" (builtins.trace { two = 2; } (builtins.warn "three\\tä" 3))'],
      ["--quiet", "-E", 'builtins.trace "one" (throw "two")'],
      ["--color", "always", "-E", 'builtins.trace "\\\\e[31mred\\\\e[0m\\\\e[2J" (builtins.addErrorContext "here" (throw "two"))'],
      ["-E", "let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 9000"],
      ["-E", "let f = n: 1 + f n; in f 1"],
      ["--read-only", "-E", "(derivation { name = ''x''; system = ''y''; builder = ''z''; }).drvPath"],
      ["--pure-eval", "-E", "builtins.currentTime"],
      ["-I", `here=${path.dirname(file)}`, "-E", "(import <here/f.nix> { }).s"],
      ["-E", 'builtins.getEnv "HOME"'],
      ["--feature", "nope", "-E", "1"],
      ["--max-call-depth", "0", "-E", "1"],
      ["--json", "--raw", "-E", "1"],
      []
    ]
    const lane = async (odd: number): Promise<void> => {
      for (const [i, words] of runs.entries()) if (i % 2 === odd) await bothWays(world, ["eval", "--no-eval-cache", ...words])
    }
    await Promise.all([lane(0), lane(1)])
    // What has to be so whatever the whole program says.
    assert.strictEqual((await bothWays(world, ["eval", "-E", "1"])).stdout, "1\n")
    assert.strictEqual((await bothWays(world, ["eval", "-E", 'throw "x"'])).code, 1)
  })

  it("hands over to the whole program what asks for something far; nothing is printed twice", async () => {
    using world = new World()
    const imported = `import ${derivation(world, "generated.nix", "echo 41 > $out")}`
    const run = await world.yix(["eval", "-vv", "-E", `builtins.trace "before" (1 + builtins.trace "importing" (${imported}))`])
    assert.strictEqual(run.code, 0, run.stderr)
    assert.strictEqual(run.stdout, "42\n")
    assert.strictEqual(run.stderr.match(/^trace: before$/gm)?.length, 1, run.stderr)
    assert.notMatch(run.stderr, /evaluated again/)
    assert.strictEqual(run.stderr.match(/^trace: importing$/gm)?.length, 1, run.stderr)
    const fresh = await world.yix(["eval", "-E", `builtins.trace "before" (import ${derivation(world, "other.nix", "echo 1 > $out")})`])
    assert.strictEqual(fresh.stdout, "1\n")
    assert.match(fresh.stderr, /^trace: before\nbuilding other\.nix\n/)
    assert.strictEqual(fresh.stderr.match(/^trace: before$/gm)?.length, 1, fresh.stderr)
    const failed = await bothWays(world, ["eval", "-E", `import ${derivation(world, "failing", "exit 3")}`])
    assert.strictEqual(failed.code, 100)
    const refused = await bothWays(world, ["eval", "--no-import-from-derivation", "-E", imported])
    assert.strictEqual(refused.code, 1)
    assert.strictEqual((await bothWays(world, ["eval", "--read-only", "-E", imported])).stdout, "41\n")
  })

  it("begins anew, and prints nothing twice, where one that stays in the main thread turns out to need more", async () => {
    using world = new World()
    const nothing = `"/nix/store/0c5n3a8xsvdzh2xcpz1zk1n3k4zqh9n6-nothing"`
    const deep = "let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 60000"
    for (const [more, value] of [
      [`builtins.pathExists ${nothing}`, "false"],
      // More than the main thread's stack holds.
      [deep, "60000"]
    ] as const) {
      const text = `builtins.trace "before" (builtins.trace "then" (${more}))`
      const run = await bothWays(world, ["eval", "--read-only", "--max-call-depth", "100000", "--show-trace", "-E", text])
      assert.strictEqual(run.stdout, `${value}\n`)
      assert.strictEqual(run.stderr, "trace: before\ntrace: then\n")
    }
    const endless = "let f = n: f (n + 1) + 1; in f 0"
    const full = await bothWays(world, ["eval", "--max-call-depth", "900000000", "-E", endless])
    assert.match(full.stderr, /stack overflow/)
    // The source, too, is read by functions that call themselves.
    const nested = world.write("nested.nix", `${"[".repeat(50_000)}${"]".repeat(50_000)}`)
    await bothWays(world, ["eval", "--read-only", "-E", `builtins.length (import ${nested})`])
    const greedy = "builtins.foldl' (all: i: all ++ [ (builtins.genList (x: x * x) 1000) ]) [ ] (builtins.genList (x: x) 10000)"
    const little = await world.yix(["eval", "-E", `builtins.deepSeq (${greedy}) 1`], { env: { NODE_OPTIONS: "--max-old-space-size=64" } })
    assert.strictEqual(little.code, 1)
    assert.match(little.stderr, /^error: .*out of memory/m)
  })

  it("stands in for nix-instantiate --eval, too", async () => {
    using world = new World()
    world.write("default.nix", "{ a ? 1 }: { b = [ a { } ]; bad = throw ''no''; }")
    const cwd = path.join(world.directory, "work")
    for (const words of [
      ["-A", "b", "--arg", "a", "2"],
      ["--strict", "--json", "-A", "b"],
      ["--json", "-A", "b"],
      ["-A", "bad", "--show-trace"],
      ["-E", "1", "2"],
      ["--nope", "-E", "1"]
    ])
      await bothWays(world, ["compat", "nix-instantiate", "--eval", ...words], { cwd })
    const importing = `builtins.trace "once" (import ${derivation(world, "nix.nix", "echo 7 > $out")})`
    const refused = await bothWays(world, [
      "compat",
      "nix-instantiate",
      "--eval",
      "-E",
      `import ${derivation(world, "nix.nix", "echo 7 > $out")}`
    ])
    assert.match(refused.stderr, /a read-only evaluation builds nothing/)
    const run = await world.yix(["compat", "nix-instantiate", "--eval", "--read-write-mode", "-E", importing])
    assert.strictEqual(run.stdout, "7\n")
    assert.match(run.stderr, /^trace: once\nbuilding nix\.nix\n[^]*$/)
    assert.strictEqual(run.stderr.match(/^trace: once$/gm)?.length, 1, run.stderr)
  })

  it("begins with the evaluation of a build while the program loads, and prints its traces once", async () => {
    using world = new World()
    const text = `builtins.trace "seen" ${derivation(world, "built", "echo 1 > $out")}`
    const [built, instantiated] = await Promise.all([
      world.yix(["build", "-vv", "--no-out-link", "-E", text]),
      world.yix(["instantiate", "-vv", "-E", text])
    ])
    for (const run of [built, instantiated]) {
      assert.strictEqual(run.code, 0, run.stderr)
      assert.strictEqual(run.stderr.match(/^trace: seen$/gm)?.length, 1, run.stderr)
      assert.notMatch(run.stderr, /evaluated again/)
    }
    await bothWays(world, ["instantiate", "-E", 'throw "no"'])
    await bothWays(world, ["build", "-E", "1 +"])
    await bothWays(world, ["build", "--max-jobs", "0", "-E", text])
  })

  it("ends with the statuses of signals, at once and with nothing left behind", async () => {
    using world = new World()
    const endless = [
      "eval",
      "-E",
      `let fib = n: if n < 2 then n else fib (n - 1) + fib (n - 2); in builtins.trace "${world.mark}" (fib 90)`
    ]
    // A thread that evaluates can be interrupted, and nothing else; of the others it dies, which shells tell by the same numbers.
    for (const [signal, how] of [
      ["SIGINT", 130],
      ["SIGTERM", "SIGTERM"],
      ["SIGHUP", "SIGHUP"],
      ["SIGKILL", "SIGKILL"]
    ] as const) {
      const { child, run } = world.start(endless)
      await new Promise((resolve) => child.stderr!.once("data", resolve))
      const begin = performance.now()
      child.kill(signal)
      const ended = await run
      assert.strictEqual(ended.code ?? ended.signal, how, ended.stderr)
      assert.isBelow(performance.now() - begin, 5000)
      assert.strictEqual(ended.stdout, "")
      assert.deepStrictEqual(await world.leftovers(2000), [], signal)
    }
  })

  it("ends quietly where nobody reads its output, and tells where it cannot be written", async () => {
    using world = new World()
    const yix = `${process.execPath} ${bundle}/bin/yix.js`
    const sh = (script: string) =>
      new Promise<string>((resolve) => {
        const child = spawn("/bin/sh", ["-c", script], { cwd: world.directory, env: world.environment, stdio: ["ignore", "pipe", "pipe"] })
        let text = ""
        for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes: Buffer) => (text += bytes.toString()))
        child.on("close", () => resolve(text))
      })
    const long = "builtins.concatStringsSep '' '' (builtins.genList toString 200000)"
    assert.strictEqual(await sh(`(${yix} eval --raw -E "${long}"; echo $? > status) | head -c 3; cat status`), "012141\n")
    if (fs.existsSync("/dev/full")) {
      const told = await sh(`${yix} eval -E 1 > /dev/full; echo $?`)
      assert.strictEqual(told, await sh(`${yix} eval ${wholeWay} -E 1 > /dev/full; echo $?`))
      assert.match(told, /ENOSPC[^]*\n1\n$/)
      // With a result that was kept, too.
      for (const words of ["--version", "--help"]) {
        assert.strictEqual(await sh(`${yix} ${words} > /dev/full; echo $?`), "error: ENOSPC: no space left on device, write\n1\n")
      }
      assert.strictEqual(await sh(`${yix} eval -E 1; ${yix} eval -E 1 > /dev/full; echo $?`), `1\n${told}`)
    }
    assert.strictEqual(await sh(`${yix} eval -E 'builtins.trace "x" 1' 2>&-`), "1\n")
    assert.strictEqual(
      await sh(`mkdir gone; cd gone; rmdir ../gone; ${yix} eval -E 1; echo $?`),
      await sh(`mkdir gone; cd gone; rmdir ../gone; ${yix} eval ${wholeWay} -E 1; echo $?`)
    )
  })

  it("reads files that have changed since its last run, and keeps syntax trees for the next", async () => {
    using world = new World()
    const file = world.write("changing.nix", `# ${"long enough to be kept ".repeat(1000)}\n1\n`)
    assert.strictEqual(await world.ok(["eval", "-f", file]), "1")
    assert.isNotEmpty(fs.readdirSync(path.join(world.home, ".cache/yix/syntax")))
    world.write("changing.nix", `# ${"long enough to be kept ".repeat(1000)}\n2\n`)
    assert.strictEqual(await world.ok(["eval", "-f", file]), "2")
  })
})

describe.skipIf(programOnPath("script") === undefined)("the quick door on a terminal", { timeout: 60_000 }, () => {
  const onTerminal = (world: World, words: string) =>
    new Promise<string>((resolve, reject) => {
      const command = `exec ${process.execPath} ${bundle}/bin/yix.js ${words}`
      const env = { ...world.environment, LANG: "C.UTF-8", TERM: "xterm", SHELL: "/bin/sh" }
      const child = spawn("script", ["-qefc", command, "/dev/null"], { cwd: world.directory, env, stdio: ["ignore", "pipe", "pipe"] })
      let written = ""
      child.stdout.on("data", (bytes: Buffer) => (written += bytes.toString()))
      const timer = setTimeout(() => child.kill("SIGKILL"), 30_000)
      child.on("error", reject)
      child.on("close", () => {
        clearTimeout(timer)
        resolve(written)
      })
    })

  it("writes lines as they come, and shows what is under way where it takes longer than a moment", async () => {
    using world = new World()
    const quick = await onTerminal(world, `eval --color never -E 'builtins.trace "x" 1'`)
    assert.match(quick.replaceAll(/\x1b\[[?0-9;]*[A-Za-z]/g, ""), /trace: x\r\n[^]*1\r\n$/)
    assert.match(await onTerminal(world, `eval -E 'throw "y"'`), /\x1b\[[^]*y/)
    const slow = `eval -E 'let f = n: if n < 2 then n else f (n - 1) + f (n - 2); in builtins.trace "begun" (f 33)'`
    const written = await onTerminal(world, slow)
    assert.strictEqual(written.match(/trace: begun/g)?.length, 1, written)
    assert.match(written, /evaluating[^]*3524578\r\n$/)
  })
})
