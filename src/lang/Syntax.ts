/**
 * The syntax tree: one flat `Int32Array` a file, cheap to store and to load.
 *
 * Why flat: a persistent cache of it removes parsing from warm runs, and nothing is allocated for code that never runs. Nodes stand in
 * post-order (children before parents); a node is named by the offset of its first cell. Every node starts with three cells:
 *
 *     [kind, start, end, …operands]          start and end are byte offsets into the source, end exclusive
 *
 * `Kind.ts` has the kinds and their operands. `start` is where Nix reports errors about the node. So a node spans its text, but: a binary operator spans its sign, a call made of
 * a pipe the pipe's sign; a set that only an attribute path made (`a.b = 1`) is an empty span at the path; parentheses belong to no
 * node. `start` of a binding is the start of its whole attribute path. Some nodes may be unreachable from the root (sets that were
 * merged into others).
 *
 * Symbols (attribute and variable names) and strings are file-local tables; both hold byte strings.
 *
 * Attribute names in paths and dynamic bindings are "name cells": a symbol id when ≥ 0, else `~offset` of an expression node (the
 * contents of `${…}` or of an interpolated string). A plain quoted name ("a") is a symbol.
 * Optional children are -1 when absent. Pure: imports nothing but types.
 */
import type { JoinedTexts } from "./JoinedTexts.ts"
import type { ByteString } from "../nix/Bytes.ts"

/** Where a source text came from. */
export type Origin =
  | { readonly _tag: "File"; readonly path: ByteString }
  | { readonly _tag: "String" }
  | { readonly _tag: "Stdin" }
  | { readonly _tag: "Builtin"; readonly name: string }

/** A parsed file. */
export interface Syntax {
  readonly origin: Origin
  /** Directory that relative paths start from; absolute, without a trailing slash unless it is the root. */
  readonly baseDirectory: ByteString
  /** The source, one character a byte. */
  readonly source: ByteString
  readonly nodes: Int32Array
  readonly symbols: ReadonlyArray<ByteString>
  /** Hashes of the symbols (`NameHash.ts`), where the tree comes from the parser of this thread. */
  readonly hashes?: Int32Array
  /** The same names as `symbols`, where the tree came with them joined: asking for `symbols` would cut them all. */
  readonly names?: JoinedTexts
  readonly strings: ReadonlyArray<ByteString>
  /** Offset of the outermost expression. */
  readonly root: number
}

/** A place in a source: byte offsets, end exclusive. */
export interface Span {
  readonly origin: Origin
  readonly source: ByteString
  readonly start: number
  readonly end: number
}
