/**
 * `yix repl` as its user meets it: on a pipe, and at a terminal that `script` of util-linux makes.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { bundle, World } from "./World.ts"

let world: World
beforeAll(() => {
  world = new World()
})
afterAll(() => {
  world[Symbol.dispose]()
})

const endless = "let f = n: if n == 0 then 0 else f (n - 1) + f (n - 1); in f 60"

/** A terminal with `yix repl` in it. */
class Terminal {
  readonly #child: ChildProcess
  readonly ended: Promise<number | null>
  #output = ""
  /** Where the output begins that no `until` has looked at. */
  #seen = 0
  #changed: () => void = () => {}

  constructor(args: string, environment: NodeJS.ProcessEnv = {}) {
    const command = `stty cols 80 rows 24; exec '${process.execPath}' '${path.join(bundle, "bin/yix.js")}' repl ${args}`
    this.#child = spawn("script", ["-qfec", command, "/dev/null"], {
      cwd: world.directory,
      env: { ...world.environment, TERM: "xterm", LANG: "C.UTF-8", SHELL: "/bin/sh", ...environment },
      stdio: ["pipe", "pipe", "inherit"]
    })
    this.#child.stdout!.on("data", (bytes: Buffer) => {
      // What moves the cursor and colours is not what these tests are about.
      this.#output += bytes
        .toString()
        .replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, "")
        .replaceAll("\r", "")
      this.#changed()
    })
    this.ended = new Promise((resolve) => this.#child.on("exit", resolve))
  }

  keys(text: string): void {
    this.#child.stdin!.write(text)
  }

  /** Waits until something new is there that matches; gives it. */
  async until(pattern: RegExp, patience = 20_000): Promise<string> {
    const end = performance.now() + patience
    for (;;) {
      const fresh = this.#output.slice(this.#seen)
      const match = pattern.exec(fresh)
      if (match !== null) {
        this.#seen += match.index + match[0].length
        return match[0]
      }
      const left = end - performance.now()
      if (left <= 0) throw new Error(`the terminal does not show ${String(pattern)} but:\n${fresh}`)
      // eslint-disable-next-line no-await-in-loop
      await new Promise<void>((resolve) => {
        this.#changed = resolve
        setTimeout(resolve, left)
      })
    }
  }

  /** Types a line and waits for what comes before the next prompt. */
  async line(text: string): Promise<string> {
    this.keys(`${text}\r`)
    const shown = await this.until(/\n[^]*?yix> $/)
    return shown.replace(/^[^\n]*\n/, "").replace(/\n?yix> $/, "")
  }
}

/** One that shows its first prompt. Without a live tree, which would come and go between the lines on a slow machine. */
const terminal = async (args = "", environment: NodeJS.ProcessEnv = {}): Promise<Terminal> => {
  const made = new Terminal(`${args.includes("--log-format") ? "" : "--log-format plain "}${args}`, environment)
  await made.until(/yix> /)
  return made
}

