/**
 * Source text to syntax tree, for the whole grammar of Nix.
 *
 * Recursive descent with precedence climbing, one token ahead. It accepts what Nix 2.34 accepts, refuses what it refuses, at the same
 * place and in the same words (the lists after "expecting" are those of Nix's grammar). Nothing but `ParseError` is thrown, whatever
 * the bytes are: nesting that this thread's stack cannot hold becomes a `TooDeep` error. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { Bindings, How, recordCells } from "./Bindings.ts"
import { stripIndentation } from "./IndentedString.ts"
import type { IndentedPiece } from "./IndentedString.ts"
import { Lexer, Part } from "./Lexer.ts"
import { NodeBuffer } from "./NodeBuffer.ts"
import { ParseError } from "./ParseError.ts"
import { printNode } from "./Printer.ts"
import { Kind } from "./Syntax.ts"
import type { Origin, Syntax } from "./Syntax.ts"
import { Token } from "./Token.ts"

/** Choices that change what parses. */
export interface ParseOptions {
  /** Allow `|>` and `<|`. Default false, as in Nix. */
  readonly pipeOperators?: boolean
  /** Nesting of expressions above which parsing stops with `TooDeep`. Default 100 000; a small stack may end it earlier. */
  readonly maxDepth?: number
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

const nameTokens = [Token.Identifier, Token.OrWord, Token.Interpolate, Token.Quote]
const smallestNormalDouble = 2 ** -1022
const none: ReadonlyArray<number> = []

class Parser {
  readonly lexer: Lexer
  readonly buffer = new NodeBuffer()
  readonly strings: Array<ByteString> = []
  readonly bindings: Bindings
  depthLeft: number
  /** Where the name that `name` read last stands. */
  nameStart = 0
  nameEnd = 0

  constructor(source: ByteString, origin: Origin, options: ParseOptions) {
    this.lexer = new Lexer(source, origin, options.pipeOperators ?? false)
    this.depthLeft = options.maxDepth ?? defaultMaxDepth
    this.bindings = new Bindings(this.lexer, this.buffer, (node) =>
      printNode(
        { nodes: this.buffer.nodes, symbols: this.lexer.symbols, strings: this.strings, source, origin, baseDirectory: "", root: node },
        node
      )
    )
  }

  /** Whether the current token is this one. */
  at(token: number): boolean {
    return this.lexer.token === token
  }

  /** Refuses the current token. */
  unexpected(expected: ReadonlyArray<number>): never {
    const { token, start, end } = this.lexer
    this.lexer.fail({ _tag: "UnexpectedToken", unexpected: token, expected }, start, end)
  }

  /** Steps over the token that must stand here. */
  expect(token: number): void {
    if (!this.at(token)) this.unexpected([token])
    this.lexer.next()
  }

  tooDeep(): never {
    this.lexer.fail({ _tag: "TooDeep" }, this.lexer.start, this.lexer.end)
  }

