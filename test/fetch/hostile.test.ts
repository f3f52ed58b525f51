/**
 * Repositories that somebody made to do harm: they read nothing of this machine, run nothing on it, and end in a plain refusal.
 */
import "../castore/crypto.ts"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Blobs from "../../src/castore/blob/Memory.ts"
import * as Directories from "../../src/castore/directory/Memory.ts"
import { Fetcher } from "../../src/fetch/Fetcher.ts"
import * as LocalFetcher from "../../src/fetch/LocalFetcher.ts"
import * as Transfer from "../../src/fetch/Transfer.ts"
import { type Attribute, parseUrl } from "../../src/nix/FlakeRef.ts"
import { gitIn } from "./Repositories.ts"

const scratch = fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), "yix-hostile-")))
const at = (...names: ReadonlyArray<string>): string => path.join(scratch, ...names)
const before = { ...process.env }
afterAll(() => {
  process.env = before
  fs.rmSync(scratch, { recursive: true, force: true })
})

const git = gitIn(scratch)

/** Bytes in, what git prints out. */
const gitWith = (directory: string, input: Uint8Array, ...args: ReadonlyArray<string>): string =>
  execFileSync("git", ["-C", directory, ...args], { input, encoding: "utf8", env: { PATH: process.env["PATH"], HOME: scratch } }).trim()

const repository = (name: string, files: Readonly<Record<string, string>>): string => {
  const directory = at(name)
  fs.mkdirSync(directory)
  git(directory, "init", "--quiet", "--initial-branch=main")
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(directory, file)), { recursive: true })
    fs.writeFileSync(path.join(directory, file), text)
  }
  git(directory, "add", "--all")
  git(directory, "commit", "--quiet", "--message=one")
  return directory
}

/** A repository with a submodule of which it says that it is at `url`. */
const withSubmodule = (name: string, url: string, rev: string): string => {
  const directory = repository(name, { ".gitmodules": `[submodule "s"]\n path = sub\n url = ${url}\n` })
  git(directory, "update-index", "--add", "--cacheinfo", `160000,${rev},sub`)
  git(directory, "commit", "--quiet", "--message=sub")
  return directory
}

/** A repository whose only commit has the tree that these lines make: `mode name`, and what it is. */
const withTree = (
  name: string,
  entries: ReadonlyArray<readonly [mode: string, name: string, kind: "blob" | "tree", content: string | Buffer]>
): string => {
  const directory = repository(name, { f: "x" })
  const tree = Buffer.concat(
    entries.map(([mode, entry, kind, content]) => {
      const object = gitWith(directory, Buffer.from(content), "hash-object", "-t", kind, "-w", "--stdin", "--literally")
      return Buffer.concat([Buffer.from(`${mode} ${entry}\0`), Buffer.from(object, "hex")])
    })
  )
  const id = gitWith(directory, tree, "hash-object", "-t", "tree", "-w", "--stdin", "--literally")
  git(directory, "update-ref", "refs/heads/bad", git(directory, "commit-tree", "-m", "bad", id))
  return directory
}

const fetcher = LocalFetcher.layer({ repositories: at("mirrors") }).pipe(
  Layer.provide(Transfer.layerMemory(new Map())),
  Layer.provideMerge(Layer.mergeAll(Blobs.layer, Directories.layer))
)

const fetchGit = (attributes: Readonly<Record<string, Attribute>>) => {
  const input = new Map<string, Attribute>([["type", "git"], ...Object.entries(attributes)])
  const fetch = { _tag: "Tree", input, url: String(attributes["url"]), name: "source", hash: undefined } as const
  return Effect.provide(
    Effect.flatMap(Fetcher, (service) => service.fetch(fetch)),
    fetcher
  )
}

const refusal = (attributes: Readonly<Record<string, Attribute>>) => Effect.map(Effect.flip(fetchGit(attributes)), (error) => error.message)

let secret: string
let rev: string

beforeAll(() => {
  // What the tests call https://git.test/… is a directory here; nothing else of git's defaults is changed.
  fs.writeFileSync(at("gitconfig"), `[url "file://${scratch}/"]\n insteadOf = https://git.test/\n`)
  process.env["GIT_CONFIG_GLOBAL"] = at("gitconfig")
  secret = repository("secret", { key: "private\n" })
  rev = git(secret, "rev-parse", "HEAD")
})

