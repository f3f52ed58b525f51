/**
 * Text inside strings, indented strings and paths, piece by piece. Pure but for the state of a parse (`Source.ts`).
 */
import type { ByteString } from "../nix/Bytes.ts"
import { classes, stopsIndented, stopsString } from "./Characters.ts"
import { end, reportEndAt, stand, start, token } from "./Lexer.ts"
import * as Part from "./Part.ts"
import { bytes, fail, length, source } from "./Source.ts"
import * as Token from "./Token.ts"
import { pathRestEnd } from "./WordEnds.ts"

/** Text found by `stringPart`, `indentedPart` or `pathPart`. */
export let text: ByteString = ""
/** Where that text stands. */
export let textStart = 0
export let textEnd = 0
/** Whether that text counts as written, for the indentation of an indented string. */
export let textIsPlain = true

const withoutNull = (found: ByteString, from: number, to: number): ByteString => {
  if (found.includes("\0")) fail({ _tag: "NullByte", text: found.replaceAll("\0", "\xe2\x90\x80") }, from, to)
  return found
}

const unterminated = (): number => {
  stand(Token.End, length, length)
  return Part.End
}

/** `\n`, `\r`, `\t`; any other escaped byte stands for itself; CR and CR LF become LF. */
const unescape = (from: number, to: number): ByteString => {
  let result = ""
  let kept = from
  let p = from
  while (p < to) {
    const c = bytes[p]!
    if (c === 92) {
      result += source.substring(kept, p)
      const d = bytes[p + 1]!
      if (d === 110) result += "\n"
      else if (d === 114) result += "\r"
      else if (d === 116) result += "\t"
      else result += source[p + 1]
      p += 2
      kept = p
    } else if (c === 13) {
      result += `${source.substring(kept, p)}\n`
      p++
      if (p < to && bytes[p] === 10) p++
      kept = p
    } else {
      p++
    }
  }
  return result + source.substring(kept, to)
}

/** The first byte from `from` on of which a string takes notice. */
const stringStop = (from: number): number => {
  let p = from
  while ((classes[bytes[p]!]! & stopsString) === 0) p++
  return p
}

/** Text of a `"…"` string from `end` on, unescaped, up to and with the `"` or `${` that ends it. */
export const stringPart = (): number => {
  const from = end
  const p = stringStop(from)
  if (bytes[p] !== 34) return unevenPart(from, p)
  textStart = from
  textEnd = p
  text = source.substring(from, p)
  stand(Token.Quote, p, p + 1)
  return Part.Close
}

/** The same where there is more to see than the closing quote, first at `at`. */
const unevenPart = (from: number, at: number): number => {
  let p = at
  let plain = true
  let null_ = false
  for (;;) {
    const c = bytes[p]!
    if (c === 34) break
    if (c === 92) {
      plain = false
      p += 2
      if (p > length) return unterminated()
    } else if (c === 36) {
      const d = bytes[p + 1]!
      if (d === 123) break
      // `$$` is a pair: the second one starts no antiquotation.
      p += d === 34 || d === 92 ? 1 : 2
      if (p > length) return unterminated()
      if (d === 13) plain = false
    } else {
      if (c === 13) plain = false
      else if (p >= length) return unterminated()
      else null_ = true
      p++
    }
    p = stringStop(p)
  }
  textStart = from
  textEnd = p
  text = plain ? source.substring(from, p) : unescape(from, p)
  if (null_ || (!plain && text.includes("\0"))) withoutNull(text, from, p)
  if (bytes[p] === 34) {
    stand(Token.Quote, p, p + 1)
    return Part.Close
  }
  stand(Token.Interpolate, p, p + 2)
  return Part.Interpolation
}

/** The first byte from `from` on of which an indented string takes notice. */
const indentedStop = (from: number): number => {
  let p = from
  while ((classes[bytes[p]!]! & stopsIndented) === 0) p++
  return p
}

/** Where a piece of an indented string ends: at an antiquotation, an escape, the end. */
const indentedEnd = (from: number): number => {
  let p = indentedStop(from)
  for (;;) {
    const c = bytes[p]!
    if (c === 0) {
      if (p >= length) return p
      p++
    } else {
      if (p + 1 >= length) return p
      const d = bytes[p + 1]!
      if (c === 36 ? d === 123 || d === 39 : d === 39 || d === 36) return p
      p += 2
    }
    p = indentedStop(p)
  }
}

/**
 * The next piece of an indented string, from `end` on: `Text` (with `text`, and `textIsPlain` unless it was an escape), or its end
 * or `${`, which are stepped over.
 */
export const indentedPart = (): number => {
  const from = end
  const p = indentedEnd(from)
  stand(token, from, end)
  if (p > from) {
    textIsPlain = true
    return takeText(withoutNull(source.substring(from, p), from, p), p)
  }
  if (p >= length) return unterminated()
  if (bytes[p] === 36) {
    if (bytes[p + 1] !== 123) return takeEscape("$", 1)
    stand(Token.Interpolate, p, p + 2)
    return Part.Interpolation
  }
  if (bytes[p + 1] !== 39) return takeEscape("'", 1)
  const c = bytes[p + 2]!
  if (c === 36) return takeEscape("$", 3)
  if (c === 39) return takeEscape("''", 3)
  if (c === 92 && p + 3 < length) return takeEscape(withoutNull(unescape(p + 2, p + 4), p, p + 4), 4)
  stand(Token.IndentedClose, p, p + 2)
  return Part.Close
}

/** Takes the text from `start` to `to`. */
const takeText = (found: ByteString, to: number): number => {
  text = found
  textStart = start
  textEnd = to
  stand(token, start, to)
  return Part.Text
}

const takeEscape = (found: ByteString, written: number): number => {
  textIsPlain = false
  return takeText(found, start + written)
}

/** What follows a piece of path at `end`: `Text`, `Interpolation` (stepped over), or `Close`. Refuses a path that ends in a slash. */
export const pathPart = (): number => {
  const from = end
  const p = pathRestEnd(from)
  if (p > from) {
    stand(token, from, end)
    return takeText(source.substring(from, p), p)
  }
  if (bytes[p] === 36 && bytes[p + 1] === 123) {
    stand(Token.Interpolate, p, p + 2)
    return Part.Interpolation
  }
  if (bytes[p - 1] === 47) {
    if (p >= length) fail({ _tag: "PathTrailingSlash" }, start, p)
    fail({ _tag: "PathTrailingSlash" }, p, p + 1)
  }
  if (p >= length) reportEndAt(start)
  return Part.Close
}

/** Lets go of the text. */
export const closeText = (): void => {
  text = ""
}
