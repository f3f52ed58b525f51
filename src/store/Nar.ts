/**
 * NARs of castore trees: rendered as a stream of bytes, and their hash and size.
 *
 * Directories are loaded for the whole tree beforehand; small files in batches while the bytes before them go out, large ones as streams.
 * Whatever comes out was verified; a missing or damaged part fails the stream, which then must not be taken for a NAR.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BlobService } from "../castore/blob/BlobService.ts"
import { attempt, type CastoreError, CorruptData, InvalidData, MissingData } from "../castore/CastoreError.ts"
import * as Digest from "../castore/Digest.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { Directory, FileNode, Node } from "../castore/Node.ts"
import type { NarSummary } from "../castore/ingest/NarDigest.ts"
import type { ByteString } from "../nix/Bytes.ts"
import * as Crypto from "../nix/Crypto.ts"
import type { NixHashAlgorithm } from "../nix/Hash.ts"
import { NarError } from "../nix/Nar.ts"
import { NarWriter } from "../nix/NarWriter.ts"

/** Files up to this size are loaded in batches, larger ones streamed. */
const smallLimit = 1 << 20
/** Bytes and files of one batch. */
const batchBytes = 4 << 20
const batchFiles = 512
/** Batches loaded at the same time: the next while the last goes out. */
const batchesUnderWay = 2

interface TreeEntry {
  readonly name: ByteString
  readonly node: Node
}

interface FilePart {
  readonly _tag: "File"
  readonly name: ByteString
  readonly node: FileNode
}

/** What to tell a NAR writer next. */
type Part =
  | { readonly _tag: "Start"; readonly name: ByteString }
  | { readonly _tag: "End" }
  | { readonly _tag: "Symlink"; readonly name: ByteString; readonly target: ByteString }
  | FilePart

/** The parts of a tree in the order of its NAR, by a stack of its own. */
class Parts {
  readonly #directories: ReadonlyMap<Digest.Digest, Directory>
  readonly #stack: Array<{ readonly entries: ReadonlyArray<TreeEntry>; next: number; readonly directory: boolean }>

  constructor(root: Node, directories: ReadonlyMap<Digest.Digest, Directory>) {
    this.#directories = directories
    this.#stack = [{ entries: [{ name: "", node: root }], next: 0, directory: false }]
  }

  next(): Part | undefined {
    const frame = this.#stack[this.#stack.length - 1]
    if (frame === undefined) return undefined
    const entry = frame.entries[frame.next++]
    if (entry === undefined) {
      this.#stack.pop()
      return frame.directory ? { _tag: "End" } : undefined
    }
    const { name, node } = entry
    switch (node._tag) {
      case "Symlink":
        return { _tag: "Symlink", name, target: node.target }
      case "File":
        return { _tag: "File", name, node }
      case "Directory": {
        const directory = this.#directories.get(node.digest)
        if (directory === undefined) throw new MissingData({ store: "the tree", kind: "directory", digest: Digest.toText(node.digest) })
        this.#stack.push({ entries: directory.entries, next: 0, directory: true })
        return { _tag: "Start", name }
      }
    }
  }
}

/** All directories of a tree by digest; `MissingData` when the root or one below is not there. */
export const loadDirectories = Effect.fnUntraced(function* (
  root: Node
): Effect.fn.Return<ReadonlyMap<Digest.Digest, Directory>, CastoreError, DirectoryService> {
  const found = new Map<Digest.Digest, Directory>()
  if (root._tag !== "Directory") return found
  const directories = yield* DirectoryService
  yield* Stream.runForEach(directories.getRecursive(root.digest), ({ digest, directory }) =>
    Effect.sync(() => found.set(digest, directory))
  )
  if (found.size === 0)
    return yield* new MissingData({ store: "the directory service", kind: "directory", digest: Digest.toText(root.digest) })
  return found
})

/** A stretch of a NAR: parts whose files are small, then perhaps one large file. */
interface Stretch {
  readonly parts: ReadonlyArray<Part>
  readonly files: ReadonlyArray<FileNode>
  readonly large: FilePart | undefined
  readonly done: boolean
}

const nextStretch = (source: Parts): Stretch => {
  const parts: Array<Part> = []
  const files: Array<FileNode> = []
  let bytes = 0
  while (bytes < batchBytes && files.length < batchFiles && parts.length < 8 * batchFiles) {
    const part = source.next()
    if (part === undefined) return { parts, files, large: undefined, done: true }
    if (part._tag === "File") {
      if (part.node.size > smallLimit) return { parts, files, large: part, done: false }
      files.push(part.node)
      bytes += part.node.size
    }
    parts.push(part)
  }
  return { parts, files, large: undefined, done: false }
}

const wrongSize = (node: FileNode, actual: string): CorruptData =>
  new CorruptData({
    store: "the blob service",
    digest: Digest.toText(node.digest),
    detail: `a directory says ${node.size} bytes, the blob has ${actual}`
  })

