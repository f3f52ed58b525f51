/**
 * Bringing a tree from one castore to another: blobs first, then directories, leaves first, so that a directory is never there before what it refers to.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { BlobService } from "./blob/BlobService.ts"
import { type CastoreError, MissingData } from "./CastoreError.ts"
import * as Digest from "./Digest.ts"
import { DirectoryService } from "./directory/DirectoryService.ts"
import type { Directory, Node } from "./Node.ts"
import { loadDirectories } from "./view/TreeWalk.ts"

/** Where trees are. */
export interface Castore {
  readonly blobs: BlobService["Service"]
  readonly directories: DirectoryService["Service"]
}

export interface CopyTreeOptions {
  /**
   * Take a directory that the destination has to be there with all that is below it, as it is unless somebody stored it before its files: only what such
   * directories do not hold is looked for. Otherwise every file is looked for.
   */
  readonly trusting: boolean
}

/** Blobs of one tree under way at a time. */
const blobsUnderWay = 8
/** Directories, or blobs, looked for at a time. */
const lookupsUnderWay = 16
/** Bytes up to which a blob is moved with others. */
const smallBlob = 64 << 10
/** Small blobs moved together: at most 8 MiB. */
const batch = 128
const batchesUnderWay = 2

type Blobs = BlobService["Service"]

const childrenOf = (directory: Directory): ReadonlyArray<Digest.Digest> =>
  directory.entries.flatMap(({ node }) => (node._tag === "Directory" ? [node.digest] : []))

/** Those directories of a tree that `to` lacks, from the root downwards. */
const lacking = Effect.fnUntraced(function* (root: Digest.Digest, all: ReadonlyMap<Digest.Digest, Directory>, to: Castore) {
  const found = new Map<Digest.Digest, Directory>()
  const asked = new Set([root])
  for (let level: ReadonlyArray<Digest.Digest> = [root]; level.length > 0;) {
    const answers = yield* Effect.forEach(level, (digest) => to.directories.get(digest), { concurrency: lookupsUnderWay })
    const next: Array<Digest.Digest> = []
    for (const [index, digest] of level.entries()) {
      if (Option.isSome(answers[index]!)) continue
      const directory = all.get(digest)!
      found.set(digest, directory)
      for (const child of childrenOf(directory)) {
        if (asked.has(child)) continue
        asked.add(child)
        next.push(child)
      }
    }
    level = next
  }
  return found
})

/** Those that `to` lacks. */
const missing = (digests: ReadonlyArray<Digest.Digest>, to: Blobs): Effect.Effect<ReadonlyArray<Digest.Digest>, CastoreError> =>
  to.missing === undefined
    ? Effect.map(
        Effect.forEach(digests, (digest) => Effect.map(to.has(digest), (there) => (there ? [] : [digest])), {
          concurrency: lookupsUnderWay
        }),
        (parts) => parts.flat()
      )
    : to.missing(digests)

/** Copies the blobs that `to` lacks, small ones many at a time. Sizes are by digest, in bytes. */
const copyBlobs = Effect.fnUntraced(function* (sizes: ReadonlyMap<Digest.Digest, number>, from: Blobs, to: Blobs) {
  const wanted = yield* missing([...sizes.keys()], to)
  const [large, small] = [
    wanted.filter((digest) => sizes.get(digest)! > smallBlob),
    wanted.filter((digest) => sizes.get(digest)! <= smallBlob)
  ]
  const batches = Array.from({ length: Math.ceil(small.length / batch) }, (_, i) => small.slice(i * batch, (i + 1) * batch))
  yield* Effect.forEach(
    batches,
    Effect.fnUntraced(function* (digests) {
      const found = yield* from.getMany(digests)
      const absent = digests.find((_, index) => Option.isNone(found[index]!))
      if (absent !== undefined) return yield* new MissingData({ store: "the source", kind: "blob", digest: Digest.toText(absent) })
      yield* to.putMany(found.map(Option.getOrThrow))
    }),
    { concurrency: batchesUnderWay, discard: true }
  )
  yield* Effect.forEach(large, (digest) => to.putStream(from.read(digest)), { concurrency: blobsUnderWay, discard: true })
})

/** Makes a node, and all below it, present in `to`. What `from` gives is verified on the way, as reads are. */
export const copyTree = Effect.fn("castore.copyTree")(function* (
  root: Node,
  from: Castore,
  to: Castore,
  options: CopyTreeOptions
): Effect.fn.Return<void, CastoreError> {
  if (from.blobs === to.blobs && from.directories === to.directories) return
  if (options.trusting && root._tag === "Directory" && Option.isSome(yield* to.directories.get(root.digest))) return
  const all = yield* Effect.provideService(loadDirectories(root), DirectoryService, from.directories)
  const directories = options.trusting && root._tag === "Directory" ? yield* lacking(root.digest, all, to) : all
  const files = new Map<Digest.Digest, number>(root._tag === "File" ? [[root.digest, root.size]] : [])
  for (const { entries } of directories.values())
    for (const { node } of entries) if (node._tag === "File") files.set(node.digest, node.size)
  yield* copyBlobs(files, from.blobs, to.blobs)
  const ordered: Array<Directory> = []
  const entered = new Set<Digest.Digest>()
  const visit = (digest: Digest.Digest) => {
    const directory = directories.get(digest)
    if (directory === undefined || entered.has(digest)) return
    entered.add(digest)
    childrenOf(directory).forEach(visit)
    ordered.push(directory)
  }
  if (root._tag === "Directory") visit(root.digest)
  if (ordered.length > 0) yield* to.directories.putMany(ordered)
})
