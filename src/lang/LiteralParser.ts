/**
 * The ground of the parser: what is refused where, variables, and literals (numbers, strings, indented strings, paths). Strings and paths hold expressions, which
 * `ExpressionParser.ts` knows. Pure but for the state of a parse (`Source.ts`).
 */
import type { ByteString } from "../nix/Bytes.ts"
import { stripIndentation } from "./IndentedString.ts"
import type { IndentedPiece } from "./IndentedString.ts"
import * as Kind from "./Kind.ts"
import { end, next, start, token } from "./Lexer.ts"
import type { Literal } from "./Lints.ts"
import { depth, floatNode, node0, node1, node2, nodes, partsNode, push } from "./NodeBuffer.ts"
import { expression } from "./ExpressionParser.ts"
import * as Part from "./Part.ts"
import { fail, length, origin, source } from "./Source.ts"
import { nameOf } from "./SymbolTable.ts"
import { indentedPart, pathPart, stringPart, text, textEnd, textIsPlain, textStart } from "./TextLexer.ts"
import * as Token from "./Token.ts"

const smallestNormalDouble = 2 ** -1022

/** The texts of the tree. */
export let strings: Array<ByteString> = []
/** Told of URL and path literals. */
let onLiteral: ((literal: Literal) => void) | undefined

/** Begins with no texts. */
export const openLiterals = (listener: ((literal: Literal) => void) | undefined): void => {
  strings = []
  onLiteral = listener
}

/** Refuses the current token. */
export const unexpected: (expected: ReadonlyArray<number>) => never = (expected) => {
  // A number that is none is wrong wherever it stands.
  if (token === Token.Integer) integerValue()
  if (token === Token.Float) floatValue()
  fail({ _tag: "UnexpectedToken", unexpected: token, expected }, start, end)
}

/** Refuses every token but this one. */
const demand = (wanted: number): void => {
  if (token !== wanted) unexpected([wanted])
}

/** Steps over the token that must stand here. */
export const expect = (wanted: number): void => {
  demand(wanted)
  next()
}

export const tellLiteral = (kind: Literal["kind"], from: number, to: number): void => {
  if (onLiteral === undefined) return
  onLiteral({ kind, text: source.substring(from, to), span: { origin, source, start: from, end: to } })
}

export const variable = (symbol: number, from: number, to: number): number => {
  if (to - from === 8 && nameOf(symbol) === "__curPos") return node0(Kind.CurrentPosition, from, to)
  return node1(Kind.Variable, from, to, symbol)
}

/** A node of a text, of this kind. */
export const textNode = (kind: number, words: ByteString, from: number, to: number): number =>
  node1(kind, from, to, strings.push(words) - 1)

/** The current token's value, which must fit 64 bits. */
const integerValue = (): bigint => {
  const digits = source.substring(start, end)
  const value = BigInt(digits)
  if (value > 0x7fff_ffff_ffff_ffffn) fail({ _tag: "InvalidInteger", text: digits }, start, end)
  return value
}

/** The current token's value, which must be zero or a normal double. */
const floatValue = (): number => {
  const digits = source.substring(start, end)
  const value = Number(digits)
  if (value === Infinity || (value < smallestNormalDouble && /^[^eE]*[1-9]/.test(digits))) {
    fail({ _tag: "InvalidFloat", text: digits }, start, end)
  }
  return value
}

export const integer = (from: number, to: number): number => {
  let low: number
  let high: number
  if (to - from <= 15) {
    const value = Number(source.substring(from, to))
    low = value | 0
    high = Math.floor(value / 0x1_0000_0000)
  } else {
    const value = integerValue()
    low = Number(BigInt.asIntN(32, value))
    high = Number(value >> 32n)
  }
  next()
  return node2(Kind.Int, from, to, low, high)
}

export const float = (from: number, to: number): number => {
  const value = floatValue()
  next()
  return floatNode(Kind.Float, from, to, value)
}

/** The expression of `${…}`, whose `${` is the current token; leaves `}` current, so that the string goes on after it. */
export const antiquotation = (): number => {
  next()
  const node = expression()
  demand(Token.CloseBrace)
  return node
}

/** Pushes `${…}` as a part: its node, and where the `${` stands. */
const antiquotationPart = (): void => {
  const from = start
  push(antiquotation())
  push(from)
}

/** Pushes the text that was read last as a part. */
const textPart = (): void => {
  push(textNode(Kind.String, text, textStart, textEnd))
  push(textStart)
}

/** A `"…"` string that opens at `from`, its opening quote current; leaves the closing quote current. -1 when it is one text (in `text`). */
export const quoted = (from: number): number => {
  const part = stringPart()
  return part === Part.Close ? -1 : interpolated(from, part)
}

/** The same after its first piece, which is not all. */
const interpolated = (from: number, first: number): number => {
  const base = depth
  let part = first
  for (;;) {
    if (part === Part.End) unexpected([Token.Quote])
    if (textEnd > textStart) textPart()
    if (part === Part.Close) break
    antiquotationPart()
    part = stringPart()
  }
  return partsNode(Kind.Interpolation, from, end, base)
}

/** An indented string that opens at `from`. */
export const indented = (from: number): number => {
  const pieces: Array<IndentedPiece> = []
  for (;;) {
    const part = indentedPart()
    if (part === Part.Close) break
    if (part === Part.Text) {
      pieces.push({ text, plain: textIsPlain, node: -1, start: textStart, end: textEnd })
    } else if (part === Part.Interpolation) {
      const at = start
      pieces.push({ text: "", plain: false, node: antiquotation(), start: at, end: at })
    } else {
      unexpected([Token.IndentedText, Token.Interpolate, Token.IndentedClose])
    }
  }
  const to = end
  next()
  const stripped = stripIndentation(pieces)
  if (stripped.length === 0) return textNode(Kind.String, "", from, to)
  const only = stripped[0]!
  if (stripped.length === 1) {
    if (only.node < 0) return textNode(Kind.String, only.text, from, to)
    if (nodes[only.node] === Kind.String) return only.node
  }
  const base = depth
  for (const piece of stripped) {
    push(piece.node >= 0 ? piece.node : textNode(Kind.String, piece.text, piece.start, piece.end))
    push(piece.start)
  }
  return partsNode(Kind.Interpolation, from, to, base)
}

/** A path, which is current and begins at `from`. */
export const pathLiteral = (from: number): number => {
  const home = token === Token.HomePath
  tellLiteral(home ? "home-path" : "path", from, end)
  const first = textNode(home ? Kind.HomePath : Kind.Path, source.substring(home ? from + 1 : from, end), from, end)
  const part = pathPart()
  if (part !== Part.Close) return interpolatedPath(from, first, part)
  next()
  return first
}

/** The same after its first piece, which is not all. */
const interpolatedPath = (from: number, first: number, second: number): number => {
  let part = second
  const base = depth
  push(first)
  push(from)
  if (part === Part.Text) {
    // Only antiquotations may make a path go on after its first piece: `./a//b` is nothing.
    const at = textStart
    textPart()
    part = pathPart()
    if (part !== Part.Interpolation) {
      const what = part === Part.Text ? Token.StringText : Token.PathEnd
      const place = part === Part.Text ? textStart : end >= length ? from : at
      fail({ _tag: "UnexpectedToken", unexpected: what, expected: [Token.Interpolate] }, place, end)
    }
  }
  while (part !== Part.Close) {
    if (part === Part.Text) textPart()
    else antiquotationPart()
    part = pathPart()
  }
  const to = end
  next()
  return partsNode(Kind.PathInterpolation, from, to, base)
}
