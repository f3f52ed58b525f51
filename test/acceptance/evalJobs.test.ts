/**
 * `yix eval-jobs`: that it says what the other commands say of each attribute, whatever becomes of its workers and its reader.
 */
import { assert, describe, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { withShell } from "./Expressions.ts"
import { bundle, type Run, startedWork, World } from "./World.ts"

interface Line {
  readonly attr: string
  readonly attrPath: ReadonlyArray<string>
  readonly drvPath?: string
  readonly error?: string
  readonly fatal?: boolean
  readonly [field: string]: unknown
}

const linesOf = (text: string): ReadonlyArray<Line> =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)

const byAttr = (lines: ReadonlyArray<Line>): Record<string, Line> => {
  const names = lines.map(({ attr }) => attr)
  assert.deepStrictEqual([...new Set(names)], names, "each attribute is told once")
  return Object.fromEntries(lines.map((line) => [line.attr, line]))
}

const jobs = async (world: World, ...args: ReadonlyArray<string>): Promise<ReadonlyArray<Line>> => {
  const run = await world.yix(["eval-jobs", ...args])
  assert.strictEqual(run.code, 0, run.stderr)
  return linesOf(run.stdout)
}

/** A derivation without anything that it needs. */
const drv = (name: string, more = ""): string => `derivation { name = "${name}"; system = "any"; builder = "/bin/sh"; ${more} }`

/** Evaluates for about `n` times a second on a machine of 2026, which nobody can interrupt from outside but by ending it. */
const slow = (n: number, then: string): string =>
  `builtins.seq (builtins.foldl' (a: b: a + builtins.foldl' (c: d: c + d) 0 (builtins.genList (x: x) 1000)) 0 (builtins.genList (x: x) ${n * 8000})) (${then})`

/** The worker processes of a world. */
const workersOf = (world: World): ReadonlyArray<number> =>
  fs.readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    const read = (name: string): string => {
      try {
        return fs.readFileSync(`/proc/${pid}/${name}`, "latin1")
      } catch {
        return "" // ended meanwhile
      }
    }
    return read("cmdline").includes("EvaluatorProcess") && read("environ").includes(world.mark) ? [Number(pid)] : []
  })

const until = async <A>(what: string, found: () => A | undefined, limit = 30_000): Promise<A> => {
  for (const end = performance.now() + limit; performance.now() < end;) {
    const value = found()
    if (value !== undefined) return value
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`${what}: not within ${limit} ms`)
}

/** The lines that came so far. */
const following = (child: ChildProcess): (() => string) => {
  let text = ""
  child.stdout!.on("data", (bytes: Buffer) => (text += bytes.toString()))
  return () => text
}

const killOne = async (world: World, except: ReadonlySet<number> = new Set()): Promise<number> => {
  const pid = await until("a worker", () => workersOf(world).find((pid) => !except.has(pid)))
  // So that it is at work, and not still loading.
  await new Promise((resolve) => setTimeout(resolve, 700))
  process.kill(pid, "SIGKILL")
  return pid
}

