import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"

const script = fileURLToPath(new URL("BecomeProgram.ts", import.meta.url))
const nobody = 65534

let directory = ""
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "yix-namespace-"))
  fs.chmodSync(directory, 0o755)
  fs.mkdirSync(path.join(directory, "tree"))
  fs.writeFileSync(
    path.join(directory, "tree/program"),
    '#!/bin/sh\necho "$@" "$PWD" "$V" $(id -u) $(ls /nix/store); cat "$0" > /dev/null; read -r x; echo "$x"; exit 9\n'
  )
  fs.chmodSync(path.join(directory, "tree/program"), 0o755)
})
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }))

const store = `/nix/store/${"0".repeat(32)}`
const installed = (program: string) => (process.env["PATH"] ?? "").split(":").some((folder) => fs.existsSync(path.join(folder, program)))

describe("a program in a namespace of its own", { timeout: 60_000 }, () => {
  for (const [driver, tool] of [
    ["bubblewrap", "bwrap"],
    ["util-linux", "unshare"]
  ] as const) {
    for (const user of [undefined, nobody]) {
      const who = user === undefined ? "whoever runs the tests" : "an ordinary user"
      it(`sees the store by ${driver}, with ${who}'s id, arguments, directory, environment, input and exit status`, (context) => {
        if (!installed(tool)) return context.skip(`${tool} is not installed`)
        if (user !== undefined && process.getuid?.() !== 0) return context.skip("only root can be somebody else")
        const ids = user === undefined ? {} : { uid: user, gid: user }
        const run = spawnSync(
          process.execPath,
          [script, driver, path.join(directory, "tree"), "tree", `${store}-link/program`, "a b", "--c"],
          {
            cwd: directory,
            env: { PATH: process.env["PATH"], V: "kept" },
            input: "typed\n",
            encoding: "utf8",
            ...ids
          }
        )
        if (/Operation not permitted|No permissions|clone|user namespaces/.test(run.stderr) && user !== undefined) {
          return context.skip(`user namespaces are not allowed here: ${run.stderr.trim().split("\n").at(-1)}`)
        }
        const id = user ?? process.getuid!()
        assert.strictEqual(run.stdout, `a b --c ${directory} kept ${id} ${"0".repeat(32)}-link ${"0".repeat(32)}-tree\ntyped\n`, run.stderr)
        assert.strictEqual(run.status, 9)
      })
    }
  }

  it("cannot change the store, and leaves no mounts behind", () => {
    if (!installed("bwrap")) return
    const run = spawnSync(
      process.execPath,
      [script, "bubblewrap", path.join(directory, "tree"), "tree", "/bin/sh", "-c", `echo x > ${store}-tree/new`],
      {
        encoding: "utf8"
      }
    )
    assert.notStrictEqual(run.status, 0)
    assert.isFalse(fs.existsSync(path.join(directory, "tree/new")))
    assert.notInclude(fs.readFileSync("/proc/self/mountinfo", "utf8"), directory)
  })
})
