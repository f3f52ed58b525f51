/**
 * Inputs of `fetchTree` over real repositories, made here with fixed dates so that their commits and hashes are always the same. Hashes and attributes are those of Nix 2.34.8 for
 * the same repositories.
 */
import "../castore/crypto.ts"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Blobs from "../../src/castore/blob/Memory.ts"
import * as Directories from "../../src/castore/directory/Memory.ts"
import { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import type { Node } from "../../src/castore/Node.ts"
import type { Fetch } from "../../src/fetch/Fetch.ts"
import { Fetcher } from "../../src/fetch/Fetcher.ts"
import * as LocalFetcher from "../../src/fetch/LocalFetcher.ts"
import * as Transfer from "../../src/fetch/Transfer.ts"
import { resolveUrl } from "../../src/fetch/tree/Git.ts"
import { type Attribute, printUrl } from "../../src/nix/FlakeRef.ts"
import { printHash } from "../../src/nix/Hash.ts"
import { type Event, EventSink } from "../../src/wire/Events.ts"
import { archive } from "../castore/TarMaker.ts"
import { zip } from "../castore/ZipMaker.ts"
import { gitIn } from "./Repositories.ts"

const scratch = fs.mkdtempSync(path.join(tmpdir(), "yix-tree-"))
const at = (...names: ReadonlyArray<string>): string => path.join(scratch, ...names)
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))

const git = gitIn(scratch)

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

let plain: string
let commits: { first: string; second: string; other: string }

beforeAll(() => {
  plain = repository("plain", {
    f: "hi\n",
    "d/y": "x\n",
    ".gitattributes": "ignored export-ignore\n/d/z export-ignore\n",
    ignored: "z\n",
    "d/z/q": "1\n"
  })
  fs.chmodSync(path.join(plain, "d/y"), 0o755)
  fs.symlinkSync("f", path.join(plain, "l"))
  fs.writeFileSync(path.join(plain, "big"), Buffer.alloc((3 << 20) + 7, 65))
  git(plain, "add", "--all")
  git(plain, "commit", "--quiet", "--message=two")
  git(plain, "tag", "v1", "HEAD~1")
  git(plain, "tag", "--annotate", "--message=t", "v2")
  git(plain, "checkout", "--quiet", "-b", "other", "HEAD~1")
  fs.writeFileSync(path.join(plain, "f"), "3\n")
  git(plain, "commit", "--quiet", "--all", "--message=three")
  git(plain, "checkout", "--quiet", "main")
  commits = { first: git(plain, "rev-parse", "v1"), second: git(plain, "rev-parse", "main"), other: git(plain, "rev-parse", "other") }
  // What the tests call https://git.test/… is a directory here: git is told so in its global configuration.
  fs.writeFileSync(at("gitconfig"), `[url "file://${scratch}/"]\n insteadOf = https://git.test/\n[protocol "file"]\n allow = always\n`)
  process.env["GIT_CONFIG_GLOBAL"] = at("gitconfig")
})

const store = Layer.mergeAll(Blobs.layer, Directories.layer)
const fetcher = (addresses: ReadonlyMap<string, Uint8Array> = new Map(), repositories: string | undefined = at("mirrors")) =>
  LocalFetcher.layer({ repositories }).pipe(Layer.provide(Transfer.layerMemory(addresses)), Layer.provideMerge(store))

const treeOf = (attributes: Readonly<Record<string, Attribute>>, narHash?: string): Fetch => {
  const input = new Map(Object.entries(attributes))
  const hash =
    narHash === undefined ? undefined : { algorithm: "sha256" as const, digest: new Uint8Array(Buffer.from(narHash.slice(7), "base64")) }
  return { _tag: "Tree", input, url: printUrl(input), name: "source", hash }
}

const fetchTree = (attributes: Readonly<Record<string, Attribute>>, narHash?: string) =>
  Effect.flatMap(Fetcher, (service) => service.fetch(treeOf(attributes, narHash)))

/** All paths of a tree; directories end in a slash. */
const listing = (node: Node, prefix = ""): Effect.Effect<ReadonlyArray<string>, unknown, DirectoryService> =>
  Effect.gen(function* () {
    if (node._tag !== "Directory") return [`${prefix}${node._tag === "Symlink" ? "@" : node.executable ? "*" : ""}`]
    const directory = Option.getOrThrow(yield* (yield* DirectoryService).get(node.digest))
    const inner = yield* Effect.forEach(directory.entries, (entry) => listing(entry.node, `${prefix}/${entry.name}`))
    return inner.length === 0 ? [`${prefix}/`] : inner.flat()
  })