  file(): number {
    this.lexer.next()
    const root = this.expression()
    if (!this.at(Token.End)) this.unexpected([Token.End])
    return root
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
        lexer.next()
        if (this.at(Token.OpenBrace)) return this.pipes(this.legacyLet(start))
        const base = buffer.depth
        const pathBase = this.bindings.paths.length
        const from = lexer.start
        this.bindingList(Token.In)
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
        const { symbol, start: nameStart, end: nameEnd } = lexer
        lexer.next()
        if (this.at(Token.Comma) || this.at(Token.Question) || this.at(Token.CloseBrace)) {
          this.formal(symbol, nameStart)
          return this.lambda(start, base, this.formals(true), -1, [Token.Colon, Token.At])
        }
        const pathBase = this.bindings.paths.length
        this.binding(symbol, nameStart, nameEnd)
        return this.pipes(this.closeBraces(base, pathBase, start, 0, false))
      }
    }
    return this.pipes(this.closeBraces(base, this.bindings.paths.length, start, 0, false))
  }

  /** The rest of a set, from its first (or next) binding on to `}`. */
  closeBraces(base: number, pathBase: number, start: number, recursive: number, listsBrace: boolean): number {
    this.bindingList(listsBrace ? Token.CloseBrace : -1)
    this.lexer.next()
    return this.bindings.close(base, pathBase, start, this.lexer.previousEnd, recursive)
  }

  /** Named arguments up to and with `}`, pushed as (symbol, start, default). 1 when closed, 2 when `...` was there. */
  formals(afterFormal: boolean): number {
    const { lexer } = this
    let first = !afterFormal
    for (;;) {
      if (!first) {
        if (this.at(Token.CloseBrace)) {
          lexer.next()
          return 1
        }
        if (!this.at(Token.Comma)) this.unexpected([Token.CloseBrace, Token.Comma])
        lexer.next()
      }
      first = false
      if (this.at(Token.Ellipsis)) {
        lexer.next()
        this.expect(Token.CloseBrace)
        return 2
      }
      if (this.at(Token.CloseBrace)) {
        lexer.next()
        return 1
      }
      if (!this.at(Token.Identifier)) this.unexpected([Token.Identifier, Token.Ellipsis, Token.CloseBrace])
      const { symbol, start } = lexer
      lexer.next()
      this.formal(symbol, start)
    }
  }

  /** One named argument whose name was read. */
  formal(symbol: number, start: number): void {
    const { lexer, buffer } = this
    let fallback = -1
    if (this.at(Token.Question)) {
      lexer.next()
      fallback = this.expression()
    }
    buffer.push(symbol)
    buffer.push(start)
    buffer.push(fallback)
  }

  /** A function whose named arguments stand on the stack: `@ name` (unless it came first), `:`, body. */
  lambda(start: number, base: number, closed: number, before: number, expected: ReadonlyArray<number>): number {
    const { lexer, buffer } = this
    let parameter = before
    if (this.at(Token.At) && before < 0) {
      lexer.next()
      if (!this.at(Token.Identifier)) this.unexpected([Token.Identifier])
      parameter = lexer.symbol
      lexer.next()
      this.expect(Token.Colon)
    } else {
      if (!this.at(Token.Colon)) this.unexpected(expected)
      lexer.next()
    }
    const body = this.expression()
    const { stack, depth } = buffer
    const count = (depth - base) / 3
    this.checkFormals(base, depth, parameter, start)
    buffer.reserve(7 + depth - base)
    const node = buffer.node3(Kind.Lambda, start, lexer.previousEnd, parameter, closed, body)
    buffer.nodes[buffer.size++] = count
    for (let i = base; i < depth; i++) buffer.nodes[buffer.size++] = stack[i]!
    buffer.depth = base
    return node
  }

  /** Refuses names that occur twice; of several, the one that was first seen in the file. */
  checkFormals(base: number, depth: number, parameter: number, start: number): void {
    const { lexer, buffer } = this
    const stack = buffer.stack
    let duplicate = -1
    let place = 0
    if (depth - base <= 36) {
      for (let i = base + 3; i < depth; i += 3) {
        const symbol = stack[i]!
        if (duplicate >= 0 && symbol >= duplicate) continue
        for (let j = base; j < i; j += 3) {
          if (stack[j] !== symbol) continue
          duplicate = symbol
          place = stack[i + 1]!
          break
        }
      }
    } else {
      const seen = new Set<number>()
      for (let i = base; i < depth; i += 3) {
        const symbol = stack[i]!
        if (!seen.has(symbol)) seen.add(symbol)
        else if (duplicate < 0 || symbol < duplicate) {
          duplicate = symbol
          place = stack[i + 1]!
        }
      }
    }
    if (duplicate >= 0) {
      const name = lexer.symbols[duplicate]!
      lexer.fail({ _tag: "DuplicateFormal", name }, place, place + name.length)
    }
    if (parameter < 0) return
    for (let i = base; i < depth; i += 3) {
      if (stack[i] === parameter) lexer.fail({ _tag: "DuplicateFormal", name: lexer.symbols[parameter]! }, start, lexer.previousEnd)
    }
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
      const variable = this.variable(lexer.symbolAt(lexer.start, lexer.end), start, lexer.end)
      lexer.next()
      return this.call(subject, variable, start, lexer.previousEnd)
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

  /** A name: a symbol, or `~node`. Sets `nameStart` and `nameEnd`. */
  name(expected: ReadonlyArray<number>): number {
    const { lexer, buffer } = this
    const start = lexer.start
    let name: number
    switch (lexer.token) {
      case Token.Identifier:
        name = lexer.symbol
        lexer.next()
        break
      case Token.OrWord:
        name = lexer.symbolAt(start, lexer.end)
        lexer.next()
        break
      case Token.Quote: {
        const node = this.quoted(start)
        name = node < 0 ? lexer.symbolOf(lexer.text) : ~node
        lexer.next()
        break
      }
      case Token.Interpolate: {
        lexer.next()
        const node = this.expression()
        this.expect(Token.CloseBrace)
        name = buffer.nodes[node] === Kind.String ? lexer.symbolOf(this.strings[buffer.nodes[node + 3]!]!) : ~node
        break
      }
      default:
        this.unexpected(expected)
    }
    this.nameStart = start
    this.nameEnd = lexer.previousEnd
    return name
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
        lexer.next()
        return this.text(lexer.source.substring(start, end), start, end)
      default:
        this.unexpected(none)
    }
  }

  variable(symbol: number, start: number, end: number): number {
    if (end - start === 8 && this.lexer.symbols[symbol] === "__curPos") return this.buffer.node0(Kind.CurrentPosition, start, end)
    return this.buffer.node1(Kind.Variable, start, end, symbol)
  }

  text(text: ByteString, start: number, end: number): number {
    this.strings.push(text)
    return this.buffer.node1(Kind.String, start, end, this.strings.length - 1)
  }

  /** `let { …, body = … }` means `(rec { …, body = … }).body`. */
  legacyLet(start: number): number {
    const { lexer, buffer } = this
    this.expect(Token.OpenBrace)
    const set = this.closeBraces(buffer.depth, this.bindings.paths.length, start, 1, true)
    const end = lexer.previousEnd
    buffer.reserve(9)
    const node = buffer.node3(Kind.Select, start, end, set, -1, 1)
    buffer.nodes[buffer.size++] = lexer.symbolOf("body")
    buffer.nodes[buffer.size++] = start
    buffer.nodes[buffer.size++] = end
    return node
  }

  integer(start: number, end: number): number {
    const { lexer, buffer } = this
    const text = lexer.source.substring(start, end)
    let low: number
    let high: number
    if (end - start <= 15) {
      const value = Number(text)
      low = value | 0
      high = Math.floor(value / 0x1_0000_0000)
    } else {
      const value = BigInt(text)
      if (value > 0x7fff_ffff_ffff_ffffn) lexer.fail({ _tag: "InvalidInteger", text }, start, end)
      low = Number(BigInt.asIntN(32, value))
      high = Number(value >> 32n)
    }
    lexer.next()
    return buffer.node2(Kind.Int, start, end, low, high)
  }

  float(start: number, end: number): number {
    const { lexer, buffer } = this
    const text = lexer.source.substring(start, end)
    const value = Number(text)
    // A literal that is not zero but too small for a normal double is refused like one that is too large.
    if (value === Infinity || (value < smallestNormalDouble && /^[^eE]*[1-9]/.test(text)))
      lexer.fail({ _tag: "InvalidFloat", text }, start, end)
    lexer.next()
    return buffer.float(Kind.Float, start, end, value)
  }

  /** The expression of `${…}`, whose `${` is the current token; leaves `}` current, so that the string goes on after it. */
  antiquotation(): number {
    this.lexer.next()
    const node = this.expression()
    if (!this.at(Token.CloseBrace)) this.unexpected([Token.CloseBrace])
    return node
  }

  /** A `"…"` string whose opening quote is current; leaves the closing quote current. -1 when it is one text (in `lexer.text`). */
  quoted(start: number): number {
    const { lexer, buffer } = this
    let part = lexer.stringPart()
    if (part === Part.Close) return -1
    const base = buffer.depth
    for (;;) {
      if (part === Part.End) this.unexpected([Token.Quote])
      if (lexer.textEnd > lexer.textStart) buffer.push(this.text(lexer.text, lexer.textStart, lexer.textEnd))
      if (part === Part.Close) break
      buffer.push(this.antiquotation())
      part = lexer.stringPart()
    }
    const node = buffer.node1(Kind.Interpolation, start, lexer.end, buffer.depth - base)
    buffer.flush(base)
    return node
  }

  indented(start: number): number {
    const { lexer, buffer } = this
    const pieces: Array<IndentedPiece> = []
    for (;;) {
      const part = lexer.indentedPart()
      if (part === Part.Close) break
      if (part === Part.Text) {
        pieces.push({ text: lexer.text, plain: lexer.textIsPlain, node: -1, start: lexer.textStart, end: lexer.textEnd })
      } else if (part === Part.Interpolation) {
        pieces.push({ text: "", plain: false, node: this.antiquotation(), start: 0, end: 0 })
      } else {
        this.unexpected([Token.IndentedText, Token.Interpolate, Token.IndentedClose])
      }
    }
    const end = lexer.end
    lexer.next()
    const stripped = stripIndentation(pieces)
    if (stripped.length === 0) return this.text("", start, end)
    const only = stripped[0]!
    if (stripped.length === 1 && only.node < 0) return this.text(only.text, start, end)
    const base = buffer.depth
    for (const piece of stripped) buffer.push(piece.node >= 0 ? piece.node : this.text(piece.text, piece.start, piece.end))
    const node = buffer.node1(Kind.Interpolation, start, end, buffer.depth - base)
    buffer.flush(base)
    return node
  }

  pathLiteral(start: number): number {
    const { lexer, buffer } = this
    const home = this.at(Token.HomePath)
    this.strings.push(lexer.source.substring(home ? start + 1 : start, lexer.end))
    const first = buffer.node1(home ? Kind.HomePath : Kind.Path, start, lexer.end, this.strings.length - 1)
    let part = lexer.pathPart()
    if (part === Part.Close) {
      lexer.next()
      return first
    }
    const base = buffer.depth
    buffer.push(first)
    if (part === Part.Text) {
      // Only antiquotations may make a path go on after its first piece: `./a//b` is nothing.
      const { textStart, textEnd } = lexer
      buffer.push(this.text(lexer.text, textStart, textEnd))
      part = lexer.pathPart()
      if (part !== Part.Interpolation) {
        const unexpected = part === Part.Text ? Token.StringText : Token.PathEnd
        const from = part === Part.Text ? lexer.textStart : lexer.end >= lexer.length ? start : textStart
        lexer.fail({ _tag: "UnexpectedToken", unexpected, expected: [Token.Interpolate] }, from, lexer.end)
      }
    }
    while (part !== Part.Close) {
      if (part === Part.Text) buffer.push(this.text(lexer.text, lexer.textStart, lexer.textEnd))
      else buffer.push(this.antiquotation())
      part = lexer.pathPart()
    }
    const end = lexer.end
    lexer.next()
    const node = buffer.node1(Kind.PathInterpolation, start, end, buffer.depth - base)
    buffer.flush(base)
    return node
  }

  /**
   * Bindings up to the token that closes them, which stays current: `close`, or `}` when it is -1. The records are pushed. `close` is
   * the token that a message names beside `inherit`.
   */
  bindingList(close: number): void {
    const { lexer } = this
    const closing = close < 0 ? Token.CloseBrace : close
    for (;;) {
      switch (lexer.token) {
        case closing:
          return
        case Token.Inherit:
          this.inherit()
          break
        case Token.Identifier:
        case Token.OrWord:
        case Token.Quote:
        case Token.Interpolate: {
          const name = this.name(none)
          this.binding(name, this.nameStart, this.nameEnd)
          break
        }
        default:
          this.unexpected(close < 0 ? [Token.Inherit] : close < Token.Inherit ? [close, Token.Inherit] : [Token.Inherit, close])
      }
    }
  }

  /** The rest of `name.b.c = value;`, from after its first name on. */
  binding(first: number, start: number, _end: number): void {
    const { lexer, buffer } = this
    let name = first
    let how: number = How.Plain
    if (this.at(Token.Dot)) {
      const path = [first]
      do {
        lexer.next()
        path.push(this.name(nameTokens))
      } while (this.at(Token.Dot))
      how = How.Path
      name = this.bindings.paths.push(path) - 1
    } else if (first < 0) {
      how = How.Dynamic
      name = ~first
    }
    if (!this.at(Token.Assign)) this.unexpected([Token.Dot, Token.Assign])
    lexer.next()
    const value = this.expression()
    this.expect(Token.Semicolon)
    buffer.push(name)
    buffer.push(start)
    buffer.push(how)
    buffer.push(value)
  }

  inherit(): void {
    const { lexer, buffer } = this
    lexer.next()
    let source = -1
    if (this.at(Token.OpenParen)) {
      lexer.next()
      source = this.expression()
      this.expect(Token.CloseParen)
      buffer.push(-1)
      buffer.push(-1)
      buffer.push(How.Source)
      buffer.push(source)
    }
    while (!this.at(Token.Semicolon)) {
      const start = lexer.start
      const name = this.name(none)
      if (name < 0) lexer.fail({ _tag: "DynamicAttribute", where: "inherit" }, start, this.nameEnd)
      // Not `variable`: an inherited `__curPos` is a variable of that name.
      const value = source >= 0 ? -1 : buffer.node1(Kind.Variable, start, this.nameEnd, name)
      buffer.push(name)
      buffer.push(start)
      buffer.push(source >= 0 ? How.InheritFrom : How.Inherit)
      buffer.push(value)
    }
    lexer.next()
  }
}

/**
 * Parses a source text.
 *
 * `origin` says where it came from, for messages and positions; `baseDirectory` (absolute, no trailing slash unless it is the root) is
 * kept in the tree for relative paths. Throws `ParseError`, nothing else.
 */
export const parse = (source: ByteString, origin: Origin, baseDirectory: ByteString, options: ParseOptions = {}): Syntax => {
  const parser = new Parser(source, origin, options)
  try {
    const root = parser.file()
    return { origin, baseDirectory, source, nodes: parser.buffer.finish(), symbols: parser.lexer.symbols, strings: parser.strings, root }
  } catch (error) {
    // The only RangeError that can happen here is this thread's stack being full.
    if (error instanceof RangeError) {
      throw new ParseError({ _tag: "TooDeep" }, { origin, source, start: parser.lexer.start, end: parser.lexer.end })
    }
    throw error
  }
}
