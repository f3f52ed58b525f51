import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"

const project = fileURLToPath(new URL("../..", import.meta.url))
const program = path.join(project, "bin/yix.js")

let directory = ""
beforeAll(() => {
  if (!fs.existsSync(path.join(project, "dist/yix.js"))) throw new Error("dist/yix.js is missing: make it with 'npm run build'")
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "yix-cli-"))
  fs.mkdirSync(path.join(directory, "home"))
})
afterAll(() => {
  spawnSync("chmod", ["-R", "u+rwX", directory])
  fs.rmSync(directory, { recursive: true, force: true })
})

interface Options {
  readonly input?: string | Uint8Array
  readonly env?: NodeJS.ProcessEnv
}

/** Runs the bundled program in the test's directory. */
const yix = (args: ReadonlyArray<string>, options: Options = {}) => {
  const run = spawnSync(process.execPath, [program, ...args], {
    cwd: directory,
    env: { PATH: process.env["PATH"], HOME: path.join(directory, "home"), ...options.env },
    input: options.input ?? "",
    maxBuffer: 1 << 26
  })
  return { code: run.status, out: run.stdout.toString(), bytes: run.stdout, err: run.stderr.toString() }
}

const ok = (args: ReadonlyArray<string>, options: Options = {}): string => {
  const run = yix(args, options)
  assert.strictEqual(run.code, 0, run.err)
  return run.out.replace(/\n$/, "")
}

const write = (name: string, text: string): string => {
  const file = path.join(directory, name)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, text)
  return file
}

const sh = (name: string, attributes: string, script: string) =>
  `derivation ({ name = "${name}"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-euc" ''${script}'' ]; } // { ${attributes} })`

