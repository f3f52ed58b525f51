/**
 * The source that is being parsed, as text and as bytes. There is one at a time: a parse calls nothing that parses.
 *
 * What a parse knows stands in variables of modules, here and in the other files of the parser, not in the fields of objects: files are mostly parsed by a process that has
 * just begun, whose code the engine has hardly compiled yet, and there each access to a field is a call into the engine. The bytes are followed by zeros, so that no
 * look-ahead needs a bounds check. Pure but for that state.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { ParseError } from "./ParseError.ts"
import type { ParseReason } from "./ParseError.ts"
import type { Origin } from "./Syntax.ts"

/** Zero bytes that follow the source. */
const padding = 8
/** Sources above this get an array of their own, so that one huge file does not stay in memory. */
const keepBytes = 1 << 22
/** Bytes that are put into the array at a time: a piece in which all is ASCII costs next to nothing. */
const pieceBytes = 8192

const noOrigin: Origin = { _tag: "String" }

let scratch = new Uint8Array(1 << 16)
const encoder = new TextEncoder()

export let source: ByteString = ""
export let origin: Origin = noOrigin
export let bytes: Uint8Array = scratch
/** How many bytes the source has. */
export let length = 0
/** Whether there is a carriage return in it. */
export let hasReturns = false

/** Puts the characters from `from` to `to` into the array of bytes. */
const put = (from: number, to: number): void => {
  // UTF-8 is Latin-1 as long as everything is ASCII; this copies at memory speed.
  const { read, written } = encoder.encodeInto(source.substring(from, to), bytes.subarray(from, to))
  if (read === to - from && written === read) return
  for (let i = from; i < to; i++) bytes[i] = source.charCodeAt(i)
}

/** Begins with a source. */
export const openSource = (text: ByteString, from: Origin): void => {
  source = text
  origin = from
  length = text.length
  hasReturns = text.includes("\r")
  if (scratch.length < length + padding && length <= keepBytes) scratch = new Uint8Array(Math.max(length + padding, scratch.length * 2))
  bytes = length <= keepBytes ? scratch : new Uint8Array(length + padding)
  for (let from = 0; from < length; from += pieceBytes) put(from, Math.min(from + pieceBytes, length))
  bytes.fill(0, length, length + padding)
}

/** Lets go of the source. */
export const closeSource = (): void => {
  source = ""
  origin = noOrigin
  bytes = scratch
}

/** Throws a parse error for the bytes from `start` to `end`. */
export const fail: (reason: ParseReason, start: number, end: number) => never = (reason, start, end) => {
  throw new ParseError(reason, { origin, source, start, end })
}
