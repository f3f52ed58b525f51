/**
 * `yix compat`: forms of Nix's command lines and what Nix 2.34.8 gives for them.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"

const project = fileURLToPath(new URL("../..", import.meta.url))
const program = path.join(project, "bin/yix.js")

let directory = ""
const sh = (name: string, script: string, more = "") =>
  `derivation { name = "${name}"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-euc" ''${script}'' ]; ${more} }`

beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "yix-compat-"))
  const files = {
    "a.nix": "{ a = 1; b = 2; }\n",
    "f.nix": '{ x ? 5, y ? "d" }: { inherit x y; deep."quoted.key" = [ 1 { z = "found"; } ]; }\n',
    "default.nix": `{ one = ${sh("one", "echo 1 > $out")}; two = ${sh("two", "echo o > $out; echo d > $dev", 'outputs = [ "out" "dev" ];')}; }\n`,
    "sp/lib.nix": '"library"\n',
    "tree/x": "hello\n"
  }
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(directory, name)), { recursive: true })
    fs.writeFileSync(path.join(directory, name), text)
  }
  fs.chmodSync(path.join(directory, "tree/x"), 0o644)
})
afterAll(() => {
  spawnSync("chmod", ["-R", "u+rwX", directory])
  fs.rmSync(directory, { recursive: true, force: true })
})

interface Options {
  readonly input?: string | Uint8Array
  readonly env?: NodeJS.ProcessEnv
  /** Where nothing can be stored, as is the default; or a store in the test's directory. */
  readonly stored?: boolean
}

const run = (words: ReadonlyArray<string>, { input = "", env, stored = false }: Options = {}) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, "compat", ...words], {
    cwd: directory,
    env: { PATH: process.env["PATH"], HOME: "/nowhere", NIX_REMOTE: stored ? `local?root=${directory}/root` : "dummy://", ...env },
    input
  })
  return { code: status, bytes: stdout, out: stdout.toString(), err: stderr.toString() }
}

const out = (words: ReadonlyArray<string>, options?: Options): string => {
  const { code, out, err } = run(words, options)
  assert.strictEqual(code, 0, err)
  return out
}

const instantiate = (...words: ReadonlyArray<string>) => ["nix-instantiate", ...words]
const nix = (...words: ReadonlyArray<string>) => ["nix", "--extra-experimental-features", "nix-command", ...words]