describe("yix eval", { timeout: 120_000 }, () => {
  it("prints each format as nix-instantiate does", () => {
    assert.strictEqual(yix(["eval", "-E", '{ a = [ 1 "x" ]; }']).out, "{ a = <CODE>; }\n")
    assert.strictEqual(yix(["eval", "--strict", "-E", '{ a = [ 1 "x" ]; }']).out, '{ a = [ 1 "x" ]; }\n')
    assert.strictEqual(yix(["eval", "--json", "-E", '{ a = [ 1 "é" null ]; }']).out, '{"a":[1,"é",null]}\n')
    assert.strictEqual(yix(["eval", "--raw", "-E", '"a\\nb"']).out, "a\nb")
    assert.match(yix(["eval", "--xml", "-E", "1"]).out, /^<\?xml[^]*<int value="1" \/>[^]*<\/expr>\n$/)
  })

  it("ends at a warning where that is asked for, as a flag or as Nix's setting", () => {
    const expression = ["-E", 'builtins.warn "careful" 1']
    const compat = ["compat", "nix-instantiate", "--eval"]
    for (const command of [
      ["eval", "--abort-on-warn"],
      [...compat, "--option", "abort-on-warn", "true"]
    ]) {
      const run = yix([...command, ...expression])
      assert.strictEqual(run.code, 1)
      assert.match(run.err, /evaluation warning: careful[^]*abort-on-warn is set/)
    }
    assert.strictEqual(ok([...compat, "--option", "abort-on-warn", "false", ...expression]), "1")
  })

  it("takes arguments, attributes, files, standard input, and values that look like flags", () => {
    write("f.nix", "{ a, b ? 2 }: { x.y = a + b; z = [ a ]; }")
    assert.strictEqual(ok(["eval", "f.nix", "--arg", "a", "40", "-A", "x.y"]), "42")
    assert.strictEqual(ok(["eval", "-f", "f.nix", "--argstr", "a", "y", "--arg", "b", '"es"', "-A", "x.y", "-A", "z"]), '"yes"\n[ "y" ]')
    assert.strictEqual(ok(["eval", "-"], { input: "1 + 1" }), "2")
    assert.strictEqual(ok(["eval", "-E", "-1"]), "-1")
    write("d/default.nix", '"directory"')
    assert.strictEqual(ok(["eval", "--raw", "d"]), "directory")
    assert.strictEqual(ok(["eval", "--raw", "-Id=./d", "-E", "import <d>"]), "directory")
    assert.strictEqual(ok(["eval", "--raw", "-E", "import <d>"], { env: { NIX_PATH: `d=${directory}/d` } }), "directory")
  })

  it("says what is wrong on standard error, with status 1 for the expression and 2 for the command line", () => {
    const failing = yix(["eval", "-E", "1 + true"])
    assert.strictEqual(failing.code, 1)
    assert.strictEqual(failing.out, "")
    assert.match(failing.err, /^error: /)
    for (const args of [
      ["eval", "-E", "1", "-f", "f.nix"],
      ["eval", "--json", "--raw", "-E", "1"],
      ["eval", "-E"],
      ["eval"],
      ["eval", "--arg", "x"],
      []
    ]) {
      const run = yix(args)
      assert.strictEqual(run.code, 2, `${args.join(" ")}: ${run.err}`)
      assert.strictEqual(run.out, "")
    }
  })

  it("shows traces and warnings also when quiet, and progress as JSON when asked", () => {
    const expression = 'builtins.trace "here" (builtins.readFile (' + sh("seen", "", "echo x > $out") + "))"
    assert.strictEqual(yix(["eval", "--quiet", "-E", expression]).err, "trace: here\n")
    const events = yix([
      "eval",
      "--log-format",
      "json",
      "-E",
      `builtins.readFile (${sh("other", "", "echo one; echo two; echo x > $out")})`
    ])
      .err.trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { readonly event: string; readonly line?: string })
    assert.deepStrictEqual(
      events.map((event) => event.line ?? event.event),
      // The evaluation, what it waits for, the plan, the build and its log, and the ends of both.
      ["started", "awaits", "wanted", "planned", "started", "one", "two", "done", "resumed", "done"]
    )
  })

  it("ends quietly when nobody reads its output", async () => {
    const child = spawn(process.execPath, [program, "eval", "--strict", "-E", "builtins.genList (x: x) 300000"], {
      env: { PATH: process.env["PATH"], HOME: path.join(directory, "home") },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let err = ""
    child.stderr.on("data", (bytes: Buffer) => (err += bytes.toString()))
    child.stdout.once("data", () => child.stdout.destroy())
    const code = await new Promise((resolve) => child.on("close", resolve))
    assert.deepStrictEqual([code, err], [141, ""])
  })
})

describe("yix build", { timeout: 120_000 }, () => {
  it("links each output and prints JSON when asked", () => {
    const file = write(
      "multi.nix",
      `{ a = ${sh("a", 'outputs = [ "out" "dev" ];', "echo a > $out; echo dev > $dev")}; b = ${sh("b", "", "mkdir $out; echo b > $out/f")}; }`
    )
    const paths = ok(["build", "-f", file, "-o", "r"]).split("\n")
    assert.strictEqual(paths.length, 2)
    assert.strictEqual(fs.readFileSync(path.join(directory, "r"), "utf8"), "a\n")
    assert.strictEqual(fs.readFileSync(path.join(directory, "r-2/f"), "utf8"), "b\n")
    assert.isFalse(fs.existsSync(path.join(directory, "r-dev")))
    ok(["build", "-f", file, "-A", "a.dev", "-o", "r"])
    assert.strictEqual(fs.readFileSync(path.join(directory, "r-dev"), "utf8"), "dev\n")
    const json = JSON.parse(ok(["build", "-f", file, "--no-out-link", "--json"])) as ReadonlyArray<{
      drvPath: string
      outputs: Record<string, string>
    }>
    assert.deepStrictEqual(
      json.map((one) => Object.keys(one.outputs)),
      [["out"], ["out"]]
    )
    assert.strictEqual(json[1]!.outputs["out"], paths[1])
    assert.deepStrictEqual(
      ok(["instantiate", "-f", file]).split("\n"),
      json.map((one) => one.drvPath)
    )
  })

  it("does not replace what is no link", () => {
    write("result", "mine")
    const run = yix(["build", "-E", sh("c", "", "echo > $out")])
    assert.strictEqual(run.code, 1)
    assert.match(run.err, /cannot make the link 'result'/)
    assert.strictEqual(fs.readFileSync(path.join(directory, "result"), "utf8"), "mine")
  })

  it("builds store paths: outputs that are there, and derivations that were written", () => {
    const expression = sh("written", "", "echo written > $out; echo said")
    const drvPath = ok(["instantiate", "--write", "-E", expression])
    const out = ok(["build", "--no-out-link", `${drvPath}`])
    assert.strictEqual(ok(["build", "--no-out-link", out]), out)
    assert.strictEqual(ok(["build", "--no-out-link", `${drvPath}^out`]), out)
    assert.strictEqual(ok(["log", out]), "said")
    assert.strictEqual(ok(["log", drvPath]), "said")
    assert.match(yix(["build", "--no-out-link", `${out.slice(0, -7)}missing`]).err, /is not in the store/)
    assert.match(yix(["log", `${out.slice(0, -7)}missing`]).err, /there is no build log/)
  })

  it("shows derivations as JSON in UTF-8, as an expression and as a file", () => {
    const expression = `derivation { name = "x"; system = "s"; builder = "b"; u = "é→"; }`
    const shown = JSON.parse(ok(["derivation", "show", "-E", expression]))
    const [name, derivation] = Object.entries(shown.derivations as Record<string, { readonly env: { readonly u: string } }>)[0]!
    assert.strictEqual(derivation.env.u, "é→")
    const drvPath = ok(["instantiate", "--write", "-E", expression])
    assert.strictEqual(path.basename(drvPath), name)
    fs.writeFileSync(path.join(directory, "x.drv"), yix(["store", "cat", drvPath]).bytes)
    assert.deepStrictEqual(JSON.parse(ok(["derivation", "show", "x.drv"])), shown)
  })

  it("--check tells a build that is not deterministic", () => {
    const shaky = sh("shaky", "", "read -r id < /proc/sys/kernel/random/uuid; echo $id > $out")
    assert.strictEqual(yix(["build", "--no-out-link", "--check", "-E", shaky]).code, 1)
    const out = ok(["build", "--no-out-link", "-E", shaky])
    const before = ok(["store", "cat", out])
    const run = yix(["build", "--no-out-link", "--check", "-E", shaky])
    assert.strictEqual(run.code, 104)
    assert.match(run.err, /not deterministic/)
    assert.strictEqual(ok(["store", "cat", out]), before)
    assert.strictEqual(yix(["build", "--no-out-link", "--check", "-E", sh("steady", "", "echo > $out")]).code, 1)
  })

  it("--offline refuses what must be fetched, and takes what is there", () => {
    const fetch =
      'import <nix/fetchurl.nix> { url = "http://127.0.0.1:1/x"; sha256 = "0000000000000000000000000000000000000000000000000000"; }'
    const run = yix(["build", "--offline", "--no-out-link", "-E", fetch])
    assert.strictEqual(run.code, 1)
    assert.match(run.err, /--offline forbids/)
    ok(["build", "--offline", "--no-out-link", "-E", sh("local", "", "echo > $out")])
  })
})

describe("yix store", { timeout: 120_000 }, () => {
  it("adds a tree, shows it, and checks it out again", () => {
    write("tree/a", "one\n")
    write("tree/sub/b", "two\n")
    fs.chmodSync(path.join(directory, "tree/sub/b"), 0o755)
    fs.symlinkSync("sub/b", path.join(directory, "tree/l"))
    const added = ok(["store", "add", "tree"])
    assert.match(added, /^\/nix\/store\/[0-9a-z]{32}-tree$/)
    assert.strictEqual(ok(["store", "ls", added]), "a\nl\nsub")
    assert.deepStrictEqual(
      ok(["store", "ls", "-lR", added])
        .split("\n")
        .map((line) => line.replace(/ +/g, " ")),
      ["-r--r--r-- 4 a", "lrwxrwxrwx 5 l -> sub/b", "dr-xr-xr-x 0 sub", "-r-xr-xr-x 4 sub/b"]
    )
    assert.deepStrictEqual(JSON.parse(ok(["store", "ls", "--json", `${added}/sub`])), [
      { path: "b", type: "regular", size: 4, executable: true }
    ])
    assert.strictEqual(yix(["store", "cat", `${added}/a`, `${added}/sub/b`]).out, "one\ntwo\n")
    ok(["store", "checkout", added, "copy"])
    assert.strictEqual(fs.readFileSync(path.join(directory, "copy/l"), "utf8"), "two\n")
    assert.strictEqual(fs.statSync(path.join(directory, "copy/a")).mode & 0o777, 0o444)
    assert.match(yix(["store", "checkout", added, "copy"]).err, /exists already/)
    ok(["store", "checkout", "--writable", `${added}/sub`, "copy2"])
    fs.appendFileSync(path.join(directory, "copy2/b"), "more")
    assert.match(ok(["store", "verify"]), /all is well/)
  })

  it("adds single files by their own hash, and refuses another one", () => {
    write("file.txt", "hello")
    const digest = "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
    const added = ok(["store", "add", "--flat", "--name", "other-name", "--hash", digest, "file.txt"])
    assert.match(added, /-other-name$/)
    assert.strictEqual(
      (JSON.parse(ok(["store", "path-info", "--json", added])) as Record<string, { ca: string }>)[added]!.ca,
      "fixed:sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic"
    )
    const run = yix(["store", "add", "--flat", "--hash", digest.replace("L", "M"), "file.txt"])
    assert.strictEqual(run.code, 1)
    assert.include(run.err, digest)
    assert.strictEqual(yix(["store", "add", "absent"]).code, 1)
  })

  it("tells about closures and moves them to another store", () => {
    const expression = `let low = ${sh("low", "", "echo low > $out")}; in ${sh("high", "inherit low;", "echo $low > $out")}`
    const high = ok(["build", "--no-out-link", "-E", expression])
    const infos = JSON.parse(ok(["store", "path-info", "--json", "--closure", high])) as Record<
      string,
      { references: ReadonlyArray<string> }
    >
    assert.deepStrictEqual(
      Object.keys(infos).map((p) => p.slice(44)),
      ["low", "high"]
    )
    assert.deepStrictEqual(infos[high]!.references, [Object.keys(infos)[0]!])
    assert.match(ok(["store", "path-info", high]), /references:\n {4}\/nix\/store\/[0-9a-z]{32}-low\n/)
    const exported = yix(["store", "export", "--closure", high])
    const other = ["--store", path.join(directory, "other")]
    assert.strictEqual(ok([...other, "store", "import"], { input: exported.bytes }), Object.keys(infos).join("\n"))
    assert.strictEqual(ok(["store", "cat", high, ...other]), Object.keys(infos)[0])
    const lone = yix(["store", "export", high])
    const empty = yix(["--store", path.join(directory, "third"), "store", "import"], { input: lone.bytes })
    assert.strictEqual(empty.code, 1)
    assert.match(empty.err, /-low.*nothing was added/s)
  })

  it("that cannot be written is refused with the way out", () => {
    write("plain-file", "")
    const run = yix(["build", "-E", sh("d", "", "echo > $out")], { env: { XDG_DATA_HOME: path.join(directory, "plain-file") } })
    assert.strictEqual(run.code, 1)
    assert.match(run.err, /cannot use the store in '.*plain-file\/yix'.*--store/)
    assert.match(yix(["--store", "/proc/no/such", "store", "verify"]).err, /cannot use the store in '\/proc\/no\/such'/)
  })
})

describe("yix run", { timeout: 120_000 }, () => {
  const viaShell = `let data = ${sh("data", "", "echo data > $out")}; in ${sh("script", "inherit data;", 'echo "$data" > $out')}`

  it("sees the closure at /nix/store and nothing else there, keeps directory, environment, input and exit status", () => {
    const out = ok(["build", "--no-out-link", "-E", viaShell])
    // The sandbox shell has no chmod: the program that is run is the host's own shell, the store's path its argument.
    const checkout = path.join(directory, "bin-tree")
    write(
      "bin-tree/bin/tool",
      `#!/bin/sh\nread -r p < ${out}; read -r x < "$p" 2>/dev/null; echo "$x" "$@" "$PWD" "$V"; read -r y; echo "$y"; exit 7\n`
    )
    fs.chmodSync(path.join(checkout, "bin/tool"), 0o755)
    const added = ok(["store", "add", "bin-tree"])
    const run = yix(["run", added, "--", "a b", "--quiet"], { input: "line\n", env: { V: "kept" } })
    assert.strictEqual(run.code, 7, run.err)
    assert.match(run.out, /^ a b --quiet .* kept\nline\n$/)
  })

  it("says which programs there are when it is not clear which is meant", () => {
    write("two/bin/x", "#!/bin/sh\n")
    write("two/bin/y", "#!/bin/sh\necho y\n")
    for (const name of ["x", "y"]) fs.chmodSync(path.join(directory, "two/bin", name), 0o755)
    const added = ok(["store", "add", "two"])
    assert.match(yix(["run", added]).err, /several programs.*x, y/)
    assert.strictEqual(ok(["run", added, "--program", "y"]), "y")
    assert.strictEqual(ok(["run", `${added}/bin/y`]), "y")
    assert.match(yix(["run", ok(["store", "add", "file.txt"])]).err, /file without the executable bit/)
    assert.match(yix(["run", `${added}/bin/z`]).err, /has no entry 'z'/)
    assert.match(yix(["run", `${added}/bin`]).err, /is a directory/)
  })
})
