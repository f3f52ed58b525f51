/**
 * Taking a tree into the castore: one stream of entries in, a root node out.
 *
 * Every producer (file system, NAR, tar) makes the same stream: children before their parent directory, the root last, paths relative to it. Small files
 * travel inside their entries and are stored in groups, a bounded number of bytes at a time; large ones the producer uploads itself. Directories are stored
 * leaves first. When anything fails, what was stored before is unreferenced, and nothing else happened.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ByteString } from "../../nix/Bytes.ts"
import { BlobService, type StoredBlob } from "../blob/BlobService.ts"
import { attempt, type CastoreError } from "../CastoreError.ts"
import { DirectoryService } from "../directory/DirectoryService.ts"
import type { Node } from "../Node.ts"
import { type StoredEntry, TreeBuilder } from "./TreeBuilder.ts"

/** Paths are relative, `/` between names; the root's is "". */
export type IngestEntry =
  | {
      readonly _tag: "File"
      readonly path: ByteString
      readonly executable: boolean
      /** The bytes, which must not change afterwards; or, for a large file, the blob that the producer stored. */
      readonly contents: Uint8Array | StoredBlob
    }
  | { readonly _tag: "Symlink"; readonly path: ByteString; readonly target: ByteString }
  /** Comes after everything that lies in it. */
  | { readonly _tag: "Directory"; readonly path: ByteString }

/** Files above this size are uploaded by their producer as a stream. */
export const smallFileLimit = 1 << 20

/** Bytes and entries stored as one group; groups under way at the same time. */
export const groupBytes = 4 << 20
export const groupEntries = 512
const groupsUnderWay = 4
/** Directories stored in one call. */
const directoryGroup = 1024

interface Group {
  readonly entries: ReadonlyArray<IngestEntry>
  readonly bytes: number
}

const bytesOf = (entry: IngestEntry): number => (entry._tag === "File" && entry.contents instanceof Uint8Array ? entry.contents.length : 0)

/** Entries in groups of bounded size. */
const inGroups = <E, R>(entries: Stream.Stream<IngestEntry, E, R>): Stream.Stream<Group, E, R> =>
  Stream.mapAccumArray(
    entries,
    (): { entries: Array<IngestEntry>; bytes: number } => ({ entries: [], bytes: 0 }),
    (group, chunk) => {
      const full: Array<Group> = []
      for (const entry of chunk) {
        const bytes = bytesOf(entry)
        if (group.entries.length >= groupEntries || (group.entries.length > 0 && group.bytes + bytes > groupBytes)) {
          full.push(group)
          group = { entries: [], bytes: 0 }
        }
        group.entries.push(entry)
        group.bytes += bytes
      }
      return [group, full]
    },
    { onHalt: (group) => (group.entries.length === 0 ? [] : [group]) }
  )

/** Stores the small files of a group and tells the nodes of all its entries. */
const storeGroup = Effect.fnUntraced(function* (blobs: BlobService["Service"], { entries }: Group) {
  const small: Array<Uint8Array> = []
  for (const entry of entries) if (entry._tag === "File" && entry.contents instanceof Uint8Array) small.push(entry.contents)
  const digests = small.length === 0 ? [] : yield* blobs.putMany(small)
  let next = 0
  return entries.map((entry): StoredEntry => {
    const { path } = entry
    switch (entry._tag) {
      case "Directory":
        return { path, node: undefined }
      case "Symlink":
        return { path, node: { _tag: "Symlink", target: entry.target } }
      case "File": {
        const { contents, executable } = entry
        const blob = contents instanceof Uint8Array ? { digest: digests[next++]!, size: contents.length } : contents
        return { path, node: { _tag: "File", digest: blob.digest, size: blob.size, executable } }
      }
    }
  })
})

/** Stores the tree that the entries make and gives its root. Fails with `InvalidData` when they make none. */
export const ingest = Effect.fn("castore.ingest")(function* <E, R>(
  entries: Stream.Stream<IngestEntry, E, R>
): Effect.fn.Return<Node, CastoreError | E, BlobService | DirectoryService | R> {
  const blobs = yield* BlobService
  const directories = yield* DirectoryService
  const builder = new TreeBuilder()
  const storeDirectories = Effect.suspend(() => directories.putMany(builder.takeFinished()))
  yield* inGroups(entries).pipe(
    Stream.rechunk(1),
    Stream.mapEffect((group) => storeGroup(blobs, group), { concurrency: groupsUnderWay }),
    Stream.runForEach((stored) =>
      Effect.andThen(
        attempt("ingestion", "build directories", () => {
          for (const entry of stored) builder.add(entry)
        }),
        Effect.suspend(() => (builder.finishedCount >= directoryGroup ? storeDirectories : Effect.void))
      )
    )
  )
  const root = yield* attempt("ingestion", "build directories", () => builder.end())
  yield* storeDirectories
  return root
})
