/**
 * Documentation comments: the comment that begins with two stars and stands right before a function, or before the name that it is bound to. Pure.
 */
import type { Span } from "../lang/Syntax.ts"
import type { ByteString } from "../nix/Bytes.ts"

/** Between the comment and the function: nothing, or the name with its `=`, and parentheses. */
const between = /^\s*(?:(?:[A-Za-z_][\w'-]*|"[^"]*")(?:\s*\.\s*(?:[A-Za-z_][\w'-]*|"[^"]*"))*\s*=)?[\s(]*$/

/** The comment's text without its frame and the indentation that all its lines share; `undefined` where there is none. */
export const docComment = ({ source, start }: Span): ByteString | undefined => {
  const end = source.lastIndexOf("*/", start - 2)
  if (end < 0 || !between.test(source.slice(end + 2, start))) return undefined
  const begin = source.lastIndexOf("/*", end - 1)
  if (begin < 0 || source[begin + 2] !== "*" || begin + 3 > end) return undefined
  const lines = source.slice(begin + 3, end).split("\n")
  const [first = "", ...rest] = lines
  const widths = rest.filter((line) => line.trim() !== "").map((line) => /^\s*/.exec(line)![0].length)
  const common = Math.min(...widths, Number.MAX_SAFE_INTEGER)
  return [first.trim(), ...rest.map((line) => line.slice(common).trimEnd())].join("\n").replace(/^\n+|\n+$/g, "")
}
