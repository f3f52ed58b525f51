/** Compositions from the outside: `yix build` by what a `yix.toml` says, and how `yix config` answers. */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "vitest"

const program = path.join(import.meta.dirname, "../../src/cli/main.ts")
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-composed-"))
afterAll(() => {
  spawnSync("chmod", ["-R", "u+rwX", scratch])
  fs.rmSync(scratch, { recursive: true, force: true })
})

const write = (name: string, text: string): string => {
  fs.mkdirSync(path.dirname(path.join(scratch, name)), { recursive: true })
  fs.writeFileSync(path.join(scratch, name), text)
  return path.join(scratch, name)
}

/** Runs with `NAME.toml` and the store `NAME`. */
const yix = (name: string, ...args: ReadonlyArray<string>) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args, "--config", `${name}.toml`, "--store", name], {
    encoding: "utf8",
    timeout: 60_000,
    cwd: scratch
  })
  return { status, out: stdout.trim(), err: stderr.trim() }
}

/** The kinds of work that a log in JSON tells of, without evaluations. */
const work = (log: string): ReadonlyArray<string> => [
  ...new Set(log.split("\n").flatMap((line) => /"kind":"(build|substitute|fetch)"/.exec(line)?.[1] ?? []))
]

const chain = `
  let
    sh = name: more: script: derivation (more // { inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-euc" script ]; });
    leaf = sh "leaf" { } "echo leaf > $out";
  in
  sh "top" { inherit leaf; } "echo top of $leaf > $out"
`

describe("a binary cache as the far side of a composition", () => {
  write("chain.nix", chain)
  write("secret", "k-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==\n")
  write(
    "origin.toml",
    '[pathinfoservices.root]\ntype = "keyfile-signing"\ninner = "disk"\nkeyfile = "secret"\n[pathinfoservices.disk]\ntype = "local"\n'
  )
  const user = (key: string) =>
    '[pathinfoservices.root]\ntype = "cache"\nnear = "here"\nfar = "upstream"\nwrite = "near"\n' +
    '[pathinfoservices.here]\ntype = "local"\n' +
    `[pathinfoservices.upstream]\ntype = "nix"\nbase_url = "file://${scratch}/cache"\npublic_keys = ["${key}:A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="]\n`
  const build = (name: string) => yix(name, "build", "-f", "chain.nix", "--no-out-link", "--log-format", "json")

  it("is what yix build takes from, signatures by the keys of yix.toml demanded, and the near side keeps what came", () => {
    const built = build("origin")
    assert.deepStrictEqual([built.status, work(built.err)], [0, ["build"]], built.err)
    const copied = yix("origin", "copy", "--to", `file://${scratch}/cache`, built.out)
    assert.strictEqual(copied.status, 0, copied.err)

    write("user.toml", user("k-1"))
    const taken = build("user")
    assert.deepStrictEqual([taken.status, taken.out], [0, built.out], taken.err)
    assert.notInclude(work(taken.err), "build")

    write("stranger.toml", user("k-2"))
    // What cannot be believed is built instead, which is said.
    const refused = build("stranger")
    assert.deepStrictEqual([refused.status, refused.out, work(refused.err)], [0, built.out, ["build"]], refused.err)
    assert.match(refused.err, /-top' is not taken from a cache: .*is not signed by a trusted key \(it has signatures of k-1\).*public_keys/)

    // Not a byte of it goes upstream, and with upstream gone all is here.
    fs.rmSync(path.join(scratch, "cache"), { recursive: true })
    const again = build("user")
    assert.deepStrictEqual([again.status, again.out, work(again.err)], [0, built.out, []], again.err)
    assert.match(yix("user", "store", "cat", built.out).out, /^top of \/nix\/store\/.*-leaf$/)
    assert.isFalse(fs.existsSync(path.join(scratch, "cache")))
  }, 120_000)
})

describe("fetchers of a composition", () => {
  const content = "from a directory\n"
  const hex = createHash("sha256").update(content).digest("hex")
  const fetching = (url: string) => `builtins.readFile (builtins.fetchurl { url = "${url}"; sha256 = "${hex}"; })`

  it("of type file bring things under --offline, and recorded ones replay what is nowhere any more", () => {
    write("mirror/example.invalid/a.txt", content)
    const files = '[fetchers.files]\ntype = "file"\nroots = ["mirror"]\n'
    write(
      "files.toml",
      `${files}[fetchers.root]\ntype = "combined"\nnear = "files"\nfar = "more"\n[fetchers.more]\ntype = "file"\nroots = ["more"]\n`
    )
    const read = (name: string, url: string) => yix(name, "eval", "--raw", "-E", fetching(url), "--offline")
    const fetched = read("files", "https://example.invalid/a.txt")
    assert.deepStrictEqual([fetched.status, fetched.out], [0, content.trim()], fetched.err)
    const absent = read("files", "https://example.invalid/b.txt")
    assert.deepStrictEqual([absent.status, absent.out], [1, ""])
    assert.include(
      absent.err,
      `'https://example.invalid/b.txt' is not below '${scratch}/more'; put the file at '${scratch}/more/example.invalid/b.txt'`
    )

    const recorded = (mode: string) =>
      `${files}[fetchers.root]\ntype = "recorded"\ninner = "files"\ndirectory = "recordings"\nmode = "${mode}"\n`
    write("record.toml", recorded("auto"))
    assert.strictEqual(read("record", "https://example.invalid/a.txt").out, content.trim())
    fs.rmSync(path.join(scratch, "mirror"), { recursive: true })
    write("replay.toml", recorded("replay"))
    const replayed = read("replay", "https://example.invalid/a.txt")
    assert.deepStrictEqual([replayed.status, replayed.out], [0, content.trim()], replayed.err)
    const missing = yix("replay", "eval", "--raw", "-E", 'builtins.fetchurl "https://example.invalid/b.txt"', "--offline")
    assert.strictEqual(missing.status, 1)
    assert.match(
      missing.err,
      /the fetch of 'https:\/\/example\.invalid\/b\.txt' is not recorded in '.*\/recordings'; fetch it once with mode = "auto" or "record"/
    )
  }, 120_000)
})

describe("a configuration that is wrong", () => {
  it("stops every command, with file, line, key and what to do, and prints nothing else", () => {
    write(
      "wrong.toml",
      '[blobservices.root]\ntype = "cache"\nnear = "fsat"\nfar = "disk"\nsize = 3\n[blobservices.fast]\ntype = "memory"\n[blobservices.disk]\ntype = "lokal"\n'
    )
    const expected =
      "the configuration has 3 problems\n" +
      `  ${scratch}/wrong.toml:3: blobservices.root.near: there is no blob service 'fsat'; did you mean 'fast'?\n` +
      `  ${scratch}/wrong.toml:5: blobservices.root.size: unknown key for type 'cache'; remove it; type 'cache' has the keys 'near', 'far', 'write'\n` +
      `  ${scratch}/wrong.toml:9: blobservices.disk.type: unknown type 'lokal'; did you mean 'local'?`
    for (const args of [
      ["config", "check"],
      ["build", "-E", "1"]
    ]) {
      const { status, out, err } = yix("wrong", ...args)
      assert.deepStrictEqual([status, out], [1, ""])
      assert.strictEqual(err, `error: ${expected}`)
    }
    assert.isFalse(fs.existsSync(path.join(scratch, "wrong")))
  })
})
