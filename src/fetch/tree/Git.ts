/**
 * Git inputs (`fetchGit`, `fetchTree { type = "git"; }`): the tree of a commit, or the tracked files of a work tree with changes.
 *
 * What a commit gives is read out of the repository's objects, so that neither filters nor line ends of this machine matter. A work tree is read from the disk only where it
 * has changes; then it has no revision.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { BlobService } from "../../castore/blob/BlobService.ts"
import type { CastoreError } from "../../castore/CastoreError.ts"
import { ingestPath } from "../../castore/ingest/FileSystem.ts"
import { hostPath } from "../../castore/ingest/HostTree.ts"
import { ingest, type IngestEntry } from "../../castore/ingest/Ingest.ts"
import { fromBytes, fromUnicode, toUnicode } from "../../nix/Bytes.ts"
import type { TreeInput } from "../../nix/FlakeRef.ts"
import { EventSink } from "../../wire/Events.ts"
import { localPath } from "../Transfer.ts"
import { exported, withoutIgnored } from "./ExportIgnore.ts"
import { attempt, failure, GitFailed, type GitOptions, line, run } from "./GitProcess.ts"
import { type Commit, localCommit, type Mirrors, repositoryAt, type Wanted } from "./GitRepository.ts"
import { listTree, treeEntries } from "./GitTree.ts"
import type { FetchedTree } from "./FetchedTree.ts"

/** Submodules in submodules, at most; and in all. */
const depthLimit = 32
const submoduleLimit = 1024

const flag = (input: TreeInput, name: string): boolean => input.get(name) === true
const text = (input: TreeInput, name: string): string | undefined => {
  const value = input.get(name)
  return typeof value === "string" && value !== "" ? value : undefined
}

/** The directory of a repository on this machine that the address means. */
const directoryOf = (url: string): string | undefined => {
  const local = localPath(url)
  return local === undefined ? undefined : toUnicode(local)
}

/** A submodule's address, which may be relative to that of the repository (gitmodules(5)). */
export const resolveUrl = (base: string, url: string): string => {
  if (!/^\.\.?(?:\/|$)/.test(url)) return url
  const cut = /^([a-z][a-z0-9+.-]*:\/\/[^/]*|[^/:]+:)(.*)$/s.exec(base)
  const [head, tail] = cut === null ? ["", base] : [cut[1]!, cut[2]!]
  const joined = path.posix.join(tail === "" ? "/" : tail, url)
  return head + joined
}

interface Submodule {
  readonly path: string
  readonly url: string
}

const submodulesOf = Effect.fnUntraced(function* ({ repository, rev }: Commit) {
  const { code, stdout } = yield* attempt(
    ["config", "--blob", `${rev}:.gitmodules`, "-z", "--get-regexp", "^submodule\\..*\\.(path|url)$"],
    repository
  )
  const found = new Map<string, { path?: string; url?: string }>()
  if (code === 0) {
    for (const pair of fromBytes(stdout).split("\0")) {
      const match = /^submodule\.(.*)\.(path|url)\n(.*)$/s.exec(pair)
      if (match === null) continue
      const [, name, key, value] = match as unknown as [string, string, "path" | "url", string]
      found.set(name, { ...found.get(name), [key]: value })
    }
  }
  return [...found.values()].filter((each): each is Submodule => each.path !== undefined && each.url !== undefined)
})

