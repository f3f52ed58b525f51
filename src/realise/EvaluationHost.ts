/**
 * The evaluator's host, apart from how questions travel: near requests on the spot, what can be computed at once, far ones as questions that `deliver`
 * answers later.
 *
 * Every answer is kept for the whole evaluation, so that a part that runs again sees the same bytes.
 */
import type { FarRequest, IoAnswer, IoHost, IoRequest, NearRequest, TreeAnswer } from "../eval/IoRequest.ts"
import { requestKey } from "../eval/IoRequest.ts"
import { Interrupted } from "../eval/NixError.ts"
import type { Fetch } from "../fetch/Fetch.ts"
import { pathWith, storePathOf } from "../fetch/Fetch.ts"
import { isComplete, isKnowledge, printUrl } from "../nix/FlakeRef.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { hashTextHex } from "../nix/Crypto.ts"
import { printHash } from "../nix/Hash.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { isInStore, makeTextOfHex, splitStorePath, StorePathError } from "../nix/StorePath.ts"
import type { hashPath } from "../store/HashPath.ts"
import type { DependencyRecorder } from "./DependencyRecorder.ts"
import type { EvaluationJob } from "./Evaluation.ts"
import type { FromEvaluator, Question, Stamps } from "./EvaluatorProtocol.ts"
import { notInStore } from "./EvaluatorProtocol.ts"
import { FileTimes } from "./FileTimes.ts"
import { FileAccess } from "./FileAccess.ts"
import { type AddSource, hashedSource } from "./HashedSource.ts"
import { answerFromHost } from "./HostFiles.ts"
import type { EngineSettings } from "./EngineSettings.ts"

const storePrefix = "/nix/store/"

const failure = (kind: string, message: string): IoAnswer => ({ ok: false, failure: { kind, message, exitCode: undefined } })

/** Makes tagged errors answers. */
const telling = <A extends IoAnswer | undefined>(run: () => A): A | IoAnswer => {
  try {
    return run()
  } catch (error) {
    if (error instanceof Error && "_tag" in error) return failure("io", error.message)
    throw error
  }
}

const nearKey = (request: NearRequest): string => {
  switch (request._tag) {
    case "ReadFile":
      return `f${request.path}`
    case "ReadDirectory":
      return `d${request.path}`
    case "PathType":
      return `${request.follow ? "t" : "l"}${request.path}`
    case "ReadLink":
      return `s${request.path}`
    case "References":
      return `r${request.path}`
    case "Environment":
      return `e${request.name}`
    case "CurrentTime":
      return "c"
  }
}

const isNear = (request: IoRequest): request is NearRequest => {
  switch (request._tag) {
    case "ReadFile":
    case "ReadDirectory":
    case "PathType":
    case "ReadLink":
    case "References":
    case "Environment":
    case "CurrentTime":
      return true
    default:
      return false
  }
}

const keyOf = (request: IoRequest): string => (isNear(request) ? nearKey(request) : requestKey(request))

/** Under `--restrict-eval`: an allowed URI, what lies below one, and what the search path itself names. */
const mayFetch = (job: HostSettings, url: ByteString): boolean =>
  job.allowedUris.some(
    (allowed) => allowed !== "" && (url === allowed || (url.startsWith(allowed) && (allowed.endsWith("/") || url[allowed.length] === "/")))
  ) || job.searchPath.some((entry) => entry === url || entry.slice(entry.indexOf("=") + 1) === url)

/** What of a job its host has to know. */
export type HostSettings = Pick<EvaluationJob, "pure" | "restrict" | "allowedUris" | "searchPath" | "readOnly">

/** A question that was asked, and how the source was that it is about. */
interface Asked {
  readonly key: string
  readonly question: Question
  readonly sum: readonly [number, number] | undefined
}

export abstract class EvaluationHost implements IoHost {
  readonly #job: HostSettings
  readonly #access: FileAccess
  readonly #answers = new Map<string, IoAnswer>()
  readonly #pending = new Map<string, number>()
  readonly #asked = new Map<number, Asked>()
  /** Sources in the store whose paths are being asked for. */
  readonly #hashing = new Map<string, AddSource>()
  #nextId = 1
  #filesRead = 0
  /** The end of a probe's time. */
  #until: number | undefined

  abstract readonly wait: IoHost["wait"]

  /** Hashes sources in a read-only job. */
  readonly #hashPath: typeof hashPath | undefined

  /** Notes the times of files, in a run that is traced. */
  readonly files: FileTimes | undefined

  /** Told of files that are read, where the process is yix itself. */
  abstract readonly engine: EngineSettings | undefined

