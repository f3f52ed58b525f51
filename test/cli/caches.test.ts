/** Binary caches from the outside: `yix copy`, `yix serve --http`, `yix build --substituter`. */
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "vitest"

const project = path.join(import.meta.dirname, "..", "..")
const program = path.join(project, "src/cli/main.ts")
const vectors = "/work/shared/vectors/store"
const present = fs.existsSync(vectors)
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-caches-"))
afterAll(() => {
  spawnSync("chmod", ["-R", "u+rwX", scratch])
  fs.rmSync(scratch, { recursive: true, force: true })
})

const yix = (store: string, args: ReadonlyArray<string>) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args, "--store", path.join(scratch, store)], {
    encoding: "utf8",
    timeout: 60_000,
    cwd: scratch
  })
  return { status, out: stdout.trim(), err: stderr.trim() }
}

const app = "/nix/store/2xy2zzi6nn3b4ya0r30338x489i12cll-corpus-app-2.0"
const lib = "/nix/store/w6brclphl8iaskilxw1nbdykgd7sd70w-corpus-lib-1.0"

describe.skipIf(!present)(present ? "yix and binary caches" : `yix and binary caches (skipped: ${vectors} is not here)`, () => {
  const key = present ? fs.readFileSync(path.join(vectors, "public.key"), "utf8").trim() : ""
  const cache = `file://${vectors}/cache-zstd`

  it("copies from a cache, serves what it has, and copies to and from that; says whom to trust and what to write", async () => {
    const untrusted = yix("a", ["copy", "--from", cache, app])
    assert.strictEqual(untrusted.status, 1)
    assert.match(untrusted.err, /not signed by a trusted key.*corpus-1.*--trusted-public-key/)
    const copied = yix("a", ["copy", "--from", cache, "--trusted-public-key", key, app])
    assert.deepStrictEqual([copied.status, copied.out], [0, `${lib}\n${app}`], copied.err)
    assert.strictEqual(yix("a", ["copy", app]).status, 2)
    assert.strictEqual(yix("a", ["serve"]).status, 2)
    assert.match(yix("a", ["serve", "--http", "nowhere"]).err, /is no address/)

    const server = spawn(process.execPath, [program, "serve", "--http", ":0", "--store", path.join(scratch, "served")], {
      stdio: ["ignore", "ignore", "pipe"]
    })
    try {
      const url = await new Promise<string>((resolve, reject) => {
        let text = ""
        server.stderr.on("data", (piece: Buffer) => {
          text += piece.toString()
          const found = /http:\/\/127\.0\.0\.1:\d+/.exec(text)
          if (found !== null) resolve(found[0])
        })
        server.on("exit", () => reject(new Error(text)))
      })
      const sent = yix("a", ["copy", "--to", url, app])
      assert.deepStrictEqual([sent.status, sent.out], [0, `${lib}\n${app}`], sent.err)
      const got = yix("b", ["copy", "--from", url, "--trusted-public-key", key, app])
      assert.deepStrictEqual([got.status, got.out], [0, `${lib}\n${app}`], got.err)
      assert.strictEqual(yix("b", ["store", "cat", app]).out, yix("a", ["store", "cat", app]).out)
    } finally {
      const ended = new Promise((resolve) => server.on("exit", (_code, signal) => resolve(signal)))
      server.kill("SIGTERM")
      await ended
    }
  }, 120_000)

  it("builds by substituting, for imports from derivations, too", () => {
    const build = (store: string, args: ReadonlyArray<string>) =>
      yix(store, ["build", "--no-out-link", "--max-jobs", "1", "--substituter", cache, "--trusted-public-key", key, ...args])
    const built = build("c", ["-f", path.join(vectors, "closure.nix"), "-A", "app", "--log-format", "json"])
    assert.deepStrictEqual([built.status, built.out], [0, app], built.err)
    const kindsOf = (log: string) => log.split("\n").flatMap((line) => /"kind":"(build|substitute|fetch)"/.exec(line)?.[1] ?? [])
    assert.deepStrictEqual([...new Set(kindsOf(built.err))], ["substitute"])
    const read = "builtins.unsafeDiscardStringContext (builtins.readFile c.app)"
    const expr = `let c = import ${vectors}/closure.nix; in if builtins.substring 0 3 (${read}) == "app" then c.user else c.top`
    const imported = build("d", ["-E", expr, "--log-format", "json"])
    assert.deepStrictEqual([imported.status, imported.out.endsWith("-corpus-user")], [0, true], imported.err)
    assert.deepStrictEqual([...new Set(kindsOf(imported.err))], ["substitute"])
  }, 120_000)
})