describe("submodules", () => {
  it.effect("of a repository from elsewhere are not looked for on this machine, whatever form their address has", () =>
    Effect.gen(function* () {
      const relative = path.relative(process.cwd(), secret)
      for (const [n, url] of [
        secret,
        `file://${secret}`,
        `file://localhost${secret}`,
        relative,
        `FILE://${secret}`,
        `localhost:${secret}`
      ].entries()) {
        withSubmodule(`remote${n}`, url, rev)
        const message = yield* refusal({ url: `https://git.test/remote${n}`, submodules: true })
        assert.match(message, /on this machine|not allowed|Unable to find remote helper|ssh|repository/, url)
        assert.notMatch(message, /private/)
      }
      assert.match(
        yield* refusal({ url: "https://git.test/remote0", submodules: true }),
        /its submodule 'sub' is said to be at '.*secret' on this machine/
      )
    })
  )

  it.effect("nor those of a clone of it", () =>
    Effect.gen(function* () {
      const clone = withSubmodule("clone", secret, rev)
      git(clone, "remote", "add", "origin", "https://git.test/elsewhere")
      assert.match(yield* refusal({ url: clone, ref: "main", submodules: true }), /its submodule 'sub' is said to be at/)
      // The user's own repository may name what is next to it.
      git(clone, "remote", "remove", "origin")
      yield* fetchGit({ url: clone, ref: "main", submodules: true })
    })
  )

  it.effect("are not read through a link in the work tree", () =>
    Effect.gen(function* () {
      const directory = withSubmodule("linked", "https://git.test/absent", rev)
      fs.rmSync(path.join(directory, "sub"), { recursive: true, force: true })
      fs.symlinkSync(secret, path.join(directory, "sub"))
      assert.match(yield* refusal({ url: directory, ref: "main", submodules: true }), /absent/)
    })
  )

  it.effect("have an end", () =>
    Effect.gen(function* () {
      const directory = repository("many", { ".gitmodules": "" })
      const lines = Array.from({ length: 1025 }, (_, n) => `160000 ${rev}\ts${n}\n`).join("")
      gitWith(directory, Buffer.from(lines), "update-index", "--add", "--index-info")
      git(directory, "commit", "--quiet", "--message=many")
      assert.match(yield* refusal({ url: directory, ref: "main", submodules: true }), /more than 1024 submodules/)
    })
  )
})

describe("what git is told", () => {
  it.effect("runs no program: not by address, not by an option in the place of a name, not by what a commit has brought along", () =>
    Effect.gen(function* () {
      const marker = at("marker")
      const command = `touch ${marker}`
      const attempts: ReadonlyArray<Readonly<Record<string, Attribute>>> = [
        { url: `ext::sh -c ${command.replace(/ /g, "% ")}` },
        { url: `--upload-pack=${command}` },
        { url: "https://git.test/secret", ref: `--upload-pack=${command}` },
        { url: secret, ref: `--output=${marker}` },
        { url: `ssh://-oProxyCommand=${command.replace(/ /g, "$IFS")}/x` }
      ]
      for (const attributes of attempts) yield* refusal(attributes)
      withSubmodule("external", `ext::sh -c ${command.replace(/ /g, "% ")}`, rev)
      yield* refusal({ url: "https://git.test/external", submodules: true })
      // A bare repository that lies in a commit, with a configuration.
      const outer = repository("outer", { f: "x" })
      const inner = path.join(outer, "inner")
      git(outer, "init", "--quiet", "--bare", inner)
      fs.appendFileSync(
        path.join(inner, "config"),
        [
          `[core]\n bare = false\n worktree = ${outer}\n fsmonitor = ${command}\n sshCommand = ${command}\n`,
          `[filter "x"]\n clean = ${command}\n process = ${command}\n`,
          `[extensions]\n partialClone = o\n[remote "o"]\n promisor = true\n url = ext::sh -c ${command.replace(/ /g, "% ")}\n`,
          `[protocol "ext"]\n allow = always\n`
        ].join("")
      )
      fs.writeFileSync(path.join(outer, ".gitattributes"), "* filter=x\n")
      git(inner, "--git-dir", inner, "-c", "core.bare=true", "-c", "core.worktree=", "rev-parse", "--git-dir")
      for (const more of [{}, { ref: "main" }, { rev }, { rev, submodules: true }]) yield* refusal({ url: inner, ...more })
      yield* refusal({ url: path.join(inner, "refs") })
      assert.isFalse(fs.existsSync(marker))
    })
  )
})

