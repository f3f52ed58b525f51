/**
 * NAR, the Nix archive: one file, symlink or directory tree as a byte stream that has exactly one form for each tree.
 *
 *     nar  := "nix-archive-1" node
 *     node := "(" "type" ( "regular" [ "executable" "" ] "contents" bytes | "symlink" "target" string | "directory" entry* ) ")"
 *     entry := "entry" "(" "name" string "node" node ")"
 *
 * where every string is its length (64 bits, little endian), its bytes, and zeros up to a multiple of eight. Entries ascend strictly by name, bytewise.
 *
 * This file has what reader (`NarReader.ts`), writer (`NarWriter.ts`) and in-memory trees (`NarTree.ts`) share: limits, errors, sizes. Pure.
 */
import type { ByteString } from "./Bytes.ts"

/** Levels of a tree: a node may lie in at most 63 directories. The limit of Nix. */
export const narDepthLimit = 64
/** Bytes of an entry's name. */
export const narNameLimit = 255
/** Bytes of a symlink's target. */
export const narTargetLimit = 4095
/** Bytes of a keyword. */
export const narTagLimit = 32

/** What a NAR says, in its order: the calls of a reader, or what a writer is told. Names are empty at the root. */
export interface NarHandler {
  /** A directory begins; what follows lies in it until the matching `directoryEnd`. */
  directoryStart(name: ByteString): void
  directoryEnd(): void
  /** A file begins; exactly `size` bytes follow in calls of `fileData` (none where empty), then `fileEnd`. */
  fileStart(name: ByteString, size: number, executable: boolean): void
  /** A part of the contents: a view that may change after the call returns. */
  fileData(bytes: Uint8Array): void
  fileEnd(): void
  symlink(name: ByteString, target: ByteString): void
}

/** Which string of a NAR is meant. */
export type NarField = "magic" | "tag" | "name" | "target" | "contents" | "executable marker"

/** What is wrong with a NAR. */
export type NarProblem =
  | { readonly kind: "magic" }
  | { readonly kind: "unexpected"; readonly expected: string; readonly actual: ByteString }
  /** A length beyond what the field may have; compared before anything is allocated. */
  | { readonly kind: "too-long"; readonly field: NarField; readonly length: bigint; readonly limit: number }
  | { readonly kind: "padding" }
  | { readonly kind: "name"; readonly name: ByteString }
  | { readonly kind: "target"; readonly target: ByteString }
  | { readonly kind: "unsorted"; readonly name: ByteString; readonly previous: ByteString }
  | { readonly kind: "duplicate"; readonly name: ByteString }
  | { readonly kind: "depth"; readonly limit: number }
  | { readonly kind: "executable-value" }
  | { readonly kind: "truncated" }
  | { readonly kind: "trailing" }
  | { readonly kind: "beyond-size"; readonly limit: number }
  /** Writer only: contents of another length than announced, or calls in an order that makes no tree. */
  | { readonly kind: "contents-size"; readonly announced: number; readonly actual: number }
  | { readonly kind: "misuse"; readonly call: string }

/** A byte stream is no NAR, or what a writer was told makes none. */
export class NarError extends Error {
  readonly _tag = "NarError"
  /** Offset in the NAR of the string or byte that is wrong. */
  readonly offset: number
  readonly problem: NarProblem

  constructor(offset: number, problem: NarProblem) {
    super()
    this.offset = offset
    this.problem = problem
  }

  override get message(): string {
    return `bad archive at byte ${this.offset}: ${problemMessage(this.problem)}`
  }
}

const problemMessage = (problem: NarProblem): string => {
  switch (problem.kind) {
    case "magic":
      return "input doesn't look like a Nix archive"
    case "unexpected":
      return `expected ${problem.expected}, got '${problem.actual}'`
    case "too-long":
      return `${problem.field} of ${problem.length} bytes is too long, at most ${problem.limit} are allowed`
    case "padding":
      return "non-zero padding"
    case "name":
      return `NAR contains invalid file name '${problem.name}'`
    case "target":
      return `NAR contains invalid symlink target '${problem.target}'`
    case "unsorted":
      return `NAR directory is not sorted: '${problem.name}' comes after '${problem.previous}'`
    case "duplicate":
      return `NAR directory has two entries named '${problem.name}'`
    case "depth":
      return `NAR directory nesting exceeds maximum depth of ${problem.limit}`
    case "executable-value":
      return "executable marker has non-empty value"
    case "truncated":
      return "unexpected end of the archive; was the transfer cut off?"
    case "trailing":
      return "there are bytes after the end of the archive"
    case "beyond-size":
      return `the archive is longer than the ${problem.limit} bytes announced for it`
    case "contents-size":
      return `contents of ${problem.actual} bytes, but ${problem.announced} were announced`
    case "misuse":
      return `'${problem.call}' makes no archive here`
  }
}

const dots = /^\.\.?$/
const forbidden = /[/\0]/

/** Whether `name` may name an entry: 1–255 bytes, no slash, no NUL, not `.` or `..`. */
export const isEntryName = (name: ByteString): boolean =>
  name.length > 0 && name.length <= narNameLimit && !dots.test(name) && !forbidden.test(name)

/** Whether `target` may be a symlink's target: 1–4095 bytes, no NUL. */
export const isSymlinkTarget = (target: ByteString): boolean =>
  target.length > 0 && target.length <= narTargetLimit && !target.includes("\0")

/** Throws `NarError` unless `name` may follow `previous` ("" at the start) in a directory. */
export const checkEntryName = (name: ByteString, previous: ByteString, offset: number): void => {
  if (!isEntryName(name)) throw new NarError(offset, { kind: "name", name })
  if (name > previous) return
  throw new NarError(offset, name === previous ? { kind: "duplicate", name } : { kind: "unsorted", name, previous })
}

const framed = (length: number): number => 8 + Math.ceil(length / 8) * 8

/** Bytes of the NAR besides its root node. */
export const narMagicSize = framed(13)

/** Bytes that a file with contents of `size` bytes takes as a node. */
export const narFileSize = (size: number, executable: boolean): number =>
  framed(1) + framed(4) + framed(7) + (executable ? framed(10) + framed(0) : 0) + framed(8) + framed(size) + framed(1)

/** Bytes that a symlink takes as a node. */
export const narSymlinkSize = (target: ByteString): number =>
  framed(1) + framed(4) + framed(7) + framed(6) + framed(target.length) + framed(1)

/** Bytes that a directory takes as a node besides its entries. */
export const narDirectorySize = framed(1) + framed(4) + framed(9) + framed(1)

/** Bytes that an entry takes besides its node. */
export const narEntrySize = (name: ByteString): number => framed(5) + framed(1) + framed(4) + framed(name.length) + framed(4) + framed(1)