/** Command line and standard output; or, for a failure, what standard error says. */
const table: ReadonlyArray<readonly [words: ReadonlyArray<string>, result: string | RegExp, options?: Options]> = [
  [instantiate("--version"), "nix-instantiate (Nix) 2.34.8\n"],
  [instantiate("--eval", "-vv", "-j4", "--option", "cores", "2", "-E", "1 + 1", "[ (1 + 1) { } [ ] ]"), "2\n[ <CODE> <CODE> [ ] ]\n"],
  [instantiate("--eval", "--strict", "a.nix", "./f.nix"), "{ a = 1; b = 2; }\n<LAMBDA>\n"],
  [instantiate("--eval", "f.nix", "-A", "x", "-A", 'deep."quoted.key".1.z'), '5\n"found"\n'],
  [instantiate("--eval", "-A", "x", "f.nix", "--arg-from-file", "x", "tree/x"), '"hello\\n"\n'],
  [instantiate("--eval", "-", "-A", "b"), "2\n", { input: "{ a = 1; b = 2; }" }],
  [instantiate("--eval", "--json", "-E", "{ a = 1 + 1; }"), /cannot convert a thunk to JSON/],
  [instantiate("--eval", "--xml", "--no-location", "-E", "{ a = 1 + 1; }"), "<?xml version='1.0' encoding='utf-8'?>\n<expr>\n  <attrs>\n    <attr name=\"a\">\n      <unevaluated />\n    </attr>\n  </attrs>\n</expr>\n"], // prettier-ignore
  [instantiate("--eval", "--raw", "-E", '{ outPath = "x"; }'), "x"],
  [instantiate("--eval", "-E", "import <p/lib.nix>", "-I", "p=nope", "-I", "p=sp"), '"library"\n'],
  [instantiate("--eval", "-E", "import <lib.nix>"), '"library"\n', { env: { NIX_PATH: "nope:sp" } }],
  [instantiate("--eval", "-E", '1 |> (x: x + 1)'), "2\n", { env: { NIX_CONFIG: "extra-experimental-features = pipe-operators" } }], // prettier-ignore
  [instantiate("--parse", "-E", "x: x.a or 1"), "(x: (x).a or (1))\n"],
  [instantiate("--parse", "-"), /undefined variable 'y'/, { input: "x: y" }],
  [instantiate("--eval", "-A", "c", "a.nix"), /attribute 'c' in selection path 'c' not found/],
  [["nix-hash", "tree"], "ffbec38a89f6f0a3ae02ebab4cee9aa7\n"],
  [["nix-hash", "--to-sri", "--type", "sha1", "800d59cfcd3c05e900cb4e214be48f6b886a08df"], "sha1-gA1Zz808BekAy04hS+SPa4hqCN8=\n"],
  [nix("hash", "convert", "--to", "base16", "md5-1B2M2Y8AsgTpgAmY7PhCfg=="), "d41d8cd98f00b204e9800998ecf8427e\n"],
  [nix("eval", "-f", "f.nix", "y", "--argstr", "y", "z"), '"z"\n'],
  [nix("eval", "--expr", '{ a = throw "x"; b = [ 1 { } ]; }'), "{ a = «error: x»; b = [ 1 { } ]; }\n"],
  [nix("eval", "--json", "--expr", "{ a = [ 1 ]; }", "--apply", "x: x.a"), "[1]\n"],
  [nix("run", "x"), /nix run is not there in yix: use 'yix run'/],
  [["nix-store", "--gc"], /--gc is not there in yix/],
  [["nix-store", "--add", "a.nix"], /read-only/],
  [["nix-store", "-q", "--references", "/nix/store/00000000000000000000000000000000-x"], /is not valid/],
  [["nix-store", "--store", "s3://bucket", "--verify"], /the store 's3:\/\/bucket' is not there in yix/],
  [["nix-collect-garbage"], /none of Nix's programs that yix can stand in for/]
]

describe("yix compat", { timeout: 120_000 }, () => {
  for (const [words, result, options] of table) {
    it(`takes ${words.join(" ")}`, () => {
      const { code, out, err } = run(words, options)
      if (typeof result === "string") assert.deepStrictEqual({ out, err: code === 0 ? "" : err }, { out: result, err: "" })
      else {
        assert.notStrictEqual(code, 0)
        assert.strictEqual(out, "")
        assert.match(err, result)
      }
    })
  }

  it("shows sessions without a terminal as if somebody had typed them", () => {
    assert.strictEqual(
      out(nix("repl"), { input: "a = 1; b = 2;\n{\nc = a + b;\n}\n# nothing yet\n:p [ 1 { } ]\n" }),
      "nix-repl> a = 1; b = 2;\n\nnix-repl> {\n        > c = a + b;\n        > }\n{ c = 3; }\n\nnix-repl> # nothing yet\n        > :p [ 1 { } ]\n\nnix-repl> \n"
    )
  })

  it("builds, links, asks and moves paths in the store that NIX_REMOTE names", () => {
    const stored = { stored: true }
    const drvPaths = out(["nix-instantiate"], stored).trim().split("\n")
    assert.strictEqual(drvPaths.length, 2)
    const [one, two] = drvPaths as [string, string]
    assert.strictEqual(out(["nix-instantiate", "-A", "two.dev"], stored), `${two}!dev\n`)
    assert.match(run(["nix-build", "--dry-run"], stored).err, /these 2 derivations will be built:\n {2}\/nix\/store\//)
    const built = out(["nix-build", "-A", "one", "-A", "two.dev"], stored).trim().split("\n") as [string, string]
    assert.strictEqual(fs.readFileSync(path.join(directory, "result"), "utf8"), "1\n")
    assert.strictEqual(fs.readFileSync(path.join(directory, "result-2-dev"), "utf8"), "d\n")
    assert.strictEqual(out(["nix-store", "-r", one, "--add-root", "root-link"], stored), "root-link\n")
    assert.deepStrictEqual(out(["nix-store", "-q", "--outputs", one, two], stored).trim().split("\n").length, 3)
    assert.strictEqual(out(["nix-store", "-qd", built[0]], stored), `${one}\n`)
    assert.strictEqual(out(["nix-store", "-q", "-b", "name", built[0]], stored), "one\n")
    assert.match(
      out(["nix-store", "--print-env", two], stored),
      /^export builder; builder='\/bin\/sh'\n\n[^]*\nexport _args; _args='-euc echo/
    )
    assert.strictEqual(out(nix("path-info", "-s", built[0]), stored), `${built[0]}\t        120\n`)
    assert.strictEqual(out(nix("store", "cat", built[0]), stored), "1\n")
    const moved = run(["nix-store", "--export", built[0]], stored).bytes
    assert.strictEqual(out(["nix-store", "--import"], { input: moved, env: { NIX_REMOTE: `${directory}/other` } }), `${built[0]}\n`)
    assert.strictEqual(run(["nix-build", "--no-out-link", "-E", sh("bad", "exit 3")], stored).code, 100)
    assert.isFalse(fs.existsSync("/nowhere"))
  })

  it("copies to and from caches and says nothing about it", () => {
    fs.writeFileSync(path.join(directory, "copied"), "copied\n")
    const added = out(["nix-store", "--add", "copied"], { stored: true }).trim()
    const cache = `file://${directory}/copied-cache`
    assert.strictEqual(out(nix("copy", "--to", cache, added), { stored: true }), "")
    const elsewhere = { env: { NIX_REMOTE: `local?root=${directory}/elsewhere` } }
    assert.strictEqual(out(nix("copy", "--no-check-sigs", "--from", cache, added), elsewhere), "")
    assert.strictEqual(
      out(["nix-store", "--query", "--hash", added], elsewhere),
      out(["nix-store", "--query", "--hash", added], { stored: true })
    )
  })

  it("packs files into archives and unpacks them, whole or not at all", () => {
    const nar = run(["nix-store", "--dump", "tree"]).bytes
    fs.writeFileSync(path.join(directory, "t.nar"), nar)
    assert.strictEqual(out(nix("nar", "ls", "-l", "t.nar", "/")), "-r--r--r--                    6 ./x\n")
    assert.strictEqual(out(nix("nar", "cat", "t.nar", "/x")), "hello\n")
    out(["nix-store", "--restore", "copy"], { input: nar })
    assert.strictEqual(fs.readFileSync(path.join(directory, "copy/x"), "utf8"), "hello\n")
    assert.match(run(["nix-store", "--restore", "copy"], { input: nar }).err, /something has this name already/)
    assert.strictEqual(run(["nix-store", "--restore", "half"], { input: nar.subarray(0, nar.length - 8) }).code, 1)
    assert.deepStrictEqual(
      fs.readdirSync(directory).filter((name) => name.includes("half")),
      []
    )
  })

  it("evaluates and builds outputs of flakes", () => {
    fs.mkdirSync(path.join(directory, "flake"))
    fs.writeFileSync(
      path.join(directory, "flake/flake.nix"),
      `{ outputs = { self }: { lib.n = 42; packages.x86_64-linux.p.v = 1; packages.aarch64-linux.p.v = 1; }; }`
    )
    assert.strictEqual(out(nix("eval", "./flake#lib.n"), { stored: true }), "42\n")
    assert.strictEqual(out(nix("eval", "./flake#p.v"), { stored: true }), "1\n")
    assert.match(
      run(nix("eval", "./flake#q"), { stored: true }).err,
      /does not provide attribute 'packages\.[^']*\.q', 'legacyPackages\.[^']*\.q' or 'q'/
    )
  })
})
