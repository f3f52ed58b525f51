/**
 * Where in its NAR each part of a stored tree lies, known from the directories alone: parts of a NAR are given, and listings made, without reading what is
 * not asked for.
 *
 * A layout is bytes of framing and contents of files in turn; both have known lengths, so only files that a range touches are read.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { BlobService } from "../castore/blob/BlobService.ts"
import type { CastoreError } from "../castore/CastoreError.ts"
import type * as Digest from "../castore/Digest.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { Directory, FileNode, Node } from "../castore/Node.ts"
import { loadDirectories } from "../castore/view/TreeWalk.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { toBytes } from "../nix/Bytes.ts"
import type { NarListing } from "../nix/NarListing.ts"

/** Strings as they stand in a NAR: length in 8 bytes, the bytes, padding. */
const frame = (...strings: ReadonlyArray<ByteString>): ByteString =>
  strings.map((text) => length(text.length) + text + padding(text.length)).join("")

const length = (size: number): ByteString => {
  let bytes = ""
  for (let i = 0, rest = size; i < 8; i++, rest = Math.floor(rest / 256)) bytes += String.fromCharCode(rest % 256)
  return bytes
}

const padding = (size: number): ByteString => "\0".repeat((8 - (size % 8)) % 8)

/** Framing, or the contents of a file. */
type Part = ByteString | FileNode

function* nodeParts(node: Node, directories: ReadonlyMap<Digest.Digest, Directory>): Generator<Part> {
  switch (node._tag) {
    case "Symlink":
      return yield frame("(", "type", "symlink", "target", node.target, ")")
    case "File":
      yield frame("(", "type", "regular", ...(node.executable ? ["executable", ""] : []), "contents") + length(node.size)
      yield node
      return yield padding(node.size) + frame(")")
    case "Directory":
      yield frame("(", "type", "directory")
      for (const entry of directories.get(node.digest)!.entries) {
        yield frame("entry", "(", "name", entry.name, "node")
        yield* nodeParts(entry.node, directories)
        yield frame(")")
      }
      return yield frame(")")
  }
}

const sizeOf = (part: Part): number => (typeof part === "string" ? part.length : part.size)

/** Framing bytes sent together. */
const framingPiece = 64 * 1024

/** The pieces of a layout between two offsets: framing joined, files with the range of them that is wanted. */
function* between(root: Node, directories: ReadonlyMap<Digest.Digest, Directory>, start: number, end: number) {
  let at = 0
  let framing = ""
  const parts = function* (): Generator<Part> {
    yield frame("nix-archive-1")
    yield* nodeParts(root, directories)
  }
  for (const part of parts()) {
    const from = Math.max(start - at, 0)
    const to = Math.min(end - at, sizeOf(part))
    at += sizeOf(part)
    if (from < to) {
      if (typeof part === "string") framing += part.slice(from, to)
      else {
        if (framing !== "") yield toBytes(framing)
        framing = ""
        yield { digest: part.digest, offset: from, length: to - from }
      }
      if (framing.length > framingPiece) {
        yield toBytes(framing)
        framing = ""
      }
    }
    if (at >= end) break
  }
  if (framing !== "") yield toBytes(framing)
}

/** `length` bytes of the NAR of a node from `offset` on; fewer where it ends before. */
export const renderRange = (
  root: Node,
  offset: number,
  length: number
): Stream.Stream<Uint8Array, CastoreError, BlobService | DirectoryService> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const directories = yield* loadDirectories(root)
      return Stream.fromIterable({ [Symbol.iterator]: () => between(root, directories, offset, offset + length) }).pipe(
        Stream.flatMap((piece) =>
          piece instanceof Uint8Array ? Stream.succeed(piece) : blobs.read(piece.digest, { offset: piece.offset, length: piece.length })
        )
      )
    })
  )

/** The listing of the NAR of a node, as in a cache's `.ls` file. */
export const listingOf = Effect.fn("store.listing")(function* (root: Node): Effect.fn.Return<NarListing, CastoreError, DirectoryService> {
  const directories = yield* loadDirectories(root)
  let at = frame("nix-archive-1").length
  const visit = (node: Node): NarListing => {
    switch (node._tag) {
      case "Symlink":
        at += frame("(", "type", "symlink", "target", node.target, ")").length
        return { _tag: "Symlink", target: node.target }
      case "File": {
        let narOffset = 0
        for (const part of nodeParts(node, directories)) {
          if (typeof part !== "string") narOffset = at
          at += sizeOf(part)
        }
        return { _tag: "File", size: node.size, executable: node.executable, narOffset }
      }
      case "Directory": {
        at += frame("(", "type", "directory").length
        const entries = new Map<ByteString, NarListing>()
        for (const entry of directories.get(node.digest)!.entries) {
          at += frame("entry", "(", "name", entry.name, "node").length
          entries.set(entry.name, visit(entry.node))
          at += frame(")").length
        }
        at += frame(")").length
        return { _tag: "Directory", entries }
      }
    }
  }
  return visit(root)
})