  /** Notes what the evaluation depends on, where its result is to be kept. */
  readonly #recorder: DependencyRecorder | undefined

  constructor(job: HostSettings, hash: typeof hashPath | undefined, timed: boolean, recorder?: DependencyRecorder) {
    this.#job = job
    this.#recorder = recorder
    this.#access = new FileAccess(job, recorder)
    this.#hashPath = hash
    this.files = timed ? new FileTimes() : undefined
  }

  /** The sorts of work that it did (`KeptCode.ts`): who reads more files does more different things. `parsed`: something was, and not only read from a cache. */
  sorts(parsed: boolean): number {
    const files = 1 << Math.min(10, Math.ceil(Math.log2(this.#filesRead + 1)))
    return files | (parsed ? 1 << 11 : 0) | (this.#recorder === undefined ? 0 : 1 << 12)
  }

  /** Sends something to whoever answers. */
  protected abstract post(message: FromEvaluator): void

  /** Whether whoever wanted the evaluation wants it no more. */
  protected abstract stopped(): boolean

  interrupted(): boolean {
    return this.stopped() || (this.#until !== undefined && performance.now() > this.#until)
  }

  /** Another evaluation begins, of a session: the outside may have changed. */
  forget(): void {
    this.#answers.clear()
    this.abandon()
  }

  /** Another part of an evaluation begins: nobody waits any more for what is pending. */
  abandon(): void {
    this.#pending.clear()
    this.#asked.clear()
    this.#hashing.clear()
  }

  /** Runs `body`, for so many milliseconds at most, as an evaluation that is interrupted where it would ask for something far or print something. */
  probing<A>(milliseconds: number, body: () => A): A {
    this.#until = performance.now() + milliseconds
    try {
      return body()
    } finally {
      this.#until = undefined
    }
  }

  ask(request: IoRequest): IoAnswer | undefined {
    const near = isNear(request)
    const key = keyOf(request)
    const known = this.#answers.get(key)
    if (known !== undefined) return known
    if (this.#pending.has(key)) return undefined
    if (request._tag === "ReadFile") {
      this.#filesRead++
      this.engine?.fileRead()
    }
    const answer = near ? this.#near(request) : this.#far(request)
    if (answer !== undefined) {
      this.#answers.set(key, answer)
      return answer
    }
    if (this.#until !== undefined) throw new Interrupted()
    const question = this.#question(request)
    if (question._tag === "StoreHash") this.#hashing.set(key, question.request)
    const id = this.#nextId++
    this.#pending.set(key, id)
    // What has a hash is looked for in the store.
    const sum = question._tag === "AddSource" && question.expected === undefined ? this.#recorder?.before(question) : undefined
    this.#asked.set(id, { key, question, sum })
    this.post({ _tag: "Ask", id, question, file: this.files?.current })
    return undefined
  }

  /** How the main thread is asked what cannot be answered here. */
  #question(request: IoRequest): Question {
    if (isNear(request)) {
      if (!("path" in request)) throw new Error(`${request._tag} is always answered by the host`)
      return { _tag: "StoreRead", path: splitStorePath(request.path).storePath, request }
    }
    if (request._tag !== "AddSource" || !this.#job.readOnly || !isInStore(request.path)) return request
    return { _tag: "StoreHash", path: splitStorePath(request.path).storePath, request }
  }

  #near(request: NearRequest): IoAnswer | undefined {
    const job = this.#job
    if (!("path" in request)) {
      if (request._tag === "Environment" && (job.pure || job.restrict)) return { ok: true, value: "" }
      return answerFromHost(request, this.#recorder)
    }
    const path = request.path
    if (path.startsWith(storePrefix)) {
      try {
        splitStorePath(path)
      } catch (error) {
        if (error instanceof StorePathError) return this.#access.answerInStore(request)
        throw error
      }
      return undefined
    }
    return this.#access.answer(request)
  }

  /** Far requests that can be answered without going far. */
  #far(request: FarRequest): IoAnswer | undefined {
    return telling((): IoAnswer | undefined => {
      switch (request._tag) {
        case "Fetch": {
          if (this.#job.restrict && !mayFetch(this.#job, request.url)) {
            return failure("restricted", `access to URI '${request.url}' is forbidden in restricted mode`)
          }
          if (request.hash === undefined) return undefined
          const fetch: Fetch = {
            _tag: request.unpack ? "Tarball" : "Url",
            url: request.url,
            name: request.name,
            hash: request.hash
          }
          const path = storePathOf(fetch)
          if (path === undefined) return undefined
          this.#later(path, fetch)
          return { ok: true, value: path }
        }
        case "FetchTree": {
          const input = new Map(request.input)
          const url = printUrl(input)
          if (this.#job.restrict && !mayFetch(this.#job, url)) {
            return failure("restricted", `access to URI '${url}' is forbidden in restricted mode`)
          }
          const { hash, name } = request
          if (hash === undefined || !isComplete(input)) return undefined
          // All that a fetch could tell stands in the input; so the tree itself may wait until something needs it.
          const fetch: Fetch = { _tag: "Tree", input, url, name, hash }
          const path = pathWith(fetch, hash)
          this.#later(path, fetch)
          const attributes = request.input.filter(([attribute]) => isKnowledge(attribute))
          return { ok: true, value: { path, narHash: printHash(hash, "sri"), attributes } satisfies TreeAnswer }
        }
        case "FetchClosure":
          if (this.#job.restrict && !mayFetch(this.#job, request.cache)) {
            return failure("restricted", `access to URI '${request.cache}' is forbidden in restricted mode`)
          }
          return undefined
        case "AddText":
          if (!this.#job.readOnly) return undefined
          return { ok: true, value: makeTextOfHex(request.name, hashTextHex("sha256", request.contents), request.references) }
        case "AddSource":
          return this.#job.readOnly && !isInStore(request.path) ? this.#hashed(request) : undefined
        case "Realise":
          if (this.#job.readOnly && request.elements.every((e) => e._tag === "Path")) return { ok: true, value: null }
          return undefined
        default:
          return undefined
      }
    })
  }

  /** A fetch that the realiser does when something needs its path. */
  #later(path: StorePath, fetch: Fetch): void {
    this.#recorder?.fetches.push([path, fetch])
    this.post({ _tag: "Fetches", list: [[path, fetch]] })
  }

  /** The path that a source of the host would have. */
  #hashed(request: AddSource): IoAnswer | undefined {
    const hash = this.#hashPath
    if (hash === undefined) return undefined
    const sum = this.#recorder?.before(request)
    // What cannot be read is an answer, too, which must not be kept.
    const answer = telling(() => hashedSource(request, hash))
    this.#recorder?.source(request, sum, answer)
    return answer
  }

  release(request: FarRequest): void {
    const key = keyOf(request)
    const id = this.#pending.get(key)
    if (id === undefined) return
    this.#pending.delete(key)
    this.#asked.delete(id)
    this.#hashing.delete(key)
    this.post({ _tag: "Release", id })
  }

  /** Takes the answer to a question, with what the store said of the paths that were looked at; one that was released meanwhile is dropped. */
  deliver(id: number, answer: IoAnswer, stamps: Stamps): void {
    const asked = this.#asked.get(id)
    if (asked === undefined) return
    const { key, question, sum } = asked
    this.engine?.answered()
    this.#asked.delete(id)
    this.#pending.delete(key)
    this.#recorder?.far(question, answer, stamps, sum)
    this.#answers.set(key, this.#fallThrough(key, answer))
    this.#hashing.delete(key)
  }

  /** Whether one of these requests is answered. */
  protected anyAnswered(requests: ReadonlyArray<FarRequest>): boolean {
    return requests.some((request) => this.#answers.has(keyOf(request)))
  }

  /** Tells the times of the files that were evaluated, once. */
  tellFiles(): void {
    const list = this.files?.takeEnded() ?? []
    if (list.length > 0) this.post({ _tag: "Files", list })
  }

  /** A path that no store has may still stand in the host's own /nix/store. */
  #fallThrough(key: string, answer: IoAnswer): IoAnswer {
    if (answer.ok || answer.failure.kind !== notInStore) return answer
    const path = key.slice(1)
    switch (key[0]) {
      case "f":
        return this.#access.answerInStore({ _tag: "ReadFile", path })
      case "d":
        return this.#access.answerInStore({ _tag: "ReadDirectory", path })
      case "t":
        return this.#access.answerInStore({ _tag: "PathType", path, follow: true })
      case "l":
        return this.#access.answerInStore({ _tag: "PathType", path, follow: false })
      case "r":
        return this.#access.answerInStore({ _tag: "References", path })
      case "s":
        return this.#access.answerInStore({ _tag: "ReadLink", path })
      default: {
        const source = this.#hashing.get(key)
        return (source === undefined ? undefined : this.#hashed(source)) ?? answer
      }
    }
  }

  print(line: ByteString): void {
    if (this.#until !== undefined) throw new Interrupted()
    this.#recorder?.lines.push(line)
    this.post({ _tag: "Print", line })
  }
}
