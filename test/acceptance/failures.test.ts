import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { withShell } from "./Expressions.ts"
import { fillMirror, helloExample, serve } from "./HelloMirror.ts"
import { type Run, World } from "./World.ts"

/** A failure as users should meet it: this exit code, nothing on standard output, all of `told` in the message, no JavaScript stack, nothing left. */
const refused = async (world: World, run: Run, code: number, told: ReadonlyArray<RegExp>): Promise<void> => {
  assert.strictEqual(run.code, code, run.stderr)
  assert.strictEqual(run.stdout, "")
  for (const pattern of told) assert.match(run.stderr, pattern)
  assert.notMatch(run.stderr, /^\s+at .*\(.*:\d+:\d+\)$|node:internal|This is a bug/m)
  assert.deepStrictEqual(await world.leftovers(), [])
}

/** Builds one derivation with this body in `let shell = …; in BODY`. */
const build = (world: World, body: string, ...flags: ReadonlyArray<string>): Promise<Run> =>
  world.yix(["build", "--no-out-link", "-f", world.write("default.nix", withShell(world.mark, body)), ...flags], { limit: 60_000 })

/** A string as archives write it: its length, its bytes, zeros up to a multiple of eight. */
const text = (s: string): Buffer => {
  const bytes = Buffer.alloc(8 + Math.ceil(s.length / 8) * 8)
  bytes.writeUInt32LE(s.length, 0)
  bytes.write(s, 8, "latin1")
  return bytes
}
const number = (n: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(n, 0)
  return bytes
}

