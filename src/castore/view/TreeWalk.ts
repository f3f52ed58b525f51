/**
 * Walking a stored tree with the contents of its files: what renders NARs and writes checkouts.
 *
 * Parts come in the order of a NAR (a directory's start, its entries by name, its end), in batches: small files with their contents, which are loaded
 * in one call a batch while the batch before is being used; a large file, to be read as a stream, only at the end of a batch. The walk has
 * a stack of its own. What is missing fails with `MissingData`; a file whose blob has another size than its directory says, with `CorruptData`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ByteString } from "../../nix/Bytes.ts"
import { BlobService } from "../blob/BlobService.ts"
import { attempt, type CastoreError, CorruptData, MissingData } from "../CastoreError.ts"
import * as Digest from "../Digest.ts"
import { DirectoryService } from "../directory/DirectoryService.ts"
import type { Directory, DirectoryEntry, FileNode, Node } from "../Node.ts"

/** Files up to this size come with their contents. */
const smallLimit = 1 << 20
/** Bytes, files and parts of one batch. */
const batchBytes = 4 << 20
const batchFiles = 512
const batchParts = 4096
/** Batches loaded at the same time. */
const batchesUnderWay = 2

/** Names are "" at the root. */
export type TreePart =
  | { readonly _tag: "Start"; readonly name: ByteString }
  | { readonly _tag: "End" }
  | { readonly _tag: "Symlink"; readonly name: ByteString; readonly target: ByteString }
  | { readonly _tag: "File"; readonly name: ByteString; readonly node: FileNode; readonly contents: Uint8Array }
  | LargeFile

/** Last in its batch; `readLarge` gives its contents. */
export interface LargeFile {
  readonly _tag: "LargeFile"
  readonly name: ByteString
  readonly node: FileNode
}

type Unloaded = Exclude<TreePart, { readonly _tag: "File" }> | { readonly _tag: "File"; readonly name: ByteString; readonly node: FileNode }

/** All directories of a tree by digest; `MissingData` when the root or one below is not there. */
export const loadDirectories = Effect.fnUntraced(function* (
  root: Node
): Effect.fn.Return<ReadonlyMap<Digest.Digest, Directory>, CastoreError, DirectoryService> {
  const found = new Map<Digest.Digest, Directory>()
  if (root._tag !== "Directory") return found
  const directories = yield* DirectoryService
  yield* Stream.runForEachArray(directories.getRecursive(root.digest), (all) =>
    Effect.sync(() => {
      for (const { digest, directory } of all) found.set(digest, directory)
    })
  )
  if (found.size === 0) {
    return yield* new MissingData({ store: "the directory service", kind: "directory", digest: Digest.toText(root.digest) })
  }
  return found
})

class Walk {
  readonly #directories: ReadonlyMap<Digest.Digest, Directory>
  readonly #stack: Array<{ readonly entries: ReadonlyArray<DirectoryEntry>; next: number; readonly isRoot: boolean }>

  constructor(root: Node, directories: ReadonlyMap<Digest.Digest, Directory>) {
    this.#directories = directories
    this.#stack = [{ entries: [{ name: "", node: root }], next: 0, isRoot: true }]
  }

  #next(): Unloaded | undefined {
    const frame = this.#stack[this.#stack.length - 1]
    if (frame === undefined) return undefined
    const entry = frame.entries[frame.next++]
    if (entry === undefined) {
      this.#stack.pop()
      return frame.isRoot ? undefined : { _tag: "End" }
    }
    const { name, node } = entry
    switch (node._tag) {
      case "Symlink":
        return { _tag: "Symlink", name, target: node.target }
      case "File":
        return { _tag: node.size > smallLimit ? "LargeFile" : "File", name, node }
      case "Directory": {
        const directory = this.#directories.get(node.digest)
        if (directory === undefined) {
          throw new MissingData({ store: "the directory service", kind: "directory", digest: Digest.toText(node.digest) })
        }
        this.#stack.push({ entries: directory.entries, next: 0, isRoot: false })
        return { _tag: "Start", name }
      }
    }
  }

  /** The next parts; none after the last. */
  batch(): ReadonlyArray<Unloaded> {
    const parts: Array<Unloaded> = []
    for (let bytes = 0, files = 0; bytes < batchBytes && files < batchFiles && parts.length < batchParts;) {
      const part = this.#next()
      if (part === undefined) break
      parts.push(part)
      if (part._tag === "LargeFile") break
      if (part._tag !== "File") continue
      files++
      bytes += part.node.size
    }
    return parts
  }
}

