/**
 * Names, bindings of sets and `let`, and the named arguments of functions. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { Bindings, newSet } from "./Bindings.ts"
import * as How from "./How.ts"
import { LiteralParser } from "./LiteralParser.ts"
import * as Kind from "./Kind.ts"
import type { Origin } from "./Syntax.ts"
import * as Token from "./Token.ts"

/** What may start a name. */
export const nameTokens = [Token.Identifier, Token.OrWord, Token.Interpolate, Token.Quote]
/** For places where more tokens would do than a message lists. */
export const none: ReadonlyArray<number> = []
/** Functions with more named arguments than this are checked for duplicates by hashing. */
const fewFormals = 12

export abstract class BindingParser extends LiteralParser {
  readonly bindings: Bindings
  /** Whether each binding is checked against those before it at once, instead of all at the end of the set. */
  readonly checkEarly: boolean
  /** Where the name that `name` read last stands. */
  nameStart = 0
  nameEnd = 0
  /** Whether the end of the text closes a binding, too. */
  lastSemicolonOptional = false

  constructor(source: ByteString, origin: Origin, pipeOperators: boolean, maxDepth: number, checkEarly: boolean) {
    super(source, origin, pipeOperators, maxDepth)
    this.checkEarly = checkEarly
    this.bindings = new Bindings(this.lexer, this.buffer)
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
        name = lexer.symbols.at(start, lexer.end)
        lexer.next()
        break
      case Token.Quote: {
        const node = this.quoted(start)
        name = node < 0 ? lexer.symbols.of(lexer.text) : ~node
        lexer.next()
        break
      }
      case Token.Interpolate: {
        lexer.next()
        const node = this.expression()
        this.expect(Token.CloseBrace)
        name = buffer.nodes[node] === Kind.String ? lexer.symbols.of(this.strings[buffer.nodes[node + 3]!]!) : ~node
        break
      }
      default:
        this.unexpected(expected)
    }
    this.nameStart = start
    this.nameEnd = lexer.previousEnd
    return name
  }

  /**
   * Bindings up to the token that closes them, which stays current: `close`, or `}` when it is -1. The records are pushed. `close` is
   * the token that a message names beside `inherit`; `base` is where the records of the set begin.
   */
  bindingList(close: number, base: number): void {
    const { lexer, buffer } = this
    const closing = close < 0 ? Token.CloseBrace : close
    const set = this.checkEarly ? newSet(0, 0, 0) : undefined
    let unchecked = base
    for (;;) {
      if (set !== undefined) {
        this.bindings.define(set, unchecked)
        unchecked = buffer.depth
      }
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
          this.binding(name, this.nameStart)
          break
        }
        default:
          this.unexpected(close < 0 ? [Token.Inherit] : close < Token.Inherit ? [close, Token.Inherit] : [Token.Inherit, close])
      }
    }
  }

  /** The rest of `name.b.c = value;`, from after its first name on. */
  binding(first: number, start: number): void {
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
    this.closeBinding()
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
    while (!this.at(Token.Semicolon) && !(this.lastSemicolonOptional && this.at(Token.End))) {
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
    this.closeBinding()
  }

  /** The semicolon after a binding. */
  closeBinding(): void {
    if (!(this.lastSemicolonOptional && this.at(Token.End))) this.expect(Token.Semicolon)
  }

  /** The rest of a set, from its first (or next) binding on to `}`. */
  closeBraces(base: number, pathBase: number, start: number, recursive: number, listsBrace: boolean): number {
    this.bindingList(listsBrace ? Token.CloseBrace : -1, base)
    this.lexer.next()
    return this.bindings.close(base, pathBase, start, this.lexer.previousEnd, recursive)
  }

  /** `let { …, body = … }` means `(rec { …, body = … }).body`. */
  legacyLet(start: number): number {
    const { lexer, buffer } = this
    this.expect(Token.OpenBrace)
    const set = this.closeBraces(buffer.depth, this.bindings.paths.length, start, 1, true)
    const end = lexer.previousEnd
    buffer.reserve(9)
    const node = buffer.node3(Kind.Select, start, end, set, -1, 1)
    buffer.nodes[buffer.size++] = lexer.symbols.of("body")
    buffer.nodes[buffer.size++] = start
    buffer.nodes[buffer.size++] = end
    return node
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
    if (depth - base <= fewFormals * 3) {
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
      const name = lexer.symbols.names[duplicate]!
      lexer.fail({ _tag: "DuplicateFormal", name }, place, place + name.length)
    }
    if (parameter < 0) return
    for (let i = base; i < depth; i += 3) {
      if (stack[i] === parameter) lexer.fail({ _tag: "DuplicateFormal", name: lexer.symbols.names[parameter]! }, start, lexer.previousEnd)
    }
  }
}