const whole = ["/.gitattributes", "/big", "/d/y*", "/d/z/q", "/f", "/ignored", "/l@"]

describe("git inputs", () => {
  it.effect("give the tree of a commit, of a branch, and of tags", () =>
    Effect.gen(function* () {
      const head = yield* fetchTree({ type: "git", url: `file://${plain}` })
      assert.deepStrictEqual(yield* listing(head.node), whole)
      assert.deepStrictEqual(Object.fromEntries(head.tree!), { rev: commits.second, lastModified: 1577934245, revCount: 2 })
      const same = yield* fetchTree({ type: "git", url: plain, rev: commits.second })
      assert.deepStrictEqual(same.narHash, head.narHash)
      const branch = yield* fetchTree({ type: "git", url: plain, ref: "other" })
      assert.strictEqual(branch.tree!.get("rev"), commits.other)
      const annotated = yield* fetchTree({ type: "git", url: plain, ref: "v2" })
      assert.strictEqual(annotated.tree!.get("rev"), commits.second)
    }).pipe(Effect.provide(fetcher()))
  )

  it.effect("have the NAR hash that Nix gives the same commit", () =>
    Effect.gen(function* () {
      const { narHash } = yield* fetchTree({ type: "git", url: plain, ref: "v1", exportIgnore: true })
      assert.strictEqual(printHash({ algorithm: "sha256", digest: narHash }, "sri"), "sha256-1ohR3cPvl4MlE0snrigr2MgWjt6JwLSKu+FHngBXneE=")
    }).pipe(Effect.provide(fetcher()))
  )

  it.effect("leave out what is not exported, where that is asked for", () =>
    Effect.gen(function* () {
      const { node } = yield* fetchTree({ type: "git", url: plain, rev: commits.second, exportIgnore: true })
      assert.deepStrictEqual(yield* listing(node), ["/.gitattributes", "/big", "/d/y*", "/f", "/l@"])
    }).pipe(Effect.provide(fetcher()))
  )

  it.effect("take the tracked files of a work tree that has changes, and say so", () => {
    const events: Array<Event> = []
    return Effect.gen(function* () {
      const directory = repository("dirty", { f: "hi\n", gone: "x\n", "d/y": "1\n" })
      fs.writeFileSync(path.join(directory, "f"), "changed\n")
      fs.rmSync(path.join(directory, "gone"))
      fs.writeFileSync(path.join(directory, "added"), "a\n")
      git(directory, "add", "added")
      fs.writeFileSync(path.join(directory, "untracked"), "u\n")
      const { node, tree } = yield* fetchTree({ type: "git", url: directory })
      assert.deepStrictEqual(yield* listing(node), ["/added", "/d/y", "/f"])
      const rev = git(directory, "rev-parse", "HEAD")
      assert.deepStrictEqual(Object.fromEntries(tree!), {
        dirtyRev: `${rev}-dirty`,
        dirtyShortRev: `${rev.slice(0, 7)}-dirty`,
        lastModified: 1577934245
      })
      assert.deepInclude(events, { _tag: "Message", level: "warning", text: `warning: Git tree '${directory}' is dirty` })
    }).pipe(
      Effect.provideService(EventSink, (event) => events.push(event)),
      Effect.provide(fetcher())
    )
  })

  it.effect("come from elsewhere through a mirror, which is not asked again for a commit that it has", () =>
    Effect.gen(function* () {
      const url = "https://git.test/plain"
      const shallow = yield* fetchTree({ type: "git", url, shallow: true })
      assert.deepStrictEqual(Object.fromEntries(shallow.tree!), { rev: commits.second, lastModified: 1577934245 })
      assert.deepStrictEqual(yield* listing(shallow.node), whole)
      const full = yield* fetchTree({ type: "git", url, ref: "main" })
      assert.strictEqual(full.tree!.get("revCount"), 2)
      const older = yield* fetchTree({ type: "git", url, rev: commits.first })
      assert.strictEqual(older.tree!.get("revCount"), 1)
      const branch = yield* fetchTree({ type: "git", url, rev: commits.other, ref: "other" })
      assert.strictEqual(branch.tree!.get("rev"), commits.other)
      fs.renameSync(plain, `${plain}-away`)
      const again = yield* fetchTree({ type: "git", url, rev: commits.second })
      fs.renameSync(`${plain}-away`, plain)
      assert.deepStrictEqual(again.narHash, full.narHash)
    }).pipe(Effect.provide(fetcher()))
  )

  it.effect("have their submodules where that is asked for, else empty directories", () =>
    Effect.gen(function* () {
      repository("inner", { deep: "1\n" })
      const middle = repository("middle", { m: "1\n" })
      git(middle, "submodule", "--quiet", "add", "../inner", "sub/inner")
      git(middle, "commit", "--quiet", "--all", "--message=sub")
      const outer = repository("outer", { o: "1\n" })
      git(outer, "submodule", "--quiet", "add", "../middle", "middle")
      git(outer, "commit", "--quiet", "--all", "--message=sub")
      const url = "https://git.test/outer"
      const without = yield* fetchTree({ type: "git", url })
      assert.deepStrictEqual(yield* listing(without.node), ["/.gitmodules", "/middle/", "/o"])
      const withAll = yield* fetchTree({ type: "git", url, submodules: true })
      assert.deepStrictEqual(yield* listing(withAll.node), [
        "/.gitmodules",
        "/middle/.gitmodules",
        "/middle/m",
        "/middle/sub/inner/deep",
        "/o"
      ])
    }).pipe(Effect.provide(fetcher()))
  )

  it.effect("fail in plain words", () =>
    Effect.gen(function* () {
      const messageOf = (attributes: Readonly<Record<string, Attribute>>) =>
        Effect.map(Effect.flip(fetchTree({ type: "git", ...attributes })), (error) => error.message)
      assert.match(yield* messageOf({ url: plain, ref: "nope" }), /has no branch, tag or reference 'nope'/)
      assert.match(yield* messageOf({ url: plain, rev: "1".repeat(40) }), /has no commit 1{40}/)
      assert.match(yield* messageOf({ url: at("absent") }), /there is no such directory/)
      assert.match(
        yield* messageOf({ url: "https://git.test/absent" }),
        /cannot take 'https:\/\/git\.test\/absent' with git: .*(?:not appear to be a git repository|does not exist)/
      )
      assert.match(yield* messageOf({ url: "https://git.test/plain", rev: "1".repeat(40) }), /has no commit 1{40}/)
      assert.match(yield* messageOf({ url: "-x" }), /does not begin with '-'/)
      assert.match(yield* messageOf({ url: plain, lfs: true }), /Git LFS/)
      const wrong = yield* Effect.flip(fetchTree({ type: "git", url: plain, rev: commits.first }, `sha256-${"A".repeat(43)}=`))
      assert.strictEqual(wrong._tag, "HashMismatch")
    }).pipe(Effect.provide(fetcher()))
  )

  it.effect("are refused by a fetcher that reads nothing of this machine", () =>
    Effect.gen(function* () {
      for (const attributes of [
        { type: "git", url: plain },
        { type: "path", path: plain }
      ]) {
        const error = yield* Effect.flip(fetchTree(attributes))
        assert.strictEqual(error._tag, "InputUnsupported")
      }
    }).pipe(Effect.provide(LocalFetcher.layer().pipe(Layer.provide(Transfer.layerMemory(new Map())), Layer.provideMerge(store))))
  )

  it("resolve relative addresses of submodules", () => {
    assert.strictEqual(resolveUrl("https://h/a/b", "../c"), "https://h/a/c")
    assert.strictEqual(resolveUrl("https://h/a/b", "./c"), "https://h/a/b/c")
    assert.strictEqual(resolveUrl("git@h:a/b", "../c"), "git@h:a/c")
    assert.strictEqual(resolveUrl("/a/b", "../c"), "/a/c")
    assert.strictEqual(resolveUrl("https://h/a", "ssh://x/y"), "ssh://x/y")
  })
})

