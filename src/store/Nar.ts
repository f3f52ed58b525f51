/**
 * NARs of castore trees: rendered as a stream of bytes, and their hash and size.
 *
 * Whatever comes out was verified; a missing or damaged part fails the stream, which then must not be taken for a NAR.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { BlobService } from "../castore/blob/BlobService.ts"
import { attempt, type CastoreError, InvalidData } from "../castore/CastoreError.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { NarSummary } from "../castore/ingest/NarDigest.ts"
import type { Node } from "../castore/Node.ts"
import { type LargeFile, loadSingle, readLarge, type TreePart, walkTree } from "../castore/view/TreeWalk.ts"
import * as Crypto from "../nix/Crypto.ts"
import type { NixHashAlgorithm } from "../nix/Hash.ts"
import { NarError } from "../nix/Nar.ts"
import { NarWriter } from "../nix/NarWriter.ts"

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

const tellPart = (writer: NarWriter, part: Exclude<TreePart, LargeFile>): void => {
  switch (part._tag) {
    case "Start":
      return writer.directoryStart(part.name)
    case "End":
      return writer.directoryEnd()
    case "Symlink":
      return writer.symlink(part.name, part.target)
    case "File":
      return writer.file(part.name, part.contents, part.node.executable)
  }
}

/** Tells a writer about a whole tree, a step at a time: whenever the stream gives an element, the writer may have given chunks to its sink. */
const tellTree = (root: Node, writer: NarWriter): Stream.Stream<void, CastoreError, BlobService | DirectoryService> => {
  const tellLarge = (part: LargeFile): Stream.Stream<void, CastoreError, BlobService> =>
    Stream.fromEffect(telling(() => writer.fileStart(part.name, part.node.size, part.node.executable))).pipe(
      Stream.concat(Stream.mapEffect(readLarge(part), (piece) => telling(() => writer.fileData(piece)))),
      Stream.concat(Stream.fromEffect(telling(() => writer.fileEnd())))
    )
  return walkTree(root).pipe(
    Stream.flatMap((parts) => {
      let large: LargeFile | undefined
      const small = Stream.fromEffect(
        telling(() => {
          for (const part of parts) {
            if (part._tag === "LargeFile") large = part
            else tellPart(writer, part)
          }
        })
      )
      return Stream.concat(
        small,
        Stream.suspend(() => (large === undefined ? Stream.empty : tellLarge(large)))
      )
    }),
    Stream.concat(Stream.fromEffect(telling(() => void writer.end())))
  )
}

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
  const writer = new NarWriter((chunk) => hasher.update(chunk), { bufferSize: node._tag === "Directory" ? 256 * 1024 : 0, reuse: true })
  // Texts and links, which derivations are by the thousand, are not worth a stream.
  const single = yield* loadSingle(node)
  yield* single === undefined
    ? Stream.runDrain(tellTree(node, writer))
    : telling(() => {
        tellPart(writer, single)
        writer.end()
      })
  return { digest: Uint8Array.from(hasher.digest()), narSize: writer.size }
})

/** SHA-256 and size of the NAR of a node. */
export const calculate = (node: Node): Effect.Effect<NarSummary, CastoreError, BlobService | DirectoryService> =>
  Effect.map(calculateWith(node, "sha256"), ({ digest, narSize }) => ({ narHash: digest, narSize }))