const wrongSize = (node: FileNode, actual: string): CorruptData =>
  new CorruptData({
    store: "the blob service",
    digest: Digest.toText(node.digest),
    detail: `its directory says that it has ${node.size} bytes, the blob has ${actual}`
  })

const withContents = (
  part: Extract<Unloaded, { readonly _tag: "File" }>,
  bytes: Option.Option<Uint8Array>
): Extract<TreePart, { readonly _tag: "File" }> => {
  const { node } = part
  if (Option.isNone(bytes)) throw new MissingData({ store: "the blob service", kind: "blob", digest: Digest.toText(node.digest) })
  if (bytes.value.length !== node.size) throw wrongSize(node, String(bytes.value.length))
  return { ...part, contents: bytes.value }
}

/** The one part that a symlink or small file is; `undefined` for anything else. */
export const loadSingle = Effect.fnUntraced(function* (
  node: Node
): Effect.fn.Return<Exclude<TreePart, LargeFile> | undefined, CastoreError, BlobService> {
  if (node._tag === "Symlink") return { _tag: "Symlink", name: "", target: node.target }
  if (node._tag === "Directory" || node.size > smallLimit) return undefined
  const contents = yield* (yield* BlobService).get(node.digest)
  return yield* attempt("the tree", "load a file", () => withContents({ _tag: "File", name: "", node }, contents))
})

/** Batches of parts, each a non-empty array. */
export const walkTree = (root: Node): Stream.Stream<ReadonlyArray<TreePart>, CastoreError, BlobService | DirectoryService> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const walk = new Walk(root, yield* loadDirectories(root))
      const batches = Stream.paginate(undefined, () =>
        attempt("the tree", "walk it", () => {
          const batch = walk.batch()
          return batch.length === 0 ? ([[], Option.none<undefined>()] as const) : ([[batch], Option.some(undefined)] as const)
        })
      )
      const load = Effect.fnUntraced(function* (parts: ReadonlyArray<Unloaded>) {
        yield* Effect.yieldNow
        const wanted: Array<Digest.Digest> = []
        for (const part of parts) if (part._tag === "File") wanted.push(part.node.digest)
        const contents = wanted.length === 0 ? [] : yield* blobs.getMany(wanted)
        let next = 0
        return yield* attempt("the tree", "load files", () =>
          parts.map((part): TreePart => {
            if (part._tag !== "File") return part
            return withContents(part, contents[next++]!)
          })
        )
      })
      return Stream.mapEffect(Stream.rechunk(batches, 1), load, { concurrency: batchesUnderWay })
    })
  )

/** The contents of a large file, checked against the size that its directory says. */
export const readLarge = ({ node }: LargeFile): Stream.Stream<Uint8Array, CastoreError, BlobService> =>
  Stream.unwrap(
    Effect.map(BlobService, (blobs) => {
      let length = 0
      const pieces = Stream.mapEffect(blobs.read(node.digest), (piece) => {
        length += piece.length
        return length > node.size ? Effect.fail(wrongSize(node, "more")) : Effect.succeed(piece)
      })
      const end = Stream.suspend(() => (length === node.size ? Stream.empty : Stream.fail(wrongSize(node, String(length)))))
      return Stream.concat(pieces, end)
    })
  )