/** Runs code that tells a NAR writer; a tree that no NAR can hold becomes `InvalidData`. */
const telling = <A>(run: () => A): Effect.Effect<A, CastoreError> =>
  attempt("the tree", "render a NAR", () => {
    try {
      return run()
    } catch (cause) {
      if (cause instanceof NarError) throw new InvalidData({ what: "tree", detail: cause.message })
      throw cause
    }
  })

/** Tells a writer about a whole tree, a step at a time: whenever the stream gives an element, the writer may have given chunks to its sink. */
const tellTree = (root: Node, writer: NarWriter): Stream.Stream<void, CastoreError, BlobService | DirectoryService> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const parts = new Parts(root, yield* loadDirectories(root))

      const stretches = Stream.paginate(undefined, () =>
        attempt("the tree", "render a NAR", () => {
          const stretch = nextStretch(parts)
          return [[stretch], stretch.done ? Option.none<undefined>() : Option.some(undefined)] as const
        })
      ).pipe(Stream.rechunk(1))

      const load = Effect.fnUntraced(function* (stretch: Stretch) {
        yield* Effect.yieldNow
        const contents = stretch.files.length === 0 ? [] : yield* blobs.getMany(stretch.files.map((file) => file.digest))
        return { stretch, contents }
      })

      const small = ({ parts: list }: Stretch, contents: ReadonlyArray<Option.Option<Uint8Array>>) =>
        telling(() => {
          let next = 0
          for (const part of list) {
            switch (part._tag) {
              case "Start":
                writer.directoryStart(part.name)
                break
              case "End":
                writer.directoryEnd()
                break
              case "Symlink":
                writer.symlink(part.name, part.target)
                break
              case "File": {
                const { node } = part
                const bytes = contents[next++]!
                if (Option.isNone(bytes))
                  throw new MissingData({ store: "the blob service", kind: "blob", digest: Digest.toText(node.digest) })
                if (bytes.value.length !== node.size) throw wrongSize(node, String(bytes.value.length))
                writer.file(part.name, bytes.value, node.executable)
              }
            }
          }
        })

      const large = ({ name, node }: FilePart): Stream.Stream<void, CastoreError> => {
        let length = 0
        const start = telling(() => writer.fileStart(name, node.size, node.executable))
        const middle = Stream.mapEffect(Stream.chunks(blobs.read(node.digest)), (pieces) =>
          telling(() => {
            for (const piece of pieces) {
              length += piece.length
              if (length > node.size) throw wrongSize(node, "more")
              writer.fileData(piece)
            }
          })
        )
        const end = telling(() => {
          if (length !== node.size) throw wrongSize(node, String(length))
          writer.fileEnd()
        })
        return Stream.fromEffect(start).pipe(Stream.concat(middle), Stream.concat(Stream.fromEffect(end)))
      }

      return stretches.pipe(
        Stream.mapEffect(load, { concurrency: batchesUnderWay }),
        Stream.flatMap(({ stretch, contents }) => {
          const first = Stream.fromEffect(small(stretch, contents))
          return stretch.large === undefined ? first : Stream.concat(first, large(stretch.large))
        }),
        Stream.concat(Stream.fromEffect(telling(() => void writer.end())))
      )
    })
  )

/** The NAR of a node, in pieces of 16 KiB to about 1 MiB, each an array of its own. */
export const render = (root: Node): Stream.Stream<Uint8Array, CastoreError, BlobService | DirectoryService> =>
  Stream.suspend(() => {
    let chunks: Array<Uint8Array> = []
    const writer = new NarWriter((chunk) => chunks.push(chunk), { bufferSize: 256 * 1024 })
    return tellTree(root, writer).pipe(
      Stream.map(() => {
        const taken = chunks
        chunks = []
        return taken
      }),
      Stream.flattenIterable
    )
  })

/** Hash (of any algorithm) and size of the NAR of a node. */
export const calculateWith = Effect.fn("store.calculateNar")(function* (
  node: Node,
  algorithm: NixHashAlgorithm
): Effect.fn.Return<{ readonly digest: Uint8Array; readonly narSize: number }, CastoreError, BlobService | DirectoryService> {
  const hasher = Crypto.hasher(algorithm)
  const writer = new NarWriter((chunk) => hasher.update(chunk), { bufferSize: 256 * 1024, reuse: true })
  yield* Stream.runDrain(tellTree(node, writer))
  return { digest: Uint8Array.from(hasher.digest()), narSize: writer.size }
})

/** SHA-256 and size of the NAR of a node. */
export const calculate = (node: Node): Effect.Effect<NarSummary, CastoreError, BlobService | DirectoryService> =>
  Effect.map(calculateWith(node, "sha256"), ({ digest, narSize }) => ({ narHash: digest, narSize }))
