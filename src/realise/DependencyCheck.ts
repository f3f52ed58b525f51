/**
 * Whether an evaluation would get today the answers that it once got.
 *
 * What has the state that was noted when it was settled need not be read. Whatever else was a file or a source is read and compared by content; what it is like now is noted
 * anew, so that the next check need not.
 */
import * as fs from "node:fs"
import { hostPath } from "../castore/ingest/HostTree.ts"
import type { FileType } from "../eval/IoRequest.ts"
import type { ByteString } from "../nix/Bytes.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { absent, contentDigest, type Dependencies, digestLength, listingDigest, present, stateLength, typeLetter } from "./Dependencies.ts"
import type { SourceSeen, StoreStamp } from "./Dependencies.ts"
import { isSettled, stateOf, treeState } from "./FileState.ts"
import { answerFromHost } from "./HostFiles.ts"

/** What `lstat` says of paths, asked once each; `undefined` where nothing is there, or it cannot be told. */
class Looks {
  /** When they began. */
  readonly at = Date.now()
  readonly #seen = new Map<ByteString, fs.Stats>()

  link(path: ByteString): fs.Stats | undefined {
    const stat = quietly(() => fs.lstatSync(hostPath(path), { throwIfNoEntry: false }))
    if (stat !== undefined) this.#seen.set(path, stat)
    return stat
  }

  /** What a path leads to, told by what is known of the path where that is no link. */
  target(path: ByteString): fs.Stats | undefined {
    const seen = this.#seen.get(path)
    if (seen !== undefined && !seen.isSymbolicLink()) return seen
    return quietly(() => fs.statSync(hostPath(path), { throwIfNoEntry: false }))
  }
}

const quietly = <A>(look: () => A): A | undefined => {
  try {
    return look()
  } catch {
    return undefined
  }
}

/** As `answerFromHost` tells types; a look that failed is asked again there. */
const letterOf = (stat: fs.Stats): string => (stat.isFile() ? "r" : stat.isDirectory() ? "d" : stat.isSymbolicLink() ? "s" : "u")

const sameType = (noted: ByteString, looks: Looks): boolean => {
  const path = noted.slice(2)
  const follow = noted[1] === "f"
  const stat = follow ? undefined : looks.link(path)
  if (stat !== undefined) return letterOf(stat) === noted[0]
  const answer = answerFromHost({ _tag: "PathType", path, follow })
  return answer.ok && typeLetter(answer.value) === noted[0]
}

const fileDigest = (path: ByteString, stat: fs.Stats): Uint8Array | undefined =>
  // Opening a pipe would wait for somebody to write.
  stat.isFile() ? contentDigest(fs.readFileSync(hostPath(path))) : undefined

const directoryDigest = (path: ByteString): Uint8Array | undefined => {
  const answer = answerFromHost({ _tag: "ReadDirectory", path })
  return answer.ok ? listingDigest(answer.value as ReadonlyArray<readonly [ByteString, FileType]>) : undefined
}

/** Contents by their states, and else by their digests. What is settled now is noted in a copy of the states. */
class Contents {
  states: Float64Array
  readonly #noted: Float64Array
  readonly #digests: Uint8Array
  readonly #looks: Looks

  constructor({ states, digests }: Dependencies, looks: Looks) {
    this.#noted = this.states = states
    this.#digests = digests
    this.#looks = looks
  }

  /** Whether content number `i` is that of what is at `path` now. */
  isSame(i: number, path: ByteString, read: (path: ByteString, stat: fs.Stats) => Uint8Array | undefined): boolean {
    const stat = this.#looks.target(path)
    if (stat === undefined) return false
    const at = i * stateLength
    const noted = this.#noted
    if (
      noted[at] === stat.size &&
      noted[at + 1] === stat.mtimeMs &&
      noted[at + 2] === stat.ctimeMs &&
      noted[at + 3] === stat.ino &&
      noted[at + 4] === stat.dev
    ) {
      return true
    }
    const settled = isSettled(path, { stat, at: this.#looks.at })
    const digest = quietly(() => read(path, stat))
    if (digest === undefined) return false
    const wanted = this.#digests.subarray(i * digestLength, (i + 1) * digestLength)
    if (Buffer.compare(digest, wanted) !== 0) return false
    if (settled) {
      if (this.states === noted) this.states = noted.slice()
      this.states.set(stateOf(stat), at)
    }
    return true
  }
}

/** What was seen of a source, as it is now; `undefined` where its path is another. */
const sourceNow = async (seen: SourceSeen): Promise<SourceSeen | undefined> => {
  const { request, path, sum, expected } = seen
  const state = treeState(request.path, request.accepted)
  if (state === undefined) return undefined
  if (sum !== null && state.sum[0] === sum[0] && state.sum[1] === sum[1]) return seen
  const [{ hashedSource }, { hashPath }, { installNode }] = await Promise.all([
    import("./HashedSource.ts"),
    import("../store/HashPath.ts"),
    import("../castore/crypto/Node.ts")
  ])
  installNode()
  const hash = expected === null ? undefined : { algorithm: expected[0], digest: Uint8Array.from(expected[1]) }
  const answer = quietly(() => hashedSource({ ...request, expected: hash }, hashPath))
  if (answer?.ok !== true || answer.value !== path) return undefined
  return state.settled ? { ...seen, sum: state.sum } : seen
}

/**
 * The dependencies, when everything of the host is still the same; `undefined` when it is not. Those that were given, where nothing was noted anew. What the store must
 * have is not looked at (`storeHolds`).
 */
export const hostHolds = async (dependencies: Dependencies): Promise<Dependencies | undefined> => {
  const looks = new Looks()
  for (const noted of dependencies.types) if (!sameType(noted, looks)) return undefined
  for (const [request, answer] of dependencies.others) {
    const now = answerFromHost(request)
    if (now.ok && answer.ok ? now.value !== answer.value : JSON.stringify(now) !== JSON.stringify(answer)) return undefined
  }
  const { files, directories } = dependencies
  const contents = new Contents(dependencies, looks)
  for (let i = 0; i < files.length; i++) if (!contents.isSame(i, files[i]!, fileDigest)) return undefined
  for (let i = 0; i < directories.length; i++) {
    if (!contents.isSame(files.length + i, directories[i]!, directoryDigest)) return undefined
  }
  let sources: Array<SourceSeen> | undefined
  for (const [i, seen] of dependencies.sources.entries()) {
    const now = await sourceNow(seen)
    if (now === undefined) return undefined
    if (now !== seen) (sources ??= [...dependencies.sources])[i] = now
  }
  const { states } = contents
  return states === dependencies.states && sources === undefined
    ? dependencies
    : { ...dependencies, states, sources: sources ?? dependencies.sources }
}

/** What a store says. */
export interface StoreView {
  /** Whether it has all of these. */
  readonly hasAll: (paths: ReadonlyArray<StorePath>) => boolean
  /** `undefined`: it does not have the path. */
  readonly stamp: (path: StorePath) => StoreStamp | undefined
}

/** Whether the store has what it must have, and has not what it must not. */
export const storeHolds = ({ stored }: Dependencies, store: StoreView): boolean => {
  const there: Array<StorePath> = []
  for (const [path, stamp] of stored) {
    if (stamp === present) there.push(path)
    else if ((store.stamp(path) ?? absent) !== stamp) return false
  }
  return store.hasAll(there)
}