/** The commit's entries without its root; those of its submodules too, where they are wanted. */
const entriesOf = (
  mirrors: Mirrors,
  commit: Commit,
  prefix: string,
  options: {
    readonly submodules: boolean
    readonly exportIgnore: boolean
    readonly shallow: boolean
    readonly depth: number
    /** Of all submodules, counted as they are met. */
    readonly met: { count: number }
  }
): Effect.Effect<Stream.Stream<IngestEntry, GitFailed | CastoreError, BlobService>, GitFailed> =>
  Effect.gen(function* () {
    const all = yield* listTree(commit.rev, commit.repository)
    const lines = options.exportIgnore ? yield* withoutIgnored(all, commit.rev, commit.repository) : all
    const own = treeEntries(lines, prefix, commit.repository)
    const links = lines.filter((each) => each.kind === "submodule")
    if (!options.submodules || links.length === 0) return own
    if (options.depth >= depthLimit)
      return yield* failure(["submodule"], commit.repository, `it has submodules more than ${depthLimit} deep`)
    options.met.count += links.length
    if (options.met.count > submoduleLimit) {
      return yield* failure(["submodule"], commit.repository, `it has more than ${submoduleLimit} submodules`)
    }
    const modules = yield* submodulesOf(commit)
    const inner = yield* Effect.forEach(links, (link) =>
      Effect.gen(function* () {
        const module = modules.find((each) => each.path === link.path)
        if (module === undefined) return yield* failure(["submodule"], commit.repository, `'.gitmodules' has no address for '${link.path}'`)
        const sub = yield* submoduleCommit(mirrors, commit, module, link.object, options.shallow)
        return yield* entriesOf(mirrors, sub, `${prefix}${link.path}/`, { ...options, exportIgnore: false, depth: options.depth + 1 })
      })
    )
    return inner.reduceRight((rest, first) => Stream.concat(first, rest), own)
  })

/** The submodule as it stands in the parent's work tree, where it does: at its own place, not where a link leads. */
const checkedOut = (directory: string | undefined, module: Submodule): string | undefined => {
  if (directory === undefined) return undefined
  const name = toUnicode(module.path)
  try {
    const checkout = path.join(fs.realpathSync(directory), name)
    return fs.existsSync(path.join(checkout, ".git")) && fs.realpathSync(checkout) === checkout ? checkout : undefined
  } catch {
    return undefined
  }
}

/**
 * The commit of a submodule. What a repository from elsewhere names is not looked for on this machine, which git does not do either (CVE-2022-39253) unless its
 * configuration says `protocol.file.allow = always`.
 */
const submoduleCommit = Effect.fnUntraced(function* (mirrors: Mirrors, parent: Commit, module: Submodule, rev: string, shallow: boolean) {
  const { repository } = parent
  const wanted = (url: string): Wanted => ({ url, ref: undefined, rev, shallow, allRefs: false, namedBy: "repository" })
  const checkout = checkedOut(repository.directory, module)
  if (checkout !== undefined) {
    const there = yield* Effect.result(localCommit(wanted(checkout), checkout))
    if (there._tag === "Success") return there.success
  }
  const own = directoryOf(repository.url)
  const origin =
    own === undefined ? repository.url : yield* Effect.orElseSucceed(line(["config", "--get", "remote.origin.url"], repository), () => own)
  const url = resolveUrl(origin, module.url)
  const local = directoryOf(url)
  if (local === undefined) return yield* mirrors.commit(wanted(url))
  if (directoryOf(origin) === undefined) {
    const { stdout } = yield* attempt(["config", "--get", "protocol.file.allow"], { url, environment: { GIT_DIR: "/dev/null" } })
    if (fromBytes(stdout).trim() !== "always") {
      const detail = `its submodule '${module.path}' is said to be at '${module.url}' on this machine, where nothing is read for a repository from elsewhere`
      return yield* failure(["submodule"], repository, detail)
    }
  }
  return yield* localCommit(wanted(url), local)
})

