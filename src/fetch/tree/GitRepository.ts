/**
 * Where a git input's objects are: the user's own repository for a local path, else a bare mirror in the cache directory, which is brought up to date only when it lacks what is
 * asked for. The mirror may be deleted at any time that nothing runs.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { hashTextHex } from "../../nix/Crypto.ts"
import { attempt, failure, type GitFailed, type GitOptions, GitProgress, line, run } from "./GitProcess.ts"

/** A commit in a repository that is at hand. */
export interface Commit {
  readonly repository: GitOptions
  /** 40 (or 64) hexadecimal digits. */
  readonly rev: string
}

export interface Wanted {
  readonly url: string
  /** A branch, a tag, or a full name `refs/…`; undefined: the remote's `HEAD`. */
  readonly ref: string | undefined
  readonly rev: string | undefined
  /** Without history. */
  readonly shallow: boolean
  /** The commit may be on any branch. */
  readonly allRefs: boolean
  /** Who names the address: the user (an expression), or a repository that was fetched, which git trusts less (`protocol.<name>.allow` in git-config(1)). */
  readonly namedBy: "user" | "repository"
}

const has = (rev: string, repository: GitOptions): Effect.Effect<boolean, GitFailed> =>
  Effect.map(attempt(["cat-file", "-e", `${rev}^{commit}`], repository), ({ code }) => code === 0)

