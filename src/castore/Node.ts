/**
 * The castore data model: blobs, directories and the nodes that name them.
 *
 * A node is the root of a tree: a file, a directory or a symlink, without a name and without metadata other than the executable bit.
 * Directory entries give nodes names. The canonical encoding and digest of a directory live in `castore/Directory.ts`.
 * Source: snix.castore.v1 (shared/reference/anchors.md §2.3, §3.1, §4.1).
 */
import type { ByteString } from "../nix/Bytes.ts"

/** A BLAKE3-256 digest, 64 lower-case hex digits. */
export type Digest = string & { readonly Digest: unique symbol }

export interface FileNode {
  readonly _tag: "File"
  readonly digest: Digest
  /** Length of the contents in bytes. */
  readonly size: number
  readonly executable: boolean
}

export interface DirectoryNode {
  readonly _tag: "Directory"
  readonly digest: Digest
  /** Entries below, of this directory and of all directories in it (rule R1: n + Σ). */
  readonly size: number
}

export interface SymlinkNode {
  readonly _tag: "Symlink"
  readonly target: ByteString
}

export type Node = FileNode | DirectoryNode | SymlinkNode

export interface DirectoryEntry {
  readonly name: ByteString
  readonly node: Node
}

/** Entries strictly ascending by name, bytewise. */
export interface Directory {
  readonly entries: ReadonlyArray<DirectoryEntry>
}
