/**
 * GitHub, GitLab and SourceHut inputs: which archive holds a commit, and which commit a branch or tag is.
 *
 * Addresses: https://docs.github.com/en/rest/repos/contents#download-a-repository-archive-tar, https://docs.gitlab.com/api/repositories/ (archive) and
 * `git.sr.ht/…/archive`; SourceHut's branches are read from git's own `info/refs` (gitprotocol-http(5)).
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { textOf as text, type TreeInput } from "../../nix/FlakeRef.ts"
import { readText } from "../Transfer.ts"

/** A forge does not tell which commit a branch or tag is. */
export class RefUnresolved extends Schema.TaggedError<RefUnresolved>()("RefUnresolved", {
  url: Schema.String,
  ref: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot tell which commit '${this.ref}' is: '${this.url}' ${this.detail}`
  }
}

/** Bytes of an answer about a branch. */
const answerLimit = 16 << 20

const escape = encodeURIComponent

const hostOf = (input: TreeInput): string => {
  const own = text(input, "host")
  if (own !== "") return own
  return input.get("type") === "github" ? "github.com" : input.get("type") === "gitlab" ? "gitlab.com" : "git.sr.ht"
}

/** The address of the archive of a commit. */
export const archiveUrl = (input: TreeInput, rev: string): string => {
  const host = hostOf(input)
  const [owner, repo] = [text(input, "owner"), text(input, "repo")]
  switch (input.get("type")) {
    case "github":
      return `https://${host}/${escape(owner)}/${escape(repo)}/archive/${rev}.tar.gz`
    case "gitlab":
      return `https://${host}/api/v4/projects/${escape(`${owner}/${repo}`)}/repository/archive.tar.gz?sha=${rev}`
    default:
      return `https://${host}/${owner}/${escape(repo)}/archive/${rev}.tar.gz`
  }
}

const idIn = (url: string, ref: string, json: string): Effect.Effect<string, RefUnresolved> =>
  Effect.try({
    try: () => {
      const answer = JSON.parse(json) as { sha?: unknown; id?: unknown } | ReadonlyArray<{ id?: unknown }>
      const id = Array.isArray(answer) ? answer[0]?.id : ((answer as { sha?: unknown }).sha ?? (answer as { id?: unknown }).id)
      if (typeof id !== "string" || !/^[0-9a-f]{40}$/.test(id)) throw new Error("no commit")
      return id
    },
    catch: () => new RefUnresolved({ url, ref, detail: "does not answer with a commit" })
  })

/** The refs in a smart-HTTP advertisement: pkt-lines of `object name`. */
const refsIn = (advertisement: string): ReadonlyMap<string, string> => {
  const refs = new Map<string, string>()
  for (const match of advertisement.matchAll(/([0-9a-f]{40}) ([^\0\n]+)/g)) refs.set(match[2]!, match[1]!)
  return refs
}

/** The commit that the input's branch or tag is now; the default branch's where it names none. */
export const resolveRef = Effect.fnUntraced(function* (input: TreeInput) {
  const ref = text(input, "ref") === "" ? "HEAD" : text(input, "ref")
  const host = hostOf(input)
  const [owner, repo] = [text(input, "owner"), text(input, "repo")]
  switch (input.get("type")) {
    case "github": {
      const api = host === "github.com" ? "https://api.github.com" : `https://${host}/api/v3`
      const url = `${api}/repos/${escape(owner)}/${escape(repo)}/commits/${escape(ref)}`
      return yield* idIn(url, ref, yield* readText(url, answerLimit))
    }
    case "gitlab": {
      const url = `https://${host}/api/v4/projects/${escape(`${owner}/${repo}`)}/repository/commits?ref_name=${escape(ref)}`
      return yield* idIn(url, ref, yield* readText(url, answerLimit))
    }
    default: {
      const url = `https://${host}/${owner}/${escape(repo)}/info/refs?service=git-upload-pack`
      const refs = refsIn(yield* readText(url, answerLimit))
      const rev = [ref, `refs/heads/${ref}`, `refs/tags/${ref}`].map((name) => refs.get(name)).find((each) => each !== undefined)
      if (rev === undefined) return yield* new RefUnresolved({ url, ref, detail: "knows no such branch or tag" })
      return rev
    }
  }
})