/** The names that a short one may stand for, in git's order for fetching. */
const fullNames = (ref: string): ReadonlyArray<string> =>
  ref === "HEAD" || ref.startsWith("refs/") ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`, ref]

/** Nothing is fetched into a repository of the user's. */
const environment = { GIT_ALLOW_PROTOCOL: "none" }

/**
 * The repository in a directory of this machine. One that is bare is named as such, since git would not find it by itself (`GitProcess.ts`), and has no work tree, whatever
 * its configuration says.
 */
export const repositoryAt = (url: string, directory: string): GitOptions =>
  !fs.existsSync(path.join(directory, ".git")) && ["HEAD", "objects", "refs"].every((name) => fs.existsSync(path.join(directory, name)))
    ? { url, gitDir: directory, settings: ["core.bare=true"], environment }
    : { url, directory, environment }

/** The commit of a repository on this machine. */
export const localCommit = Effect.fnUntraced(function* (wanted: Wanted, directory: string) {
  const repository = repositoryAt(wanted.url, directory)
  if (wanted.rev !== undefined) {
    if (!(yield* has(wanted.rev, repository))) return yield* failure(["cat-file"], repository, `it has no commit ${wanted.rev}`)
    return { repository, rev: wanted.rev } satisfies Commit
  }
  for (const name of fullNames(wanted.ref ?? "HEAD")) {
    const { code, stdout } = yield* attempt(["rev-parse", "--verify", "--quiet", "--end-of-options", `${name}^{commit}`], repository)
    if (code === 0) return { repository, rev: Buffer.from(stdout).toString("latin1").trim() } satisfies Commit
  }
  return yield* failure(["rev-parse"], repository, `it has no branch, tag or reference '${wanted.ref ?? "HEAD"}'`)
})

export interface Mirrors {
  /** The commit of a repository elsewhere, in its mirror. */
  commit(wanted: Wanted): Effect.Effect<Commit, GitFailed>
}

/** Mirrors below `directory`, made when first needed. One fetch into a mirror at a time. */
export const makeMirrors = (directory: string): Mirrors => {
  const locks = new Map<string, Semaphore.Semaphore>()

  const mirrorOf = Effect.fnUntraced(function* ({ url, namedBy }: Wanted) {
    const name = hashTextHex("sha256", url).slice(0, 40)
    const gitDir = path.join(directory, name)
    const environment: Record<string, string> = namedBy === "user" ? {} : { GIT_PROTOCOL_FROM_USER: "0" }
    const repository: GitOptions = { url, gitDir, environment }
    yield* Effect.try({
      try: () => fs.mkdirSync(directory, { recursive: true, mode: 0o700 }),
      catch: (error) => failure(["init"], repository, `its mirror cannot be kept in '${directory}': ${(error as Error).message}`)
    })
    if (!fs.existsSync(path.join(gitDir, "HEAD"))) yield* run(["init", "--quiet", "--bare", gitDir], { url })
    return repository
  })

  const fetch = (repository: GitOptions, wanted: Wanted, specs: ReadonlyArray<string>) =>
    Effect.flatMap(GitProgress, (onReceived) =>
      run(
        [
          "fetch",
          "--progress",
          "--force",
          "--no-tags",
          "--no-write-fetch-head",
          "--no-recurse-submodules",
          ...(wanted.shallow ? ["--depth=1"] : unshallow(repository)),
          "--",
          wanted.url,
          ...specs
        ],
        { ...repository, onReceived }
      )
    )

  /** A mirror that was begun without history gets it when somebody wants it. */
  const unshallow = (repository: GitOptions): ReadonlyArray<string> =>
    fs.existsSync(path.join(repository.gitDir!, "shallow")) ? ["--unshallow"] : []

  /** What the remote calls the reference, and its commit or tag. */
  const remoteRef = Effect.fnUntraced(function* (repository: GitOptions, wanted: Wanted) {
    const names = fullNames(wanted.ref ?? "HEAD")
    const listing = yield* line(["ls-remote", "--", wanted.url, ...names], repository)
    const found = new Map(listing.split("\n").flatMap((row) => (row.includes("\t") ? [row.split("\t").reverse() as [string, string]] : [])))
    const name = names.find((each) => found.has(each))
    if (name === undefined) {
      return yield* failure(["ls-remote"], repository, `it has no branch, tag or reference '${wanted.ref ?? "HEAD"}'`)
    }
    return { name, object: found.get(name)! }
  })

  const kept = (name: string): string => `refs/yix/${name.replace(/^refs\//, "")}`

  const byRef = Effect.fnUntraced(function* (repository: GitOptions, wanted: Wanted) {
    const { name, object } = yield* remoteRef(repository, wanted)
    const complete = (yield* has(object, repository)) && (wanted.shallow || unshallow(repository).length === 0)
    if (complete) yield* run(["update-ref", kept(name), object], repository)
    else yield* fetch(repository, wanted, [`+${name}:${kept(name)}`])
    return yield* line(["rev-parse", "--verify", "--end-of-options", `${kept(name)}^{commit}`], repository)
  })

  const byRev = Effect.fnUntraced(function* (repository: GitOptions, wanted: Wanted, rev: string) {
    if ((yield* has(rev, repository)) && (wanted.shallow || unshallow(repository).length === 0)) return rev
    // Most servers give a commit by its number; the others by a reference that leads to it.
    const direct = yield* Effect.result(fetch(repository, wanted, [`+${rev}:refs/yix/commits/${rev}`]))
    if (direct._tag === "Failure") {
      const whole = { ...wanted, shallow: false }
      const specs =
        wanted.ref === undefined || wanted.allRefs
          ? ["+refs/*:refs/yix/*"]
          : [`+${(yield* remoteRef(repository, wanted)).name}:refs/yix/asked`]
      yield* fetch(repository, whole, specs)
    }
    if (yield* has(rev, repository)) return rev
    const where = wanted.ref === undefined ? "" : ` on '${wanted.ref}'; without 'ref', or with allRefs = true, all branches are looked at`
    return yield* failure(["fetch"], repository, `it has no commit ${rev}${where}`)
  })

  return {
    commit: (wanted) =>
      Effect.suspend(() => {
        let lock = locks.get(wanted.url)
        if (lock === undefined) locks.set(wanted.url, (lock = Semaphore.makeUnsafe(1)))
        return lock.withPermits(1)(
          Effect.flatMap(mirrorOf(wanted), (repository) =>
            Effect.map(wanted.rev === undefined ? byRef(repository, wanted) : byRev(repository, wanted, wanted.rev), (rev): Commit => ({
              repository,
              rev
            }))
          )
        )
      })
  }
}