describe("yix eval-jobs", { timeout: 120_000 }, () => {
  it("says of each attribute what yix instantiate says, with any number of workers", async () => {
    using world = new World()
    const names = Array.from({ length: 40 }, (_, i) => `n${i}`)
    const file = world.write(
      "set.nix",
      `{ suffix ? "" }: let of = n: ${drv("d-${n}${suffix}", 'inherit n; before = map of (if n == "n0" then [ ] else [ "n0" ]); ')}; in
        builtins.listToAttrs (map (name: { inherit name; value = of name; }) [ ${names.map((n) => `"${n}"`).join(" ")} ])
        // { set = { recurseForDerivations = true; inner = of "inner"; deep = { recurseForDerivations = true; est = of "deepest"; }; }; }`
    )
    const told = JSON.parse(await world.ok(["instantiate", "--json", file, "--argstr", "suffix", "s"])) as ReadonlyArray<Line>
    const expected = Object.fromEntries(told.map(({ attr, drvPath, name, outputs }) => [attr, { drvPath, name, outputs }]))
    assert.strictEqual(told.length, 42)
    for (const workers of ["1", "3"]) {
      const lines = await jobs(world, file, "--argstr", "suffix", "s", "--workers", workers)
      const found = lines.map(({ attr, drvPath, name, outputs }) => [attr, { drvPath, name, outputs }] as const)
      assert.deepStrictEqual(Object.fromEntries(found), expected)
      if (workers === "1") assert.deepStrictEqual(lines.map(({ attr }) => attr), told.map(({ attr }) => attr).toSorted()) // prettier-ignore
    }
    assert.deepStrictEqual(await world.leftovers(), [])
  })

  it("has the fields of nix-eval-jobs", async () => {
    using world = new World()
    const file = world.write(
      "fields.nix",
      `let input = ${drv("input", 'outputs = [ "out" "dev" ];')}; in
      {
        job = ${drv("job", 'inherit input; dev = input.dev; requiredSystemFeatures = [ "kvm" "big-parallel" ];')}
          // { meta = { description = "a job"; broken = false; list = [ 1 2.5 "x" ]; platforms = { }; f = x: x; derivation = input; nothing = null; }; };
      }`
    )
    const input = (JSON.parse(await world.ok(["instantiate", "--json", "-E", `let inputs = { a = ${drv("input", 'outputs = [ "out" "dev" ];')}; }; in inputs`])) as [Line])[0] // prettier-ignore
    const [plain] = await jobs(world, file)
    assert.deepStrictEqual(Object.keys(plain!), ["attr", "attrPath", "drvPath", "name", "outputs", "requiredSystemFeatures", "system"])
    const [line] = await jobs(
      world,
      file,
      "--meta",
      "--show-input-drvs",
      "--apply",
      "d: { inherit (d) name; n = 9007199254740993; }",
      "--check-cache-status"
    )
    const { drvPath, outputs, ...rest } = line!
    assert.match(drvPath!, /^\/nix\/store\/[0-9a-z]{32}-job\.drv$/)
    assert.match((outputs as { out: string }).out, /^\/nix\/store\/[0-9a-z]{32}-job$/)
    assert.deepStrictEqual(rest, {
      attr: "job",
      attrPath: ["job"],
      name: "job",
      system: "any",
      requiredSystemFeatures: ["big-parallel", "kvm"],
      inputDrvs: { [input.drvPath!]: ["dev", "out"] },
      meta: { broken: false, description: "a job", list: [1, 2.5, "x"], platforms: {} },
      extraValue: { name: "job", n: 9007199254740992 },
      cacheStatus: "notBuilt",
      isCached: false,
      neededBuilds: [input.drvPath!, drvPath!],
      neededSubstitutes: []
    })
  })

  it("goes on after whatever an attribute fails with, and ends with 0", async () => {
    using world = new World()
    const file = world.write(
      "errors.nix",
      `{
        thrown = throw "thrown words";
        asserted = assert false; ${drv("x")};
        aborted = abort "aborted words";
        circular = let x = x; in x;
        endless = let f = n: 1 + f n; in f 0;
        typed = (${drv("x")}) // { name = 1; drvPath = 1 + "a"; };
        late = { recurseForDerivations = true; inner = throw "inner words"; fine = ${drv("fine")}; };
        unread = import ./missing.nix;
        wanting = { argument }: 1;
        unasked.inner = ${drv("unasked")};
        zfine = ${drv("zfine")};
        number = 1;
        list = [ (${drv("listed")}) ];
      }`
    )
    const told = byAttr(await jobs(world, file, "--workers", "2"))
    assert.deepStrictEqual(Object.keys(told).toSorted(), ["aborted", "asserted", "circular", "endless", "late.fine", "late.inner", "thrown", "typed", "unread", "wanting", "zfine"]) // prettier-ignore
    for (const [attr, words] of Object.entries({
      thrown: /error: thrown words/,
      asserted: /assertion 'false' failed/,
      aborted: /aborted words/,
      circular: /infinite recursion encountered/,
      endless: /stack overflow/,
      typed: /cannot add a string to an integer|cannot coerce|expected/,
      "late.inner": /inner words/,
      unread: /missing.nix/,
      wanting: /'argument'/
    })) {
      assert.match(told[attr]!.error!, words)
      assert.strictEqual(told[attr]!.fatal, false)
    }
    // The error is the one that `yix eval` tells.
    const evaluated = await world.yix(["eval", file, "-A", "thrown"])
    assert.strictEqual(`${told["thrown"]!.error!.trim()}\n`, evaluated.stderr)
    const asJson = byAttr(await jobs(world, file, "--error-format", "json"))
    assert.include(asJson["thrown"]!.error as unknown as object, { kind: "throw", message: "thrown words" })
  })

  it("goes where it is told to", async () => {
    using world = new World()
    const file = world.write(
      "where.nix",
      `{ set = { a = ${drv("a")}; sub.b = ${drv("b")}; }; closed = { recurseForDerivations = false; c = ${drv("c")}; }; list = [ { d = ${drv("d")}; } ]; }`
    )
    const attrs = async (...args: ReadonlyArray<string>) => (await jobs(world, file, ...args)).map(({ attr }) => attr)
    assert.deepStrictEqual(await attrs(), [])
    assert.deepStrictEqual(await attrs("-A", "set.sub", "-A", "set", "-A", "list.0", "-A", "set.a", "--workers", "1"), ["set.sub.b", "set.a", "list.0.d", "set.a"]) // prettier-ignore
    assert.deepStrictEqual(await attrs("--force-recurse", "--workers", "1"), ["closed.c", "set.a", "set.sub.b"])
    assert.deepStrictEqual(await attrs("--select", "value: value.set.sub"), ["b"])
    assert.deepStrictEqual((await jobs(world, "-E", drv("itself"))).map(({ attr, attrPath, name }) => ({ attr, attrPath, name })), [{ attr: "", attrPath: [], name: "itself" }]) // prettier-ignore
    assert.deepStrictEqual(await jobs(world, "-E", "{ }"), [])
  })

  it("takes any name for an attribute", async () => {
    using world = new World()
    const names = ["dotted.attr", 'quo"te', "", "12", "a b", "${x}", "grün", "a\nb"]
    const quoted = (name: string) => `"${name.replace(/["\\$]/g, "\\$&").replaceAll("\n", "\\n")}"`
    const text = `{ ${names.map((name, i) => `${quoted(name)} = ${drv(`d${i}`)};`).join(" ")} "\xff" = ${drv("bytes")}; "\xfe" = { recurseForDerivations = true; x = ${drv("below")}; }; }`
    const bytes = Buffer.from(text.replace("grün", "gr\xc3\xbcn"), "latin1")
    const lines = await jobs(world, world.write("names.nix", bytes))
    const attrPaths = Object.fromEntries(lines.map(({ name, attrPath }) => [name, attrPath]))
    assert.deepStrictEqual(attrPaths, {
      ...Object.fromEntries(names.map((name, i) => [`d${i}`, [name]])),
      bytes: ["\ufffd"],
      below: ["\ufffd", "x"]
    })
    assert.strictEqual(lines.find(({ name }) => name === "d0")!.attr, '"dotted.attr"')
  })

  it("fails where a root fails, with a line for it", async () => {
    using world = new World()
    for (const [args, words] of [
      [["-E", 'throw "no root"'], /no root/],
      [["-E", "[ ]"], /a set of derivations, or a derivation, is needed here/],
      [["-E", "{ }", "-A", "missing"], /attribute 'missing' not found/],
      [["-E", '{ "a.b".package = { }; }', "-A", '"a.b".pakage'], /attribute '"a.b".pakage' not found\n *Did you mean package\?/],
      [["-E", "{ }", "--select", "x: 1"], /is needed here/],
      [["-E", drv("unreadable", "requiredSystemFeatures = 1; __structuredAttrs = true;")], /requiredSystemFeatures/]
    ] as const) {
      const run = await world.yix(["eval-jobs", ...args])
      assert.strictEqual(run.code, 1)
      assert.match(linesOf(run.stdout)[0]!.error!, words)
      assert.match(run.stderr, /what was to be evaluated failed itself/)
    }
    for (const args of [
      ["--workers", "0"],
      ["--max-memory-size", "0"],
      ["--gc-roots-dir", "roots"],
      ["--write", "--read-only"],
      ["-A", '"open']
    ]) {
      const run = await world.yix(["eval-jobs", "-E", "{ }", ...args])
      assert.deepStrictEqual({ code: run.code, out: run.stdout.includes("{") }, { code: 2, out: false }, args.join(" "))
    }
  })

  it("gives the same when every worker is too large after its first attribute", async () => {
    using world = new World()
    const file = world.write(
      "grown.nix",
      `builtins.trace "root" (builtins.listToAttrs (map (n: { name = "n" + toString n; value = ${drv("d${toString n}")}; }) [ 1 2 3 4 5 ]))`
    )
    const roots = (run: Run) => run.stderr.match(/^trace: root$/gm)!.length
    const usual = await world.yix(["eval-jobs", file, "--workers", "1"])
    const grown = await world.yix(["eval-jobs", file, "--workers", "1", "--max-memory-size", "1"])
    assert.strictEqual(grown.stdout, usual.stdout)
    assert.deepStrictEqual([usual.code, roots(usual), grown.code, roots(grown)], [0, 1, 0, 6])
    assert.deepStrictEqual(await world.leftovers(), [])
  })

  it("loses nothing to a worker that is killed, and one attribute to several", async () => {
    using world = new World()
    const once = world.start(["eval-jobs", "-E", `{ a = ${drv("a")}; slow = ${slow(1, drv("slow"))}; z = ${drv("z")}; }`, "--workers", "1"])
    await killOne(world)
    const run = await once.run
    assert.strictEqual(run.code, 0, run.stderr)
    assert.deepStrictEqual(linesOf(run.stdout).map(({ name }) => name), ["a", "slow", "z"]) // prettier-ignore

    const twice = world.start([
      "eval-jobs",
      "-E",
      `{ a = ${drv("a")}; slow = ${slow(1000, drv("slow"))}; z = ${drv("z")}; }`,
      "--workers",
      "1",
      "--error-format",
      "json"
    ])
    const lines = following(twice.child)
    await until("the first line", () => (lines().includes("\n") ? true : undefined))
    const first = await killOne(world)
    await killOne(world, new Set([first]))
    const { code, stdout, stderr } = await twice.run
    const told = byAttr(linesOf(stdout))
    assert.deepStrictEqual(Object.keys(told), ["a", "slow", "z"])
    assert.match(
      (told["slow"]!.error as unknown as { readonly message: string }).message,
      /died, and so did the next one: it was ended by SIGKILL/
    )
    assert.deepStrictEqual([told["slow"]!.fatal, code], [true, 1])
    assert.match(stderr, /the workers of one attribute died/)
    assert.deepStrictEqual(await world.leftovers(), [])
  })

  for (const [signal, code, left] of [
    ["SIGINT", 130, 0],
    ["SIGTERM", 143, 0],
    // Nobody is there to wait for them.
    ["SIGKILL", null, 5000]
  ] as const)
    it(`leaves nothing behind at ${signal}`, async () => {
      using world = new World()
      const { child, run } = world.start([
        "eval-jobs",
        "-E",
        `{ a = ${drv("a")}; b = ${slow(1000, "1")}; c = ${slow(1000, "1")}; }`,
        "--workers",
        "2"
      ])
      const lines = following(child)
      await until("a line and two workers", () => (lines().includes("\n") && workersOf(world).length === 2 ? true : undefined))
      child.kill(signal)
      assert.strictEqual((await run).code, code)
      assert.deepStrictEqual(await world.leftovers(left), [])
    })

  it("waits for a slow reader and notices one that goes away", async () => {
    using world = new World()
    const count = 600
    const file = world.write(
      "many.nix",
      `builtins.listToAttrs (map (n: { name = "n" + toString n; value = ${drv("d${toString n}")} // { meta.text = builtins.concatStringsSep "" (builtins.genList (x: "0123456789") 100); }; }) (builtins.genList (x: x) ${count}))`
    )
    const start = () =>
      spawn(process.execPath, [path.join(bundle, "bin/yix.js"), "eval-jobs", file, "--meta", "--quiet"], {
        cwd: world.directory,
        env: world.environment,
        stdio: ["ignore", "pipe", "ignore"]
      })
    const ended = (child: ChildProcess) => new Promise<number | null>((resolve) => child.on("close", resolve))

    // Nobody reads: the pipe fills. It still obeys.
    const stuck = start()
    const stuckEnd = ended(stuck)
    await until("workers", () => (workersOf(world).length > 0 ? true : undefined))
    await new Promise((resolve) => setTimeout(resolve, 1500))
    assert.strictEqual(stuck.exitCode, null)
    stuck.kill("SIGTERM")
    await until("the end", () => (stuck.exitCode === null ? undefined : true), 5000)
    assert.strictEqual(stuck.exitCode, 143)
    stuck.stdout.resume()
    await stuckEnd

    const patient = start()
    const patientEnd = ended(patient)
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const text = following(patient)
    assert.strictEqual(await patientEnd, 0)
    assert.strictEqual(linesOf(text()).length, count)

    const broken = start()
    const brokenEnd = ended(broken)
    await new Promise((resolve) => broken.stdout.once("data", resolve))
    broken.stdout.destroy()
    assert.strictEqual(await brokenEnd, 141)
    assert.deepStrictEqual(await world.leftovers(), [])
  })

  it("builds what evaluations import once for all workers, and knows afterwards what is there", async () => {
    using world = new World()
    const file = world.write(
      "imports.nix",
      withShell(
        world.mark,
        `let
          generated = shell "generated.nix" { } "pause 10; echo '\\"generated\\"' > $out";
          of = n: shell "job-\${n}-\${import "\${generated}"}" { } "echo made > $out";
        in { a = of "a"; b = of "b"; c = of "c"; inherit generated; }`
      )
    )
    const run = await world.yix(["eval-jobs", file, "--workers", "3", "--check-cache-status", "--log-format", "json"])
    assert.strictEqual(run.code, 0, run.stderr)
    assert.deepStrictEqual(startedWork(run), ["build generated.nix"])
    const told = byAttr(linesOf(run.stdout))
    assert.deepStrictEqual(["a", "b", "c"].map((attr) => told[attr]!["name"]), ["a", "b", "c"].map((n) => `job-${n}-generated`)) // prettier-ignore
    assert.deepStrictEqual([told["a"]!["cacheStatus"], told["a"]!["neededBuilds"]], ["notBuilt", [told["a"]!.drvPath]])

    await world.ok(["build", file, "-A", "a", "--no-out-link"])
    const after = byAttr(await jobs(world, file, "--check-cache-status", "--write"))
    assert.deepStrictEqual([after["a"]!["cacheStatus"], after["a"]!["isCached"], after["generated"]!["cacheStatus"], after["b"]!["cacheStatus"]], ["local", true, "local", "notBuilt"]) // prettier-ignore
    assert.match(await world.ok(["store", "cat", after["b"]!.drvPath!]), /^Derive\(/)

    const cache = `file://${world.directory}/cache`
    const output = (after["generated"]!["outputs"] as { readonly out: string }).out
    await world.ok(["copy", "--to", cache, output])
    const elsewhere = [file, "-A", "generated", "--check-cache-status", "--store", path.join(world.directory, "other")]
    const [cached] = await jobs(world, ...elsewhere, "--substituter", cache, "--no-check-sigs")
    assert.deepStrictEqual([cached!["cacheStatus"], cached!["isCached"], cached!["neededBuilds"], cached!["neededSubstitutes"]], ["cached", true, [], [output]]) // prettier-ignore

    // Without a store, imports of derivations are refused, and nothing else is.
    const readOnly = byAttr(await jobs(world, "-E", `{ plain = ${drv("plain")}; }`, "--read-only"))
    assert.isString(readOnly["plain"]!.drvPath)
  })
})
