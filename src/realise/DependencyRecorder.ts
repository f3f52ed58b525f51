/**
 * Notes what an evaluation depends on while it runs.
 *
 * What must not be asked again (a fetch without a hash, the time) makes the evaluation one that cannot be kept, and so does what changed while it was under way.
 */
import type { FileType, IoAnswer, NearRequest } from "../eval/IoRequest.ts"
import type { Fetch } from "../fetch/Fetch.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { isLocked } from "../nix/FlakeRef.ts"
import { isInStore, type StorePath } from "../nix/StorePath.ts"
import { absent, contentDigest, type Dependencies, digestLength, listingDigest, present, stateLength, typeLetter } from "./Dependencies.ts"
import type { SourceSeen, StoreStamp } from "./Dependencies.ts"
import { notInStore, type Question, type Stamps } from "./EvaluatorProtocol.ts"
import { type FileState, isSettled, type Look, stateOf, treeState } from "./FileState.ts"
import type { AddSource } from "./HashedSource.ts"
import type { HostWatch } from "./HostFiles.ts"

const same = (a: IoAnswer, b: IoAnswer): boolean => JSON.stringify(a) === JSON.stringify(b)

/** Whether what it gives never changes. */
const isPinned = (question: Extract<Question, { readonly _tag: "Fetch" | "FetchTree" | "FetchClosure" }>): boolean => {
  switch (question._tag) {
    case "Fetch":
      return question.hash !== undefined
    case "FetchTree": {
      const input = new Map(question.input)
      return isLocked(input) && input.get("type") !== "path"
    }
    case "FetchClosure":
      return true
  }
}

/** A file or a listing: SHA-256 of what was seen, and the state that stands for it, where it was settled. */
interface ContentSeen {
  readonly digest: Uint8Array
  readonly state: FileState | undefined
}

export class DependencyRecorder implements HostWatch {
  readonly #files = new Map<ByteString, ContentSeen>()
  readonly #directories = new Map<ByteString, ContentSeen>()
  readonly #types = new Map<string, string>()
  readonly #others = new Map<string, readonly [NearRequest, IoAnswer]>()
  readonly #sources: Array<SourceSeen> = []
  readonly #stored = new Map<StorePath, StoreStamp>()
  #keepable = true
  /** What the evaluation said besides its result. */
  readonly lines: Array<ByteString> = []
  /** Derivations and fetches that the realiser was told. */
  readonly derivations: Array<readonly [StorePath, ByteString]> = []
  readonly fetches: Array<readonly [StorePath, Fetch]> = []

  /** The evaluation saw something that another run will not see, or that nobody can tell. */
  refuse(): void {
    this.#keepable = false
  }

  /** Whether the evaluation can be kept, as far as it has come. */
  get isKeepable(): boolean {
    return this.#keepable
  }