describe("a build that goes wrong", () => {
  it("fixed output with another hash: 102, with both hashes, and the output is not kept", async () => {
    using world = new World()
    const digest = createHash("sha256").update("expected").digest("hex")
    const run = await build(
      world,
      `shell "pinned" { outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "${digest}"; } ": > ${world.mark}; echo something else > $out"`
    )
    const sri = (text: string) => `sha256-${createHash("sha256").update(text).digest("base64")}`.replaceAll(/[+/]/g, "\\$&")
    await refused(world, run, 102, [/pinned/, /hash mismatch/i, new RegExp(sri("expected")), new RegExp(sri("something else\n"))])
    const again = await build(
      world,
      `shell "pinned" { outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "${digest}"; } ": > ${world.mark}; echo something else > $out"`
    )
    assert.strictEqual(again.code, 102, again.stderr)
  })

  it("a download with another hash: 102, with URL or name and both hashes", async () => {
    using world = new World()
    world.write("served/file.txt", "what the server has\n")
    await using server = await serve(path.join(world.directory, "work/served"))
    const file = world.write("fetch.nix", `import <nix/fetchurl.nix> { url = "${server.url}/file.txt"; sha256 = "${"0".repeat(64)}"; }`)
    const actual = createHash("sha256").update("what the server has\n").digest("base64").replaceAll(/[+/]/g, "\\$&")
    await refused(world, await world.yix(["build", "--no-out-link", "-f", file]), 102, [
      /file\.txt/,
      /sha256-A{43}=/,
      new RegExp(`sha256-${actual}`)
    ])
  })

  it("builder that exits 1: 100, with the derivation and the end of its log", async () => {
    using world = new World()
    const run = await build(world, `shell "broken" { } ": > ${world.mark}; echo 'about to fail' >&2; echo partial > $out; exit 1"`)
    await refused(world, run, 100, [/\/nix\/store\/[0-9a-z]{32}-broken\.drv/, /exit (code|status) 1/, /about to fail/])
  })

  it("builder that exits with another code, or by a signal: 100, and the message says so", async () => {
    using world = new World()
    await refused(world, await build(world, `shell "seven" { } "exit 7"`), 100, [/seven\.drv/, /exit (code|status) 7/])
    await refused(world, await build(world, `shell "killed" { } "/bin/sh -c 'kill -SEGV $$'; exit $?"`), 100, [
      /killed\.drv/,
      /signal|SEGV|139/i
    ])
  })

  it("builder that cannot be started: 100, with its name", async () => {
    using world = new World()
    const file = world.write("x.nix", `derivation { name = "unstartable"; system = builtins.currentSystem; builder = "/no/such/builder"; }`)
    await refused(world, await world.yix(["build", "--no-out-link", "-f", file]), 100, [/unstartable/, /\/no\/such\/builder/])
  })

  it("builder that writes no output: 100, with the path it did not make", async () => {
    using world = new World()
    await refused(world, await build(world, `shell "empty-handed" { } ": > ${world.mark}"`), 100, [
      /empty-handed\.drv/,
      /output/,
      /\/nix\/store\/[0-9a-z]{32}-empty-handed(?!\.drv)|'out'/
    ])
    const two = `shell "half" { outputs = [ "out" "dev" ]; } "echo > $out"`
    await refused(world, await build(world, two), 100, [/half\.drv/, /half-dev|'dev'/])
  })

  it("what fails says which other derivations cannot be built because of it", async () => {
    using world = new World()
    const run = await build(world, `shell "top" { below = shell "middle" { below = shell "bottom" { } "exit 1"; } ":"; } ":"`)
    await refused(world, run, 100, [/bottom\.drv/, /middle\.drv|top\.drv/])
  })

  it("a process that outlives its builder is ended, and what it would have written later is not in the output", async () => {
    using world = new World()
    const run = await build(
      world,
      `shell "parent" { } ": > ${world.mark}; mkfolder() { :; }; echo early > $out; ( pause 100; echo late >> $out; pause 9000 ) & :"`
    )
    assert.strictEqual(run.code, 0, run.stderr)
    assert.deepStrictEqual(await world.leftovers(), [])
    assert.strictEqual(await world.ok(["store", "cat", run.stdout.trim()]), "early")
  })

  it("a process that outlives a failing builder, deaf to signals, is ended", async () => {
    using world = new World()
    const run = await build(world, `shell "parent" { } "trap '' TERM INT HUP; ( trap '' TERM INT HUP; pause 9000 ) & exit 3"`)
    await refused(world, run, 100, [/parent\.drv/, /exit (code|status) 3/])
  })

  it("a builder that never ends: 101 after --timeout, also when it ignores signals", async () => {
    using world = new World()
    for (const script of ["pause 90000", "trap '' TERM INT HUP; while :; do :; done"]) {
      const run = await build(world, `shell "endless" { } ": > ${world.mark}; ( ${script} ) & ${script}"`, "--timeout", "2")
      await refused(world, run, 101, [/endless\.drv/, /timed out|took longer/, /2 s/])
      assert.isBelow(run.milliseconds, 10_000)
    }
  })

  it("a builder that says nothing for too long: 101 after --max-silent-time", async () => {
    using world = new World()
    const run = await build(world, `shell "silent" { } "echo started; pause 90000"`, "--max-silent-time", "1")
    await refused(world, run, 101, [/silent\.drv/, /silent|no output|without output/i])
  })

  it("several failures at once: exit codes are combined with --keep-going, and each is told", async () => {
    using world = new World()
    const body = `{ a = shell "first" { } "exit 1"; b = shell "second" { } "pause 90000"; }`
    const run = await build(world, body, "--keep-going", "--timeout", "2")
    await refused(world, run, 100 | 101, [/first\.drv/, /second\.drv/])
  })

  it("an input-addressed builder has no network", async () => {
    using world = new World()
    // Only loopback (and nothing that listens on it) may be there: the table of interfaces has two lines of heading.
    const run = await build(world, `shell "interfaces" { } "while read -r line; do echo \\"$line\\"; done < /proc/net/dev > $out"`)
    assert.strictEqual(run.code, 0, run.stderr)
    const interfaces = (await world.ok(["store", "cat", run.stdout.trim()])).split("\n").slice(2).map((line) => line.split(":")[0]!.trim()) // prettier-ignore
    assert.deepStrictEqual(interfaces.filter((name) => name !== "lo"), []) // prettier-ignore
  })

  it("a builder sees its closure and nothing else of the store or the machine", async () => {
    using world = new World()
    const run = await build(
      world,
      `let other = shell "other" { } "echo > $out"; mine = shell "mine" { } "echo > $out"; in
       builtins.seq (builtins.readFile other) (shell "sees" { inherit mine; home = ${JSON.stringify(world.home)}; }
         "{ echo /nix/store/*; for f in $home /root /home /etc/shadow /etc/hostname; do if [ -e $f ]; then echo $f; fi; done; } > $out")`
    )
    assert.strictEqual(run.code, 0, run.stderr)
    const seen = (await world.ok(["store", "cat", run.stdout.trim()]))
      .split(/\s+/)
      .map((name) => name.replace(/^\/nix\/store\/[0-9a-z]{32}-/, ""))
    assert.deepStrictEqual(seen.filter((name) => name !== "sees"), ["mine"]) // prettier-ignore
  })
})