describe("trees", () => {
  it.effect("with names that no file may have are refused", () =>
    Effect.gen(function* () {
      const file = ["100644", "x", "blob", "1"] as const
      const object = Buffer.from(git(secret, "rev-parse", "HEAD:key"), "hex")
      const inner = (name: string) => Buffer.concat([Buffer.from(`100644 ${name}\0`), object])
      const cases: ReadonlyArray<Parameters<typeof withTree>[1]> = [
        [["100644", "..", "blob", "1"]],
        [["100644", ".git", "blob", "1"]],
        [["100644", "a/../../b", "blob", "1"]],
        [["40000", "..", "tree", inner("passwd")]],
        [file, file],
        [file, ["40000", "x", "tree", inner("y")]],
        [["120000", "link", "blob", ""]],
        [["120000", "link", "blob", "a\0b"]],
        [
          ["100644", "n".repeat(300), "blob", "1"],
          ["100644", "n".repeat(300), "blob", "2"]
        ]
      ]
      for (const [n, entries] of cases.entries()) {
        const error = yield* Effect.flip(fetchGit({ url: withTree(`tree${n}`, entries), ref: "bad" }))
        assert.notInclude(error.message, "    at ", `case ${n}`)
        assert.isTrue(error.message.length > 10)
      }
    })
  )

  it.effect("keep names that are no UTF-8", () =>
    Effect.gen(function* () {
      const directory = repository("latin", { f: "x" })
      fs.writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0x0a, 0x22])]), "x")
      const dirty = (git(directory, "add", "--all"), yield* fetchGit({ url: directory }))
      git(directory, "commit", "--quiet", "--message=two")
      const clean = yield* fetchGit({ url: directory })
      assert.deepStrictEqual(clean.narHash, dirty.narHash)
    })
  )
})

describe("interruption", () => {
  it.live("of a fetch that hangs leaves no process and no lock", () =>
    Effect.gen(function* () {
      const pids = at("pids")
      process.env["GIT_SSH_COMMAND"] = `echo $$ >> ${pids}; exec sleep 600; :`
      const fiber = yield* Effect.forkChild(Effect.exit(fetchGit({ url: "ssh://git.test/x" })))
      while (!fs.existsSync(pids) || fs.readFileSync(pids, "utf8") === "") yield* Effect.sleep("20 millis")
      yield* Fiber.interrupt(fiber)
      const [pid] = fs.readFileSync(pids, "utf8").trim().split("\n").map(Number)
      for (let n = 0; n < 100 && fs.existsSync(`/proc/${pid}`) && !/\) Z /.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8")); n++) {
        yield* Effect.sleep("20 millis")
      }
      assert.isTrue(!fs.existsSync(`/proc/${pid}`) || /\) Z /.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8")))
      const left = fs.readdirSync(at("mirrors"), { recursive: true, encoding: "utf8" }).filter((name) => /\.lock$|tmp_/.test(name))
      assert.deepStrictEqual(left, [])
      delete process.env["GIT_SSH_COMMAND"]
    })
  )
})

describe("addresses", () => {
  it("of any length are refused without a crash", () => {
    for (const url of [
      `https://h/${"a".repeat(2e7)}`,
      "a".repeat(2e7),
      `/${"a".repeat(2e7)}`,
      `github:a/b/${"c/".repeat(1e7)}`,
      `flake:${"%41".repeat(1e6)}`
    ]) {
      for (const flake of [true, false]) {
        let said: unknown
        try {
          parseUrl(url, { flake })
        } catch (error) {
          said = (error as { readonly _tag?: string })._tag
        }
        assert.strictEqual(said, "FlakeRefError", `${url.slice(0, 20)} ${flake}`)
      }
    }
  })
})
