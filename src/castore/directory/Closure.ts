/**
 * What directory drivers share: checking a batch before it is stored, and walking down from a root.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { toUnicode } from "../../nix/Bytes.ts"
import { type CastoreError, InvalidData, MissingData } from "../CastoreError.ts"
import * as Digest from "../Digest.ts"
import * as Directory from "../Directory.ts"
import type { Directory as DirectoryData } from "../Node.ts"
import type { StoredDirectory } from "./DirectoryService.ts"

export interface EncodedDirectory {
  readonly digest: Digest.Digest
  /** Entries below (rule R1). */
  readonly size: number
  readonly bytes: Uint8Array
}

/**
 * Encodes directories given children before parents. `sizeOf` tells the size of a directory that is stored, `undefined` when it is not.
 * Throws `InvalidData` when a directory breaks a rule, refers to one that is neither stored nor earlier in the list, or states a wrong size for it.
 */
export const encodeAll = (
  directories: ReadonlyArray<DirectoryData>,
  sizeOf: (digest: Digest.Digest) => number | undefined
): ReadonlyArray<EncodedDirectory> => {
  const earlier = new Map<Digest.Digest, number>([[Digest.empty, 0]])
  return directories.map((directory) => {
    const bytes = Directory.encode(directory)
    const digest = Digest.ofBytes(bytes)
    for (const { name, node } of directory.entries) {
      if (node._tag !== "Directory") continue
      let size = earlier.get(node.digest)
      if (size === undefined) {
        size = sizeOf(node.digest)
        if (size !== undefined) earlier.set(node.digest, size)
      }
      const child = () => `its entry '${toUnicode(name)}' refers to ${Digest.toText(node.digest)}`
      const what = `directory ${Digest.toText(digest)}`
      if (size === undefined) throw new InvalidData({ what, detail: `${child()}, which is neither stored nor earlier in the same upload` })
      if (size !== node.size) throw new InvalidData({ what, detail: `${child()} with size ${node.size}, but its size is ${size}` })
    }
    const size = Directory.size(directory)
    earlier.set(digest, size)
    return { digest, size, bytes }
  })
}

const levelLimit = 512

/**
 * Breadth first from a root, each directory once; empty when the root is unknown, `MissingData` when one below is. `getMany` answers for up to
 * 512 digests at a time.
 */
export const descend = (
  store: string,
  root: Digest.Digest,
  getMany: (digests: ReadonlyArray<Digest.Digest>) => Effect.Effect<ReadonlyArray<Option.Option<DirectoryData>>, CastoreError>
): Stream.Stream<StoredDirectory, CastoreError> =>
  Stream.suspend(() => {
    const seen = new Set([root])
    const queue = [root]
    let next = 0
    return Stream.paginate(undefined, () => {
      const digests = queue.slice(next, next + levelLimit)
      next += digests.length
      return Effect.flatMap(getMany(digests), (answers) => {
        const found: Array<StoredDirectory> = []
        for (let i = 0; i < answers.length; i++) {
          const answer = answers[i]!
          if (Option.isNone(answer)) {
            if (digests[i] === root) return Effect.succeed([found, Option.none()] as const)
            return Effect.fail(new MissingData({ store, kind: "directory", digest: Digest.toText(digests[i]!) }))
          }
          found.push({ digest: digests[i]!, directory: answer.value })
          for (const { node } of answer.value.entries) {
            if (node._tag !== "Directory" || seen.has(node.digest)) continue
            seen.add(node.digest)
            queue.push(node.digest)
          }
        }
        return Effect.succeed([found, next < queue.length ? Option.some(undefined) : Option.none()] as const)
      })
    })
  })
