/**
 * Lines and columns of byte offsets.
 *
 * Nix ends a line at LF, at CR, and at CR LF; lines and columns count from 1 and columns count bytes. The table of line starts is made
 * at the first question about a source and kept with its origin object, so a position costs a binary search. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { Origin, Span } from "./Syntax.ts"

/** A place as people count it. */
export interface Position {
  /** From 1. */
  readonly line: number
  /** From 1, in bytes. */
  readonly column: number
}

interface LineTable {
  readonly source: ByteString
  /** Offsets at which lines start; the first is 0. */
  readonly starts: Int32Array
}

const tables = new WeakMap<Origin, LineTable>()

const grown = (starts: Int32Array): Int32Array<ArrayBuffer> => {
  const more = new Int32Array(starts.length * 4)
  more.set(starts)
  return more
}

const makeStarts = (source: ByteString): Int32Array => {
  let starts = new Int32Array(64)
  let count = 1
  if (!source.includes("\r")) {
    for (let i = source.indexOf("\n"); i >= 0; i = source.indexOf("\n", i + 1)) {
      if (count === starts.length) starts = grown(starts)
      starts[count++] = i + 1
    }
    return starts.slice(0, count)
  }
  const length = source.length
  for (let i = 0; i < length; i++) {
    const c = source.charCodeAt(i)
    if (c > 13 || (c !== 10 && c !== 13)) continue
    if (c === 13 && source.charCodeAt(i + 1) === 10) i++
    if (count === starts.length) starts = grown(starts)
    starts[count++] = i + 1
  }
  return starts.slice(0, count)
}

/** Offsets at which the lines of a source start, the first being 0. Made once for an origin object. */
export const lineStarts = (origin: Origin, source: ByteString): Int32Array => {
  const known = tables.get(origin)
  if (known !== undefined && known.source === source) return known.starts
  const starts = makeStarts(source)
  tables.set(origin, { source, starts })
  return starts
}

/** Line and column of a byte offset; offsets past the end count as on the last line. */
export const positionAt = (origin: Origin, source: ByteString, offset: number): Position => {
  const starts = lineStarts(origin, source)
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (starts[middle]! <= offset) low = middle
    else high = middle - 1
  }
  return { line: low + 1, column: offset - starts[low]! + 1 }
}

/** Line and column of the start of a span. */
export const positionOf = (span: Span): Position => positionAt(span.origin, span.source, span.start)

/** How messages call an origin: the path, or `«string»`, `«stdin»`, `«name»` (as the bytes of their UTF-8 form). */
export const formatOrigin = (origin: Origin): ByteString => {
  switch (origin._tag) {
    case "File":
      return origin.path
    case "String":
      return "\xc2\xabstring\xc2\xbb"
    case "Stdin":
      return "\xc2\xabstdin\xc2\xbb"
    case "Builtin":
      return `\xc2\xab${origin.name}\xc2\xbb`
  }
}

/** `origin:line:column` of the start of a span. */
export const formatPlace = (span: Span): ByteString => {
  const { line, column } = positionOf(span)
  return `${formatOrigin(span.origin)}:${line}:${column}`
}
