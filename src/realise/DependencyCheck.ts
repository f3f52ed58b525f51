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
import { absent, type ContentSeen, contentDigest, type Dependencies, listingDigest, present } from "./Dependencies.ts"
import type { SourceSeen, StoreStamp } from "./Dependencies.ts"
import { type FileState, isSettled, stateOf, treeState } from "./FileState.ts"
import { answerFromHost } from "./HostFiles.ts"

const isState = (state: FileState | undefined, stat: fs.Stats): boolean =>
  state !== undefined &&
  state[0] === stat.size &&
  state[1] === stat.mtimeMs &&
  state[2] === stat.ctimeMs &&
  state[3] === stat.ino &&
  state[4] === stat.dev

const quietly = <A>(look: () => A): A | undefined => {
  try {
    return look()
  } catch {
    return undefined
  }
}

const fileDigest = (path: ByteString, stat: fs.Stats): Uint8Array | undefined =>
  // Opening a pipe would wait for somebody to write.
  stat.isFile() ? contentDigest(fs.readFileSync(hostPath(path))) : undefined

const directoryDigest = (path: ByteString): Uint8Array | undefined => {
  const answer = answerFromHost({ _tag: "ReadDirectory", path })
  return answer.ok ? listingDigest(answer.value as ReadonlyArray<readonly [ByteString, FileType]>) : undefined
}

const sameDigest = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && Buffer.compare(a, b) === 0

/** What was seen of a file or a directory, as it is now; `undefined` where it is not the same. */
const contentNow = (
  path: ByteString,
  seen: ContentSeen,
  digest: (path: ByteString, stat: fs.Stats) => Uint8Array | undefined
): ContentSeen | undefined =>
  quietly(() => {
    const stat = fs.statSync(hostPath(path), { throwIfNoEntry: false })
    if (stat === undefined) return undefined
    if (isState(seen.state, stat)) return seen
    const settled = isSettled(path, stat)
    if (!sameDigest(digest(path, stat), seen.digest)) return undefined
    return settled ? { digest: seen.digest, state: stateOf(stat) } : seen
  })

/** The same of a source. */
const sourceNow = async (seen: SourceSeen): Promise<SourceSeen | undefined> => {
  const { request, path } = seen
  const state = treeState(request.path, request.accepted)
  if (state === undefined) return undefined
  if (seen.sum !== undefined && state.sum[0] === seen.sum[0] && state.sum[1] === seen.sum[1]) return seen
  const [{ hashedSource }, { hashPath }, { installNode }] = await Promise.all([
    import("./HashedSource.ts"),
    import("../store/HashPath.ts"),
    import("../castore/crypto/Node.ts")
  ])
  installNode()
  const answer = quietly(() => hashedSource(request, hashPath))
  if (answer?.ok !== true || answer.value !== path) return undefined
  return state.settled ? { request, path, sum: state.sum } : seen
}

/** All as they are now; `undefined` where one is not the same. The list itself where nothing is noted anew. */
const allNow = (
  list: ReadonlyMap<ByteString, ContentSeen>,
  digest: (path: ByteString, stat: fs.Stats) => Uint8Array | undefined
): ReadonlyMap<ByteString, ContentSeen> | undefined => {
  let renewed: Map<ByteString, ContentSeen> | undefined
  for (const [path, seen] of list) {
    const now = contentNow(path, seen, digest)
    if (now === undefined) return undefined
    if (now !== seen) (renewed ??= new Map(list)).set(path, now)
  }
  return renewed ?? list
}

/**
 * The dependencies, when everything of the host is still the same; `undefined` when it is not. Those that were given, where nothing was noted anew. What the store must
 * have is not looked at (`storeHolds`).
 */
export const hostHolds = async (dependencies: Dependencies): Promise<Dependencies | undefined> => {
  for (const [request, answer] of dependencies.others) {
    const now = answerFromHost(request)
    if (now.ok && answer.ok ? now.value !== answer.value : JSON.stringify(now) !== JSON.stringify(answer)) return undefined
  }
  const files = allNow(dependencies.files, fileDigest)
  if (files === undefined) return undefined
  const directories = allNow(dependencies.directories, directoryDigest)
  if (directories === undefined) return undefined
  let sources: Array<SourceSeen> | undefined
  for (const [i, seen] of dependencies.sources.entries()) {
    const now = await sourceNow(seen)
    if (now === undefined) return undefined
    if (now !== seen) (sources ??= [...dependencies.sources])[i] = now
  }
  if (files === dependencies.files && directories === dependencies.directories && sources === undefined) return dependencies
  return { ...dependencies, files, directories, sources: sources ?? dependencies.sources }
}

/** Whether the store has what it must have, and has not what it must not. `stamps`: of those of the paths that it has. */
export const storeHolds = ({ stored }: Dependencies, stamps: ReadonlyMap<StorePath, StoreStamp>): boolean => {
  for (const [path, stamp] of stored) {
    const found = stamps.get(path) ?? absent
    if (stamp === present ? found === absent : found !== stamp) return false
  }
  return true
}