/** The tracked files as they are on the disk, where something was changed; `undefined` where nothing was. */
const changedWorkTree = Effect.fnUntraced(function* (directory: string, url: string) {
  const repository = repositoryAt(url, directory)
  if (repository.gitDir !== undefined) return undefined
  const bare = yield* line(["rev-parse", "--is-bare-repository"], repository)
  if (bare === "true") return undefined
  const head = yield* attempt(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], repository)
  const status = yield* run(["status", "--porcelain=v1", "-z", "--untracked-files=no", "--ignore-submodules=untracked"], repository)
  if (head.code === 0 && status.length === 0) return undefined
  const tracked = fromBytes(yield* run(["ls-files", "-z", "--cached", "--full-name"], repository)).split("\0")
  const accepted = new Set<string>()
  for (const file of tracked) {
    if (file === "" || fs.lstatSync(hostPath(path.posix.join(fromUnicode(directory), file)), { throwIfNoEntry: false }) === undefined)
      continue
    for (let at = file.length; at > 0; at = file.lastIndexOf("/", at - 1)) accepted.add(file.slice(0, at))
  }
  return { rev: head.code === 0 ? Buffer.from(head.stdout).toString("latin1").trim() : undefined, accepted: [...accepted].sort() }
})

const commitTime = (rev: string, repository: GitOptions): Effect.Effect<number, GitFailed> =>
  Effect.map(line(["log", "-1", "--format=%ct", "--no-show-signature", rev], repository), Number)

/** Fetches a git input. */
export const fetchGit = Effect.fnUntraced(function* (input: TreeInput, mirrors: Mirrors) {
  const url = text(input, "url")!
  if (url.startsWith("-")) return yield* new GitFailed({ url, command: "", detail: "an address does not begin with '-'" })
  if (flag(input, "lfs")) return yield* new GitFailed({ url, command: "", detail: "files in Git LFS (lfs = true) are not supported" })
  const wanted: Wanted = {
    url,
    ref: text(input, "ref"),
    rev: text(input, "rev"),
    shallow: flag(input, "shallow"),
    allRefs: flag(input, "allRefs"),
    namedBy: "user"
  }
  const directory = directoryOf(url)
  if (directory !== undefined && !fs.existsSync(directory)) {
    return yield* new GitFailed({ url, command: "", detail: "there is no such directory" })
  }
  const exportIgnore = flag(input, "exportIgnore")
  if (directory !== undefined && wanted.ref === undefined && wanted.rev === undefined) {
    const changed = yield* changedWorkTree(directory, url)
    if (changed !== undefined) {
      const emit = yield* EventSink
      emit({ _tag: "Message", level: "warning", text: `warning: Git tree '${directory}' is dirty` })
      const repository = repositoryAt(url, directory)
      const { accepted } = changed
      const { node, ...nar } = yield* ingestPath(fromUnicode(directory), {
        accepted: exportIgnore ? accepted.filter(yield* exported(accepted, repository)) : accepted
      })
      const attributes = new Map<string, string | number>()
      if (changed.rev !== undefined) {
        attributes.set("dirtyRev", `${changed.rev}-dirty`).set("dirtyShortRev", `${changed.rev.slice(0, 7)}-dirty`)
        attributes.set("lastModified", yield* commitTime(changed.rev, repository))
      } else attributes.set("lastModified", 0)
      return { node, nar, attributes } satisfies FetchedTree
    }
  }
  const commit = yield* directory === undefined ? mirrors.commit(wanted) : localCommit(wanted, directory)
  const entries = yield* entriesOf(mirrors, commit, "", {
    submodules: flag(input, "submodules"),
    exportIgnore,
    shallow: wanted.shallow,
    depth: 0,
    met: { count: 0 }
  })
  const node = yield* ingest(Stream.concat(entries, Stream.succeed<IngestEntry>({ _tag: "Directory", path: "" })))
  const attributes = new Map<string, string | number>([
    ["rev", commit.rev],
    ["lastModified", yield* commitTime(commit.rev, commit.repository)]
  ])
  if (!wanted.shallow) {
    const shallow = yield* line(["rev-parse", "--is-shallow-repository"], commit.repository)
    if (shallow === "true") {
      return yield* failure(
        ["rev-list"],
        commit.repository,
        "its history is incomplete (a shallow clone), and 'revCount' needs it; set shallow = true"
      )
    }
    attributes.set("revCount", Number(yield* line(["rev-list", "--count", commit.rev], commit.repository)))
  }
  return { node, attributes } satisfies FetchedTree
})