describe("an output with a setuid program", { timeout: 300_000 }, () => {
  it("is refused with its place: 100, and what to do", async (context) => {
    const mirror = await fillMirror()
    if ("missing" in mirror) return context.skip(`it takes 'chmod' in the sandbox: ${mirror.missing}`)
    using world = new World()
    const program = (mode: string) =>
      world.write(
        `mode-${mode}.nix`,
        `let busybox = (import ${helloExample} { mirror = "file://${mirror.directory}"; }).parts.busybox; in derivation {
           name = "mode-${mode}"; system = builtins.currentSystem; builder = "\${busybox}/bin/busybox"; MARK = "${world.mark}";
           args = [ "sh" "-euc" "mkdir $out; : > $out/plain; : > $out/${world.mark}-program; chmod ${mode} $out/*-program" ];
         }`
      )
    for (const mode of ["4755", "2755"]) {
      const run = await world.yix(["build", "--no-out-link", "-f", program(mode)])
      // A sandbox may also not let the builder do it in the first place.
      await refused(world, run, 100, [new RegExp(`mode-${mode}`), /-program/, /set[ug]id|Operation not permitted/])
    }
    const link = path.join(world.directory, "result")
    await world.ok(["build", "--out-link", link, "-f", program("755")])
    assert.strictEqual(fs.statSync(path.join(link, `${world.mark}-program`)).mode & 0o7777, 0o555)
  })
})

describe("a cut archive", { timeout: 300_000 }, () => {
  // The archive of a folder with one program in it, as fetch-mirror.sh writes it.
  const words = [
    "nix-archive-1",
    "(",
    "type",
    "directory",
    "entry",
    "(",
    "name",
    "bin",
    "node",
    "(",
    "type",
    "regular",
    "executable",
    "",
    "contents",
    "hello world",
    ")",
    ")",
    ")"
  ]
  const nar = Buffer.concat(words.map(text))
  const digest = createHash("sha256").update(nar).digest("hex")

  it("is refused wherever it was cut, with its URL", async () => {
    using world = new World()
    // One build tries many places; each has a name of its own.
    const places = [0, 1, 7, 8, 16, 24, 25, 100, 200, nar.length - 32, nar.length - 16, nar.length - 8, nar.length - 1]
    for (const place of places) world.write(`served/cut-${place}.nar`, nar.subarray(0, place))
    world.write("served/whole.nar", nar)
    await using server = await serve(path.join(world.directory, "work/served"))
    const fetch = (name: string) =>
      `import <nix/fetchurl.nix> { url = "${server.url}/${name}.nar"; name = "${name}"; unpack = true; sha256 = "${digest}"; }`
    for (const place of places) {
      const run = await world.yix(["build", "--no-out-link", "-E", fetch(`cut-${place}`)])
      assert.include([1, 100, 102], run.code, `cut at ${place}: ${run.stderr}`)
      await refused(world, run, run.code!, [new RegExp(`cut-${place}`)])
    }
    const whole = await world.ok(["build", "--no-out-link", "-E", fetch("whole")])
    assert.strictEqual(await world.ok(["store", "cat", `${whole}/bin`]), "hello world")
  })

  it("is refused by 'yix store import', and the store stays as it was", async () => {
    using world = new World()
    const file = world.write("one.nix", withShell(world.mark, 'shell "one" { } "echo one > $out"'))
    const built = await world.ok(["build", "--no-out-link", "-f", file])
    const exported = (await world.yix(["store", "export", built])).stdoutBytes
    using other = new World()
    for (const place of [0, 1, 8, 50, exported.length >> 1, exported.length - 9, exported.length - 8, exported.length - 1]) {
      const run = await other.yix(["store", "import"], { input: exported.subarray(0, place) })
      await refused(other, run, 1, [/import|archive|export|end/i])
      assert.notStrictEqual((await other.yix(["store", "cat", built])).code, 0, `cut at ${place}`)
    }
    assert.strictEqual((await other.yix(["store", "import"], { input: exported })).code, 0)
    assert.strictEqual(await other.ok(["store", "cat", built]), "one")
  })
})

describe("a cut derivation", { timeout: 300_000 }, () => {
  const whole =
    'Derive([("out","/nix/store/00000000000000000000000000000000-x","","")],[],[],"x86_64-linux","/bin/sh",["-c","echo \\"hi\\" > $out"],' +
    '[("name","x"),("out","/nix/store/00000000000000000000000000000000-x")])'
  /** What `nix-store --export` writes for one file without references: someone who is careless or malicious may import anything. */
  const exported = (storePath: string, contents: string): Buffer =>
    Buffer.concat([
      number(1),
      ...["nix-archive-1", "(", "type", "regular", "contents", contents, ")"].map(text),
      number(0x4558494e),
      text(storePath),
      number(0),
      text(""),
      number(0),
      number(0)
    ])

  it("is refused wherever it was cut, with its path and the place in it", async () => {
    using world = new World()
    for (const place of [0, 1, 7, 8, 20, 60, 80, 100, 120, 150, whole.length - 2, whole.length - 1]) {
      const storePath = `/nix/store/${String(place).padStart(32, "0")}-cut.drv`
      const imported = await world.yix(["store", "import"], { input: exported(storePath, whole.slice(0, place)) })
      if (imported.code !== 0) {
        // Refusing it here is as good.
        await refused(world, imported, 1, [new RegExp(storePath)])
        continue
      }
      await refused(world, await world.yix(["derivation", "show", storePath]), 1, [
        new RegExp(storePath),
        /offset|byte|position|character|column/i
      ])
      await refused(world, await world.yix(["build", "--no-out-link", storePath]), 1, [new RegExp(storePath)])
    }
  })
})

