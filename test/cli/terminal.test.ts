/**
 * The program on a terminal, which `script` of util-linux (bsdutils) makes: what it writes there, and how it leaves it.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { bundle, programOnPath, World } from "../acceptance/World.ts"

const hide = "\x1b[?25l"
const show = "\x1b[?25h"

/** A build that runs `script` when it has told a terminal to take another title and to clear itself. */
const build = (script: string) =>
  `derivation { name = "waiting"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "printf '\\\\033]0;title\\\\007\\\\033[2Jon my way\\\\n'; ${script}" ]; }`

/** Runs yix with its three streams on a terminal; `when` looks at what was written so far and may send a signal. */
const onTerminal = (
  world: World,
  words: string,
  env: NodeJS.ProcessEnv,
  when?: (written: string, signal: (signal: NodeJS.Signals) => void) => void
): Promise<{ readonly written: string; readonly code: number | null }> => {
  const pidFile = path.join(world.directory, "pid")
  const command = `echo $$ > ${pidFile}; exec ${process.execPath} ${bundle}/bin/yix.js ${words}`
  const child = spawn("script", ["-qefc", command, "/dev/null"], {
    cwd: world.directory,
    env: { ...world.environment, LANG: "C.UTF-8", TERM: "xterm", SHELL: "/bin/sh", ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let written = ""
  child.stdout.on("data", (bytes: Buffer) => {
    written += bytes.toString()
    when?.(written, (signal) => process.kill(Number(fs.readFileSync(pidFile, "utf8")), signal))
  })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), 30_000)
    child.on("error", reject)
    child.on("close", (code) => {
      clearTimeout(timer)
      resolve({ written, code })
    })
  })
}

describe("yix without a terminal", { timeout: 60_000 }, () => {
  it("writes no escape codes, also none of a builder's; colours alone where they are asked for", async () => {
    using world = new World()
    const file = world.write("default.nix", build("printf '\\\\033[31mred\\\\033[0m\\\\n'; echo > $out"))
    const args = ["build", "--no-out-link", "-f", file]
    const [plain, colored] = await Promise.all([
      world.yix(args, { env: { TERM: "xterm" } }),
      world.yix(["--color", "always", ...args], { env: { XDG_DATA_HOME: path.join(world.home, "other"), CI: "1" } })
    ])
    assert.strictEqual(plain.code, 0, plain.stderr)
    assert.notInclude(plain.stderr, "\x1b")
    assert.match(plain.stderr, /^waiting> red$/m)
    assert.include(colored.stderr, "\x1b[31mred\x1b[0m")
    assert.notMatch(colored.stderr.replace(/\x1b\[[0-9;]*m/g, ""), /\x1b/)
  })
})

describe.skipIf(programOnPath("script") === undefined)("yix on a terminal", { timeout: 60_000 }, () => {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGQUIT", 131]
  ] as const) {
    it(`draws its tree, and leaves the terminal as it was when ${signal} ends it`, async () => {
      using world = new World()
      let sent = false
      const file = world.write("default.nix", `${build("while :; do :; done")} // { mark = "${world.mark}"; }`)
      const run = await onTerminal(world, `build --no-out-link -f ${file}`, {}, (written, kill) => {
        if (sent || !written.includes("on my way")) return
        sent = true
        kill(signal)
      })
      assert.strictEqual(run.code, code, run.written)
      assert.include(run.written, hide)
      assert.isAbove(run.written.lastIndexOf(show), run.written.lastIndexOf(hide))
      // The builder's own sequences never reach the terminal.
      assert.match(run.written, / {2}on my way/)
      assert.notMatch(run.written, /title|2J/)
    })
  }

  it("shows an evaluation that takes longer than a second, and takes it away when it is interrupted", async () => {
    using world = new World()
    const endless = `eval -E '"${world.mark}" == (let f = n: if n < 2 then n else f (n - 1) + f (n - 2); in f 90)'`
    let sent = false
    const run = await onTerminal(world, endless, {}, (written, kill) => {
      if (sent || !/evaluating[^]*\b2 s/.test(written)) return
      sent = true
      kill("SIGINT")
    })
    assert.strictEqual(run.code, 130)
    const wiped = "\x1b[2A\r\x1b[J"
    assert.match(run.written.replaceAll(/\x1b\[[\d;]*m/g, ""), /^\u25b8 evaluating an expression {2}1 s\r\n1 s\r\n\x1b\[2A\r\x1b\[J\u25b8 /)
    assert.isTrue(run.written.endsWith(wiped), JSON.stringify(run.written))
  })

  it("writes plain lines without escape codes where the terminal is dumb or nobody looks at it", async () => {
    using world = new World()
    const file = world.write("default.nix", build("echo a line; echo > $out"))
    const runs = await Promise.all([
      onTerminal(world, `build --no-out-link -f ${file}`, { TERM: "dumb" }),
      onTerminal(world, `build --no-out-link -f ${file}`, { CI: "true", NO_COLOR: "1", XDG_DATA_HOME: path.join(world.home, "other") })
    ])
    for (const { written, code } of runs) {
      assert.strictEqual(code, 0, written)
      assert.notInclude(written, "\x1b")
      assert.match(written, /building waiting\r\n/)
      assert.match(written, /waiting> a line\r\n/)
    }
  })
})
