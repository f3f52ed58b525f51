/**
 * The syntax tree: one flat `Int32Array` a file, cheap to store and to load.
 *
 * Why flat: a persistent cache of it removes parsing from warm runs, and nothing is allocated for code that never runs. Nodes stand in
 * post-order (children before parents); a node is named by the offset of its first cell. Every node starts with three cells:
 *
 *     [kind, start, end, …operands]          start and end are byte offsets into the source, end exclusive
 *
 * `start` is where Nix reports errors about the node. So a node spans its text, but: a binary operator spans its sign, a call made of
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

/** Node kinds with their operands. "n × (…)" is a count cell followed by n groups. */
export const Kind = {
  /** low, high: the 64-bit value in two 32-bit halves. */
  Int: 0,
  /** low, high: the bits of the double, little-endian halves. */
  Float: 1,
  /** string: a whole string without antiquotations (also URIs and indented strings after stripping). */
  String: 2,
  /**
   * n × (node), then n × (start): parts of an interpolated string, String nodes and expressions, and where each stands (an expression
   * by its `${`). Value is a string.
   */
  Interpolation: 3,
  /** string: a path as written, `./a`, `../b`, `/c`, `a/b`. */
  Path: 4,
  /** string: the part after `~`, such as `/x`. */
  HomePath: 5,
  /** string: `nixpkgs/lib` of `<nixpkgs/lib>`. */
  SearchPath: 6,
  /** n × (node), then n × (start), as above: first part a Path or HomePath node, then String nodes and expressions. Value is a path. */
  PathInterpolation: 7,
  /** symbol. */
  Variable: 8,
  /** `__curPos`; no operands. */
  CurrentPosition: 9,
  /** expression, default or -1, n × (name cell, start, end). */
  Select: 10,
  /** expression, n × (name cell, start, end). */
  HasAttribute: 11,
  /** function, n × (argument): `f a b` is one node with two arguments. Pipe operators become calls too. */
  Call: 12,
  /** parameter symbol or -1 (`x:` or `x@{…}`), formals (0 none, 1 closed, 2 with `...`), body, n × (symbol, start, default or -1): formals in source order. */
  Lambda: 13,
  /** bindings (an AttributeSet node, whose `recursive` is 1), body. */
  Let: 14,
  /**
   * recursive (0/1), f × (node) sources of `inherit (source)`, n × (symbol, start, how, value), m × (name expression node, start, value).
   * `how`: 0 a binding `a = value`; 1 `inherit a` (value is a Variable node, evaluated in the scope around the set);
   * 2 `inherit (source) a` (value is the index into the sources).
   * Attribute paths (`a.b.c = 1; a.b.d = 2;`) are already merged into nested sets, as Nix merges them; duplicates were refused.
   * Static bindings stand in source order.
   */
  AttributeSet: 15,
  /** n × (node). */
  List: 16,
  /** scope, body. */
  With: 17,
  /** condition, then, else. */
  If: 18,
  /** condition, body. */
  Assert: 19,
  /** operand. */
  Not: 20,
  Negate: 21,
  /** left, right: from here on all are binary operators. */
  Equal: 22,
  NotEqual: 23,
  Less: 24,
  LessOrEqual: 25,
  Greater: 26,
  GreaterOrEqual: 27,
  And: 28,
  Or: 29,
  Implies: 30,
  Update: 31,
  Concat: 32,
  Add: 33,
  Subtract: 34,
  Multiply: 35,
  Divide: 36
} as const

export type Kind = (typeof Kind)[keyof typeof Kind]

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
