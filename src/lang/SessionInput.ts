/**
 * What a user types into a session: an expression, or bindings such as `x = 1; y = 2` and `inherit (x) y`, and whether more of it is to come. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { ParseError } from "./ParseError.ts"
import { parse, parseBindings } from "./Parser.ts"
import type { ParseOptions } from "./Parser.ts"
import type { Span, Syntax } from "./Syntax.ts"
import * as Token from "./Token.ts"

export interface SessionInput {
  /** "bindings": the root of the syntax is a set that is not recursive. */
  readonly kind: "expression" | "bindings"
  readonly syntax: Syntax
}

/**
 * Parses an input. `directory` (absolute) is where relative paths start. Blanks and comments alone are bindings, none.
 * Where it is neither, the error is that of the reading that came further. Throws `ParseError`, nothing else.
 */
export const parseInput = (source: ByteString, directory: ByteString, options: ParseOptions = {}): SessionInput => {
  const origin = { _tag: "String" } as const
  try {
    return { kind: "expression", syntax: parse(source, origin, directory, options) }
  } catch (asExpression) {
    if (!(asExpression instanceof ParseError)) throw asExpression
    try {
      return { kind: "bindings", syntax: parseBindings(source, origin, directory, options) }
    } catch (asBindings) {
      throw asBindings instanceof ParseError && asBindings.span.start > asExpression.span.start ? asBindings : asExpression
    }
  }
}

/** Whether a comment without an end is what was not understood: its `/`, or, after an operand, its `*`. */
const inComment = ({ source, start }: Span): boolean => {
  const opened = source.startsWith("/*", start) ? start : source.startsWith("/*", start - 1) ? start - 1 : -1
  return opened >= 0 && !source.includes("*/", opened + 2)
}

/** Whether an error says that the text ended too early: inside brackets, a string, a comment, or where an operand must follow. */
const endedEarly = ({ reason, span }: ParseError): boolean =>
  reason._tag === "UnexpectedToken" && (reason.unexpected === Token.End || inComment(span))

/** Whether more lines may complete an input that is none yet. */
export const isUnfinished = (source: ByteString, options: ParseOptions = {}): boolean => {
  try {
    parseInput(source, "/", options)
    return false
  } catch (error) {
    if (error instanceof ParseError) return endedEarly(error)
    throw error
  }
}
