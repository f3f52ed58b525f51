/**
 * Source text to syntax tree, for the whole grammar of Nix.
 *
 * Recursive descent with precedence climbing, one token ahead. It accepts what Nix 2.34 accepts, refuses what it refuses, at the same
 * place and in the same words (the lists after "expecting" are those of Nix's grammar). Nothing but `ParseError` is thrown, whatever
 * the bytes are: nesting that this thread's stack cannot hold becomes a `TooDeep` error. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { BindingParser, nameTokens, none } from "./BindingParser.ts"
import { recordCells } from "./Bindings.ts"
import * as How from "./How.ts"
import { ParseError } from "./ParseError.ts"
import type { Literal } from "./Lints.ts"
import * as Kind from "./Kind.ts"
import type { Origin, Syntax } from "./Syntax.ts"
import * as Token from "./Token.ts"

/** Choices that change what parses. */
export interface ParseOptions {
  /** Allow `|>` and `<|`. Default false, as in Nix. */
  readonly pipeOperators?: boolean
  /** Nesting of expressions above which parsing stops with `TooDeep`. Default 100 000; a small stack may end it earlier. */
  readonly maxDepth?: number
  /** Told of URL and path literals, in the order of the text; of all of them once more where the text is refused. */
  readonly onLiteral?: (literal: Literal) => void
}

const defaultMaxDepth = 100_000

/** Binding power of binary operators by token; 0 for all else. */
const precedence = new Uint8Array(64)
const kindOf = new Uint8Array(64)
/** 0 left, 1 right, 2 not associative. */
const associativity = new Uint8Array(64)
for (const [token, power, kind, side] of [
  [Token.Implies, 1, Kind.Implies, 1],
  [Token.Or, 2, Kind.Or, 0],
  [Token.And, 3, Kind.And, 0],
  [Token.Equal, 4, Kind.Equal, 2],
  [Token.NotEqual, 4, Kind.NotEqual, 2],
  [Token.Less, 5, Kind.Less, 2],
  [Token.Greater, 5, Kind.Greater, 2],
  [Token.LessOrEqual, 5, Kind.LessOrEqual, 2],
  [Token.GreaterOrEqual, 5, Kind.GreaterOrEqual, 2],
  [Token.Update, 6, Kind.Update, 1],
  [Token.Plus, 8, Kind.Add, 0],
  [Token.Minus, 8, Kind.Subtract, 0],
  [Token.Star, 9, Kind.Multiply, 0],
  [Token.Slash, 9, Kind.Divide, 0],
  [Token.Concat, 10, Kind.Concat, 1],
  [Token.Question, 11, Kind.HasAttribute, 0]
] as const) {
  precedence[token] = power
  kindOf[token] = kind
  associativity[token] = side
}
/** `!` takes everything that binds tighter than `//`. */
const notOperand = 8
/** `-` takes no binary operator at all. */
const negateOperand = 12

/** Tokens that start an operand of function application. */
const startsSimple = new Uint8Array(64)
for (const token of [
  Token.Identifier,
  Token.Integer,
  Token.Float,
  Token.Quote,
  Token.IndentedOpen,
  Token.Path,
  Token.HomePath,
  Token.SearchPath,
  Token.Uri,
  Token.OpenParen,
  Token.Let,
  Token.Rec,
  Token.OpenBrace,
  Token.OpenBracket
]) {
  startsSimple[token] = 1
}

class Parser extends BindingParser {
  file(): number {
    this.lexer.next()
    const root = this.expression()
    if (!this.at(Token.End)) this.unexpected([Token.End])
    return root
  }

  /** Bindings up to the end of the text, as a set that is not recursive. */
  bindingsOnly(): number {
    const { lexer, buffer } = this
    const base = buffer.depth
    this.lastSemicolonOptional = true
    lexer.next()
    this.bindingList(Token.End, base)
    return this.bindings.close(base, this.bindings.paths.length, 0, lexer.previousEnd, 0)
  }

  expression(): number {
    if (--this.depthLeft < 0) this.tooDeep()
    const node = this.openExpression()
    this.depthLeft++
    return node
  }