describe("yix repl on a pipe", { timeout: 60_000 }, () => {
  it("prints results alone on standard output, errors on standard error, and ends with 0", async () => {
    const input = "1 + 1\nx = {\n\n  a = 5;\n}\nx.a\n:t x\nx.b\n# words\n:nothing\n:p [ x ]\n"
    const run = await world.yix(["repl"], { input: Buffer.from(input) })
    assert.strictEqual(run.stdout, "2\n5\na set\n[\n  { a = 5; }\n]\n")
    assert.match(run.stderr, /^error: attribute 'b' missing[^]*\nerror: unknown command ':nothing'; :\? lists them\n$/)
    assert.strictEqual(run.code, 0)
    assert.isFalse(`${run.stdout}${run.stderr}`.includes("\x1b"))
  })

  it("runs its last line without a line end, tells of one that is unfinished, and stops at :q", async () => {
    assert.strictEqual((await world.yix(["repl"], { input: Buffer.from("1 + 2") })).stdout, "3\n")
    const unfinished = await world.yix(["repl"], { input: Buffer.from("1 + (") })
    assert.match(unfinished.stderr, /syntax error, unexpected end of file/)
    assert.strictEqual((await world.yix(["repl"], { input: Buffer.from("1\n:q\n2\n") })).stdout, "1\n")
  })

  it("loads files and expressions, with arguments and the search path", async () => {
    world.write("dir/default.nix", "{ n ? 1, s }: { inherit n s; sub = import ./sub.nix; }")
    world.write("dir/sub.nix", "{ deep = 3; }")
    const dir = path.join(world.directory, "work/dir")
    const args = ["repl", dir, "-E", "{ e = 4; }", "-f", `<d/sub.nix>`, "-I", `d=${dir}`, "--arg", "n", "1 + 1", "--argstr", "s", "text"]
    const run = await world.yix(args, { input: Buffer.from("[ n s sub.deep e deep ]\n:ll\n:r\ns\n") })
    assert.strictEqual(run.stdout, '[\n  2\n  "text"\n  3\n  4\n  3\n]\ne\n"text"\n')
    assert.match(run.stderr, /^Added 3 variables: n, s, sub\.\nAdded 1 variable: deep\.\nAdded 1 variable: e\.\nAdded 5 variables: /)
  })

  it("builds, links and shows logs, and tries again what failed before", async () => {
    const flag = path.join(world.directory, "work/flag")
    world.write(
      "b.nix",
      `let d = name: script: derivation { inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ]; }; in
       { good = d "good" "echo told; echo made > $out"; bad = d "bad" "exit 3"; read = builtins.readFile (d "read" "echo -n x > $out"); late = _: builtins.readFile ${flag}; }`
    )
    const input = [":b good", ":bl good", ":log good", "read", ":b bad", ":log bad", ":log 5", "late 0", ":b good"].join("\n")
    const run = await world.yix(["repl", path.join(world.directory, "work/b.nix")], { input: Buffer.from(input) })
    const out = /-> (\/nix\/store\/\S*-good)\n/.exec(run.stdout)?.[1]
    const built = "This derivation produced the following outputs:\n"
    assert.strictEqual(run.stdout, `${built}  out -> ${out}\n${built}  ./repl-result-out -> ${out}\ntold\n"x"\n${built}  out -> ${out}\n`)
    assert.strictEqual(fs.readFileSync(path.join(world.directory, "repl-result-out"), "utf8"), "made\n")
    assert.match(run.stderr, /builder failed with exit code 3/)
    assert.match(run.stderr, /does not evaluate to a derivation/)
    assert.strictEqual(run.code, 0)
  })

  it("needs no home", async () => {
    const run = await world.yix(["repl"], { input: Buffer.from("1 + 1\n"), env: { HOME: "/nonexistent", XDG_STATE_HOME: "/proc/none" } })
    assert.strictEqual(run.stdout, "2\n")
  })

  it("ends quietly when nobody reads its output any more", async () => {
    const { child, run } = world.start(["repl"], { input: Buffer.from(":p builtins.genList (x: x) 100000\n1\n") })
    child.stdout!.destroy()
    assert.strictEqual((await run).code, 141)
  })
})

