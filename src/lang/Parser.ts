/**
 * Source text to syntax tree, for the whole grammar of Nix.
 *
 * It accepts what Nix 2.34 accepts, refuses what it refuses, at the same place and in the same words (the lists after "expecting" are those of Nix's grammar). Nothing but
 * `ParseError` is thrown, whatever the bytes are: nesting that this thread's stack cannot hold becomes a `TooDeep` error. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { bindingList, openParser } from "./BindingParser.ts"
import { closeSet, paths } from "./Bindings.ts"
import { expression, openExpressions } from "./ExpressionParser.ts"
import { end, next, openTokens, previousEnd, start, token } from "./Lexer.ts"
import type { Literal } from "./Lints.ts"
import { openLiterals, strings, unexpected } from "./LiteralParser.ts"
import { closeNodes, depth, dropNodes, openNodes } from "./NodeBuffer.ts"
import { ParseError } from "./ParseError.ts"
import { closeSource, openSource } from "./Source.ts"
import { allHashes, allNames, openSymbols } from "./SymbolTable.ts"
import type { Origin, Syntax } from "./Syntax.ts"
import { closeText } from "./TextLexer.ts"
import * as Token from "./Token.ts"

/** Choices that change what parses. */
export interface ParseOptions {
  /** Allow `|>` and `<|`. Default false, as in Nix. */
  readonly pipeOperators?: boolean
  /** Nesting of expressions above which parsing stops with `TooDeep`. Default 100 000; a small stack may end it earlier. */
  readonly maxDepth?: number
  /** Told of URL and path literals, in the order of the text; of all of them once more where the text is refused. Must not parse: there is one parse at a time. */
  readonly onLiteral?: (literal: Literal) => void
}

const defaultMaxDepth = 100_000

const file = (): number => {
  next()
  const root = expression()
  if (token !== Token.End) unexpected([Token.End])
  return root
}

/** Bindings up to the end of the text, as a set that is not recursive. */
const bindingsOnly = (): number => {
  const base = depth
  next()
  bindingList(Token.End, base)
  return closeSet(base, paths.length, 0, previousEnd, 0)
}

/**
 * Parses a source text.
 *
 * `origin` says where it came from, for messages and positions; `baseDirectory` (absolute, no trailing slash unless it is the root) is
 * kept in the tree for relative paths. Throws `ParseError`, nothing else.
 */
export const parse = (source: ByteString, origin: Origin, baseDirectory: ByteString, options: ParseOptions = {}): Syntax =>
  parseAs(false, source, origin, baseDirectory, options)

/** Parses bindings as they stand in a set, without its braces; the last semicolon may be missing. The root is the set. Throws `ParseError`, nothing else. */
export const parseBindings = (source: ByteString, origin: Origin, baseDirectory: ByteString, options: ParseOptions = {}): Syntax =>
  parseAs(true, source, origin, baseDirectory, options)

const parseAs = (asBindings: boolean, source: ByteString, origin: Origin, baseDirectory: ByteString, options: ParseOptions): Syntax => {
  const attempt = (checkEarly: boolean): Syntax => {
    openSource(source, origin)
    openSymbols()
    openTokens(options.pipeOperators ?? false)
    openNodes(source.length)
    openLiterals(options.onLiteral)
    openParser(checkEarly, asBindings)
    openExpressions(options.maxDepth ?? defaultMaxDepth)
    try {
      const root = asBindings ? bindingsOnly() : file()
      return { origin, baseDirectory, source, nodes: closeNodes(), symbols: allNames(), hashes: allHashes(), strings, root }
    } catch (error) {
      // The only RangeError that can happen here is this thread's stack being full.
      if (!(error instanceof RangeError)) throw error
      throw new ParseError({ _tag: "TooDeep" }, { origin, source, start, end: Math.max(start, end) })
    } finally {
      dropNodes()
      closeSource()
      closeText()
    }
  }
  try {
    return attempt(false)
  } catch (error) {
    // Attributes that are defined twice are found only at the end of their set. When something is wrong before that end, look again, in
    // the order of the text, so that the first mistake is reported.
    if (error instanceof ParseError && error.reason._tag !== "TooDeep") return attempt(true)
    throw error
  }
}