describe("other inputs", () => {
  it.effect("a directory, with the time of its latest change", () =>
    Effect.gen(function* () {
      fs.mkdirSync(at("dir/x/y"), { recursive: true })
      fs.writeFileSync(at("dir/x/f"), "a\n")
      for (const [name, time] of [
        ["x/f", 1000],
        ["x/y", 2000],
        ["x", 3000],
        ["", 500]
      ] as const)
        fs.utimesSync(at("dir", name), time, time)
      const { node, tree } = yield* fetchTree({ type: "path", path: at("dir") })
      assert.deepStrictEqual(yield* listing(node), ["/x/f", "/x/y/"])
      assert.strictEqual(tree!.get("lastModified"), 3000)
      assert.match((yield* Effect.flip(fetchTree({ type: "path", path: "./x" }))).message, /relative/)
    }).pipe(Effect.provide(fetcher()))
  )

  it.effect("archives and files, by address", () => {
    const tar = archive({ name: "top/", type: "5", time: 99 }, { name: "top/f", data: "x", time: 1234 })
    const zipped = zip([{ name: "top/f", data: "x" }])
    const addresses = new Map<string, Uint8Array>([
      ["https://h/a.tar", tar],
      ["https://h/a.zip", zipped],
      ["https://api.github.com/repos/o/r/commits/HEAD", Buffer.from(JSON.stringify({ sha: commits.first }))],
      [`https://github.com/o/r/archive/${commits.first}.tar.gz`, tar],
      [
        "https://gitlab.com/api/v4/projects/g%2Fs%2Fr/repository/commits?ref_name=dev",
        Buffer.from(JSON.stringify([{ id: commits.other }]))
      ],
      [`https://gitlab.com/api/v4/projects/g%2Fs%2Fr/repository/archive.tar.gz?sha=${commits.other}`, tar],
      [
        "https://git.sr.ht/~u/r/info/refs?service=git-upload-pack",
        Buffer.from(`001e# service=git-upload-pack\n0000010a${commits.first} HEAD\0caps\n003d${commits.second} refs/heads/main\n0000`)
      ],
      [`https://git.sr.ht/~u/r/archive/${commits.second}.tar.gz`, tar],
      ["https://api.github.com/repos/o/bad/commits/HEAD", Buffer.from("<html>")]
    ])
    return Effect.gen(function* () {
      const tree = yield* fetchTree({ type: "tarball", url: "https://h/a.tar" })
      assert.deepStrictEqual(yield* listing(tree.node), ["/f"])
      assert.strictEqual(tree.tree!.get("lastModified"), 1234)
      const given = yield* fetchTree({ type: "tarball", url: "https://h/a.tar", rev: commits.first, lastModified: 4 })
      assert.deepStrictEqual(Object.fromEntries(given.tree!), { lastModified: 4, rev: commits.first })
      assert.deepStrictEqual((yield* fetchTree({ type: "tarball", url: "https://h/a.zip" })).narHash, tree.narHash)
      const file = yield* fetchTree({ type: "file", url: "https://h/a.tar" })
      assert.strictEqual(file.node._tag, "File")
      assert.strictEqual(file.tree!.size, 0)
      const github = yield* fetchTree({ type: "github", owner: "o", repo: "r" })
      assert.deepStrictEqual(Object.fromEntries(github.tree!), { rev: commits.first, lastModified: 1234 })
      const gitlab = yield* fetchTree({ type: "gitlab", owner: "g/s", repo: "r", ref: "dev" })
      assert.strictEqual(gitlab.tree!.get("rev"), commits.other)
      const sourcehut = yield* fetchTree({ type: "sourcehut", owner: "~u", repo: "r", ref: "main" })
      assert.strictEqual(sourcehut.tree!.get("rev"), commits.second)
      assert.match((yield* Effect.flip(fetchTree({ type: "github", owner: "o", repo: "bad" }))).message, /does not answer with a commit/)
      assert.match((yield* Effect.flip(fetchTree({ type: "hg", url: "https://h/x" }))).message, /Mercurial/)
    }).pipe(Effect.provide(fetcher(addresses)))
  })

  it.effect("short names, by the registries", () => {
    const registry = {
      version: 2,
      flakes: [
        { from: { type: "indirect", id: "mine" }, to: { type: "indirect", id: "other" } },
        { from: { type: "indirect", id: "other" }, to: { type: "git", url: plain } },
        { from: { type: "indirect", id: "round" }, to: { type: "indirect", id: "round" } }
      ]
    }
    const addresses = new Map([["https://channels.nixos.org/flake-registry.json", Buffer.from(JSON.stringify(registry))]])
    return Effect.gen(function* () {
      const tree = yield* fetchTree({ type: "indirect", id: "mine", ref: "other" })
      assert.strictEqual(tree.tree!.get("rev"), commits.other)
      assert.match((yield* Effect.flip(fetchTree({ type: "indirect", id: "absent" }))).message, /no registry has this name/)
      assert.match((yield* Effect.flip(fetchTree({ type: "indirect", id: "round" }))).message, /in a circle/)
    }).pipe(Effect.provide(fetcher(addresses)))
  })
})