  openExpression(): number {
    const { lexer, buffer } = this
    const { token, start } = lexer
    switch (token) {
      case Token.Identifier: {
        const symbol = lexer.symbol
        const end = lexer.end
        lexer.next()
        if (this.at(Token.Colon)) {
          lexer.next()
          const body = this.expression()
          buffer.reserve(7)
          const node = buffer.node3(Kind.Lambda, start, lexer.previousEnd, symbol, 0, body)
          buffer.nodes[buffer.size++] = 0
          return node
        }
        if (this.at(Token.At)) {
          lexer.next()
          if (!this.at(Token.OpenBrace)) this.unexpected([Token.OpenBrace])
          lexer.next()
          const base = buffer.depth
          const closed = this.formals(false)
          return this.lambda(start, base, closed, symbol, [Token.Colon])
        }
        return this.pipes(this.variable(symbol, start, end))
      }
      case Token.OpenBrace:
        return this.braces()
      case Token.If: {
        lexer.next()
        const condition = this.expression()
        this.expect(Token.Then)
        const then = this.expression()
        this.expect(Token.Else)
        const otherwise = this.expression()
        return buffer.node3(Kind.If, start, lexer.previousEnd, condition, then, otherwise)
      }
      case Token.Let: {
        // From after the word, so that an empty `let in` has a span too.
        const from = lexer.end
        lexer.next()
        if (this.at(Token.OpenBrace)) return this.pipes(this.legacyLet(start))
        const base = buffer.depth
        const pathBase = this.bindings.paths.length
        this.bindingList(Token.In, base)
        let dynamic = false
        for (let i = base; i < buffer.depth && !dynamic; i += recordCells) {
          const how = buffer.stack[i + 2]
          dynamic = how === How.Dynamic || (how === How.Path && this.bindings.paths[buffer.stack[i]!]![0]! < 0)
        }
        const set = this.bindings.close(base, pathBase, from, lexer.previousEnd, 1)
        lexer.next()
        const body = this.expression()
        if (dynamic) lexer.fail({ _tag: "DynamicAttribute", where: "let" }, start, lexer.previousEnd)
        return buffer.node2(Kind.Let, start, lexer.previousEnd, set, body)
      }
      case Token.With:
      case Token.Assert: {
        lexer.next()
        const subject = this.expression()
        this.expect(Token.Semicolon)
        const body = this.expression()
        return buffer.node2(token === Token.With ? Kind.With : Kind.Assert, start, lexer.previousEnd, subject, body)
      }
      default:
        return this.pipes(-1)
    }
  }

  /** An expression that starts with `{`: a function with named arguments, or an operand that is a set. */
  braces(): number {
    const { lexer, buffer } = this
    const start = lexer.start
    const base = buffer.depth
    lexer.next()
    switch (lexer.token) {
      case Token.CloseBrace: {
        lexer.next()
        if (this.at(Token.Colon) || this.at(Token.At)) return this.lambda(start, base, 1, -1, none)
        return this.pipes(this.bindings.close(base, this.bindings.paths.length, start, lexer.previousEnd, 0))
      }
      case Token.Ellipsis:
        return this.lambda(start, base, this.formals(false), -1, [Token.Colon, Token.At])
      case Token.Identifier: {
        const { symbol, start: nameStart } = lexer
        lexer.next()
        if (this.at(Token.Comma) || this.at(Token.Question) || this.at(Token.CloseBrace)) {
          this.formal(symbol, nameStart)
          return this.lambda(start, base, this.formals(true), -1, [Token.Colon, Token.At])
        }
        const pathBase = this.bindings.paths.length
        this.binding(symbol, nameStart)
        return this.pipes(this.closeBraces(base, pathBase, start, 0, false))
      }
    }
    return this.pipes(this.closeBraces(base, this.bindings.paths.length, start, 0, false))
  }

  /** Operators and pipes. `first`: an operand that was read already, or -1. */
  pipes(first: number): number {
    const { lexer, buffer } = this
    let left = this.operators(0, first)
    if (this.at(Token.PipeInto)) {
      do {
        const { start, end } = lexer
        lexer.next()
        left = this.call(this.operators(0, -1), left, start, end)
      } while (this.at(Token.PipeInto))
    } else if (this.at(Token.PipeFrom)) {
      const base = buffer.depth
      buffer.push(left)
      do {
        buffer.push(lexer.start)
        lexer.next()
        buffer.push(this.operators(0, -1))
      } while (this.at(Token.PipeFrom))
      left = buffer.stack[--buffer.depth]!
      while (buffer.depth > base) {
        const start = buffer.stack[--buffer.depth]!
        left = this.call(buffer.stack[--buffer.depth]!, left, start, start + 2)
      }
    }
    return left
  }