  /** `undefined` where the evaluation cannot be kept. */
  get dependencies(): Dependencies | undefined {
    if (!this.#keepable) return undefined
    const contents = [...this.#files.values(), ...this.#directories.values()]
    const states = new Float64Array(contents.length * stateLength).fill(Number.NaN)
    const digests = new Uint8Array(contents.length * digestLength)
    contents.forEach(({ digest, state }, i) => {
      if (state !== undefined) states.set(state, i * stateLength)
      digests.set(digest, i * digestLength)
    })
    return {
      files: [...this.#files.keys()],
      directories: [...this.#directories.keys()],
      states,
      digests,
      types: [...this.#types].map(([key, letter]) => letter + key),
      others: [...this.#others.values()],
      sources: this.#sources,
      stored: [...this.#stored]
    }
  }

  file(path: ByteString, before: Look, contents: Uint8Array): void {
    if (!this.#keepable) return
    const { stat } = before
    // A pipe gives its content once.
    if (!stat.isFile()) return this.refuse()
    // The file behind the state is the one that was read, or its size would differ.
    const settled = stat.size === contents.length && isSettled(path, before)
    this.#content(this.#files, path, { digest: contentDigest(contents), state: settled ? stateOf(stat) : undefined })
  }

  directory(path: ByteString, before: Look, entries: ReadonlyArray<readonly [ByteString, FileType]>): void {
    if (!this.#keepable) return
    const state = isSettled(path, before) ? stateOf(before.stat) : undefined
    this.#content(this.#directories, path, { digest: listingDigest(entries), state })
  }

  #content(seen: Map<ByteString, ContentSeen>, path: ByteString, content: ContentSeen): void {
    const earlier = seen.get(path)
    if (earlier === undefined) seen.set(path, content)
    // It changed while the evaluation was under way: no later run sees both.
    else if (Buffer.compare(earlier.digest, content.digest) !== 0) this.refuse()
  }

  other(request: NearRequest, answer: IoAnswer): void {
    if (request._tag === "CurrentTime") return this.refuse()
    if (request._tag === "PathType" && answer.ok) {
      const key = (request.follow ? "f" : "l") + request.path
      const letter = typeLetter(answer.value)
      const before = this.#types.get(key)
      if (before === undefined) this.#types.set(key, letter)
      else if (before !== letter) this.refuse()
      return
    }
    const key = JSON.stringify(request)
    const earlier = this.#others.get(key)
    if (earlier === undefined) this.#others.set(key, [request, answer])
    else if (!same(earlier[1], answer)) this.refuse()
  }

  /** How a source is before it is hashed or copied, for `source`. */
  before(request: AddSource): readonly [number, number] | undefined {
    if (!this.#keepable) return undefined
    const state = treeState(request.path, request.accepted)
    return state?.settled === true ? state.sum : undefined
  }

  /** A source was hashed or copied. */
  source(request: AddSource, sum: readonly [number, number] | undefined, answer: IoAnswer): void {
    if (!answer.ok) return this.refuse()
    const { expected, ...rest } = request
    this.#sources.push({
      request: rest,
      expected: expected === undefined ? null : [expected.algorithm, [...expected.digest]],
      path: answer.value as StorePath,
      sum: sum ?? null
    })
  }

  /** Something far was answered. `stamps`: of the store paths that were looked at for it. */
  far(question: Question, answer: IoAnswer, stamps: Stamps, sum: readonly [number, number] | undefined): void {
    for (const [path, stamp] of stamps) this.#stamp(path, stamp)
    switch (question._tag) {
      case "StoreRead":
      case "StoreHash":
        // What no store has, the host may have: that is noted by itself.
        if (!answer.ok && answer.failure.kind !== notInStore) this.refuse()
        return
      case "Realise":
        this.derivations.push(...question.derivations)
        if (!answer.ok) this.refuse()
        return
      case "EnsurePath":
        return answer.ok ? this.#stamp(question.path, answer.value === true ? present : absent) : this.refuse()
      case "AddText":
        return answer.ok ? this.#stamp(answer.value as StorePath, present) : this.refuse()
      case "AddSource":
        if (!answer.ok) return this.refuse()
        this.#stamp(answer.value as StorePath, present)
        // What has a hash is not read where the store has it. What lies in a path of the store that no store has was read from the host.
        if (question.expected === undefined && (!isInStore(question.path) || stamps.some(([, stamp]) => stamp === absent)))
          this.source(question, sum, answer)
        return
      case "Fetch":
      case "FetchTree":
      case "FetchClosure": {
        if (!answer.ok || !isPinned(question)) return this.refuse()
        const path = question._tag === "FetchTree" ? (answer.value as { readonly path: StorePath }).path : (answer.value as StorePath)
        return this.#stamp(path, present)
      }
    }
  }

  #stamp(path: StorePath, stamp: StoreStamp): void {
    const earlier = this.#stored.get(path)
    if (earlier === undefined || earlier === present) this.#stored.set(path, stamp)
    else if (stamp !== present && earlier !== stamp) this.refuse()
  }
}