describe("an expression that goes wrong", () => {
  const evaluate = (world: World, file: string, ...flags: ReadonlyArray<string>) =>
    world.yix(["build", "--no-out-link", "-f", file, ...flags])

  it("a file that is not there: its name and where it is asked for", async () => {
    using world = new World()
    const missing = path.join(world.directory, "nowhere.nix")
    await refused(world, await evaluate(world, missing), 1, [/nowhere\.nix/, /does not exist|no such file|cannot/i])
    const file = world.write("asks.nix", "let\n  x = import ./missing.nix;\nin x\n")
    await refused(world, await evaluate(world, file), 1, [/missing\.nix/, /asks\.nix:2:7/])
    const reads = world.write("reads.nix", "builtins.readFile ./missing.txt")
    await refused(world, await evaluate(world, reads), 1, [/missing\.txt/, /reads\.nix:1:1/])
  })

  it("a source that is not there: its name, and nothing is built", async () => {
    using world = new World()
    const run = await build(world, 'shell "copies" { source = ./absent; } "echo > $out"')
    await refused(world, run, 1, [/absent/, /does not exist|no such file/i])
  })

  it("a syntax error: file, line and column, with the line itself", async () => {
    using world = new World()
    const file = world.write("wrong.nix", "{\n  a = 1;\n  b = 2 +;\n}\n")
    await refused(world, await evaluate(world, file), 1, [/syntax error/, /wrong\.nix:3:10/, /b = 2 \+;/])
    const open = world.write("open.nix", '{ a = "never closed\n')
    await refused(world, await evaluate(world, open), 1, [/open\.nix:\d+:\d+/])
  })

  it("an attribute that is not there: did you mean the one that is", async () => {
    using world = new World()
    const file = world.write(
      "names.nix",
      withShell(world.mark, '{ greeting = shell "greeting" { } "echo > $out"; typo = { alpha = 1; }.alhpa; }')
    )
    await refused(world, await evaluate(world, file, "-A", "greting"), 1, [/greting/, /[Dd]id you mean .*greeting/])
    await refused(world, await evaluate(world, file, "-A", "typo"), 1, [
      /attribute 'alhpa' missing/,
      /names\.nix:\d+:\d+/,
      /[Dd]id you mean .*alpha/
    ])
  })

  it("a variable that is not defined: its name and place", async () => {
    using world = new World()
    await refused(world, await evaluate(world, world.write("free.nix", "\n  frobnicate 1")), 1, [
      /undefined variable 'frobnicate'/,
      /free\.nix:2:3/
    ])
  })

  it("infinite recursion and endless calls: an error, not a crash", async () => {
    using world = new World()
    await refused(world, await evaluate(world, world.write("loop.nix", "let x = x + 1; in x")), 1, [
      /infinite recursion/,
      /loop\.nix:1:\d+/
    ])
    await refused(world, await evaluate(world, world.write("deep.nix", "let f = x: 1 + f x; in f 1")), 1, [
      /stack overflow|call depth/,
      /deep\.nix:1:\d+/
    ])
  })

  it("a failing build that the expression reads: the exit code of the build, and the place that reads it", async () => {
    using world = new World()
    const file = world.write("reads.nix", withShell(world.mark, '\n  builtins.readFile (shell "unreadable" { } "exit 5")'))
    const run = await world.yix(["eval", "-f", file])
    await refused(world, run, 100, [/unreadable\.drv/, /exit (code|status) 5/, /reads\.nix:\d+:3/])
  })

  it("a function that misses an argument: which, and how to give it", async () => {
    using world = new World()
    await refused(world, await evaluate(world, helloExample), 1, [/mirror/, /default\.nix:\d+:\d+/])
  })

  it("an unknown flag or command: usage, exit 2", async () => {
    using world = new World()
    await refused(world, await world.yix(["build", "--no-such-flag"]), 2, [/--no-such-flag/])
    await refused(world, await world.yix(["biuld"]), 2, [/biuld/])
  })
})