  /** `callee argument`; joins the arguments when the callee is a call itself, as Nix does. */
  call(callee: number, argument: number, start: number, end: number): number {
    const { buffer } = this
    const base = buffer.depth
    buffer.push(argument)
    return this.closeCall(callee, base, start, end)
  }

  /** A call whose arguments stand on the stack. */
  closeCall(callee: number, base: number, start: number, end: number): number {
    const { buffer } = this
    const added = buffer.depth - base
    if (buffer.nodes[callee] === Kind.Call) {
      const count = buffer.nodes[callee + 4]!
      buffer.reserve(5 + count + added)
      const nodes = buffer.nodes
      const node = buffer.node2(Kind.Call, nodes[callee + 1]!, Math.max(end, nodes[callee + 2]!), nodes[callee + 3]!, count + added)
      for (let i = 0; i < count; i++) nodes[buffer.size++] = nodes[callee + 5 + i]!
      buffer.flush(base)
      return node
    }
    const node = buffer.node2(Kind.Call, start, end, callee, added)
    buffer.flush(base)
    return node
  }

  /** Operators that bind at least as tightly as `least`. */
  operators(least: number, first: number): number {
    const { lexer, buffer } = this
    let left: number
    if (first >= 0) left = this.application(first)
    else if (this.at(Token.Not) || this.at(Token.Minus)) left = this.prefix()
    else left = this.application(-1)
    for (;;) {
      const token = lexer.token
      const power = precedence[token]!
      if (power === 0 || power < least) return left
      const { start, end } = lexer
      lexer.next()
      if (token === Token.Question) {
        left = this.path(Kind.HasAttribute, left, buffer.nodes[left + 1]!)
        continue
      }
      const side = associativity[token]!
      if (side === 1 && --this.depthLeft < 0) this.tooDeep()
      const right = this.operators(side === 1 ? power : power + 1, -1)
      if (side === 1) this.depthLeft++
      left = buffer.node2(kindOf[token]!, start, end, left, right)
      if (side === 2 && precedence[lexer.token] === power) this.unexpected(none)
    }
  }

  prefix(): number {
    const { lexer, buffer } = this
    const { token, start } = lexer
    if (--this.depthLeft < 0) this.tooDeep()
    lexer.next()
    const operand = this.operators(token === Token.Not ? notOperand : negateOperand, -1)
    this.depthLeft++
    return buffer.node1(token === Token.Not ? Kind.Not : Kind.Negate, start, lexer.previousEnd, operand)
  }

  /** Function application. */
  application(first: number): number {
    const { lexer, buffer } = this
    const start = first >= 0 ? buffer.nodes[first + 1]! : lexer.start
    const callee = this.select(first, start)
    if (startsSimple[lexer.token] === 0) return callee
    const base = buffer.depth
    do buffer.push(this.select(-1, lexer.start))
    while (startsSimple[lexer.token] !== 0)
    return this.closeCall(callee, base, start, lexer.previousEnd)
  }

  /** `simple`, `simple.a.b`, `simple.a.b or default`, and the call `simple or`. */
  select(first: number, start: number): number {
    const { lexer } = this
    const subject = first >= 0 ? first : this.simple()
    if (this.at(Token.Dot)) {
      lexer.next()
      return this.path(Kind.Select, subject, start)
    }
    if (this.at(Token.OrWord)) {
      // A word that once was a plain identifier: `simple or` applies `simple` to the variable `or`.
      const variable = this.variable(lexer.symbols.at(lexer.start, lexer.end), start, lexer.end)
      lexer.next()
      // A call of its own: Nix joins no arguments here.
      this.buffer.reserve(6)
      const node = this.buffer.node2(Kind.Call, start, lexer.previousEnd, subject, 1)
      this.buffer.nodes[this.buffer.size++] = variable
      return node
    }
    return subject
  }

  /** An attribute path after `.` or `?`, and the node that holds it. */
  path(kind: number, subject: number, start: number): number {
    const { lexer, buffer } = this
    const base = buffer.depth
    for (;;) {
      const name = this.name(nameTokens)
      buffer.push(name)
      buffer.push(this.nameStart)
      buffer.push(this.nameEnd)
      if (!this.at(Token.Dot)) break
      lexer.next()
    }
    const count = (buffer.depth - base) / 3
    let node: number
    if (kind === Kind.Select) {
      let fallback = -1
      if (this.at(Token.OrWord)) {
        if (--this.depthLeft < 0) this.tooDeep()
        lexer.next()
        fallback = this.select(-1, lexer.start)
        this.depthLeft++
      }
      node = buffer.node3(Kind.Select, start, lexer.previousEnd, subject, fallback, count)
    } else {
      node = buffer.node2(kind, start, lexer.previousEnd, subject, count)
    }
    buffer.flush(base)
    return node
  }

