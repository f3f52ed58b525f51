/**
 * Which of the host's files an evaluation may see: all, none (`--pure-eval`), or those that the search path names and what is below them (`--restrict-eval`).
 *
 * A path is judged by where it leads: symbolic links are followed first, so that none inside an allowed directory opens what lies outside. Directories on the way
 * to what is allowed may be listed, but show no more than that way, as in Nix.
 */
import type { FileType, IoAnswer, NearRequest } from "../eval/IoRequest.ts"
import { directoryName, resolve } from "../eval/Paths.ts"
import type { ByteString } from "../nix/Bytes.ts"
import type { EvaluationJob } from "./Evaluation.ts"
import { answerFromHost, type HostWatch } from "./HostFiles.ts"

type FileRequest = Extract<NearRequest, { readonly path: ByteString }>

/** Links followed on the way to one path. */
const linkLimit = 40

const linkTarget = (path: ByteString, watch: HostWatch | undefined): ByteString | undefined => {
  const type = answerFromHost({ _tag: "PathType", path, follow: false }, watch)
  if (!type.ok || type.value !== "symlink") return undefined
  const target = answerFromHost({ _tag: "ReadLink", path }, watch)
  return target.ok ? (target.value as ByteString) : undefined
}

/** Where a path leads, with all links on the way followed, the last one too where `follow`; undefined where there are too many. What is not there stays as it is. */
export const whereTo = (path: ByteString, follow: boolean, watch?: HostWatch): ByteString | undefined => {
  let rest = path.split("/").filter((part) => part !== "")
  let at = "/"
  let links = 0
  for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
    const next = at === "/" ? `/${part}` : `${at}/${part}`
    const target = rest.length > 0 || follow ? linkTarget(next, watch) : undefined
    if (target === undefined) {
      at = next
      continue
    }
    if (++links > linkLimit) return undefined
    rest = [
      ...resolve(directoryName(next), target)
        .split("/")
        .filter((name) => name !== ""),
      ...rest
    ]
    at = "/"
  }
  return at
}

/** Whether a request looks at what a last link leads to. */
const follows = (request: FileRequest): boolean => request._tag !== "ReadLink" && !(request._tag === "PathType" && !request.follow)

const isWithin = (path: ByteString, directory: ByteString): boolean =>
  directory === "/" || path === directory || path.startsWith(`${directory}/`)

export class FileAccess {
  readonly #pure: boolean
  /** Undefined: everything. */
  readonly #allowed: ReadonlyArray<ByteString> | undefined
  /** Hears of everything that is looked at, on the way to an answer too. */
  readonly #watch: HostWatch | undefined

  constructor(job: Pick<EvaluationJob, "pure" | "restrict" | "searchPath">, watch?: HostWatch) {
    this.#watch = watch
    this.#pure = job.pure
    const named = job.searchPath.map((entry) => entry.slice(entry.indexOf("=") + 1))
    this.#allowed = job.restrict ? [...new Set(named.flatMap((path) => [path, whereTo(path, true, watch) ?? path]))] : undefined
  }

  /** Whether the path is allowed, lies in what is, or is on the way to it. */
  #covers(path: ByteString): boolean {
    return this.#allowed!.some((allowed) => isWithin(path, allowed) || isWithin(allowed, path))
  }

  /** The answer to a request about a file outside the store. */
  answer(request: FileRequest): IoAnswer {
    const { path } = request
    if (this.#pure) return refusal(path, "in pure evaluation mode (use '--impure' to override)")
    if (this.#allowed === undefined) return answerFromHost(request, this.#watch)
    const to = whereTo(path, follows(request), this.#watch)
    if (to === undefined || !this.#covers(path)) return refusal(path, "in restricted mode")
    if (!this.#covers(to)) return refusal(to, "in restricted mode")
    const answer = answerFromHost(request, this.#watch)
    if (request._tag !== "ReadDirectory" || !answer.ok) return answer
    const entries = answer.value as ReadonlyArray<readonly [ByteString, FileType]>
    return { ok: true, value: entries.filter(([name]) => this.#covers(to === "/" ? `/${name}` : `${to}/${name}`)) }
  }

  /** The answer to a request about a path of the host's own `/nix/store`, which must not lead out of it where files are not free to be seen. */
  answerInStore(request: FileRequest): IoAnswer {
    const free = !this.#pure && this.#allowed === undefined
    if (!free && !(whereTo(request.path, follows(request), this.#watch) ?? "").startsWith("/nix/store/")) {
      return refusal(request.path, this.#pure ? "in pure evaluation mode (use '--impure' to override)" : "in restricted mode")
    }
    return answerFromHost(request, this.#watch)
  }
}

const refusal = (path: ByteString, mode: string): IoAnswer => ({
  ok: false,
  failure: { kind: "restricted", message: `access to absolute path '${path}' is forbidden ${mode}`, exitCode: undefined }
})