describe("yix repl at a terminal", { timeout: 120_000 }, () => {
  let shell: Terminal
  beforeAll(async () => {
    shell = await terminal()
  })

  it("goes on with lines until an expression is whole, and gives it up at an empty line or Ctrl-C", async () => {
    shell.keys("x = {\r")
    await shell.until(/ {3}> /)
    shell.keys("  a = 1;\r")
    await shell.until(/ {3}> /)
    assert.strictEqual(await shell.line("}"), "")
    assert.match(await shell.line("x.a"), /^1\n?$/)
    shell.keys("[ 1\r")
    await shell.until(/ {3}> /)
    assert.match(await shell.line(""), /unexpected end of file/)
    shell.keys("[ 1\r")
    await shell.until(/ {3}> /)
    shell.keys("\x03")
    await shell.until(/\^C\nyix> /)
    shell.keys("never this")
    await shell.until(/never this/)
    shell.keys("\x03")
    await shell.until(/\^C\nyix> /)
    assert.match(await shell.line("x.a + 1"), /^2\n?$/)
  })

  it("takes a pasted text line by line, empty lines included", async () => {
    shell.keys("a = {\r\r\tb\t= 1;\r\r}\ra.b + 1\r[ a.b\r\r  7 ]\r")
    await shell.until(/yix> a\.b \+ 1\n2\n/)
    await shell.until(/\[\n {2}1\n {2}7\n\]\nyix> /)
  })

  it("stops an evaluation at Ctrl-C within moments and keeps what was bound", async () => {
    await shell.line("x = 5")
    shell.keys(`${endless}\r`)
    await shell.until(/in f 60/)
    await new Promise((resolve) => setTimeout(resolve, 300))
    const before = performance.now()
    shell.keys("\x03")
    await shell.until(/interrupted\nyix> /)
    // What the evaluator needs is measured in test/realise/Session.test.ts; here a terminal lies in between.
    assert.isBelow(performance.now() - before, 500)
    assert.match(await shell.line("x"), /^5\n?$/)
  })

  it("completes commands, variables, attributes and files", async () => {
    world.write("folder/some.nix", "{ loaded = 1; }")
    await shell.line("someSet = { alpha = { beta = 42; }; }")
    shell.keys("someS\t")
    await shell.until(/someSet/)
    shell.keys(".al\t")
    await shell.until(/alpha/)
    shell.keys(".b\t")
    await shell.until(/beta/)
    assert.match(await shell.line(""), /^42\n?$/)
    shell.keys(":l work/fol\t")
    await shell.until(/folder\//)
    shell.keys("so\t")
    await shell.until(/some\.nix/)
    assert.match(await shell.line(""), /Added 1 variable: loaded\./)
    // Keys that come at once, the line end among them, wait for the completion.
    shell.keys("someSet.alp\t.bet\t\r")
    await shell.until(/\n42\n+yix> $/)
    shell.keys("gone\x03someSet.alpha.beta - 1\r")
    await shell.until(/\n41\n+yix> $/)
    shell.keys(":ad\t")
    await shell.until(/:add/)
    assert.match(await shell.line(" { q = 9; }"), /Added 1 variable: q\./)
  })

  it("ends with 0 at Ctrl-D", async () => {
    shell.keys("\x04")
    assert.strictEqual(await shell.ended, 0)
  })

  it("ends a build at Ctrl-C, with all its processes", async () => {
    world.write(
      "slow.nix",
      `{ slow = derivation { name = "slow"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo begun; # ${world.mark}\nread never < /dev/zero; sleep 1000; while true; do true; done" ]; }; }`
    )
    const own = await terminal("--log-format tree work/slow.nix")
    own.keys(":b slow\r")
    await own.until(/begun/)
    own.keys("\x03")
    await own.until(/interrupted\nyix> /)
    assert.match(await own.line("slow.name"), /^"slow"\n?$/)
    own.keys(":q\r")
    assert.strictEqual(await own.ended, 0)
    assert.deepStrictEqual(await world.leftovers(2000), [])
  })

  it("keeps its history for the next run, for its owner alone", async () => {
    const state = { XDG_STATE_HOME: path.join(world.home, "state") }
    const first = await terminal("", state)
    await first.line("40 + 2")
    first.keys("\x04")
    await first.ended
    const file = path.join(state.XDG_STATE_HOME, "yix/repl-history")
    assert.strictEqual(fs.readFileSync(file, "utf8"), "40 + 2\n")
    assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
    const second = await terminal("", state)
    second.keys("\x1b[A")
    await second.until(/40 \+ 2/)
    assert.match(await second.line(""), /^42\n?$/)
    second.keys("\x04")
    await second.ended
  })

  it("opens the editor where a function was written, and loads again what it wrote", async () => {
    const file = world.write("f.nix", "{\n  old = 1;\n  inc = n: n + 1;\n}\n")
    world.write("nano", '#!/bin/sh\necho "[$1 $2]"\necho "{ fresh = 7; }" > "$2"\n')
    fs.chmodSync(path.join(world.directory, "work/nano"), 0o755)
    const own = await terminal("work/f.nix", { EDITOR: path.join(world.directory, "work/nano"), VISUAL: "" })
    assert.include(await own.line(":e inc"), `[+3 ${file}]`)
    assert.match(await own.line("fresh"), /^7\n?$/)
    own.keys("\x04")
    await own.ended
  })
})
