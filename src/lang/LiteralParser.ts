/**
 * The ground of the parser: tokens, what is refused where, and literals (numbers, strings, indented strings, paths).
 *
 * Strings and paths hold expressions, which the layers above know (`expression`). Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { stripIndentation } from "./IndentedString.ts"
import type { IndentedPiece } from "./IndentedString.ts"
import type { Literal } from "./Lints.ts"
import { Lexer } from "./Lexer.ts"
import * as Part from "./Part.ts"
import { NodeBuffer } from "./NodeBuffer.ts"
import * as Kind from "./Kind.ts"
import type { Origin } from "./Syntax.ts"
import * as Token from "./Token.ts"

const smallestNormalDouble = 2 ** -1022

export abstract class LiteralParser {
  readonly lexer: Lexer
  readonly buffer = new NodeBuffer()
  readonly strings: Array<ByteString> = []
  /** How much deeper expressions may nest. */
  depthLeft: number
  /** Told of URL and path literals. */
  onLiteral: ((literal: Literal) => void) | undefined

  constructor(source: ByteString, origin: Origin, pipeOperators: boolean, maxDepth: number) {
    this.lexer = new Lexer(source, origin, pipeOperators)
    this.depthLeft = maxDepth
  }

  /** Parses an expression from the current token on; returns its node. */
  abstract expression(): number

  /** Whether the current token is this one. */
  at(token: number): boolean {
    return this.lexer.token === token
  }

  /** Refuses the current token. */
  unexpected(expected: ReadonlyArray<number>): never {
    const { token, start, end } = this.lexer
    // A number that is none is wrong wherever it stands.
    if (token === Token.Integer) this.integerValue()
    if (token === Token.Float) this.floatValue()
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

  tellLiteral(kind: Literal["kind"], start: number, end: number): void {
    if (this.onLiteral === undefined) return
    const { source, origin } = this.lexer
    this.onLiteral({ kind, text: source.substring(start, end), span: { origin, source, start, end } })
  }

  variable(symbol: number, start: number, end: number): number {
    if (end - start === 8 && this.lexer.symbols.names[symbol] === "__curPos") return this.buffer.node0(Kind.CurrentPosition, start, end)
    return this.buffer.node1(Kind.Variable, start, end, symbol)
  }

  text(text: ByteString, start: number, end: number): number {
    this.strings.push(text)
    return this.buffer.node1(Kind.String, start, end, this.strings.length - 1)
  }

  /** The current token's value, which must fit 64 bits. */
  integerValue(): bigint {
    const { source, start, end } = this.lexer
    const text = source.substring(start, end)
    const value = BigInt(text)
    if (value > 0x7fff_ffff_ffff_ffffn) this.lexer.fail({ _tag: "InvalidInteger", text }, start, end)
    return value
  }

  /** The current token's value, which must be zero or a normal double. */
  floatValue(): number {
    const { source, start, end } = this.lexer
    const text = source.substring(start, end)
    const value = Number(text)
    if (value === Infinity || (value < smallestNormalDouble && /^[^eE]*[1-9]/.test(text))) {
      this.lexer.fail({ _tag: "InvalidFloat", text }, start, end)
    }
    return value
  }

  integer(start: number, end: number): number {
    const { lexer, buffer } = this
    let low: number
    let high: number
    if (end - start <= 15) {
      const value = Number(lexer.source.substring(start, end))
      low = value | 0
      high = Math.floor(value / 0x1_0000_0000)
    } else {
      const value = this.integerValue()
      low = Number(BigInt.asIntN(32, value))
      high = Number(value >> 32n)
    }
    lexer.next()
    return buffer.node2(Kind.Int, start, end, low, high)
  }

  float(start: number, end: number): number {
    const value = this.floatValue()
    this.lexer.next()
    return this.buffer.float(Kind.Float, start, end, value)
  }

  /** The expression of `${…}`, whose `${` is the current token; leaves `}` current, so that the string goes on after it. */
  antiquotation(): number {
    this.lexer.next()
    const node = this.expression()
    if (!this.at(Token.CloseBrace)) this.unexpected([Token.CloseBrace])
    return node
  }

  /** Pushes `${…}` as a part: its node, and where the `${` stands. */
  antiquotationPart(): void {
    const start = this.lexer.start
    this.buffer.push(this.antiquotation())
    this.buffer.push(start)
  }

  /** Pushes a text as a part. */
  textPart(text: ByteString, start: number, end: number): void {
    this.buffer.push(this.text(text, start, end))
    this.buffer.push(start)
  }

  /** A `"…"` string whose opening quote is current; leaves the closing quote current. -1 when it is one text (in `lexer.text`). */
  quoted(start: number): number {
    const { lexer, buffer } = this
    let part = lexer.stringPart()
    if (part === Part.Close) return -1
    const base = buffer.depth
    for (;;) {
      if (part === Part.End) this.unexpected([Token.Quote])
      if (lexer.textEnd > lexer.textStart) this.textPart(lexer.text, lexer.textStart, lexer.textEnd)
      if (part === Part.Close) break
      this.antiquotationPart()
      part = lexer.stringPart()
    }
    return buffer.parts(Kind.Interpolation, start, lexer.end, base)
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
        const from = lexer.start
        pieces.push({ text: "", plain: false, node: this.antiquotation(), start: from, end: from })
      } else {
        this.unexpected([Token.IndentedText, Token.Interpolate, Token.IndentedClose])
      }
    }
    const end = lexer.end
    lexer.next()
    const stripped = stripIndentation(pieces)
    if (stripped.length === 0) return this.text("", start, end)
    const only = stripped[0]!
    if (stripped.length === 1) {
      if (only.node < 0) return this.text(only.text, start, end)
      if (buffer.nodes[only.node] === Kind.String) return only.node
    }
    const base = buffer.depth
    for (const piece of stripped) {
      buffer.push(piece.node >= 0 ? piece.node : this.text(piece.text, piece.start, piece.end))
      buffer.push(piece.start)
    }
    return buffer.parts(Kind.Interpolation, start, end, base)
  }

  pathLiteral(start: number): number {
    const { lexer, buffer } = this
    const home = this.at(Token.HomePath)
    this.tellLiteral(home ? "home-path" : "path", start, lexer.end)
    this.strings.push(lexer.source.substring(home ? start + 1 : start, lexer.end))
    const first = buffer.node1(home ? Kind.HomePath : Kind.Path, start, lexer.end, this.strings.length - 1)
    let part = lexer.pathPart()
    if (part === Part.Close) {
      lexer.next()
      return first
    }
    const base = buffer.depth
    buffer.push(first)
    buffer.push(start)
    if (part === Part.Text) {
      // Only antiquotations may make a path go on after its first piece: `./a//b` is nothing.
      const { textStart, textEnd } = lexer
      this.textPart(lexer.text, textStart, textEnd)
      part = lexer.pathPart()
      if (part !== Part.Interpolation) {
        const unexpected = part === Part.Text ? Token.StringText : Token.PathEnd
        const from = part === Part.Text ? lexer.textStart : lexer.end >= lexer.length ? start : textStart
        lexer.fail({ _tag: "UnexpectedToken", unexpected, expected: [Token.Interpolate] }, from, lexer.end)
      }
    }
    while (part !== Part.Close) {
      if (part === Part.Text) this.textPart(lexer.text, lexer.textStart, lexer.textEnd)
      else this.antiquotationPart()
      part = lexer.pathPart()
    }
    const end = lexer.end
    lexer.next()
    return buffer.parts(Kind.PathInterpolation, start, end, base)
  }
}
