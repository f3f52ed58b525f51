/**
 * What `bin/yix` sets before Node begins: that code which came with Node is still believed (`bench/settings-number.ts`), and that the settings are this process's alone.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"

const program = path.join(import.meta.dirname, "../../bin/yix")
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-settings-"))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))

const probe = path.join(scratch, "probe.cjs")
const seen = path.join(scratch, "seen.json")
fs.writeFileSync(
  probe,
  `const settings = [require("node:v8").cachedDataVersionTag(), ...process.execArgv]
  if (require("node:worker_threads").isMainThread) require("node:fs").writeFileSync(${JSON.stringify(seen)}, JSON.stringify(settings))`
)

const environment = { PATH: process.env["PATH"], HOME: scratch }

/** V8's mark of code that it keeps, and the settings that Node was given. `limit`: of the stack, in KiB. */
const settingsOf = (words: ReadonlyArray<string>, limit = "unlimited") => {
  const run = spawnSync("sh", ["-c", `ulimit -S -s 8192; ulimit -H -s ${limit}; exec "$@"`, "sh", program, ...words], {
    encoding: "utf8",
    env: { ...environment, NODE_OPTIONS: `--require ${probe}` },
    timeout: 60_000
  })
  assert.strictEqual(run.status, 0, run.stderr)
  const [mark, ...given] = JSON.parse(fs.readFileSync(seen, "utf8")) as [number, ...Array<string>]
  return { mark, given }
}

const evaluated = (expression: string, more: Record<string, string> = {}): string => {
  const run = spawnSync(program, ["eval", "--raw", "-E", expression], {
    encoding: "utf8",
    env: { ...environment, ...more },
    timeout: 60_000
  })
  assert.strictEqual(run.status, 0, run.stderr)
  return run.stdout
}

describe("the settings that yix starts with", () => {
  const usual = Number(spawnSync(process.execPath, ["-p", `require("node:v8").cachedDataVersionTag()`], { encoding: "utf8" }).stdout)
  for (const { words, limit, has } of [
    { words: ["--version"], limit: "unlimited", has: [] },
    { words: ["build", "--help"], limit: "unlimited", has: ["--initial-old-space-size=512"] },
    { words: ["eval", "-E", "1"], limit: "unlimited", has: ["--initial-old-space-size=512", "--stack-size=60000"] },
    { words: ["eval", "-E", "1"], limit: "16384", has: ["--initial-old-space-size=512"] }
  ]) {
    it(`leave kept code believed: ${words.join(" ")}, stack ${limit}`, () => {
      const { mark, given } = settingsOf(words, limit)
      const told = given.filter((word) => /^--(?:initial-old|stack)/.test(word))
      assert.deepStrictEqual(
        [told, mark],
        [has, usual],
        "run bench/settings-number.ts with these settings, and put the number it finds in bin/yix"
      )
    })
  }

  it("are not handed on", () => {
    assert.strictEqual(evaluated(`builtins.getEnv "GLIBC_TUNABLES"`), "")
  })

  it("leave the user's own be", () => {
    const own = "glibc.malloc.top_pad=65536"
    assert.strictEqual(evaluated(`builtins.getEnv "GLIBC_TUNABLES"`, { GLIBC_TUNABLES: own }), own)
  })
})