  simple(): number {
    const { lexer, buffer } = this
    const { token, start, end } = lexer
    switch (token) {
      case Token.Identifier: {
        const symbol = lexer.symbol
        lexer.next()
        return this.variable(symbol, start, end)
      }
      case Token.Quote: {
        let node = this.quoted(start)
        if (node < 0) node = this.text(lexer.text, start, lexer.end)
        lexer.next()
        return node
      }
      case Token.IndentedOpen:
        return this.indented(start)
      case Token.OpenParen: {
        lexer.next()
        const node = this.expression()
        this.expect(Token.CloseParen)
        return node
      }
      case Token.OpenBracket: {
        if (--this.depthLeft < 0) this.tooDeep()
        lexer.next()
        const base = buffer.depth
        while (startsSimple[lexer.token] !== 0) buffer.push(this.select(-1, lexer.start))
        if (!this.at(Token.CloseBracket)) this.unexpected(none)
        lexer.next()
        this.depthLeft++
        const node = buffer.node1(Kind.List, start, lexer.previousEnd, buffer.depth - base)
        buffer.flush(base)
        return node
      }
      case Token.OpenBrace: {
        lexer.next()
        const base = buffer.depth
        return this.closeBraces(base, this.bindings.paths.length, start, 0, false)
      }
      case Token.Rec: {
        lexer.next()
        this.expect(Token.OpenBrace)
        const base = buffer.depth
        return this.closeBraces(base, this.bindings.paths.length, start, 1, true)
      }
      case Token.Let:
        lexer.next()
        return this.legacyLet(start)
      case Token.Integer:
        return this.integer(start, end)
      case Token.Float:
        return this.float(start, end)
      case Token.Path:
      case Token.HomePath:
        return this.pathLiteral(start)
      case Token.SearchPath:
        lexer.next()
        this.strings.push(lexer.source.substring(start + 1, end - 1))
        return buffer.node1(Kind.SearchPath, start, end, this.strings.length - 1)
      case Token.Uri:
        this.tellLiteral("url", start, end)
        lexer.next()
        return this.text(lexer.source.substring(start, end), start, end)
      default:
        this.unexpected(none)
    }
  }
}

/**
 * Parses a source text.
 *
 * `origin` says where it came from, for messages and positions; `baseDirectory` (absolute, no trailing slash unless it is the root) is
 * kept in the tree for relative paths. Throws `ParseError`, nothing else.
 */
export const parse = (source: ByteString, origin: Origin, baseDirectory: ByteString, options: ParseOptions = {}): Syntax =>
  parseAs((parser) => parser.file(), source, origin, baseDirectory, options)

/** Parses bindings as they stand in a set, without its braces; the last semicolon may be missing. The root is the set. Throws `ParseError`, nothing else. */
export const parseBindings = (source: ByteString, origin: Origin, baseDirectory: ByteString, options: ParseOptions = {}): Syntax =>
  parseAs((parser) => parser.bindingsOnly(), source, origin, baseDirectory, options)

const parseAs = (
  read: (parser: Parser) => number,
  source: ByteString,
  origin: Origin,
  baseDirectory: ByteString,
  options: ParseOptions
): Syntax => {
  const attempt = (checkEarly: boolean): Syntax => {
    const parser = new Parser(source, origin, options.pipeOperators ?? false, options.maxDepth ?? defaultMaxDepth, checkEarly)
    parser.onLiteral = options.onLiteral
    try {
      const root = read(parser)
      return {
        origin,
        baseDirectory,
        source,
        nodes: parser.buffer.finish(),
        symbols: parser.lexer.symbols.names,
        strings: parser.strings,
        root
      }
    } catch (error) {
      // The only RangeError that can happen here is this thread's stack being full.
      if (!(error instanceof RangeError)) throw error
      const start = parser.lexer.start
      throw new ParseError({ _tag: "TooDeep" }, { origin, source, start, end: Math.max(start, parser.lexer.end) })
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
