/**
 * Reads JSON out of a byte string and hands what it finds to a builder.
 *
 * Accepts and refuses what nlohmann's parser does, in its words, as those are the error messages that Nix shows. Not recursive: depth is
 * bounded by memory only. Strings come out as bytes (UTF-8, checked); integers as numbers or bigints within 64 bits, wider ones as floats.
 * Source of the format: RFC 8259. Pure.
 */
import type { ByteString } from "../../nix/Bytes.ts"

/** What becomes of the parts. `Made` is the type of finished values. */
export interface JsonBuilder<Made> {
  literal(value: null | boolean): Made
  integer(value: number | bigint): Made
  float(value: number): Made
  string(bytes: ByteString): Made
  list(elements: Array<Made>): Made
  /** Keys in source order, the last of equal ones already the only one. */
  object(entries: Map<ByteString, Made>): Made
}

/** Text that is not JSON, or JSON that Nix cannot hold. `message` is Nix's, in bytes. */
export class JsonError extends Error {
  override readonly name = "JsonError"
}

const digit = (code: number): boolean => code >= 48 && code <= 57

const controlNames =
  "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US".split(" ")
const controlEscapes: Readonly<Record<number, string>> = { 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r" }
const simpleEscapes: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t"
}

const hex4 = (code: number): string => code.toString(16).toUpperCase().padStart(4, "0")

/** The UTF-8 bytes of a code point. */
export const utf8 = (point: number): ByteString => {
  if (point < 0x80) return String.fromCharCode(point)
  if (point < 0x800) return String.fromCharCode(0xc0 | (point >> 6), 0x80 | (point & 63))
  if (point < 0x10000) return String.fromCharCode(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63))
  return String.fromCharCode(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63))
}

/** How many bytes from `at` are fine: the whole sequence's length when it is well-formed UTF-8, else `~n`, n being its good leading bytes. */
export const sequence = (text: ByteString, at: number): number => {
  const lead = text.charCodeAt(at)
  if (lead < 0x80) return 1
  let low = 0x80
  let high = 0xbf
  let length: number
  if (lead >= 0xc2 && lead <= 0xdf) length = 2
  else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3
    if (lead === 0xe0) low = 0xa0
    if (lead === 0xed) high = 0x9f
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4
    if (lead === 0xf0) low = 0x90
    if (lead === 0xf4) high = 0x8f
  } else return ~0
  for (let i = 1; i < length; i++) {
    const code = text.charCodeAt(at + i)
    if (!(code >= low && code <= high)) return ~i
    low = 0x80
    high = 0xbf
  }
  return length
}

/** Refuses a string that Nix could not hold. */
const withoutNull = (bytes: ByteString): ByteString => {
  if (bytes.includes("\0")) {
    throw new JsonError(
      `input string '${bytes.replaceAll("\0", "\xe2\x90\x80")}' cannot be represented as Nix string because it contains null bytes`
    )
  }
  return bytes
}

/** Token kinds; a number is kept as its text. */
const Token = {
  End: 0,
  Literal: 1,
  Text: 2,
  Number: 3,
  OpenList: 4,
  CloseList: 5,
  OpenObject: 6,
  CloseObject: 7,
  Colon: 8,
  Comma: 9
} as const
type Token = (typeof Token)[keyof typeof Token]
const tokenNames = ["end of input", "literal", "string literal", "number literal", "'['", "']'", "'{'", "'}'", "':'", "','"]

class Reader<Made> {
  readonly text: ByteString
  readonly builder: JsonBuilder<Made>
  /** Characters read; the end of input counts as one. */
  at = 0
  /** Where the shown token text starts: nlohmann forgets what came before only at strings and numbers. */
  shownFrom = 0
  ended = false
  literal: null | boolean = null
  value: ByteString = ""

  constructor(text: ByteString, builder: JsonBuilder<Made>) {
    this.text = text
    this.builder = builder
  }

  position(): string {
    const read = this.at + (this.ended ? 1 : 0)
    let line = 1
    let start = 0
    for (let i = this.text.indexOf("\n"); i >= 0 && i < this.at; i = this.text.indexOf("\n", i + 1)) {
      line++
      start = i + 1
    }
    return `parse error at line ${line}, column ${read - start}: `
  }

  fail(words: string): never {
    throw new JsonError(`[json.exception.parse_error.101] ${this.position()}${words}`)
  }

  /** An error of the lexer itself. It is worded by who wanted the token, so the context is added there. */
  bad(words: string): never {
    const shown = this.text.slice(this.shownFrom, this.at).replace(/[\0-\x1f]/g, (c) => `<U+${hex4(c.charCodeAt(0))}>`)
    const expected = this.expected === undefined ? "" : `; expected ${this.expected}`
    return this.fail(`syntax error while parsing ${this.context} - ${words}; last read: '${shown}'${expected}`)
  }

  context = "value"
  expected: string | undefined

  unexpected(token: Token, context: string, expected: string): never {
    const name = token === Token.Literal ? `${String(this.literal)} literal` : tokenNames[token]!
    return this.fail(`syntax error while parsing ${context} - unexpected ${name}; expected ${expected}`)
  }

  next(context: string, expected?: string): Token {
    this.context = context
    this.expected = expected
    const { text } = this
    if (this.at === 0 && text.charCodeAt(0) === 0xef) {
      if (!text.startsWith("\xef\xbb\xbf")) {
        this.at = text.charCodeAt(1) === 0xbb ? 3 : 2
        this.bad("invalid BOM; must be 0xEF 0xBB 0xBF if given")
      }
      this.at = 3
    }
    let code = text.charCodeAt(this.at)
    while (code === 32 || code === 10 || code === 13 || code === 9) code = text.charCodeAt(++this.at)
    if (this.at >= text.length) {
      this.ended = true
      return Token.End
    }
    switch (code) {
      case 0x5b:
        this.at++
        return Token.OpenList
      case 0x5d:
        this.at++
        return Token.CloseList
      case 0x7b:
        this.at++
        return Token.OpenObject
      case 0x7d:
        this.at++
        return Token.CloseObject
      case 0x3a:
        this.at++
        return Token.Colon
      case 0x2c:
        this.at++
        return Token.Comma
      case 0x22:
        this.string()
        return Token.Text
      case 0x74:
        return this.word("true", true)
      case 0x66:
        return this.word("false", false)
      case 0x6e:
        return this.word("null", null)
      default:
        if (code === 0x2d || digit(code)) {
          this.number()
          return Token.Number
        }
        if (code === 0) {
          this.ended = true
          return Token.End
        }
        this.at++
        return this.bad("invalid literal")
    }
  }

  word(text: string, value: null | boolean): Token {
    for (let i = 0; i < text.length; i++) {
      if (this.text[this.at] !== text[i]) {
        this.readOne()
        this.bad("invalid literal")
      }
      this.at++
    }
    this.literal = value
    return Token.Literal
  }

  readOne(): void {
    if (this.at < this.text.length) this.at++
    else this.ended = true
  }

  number(): void {
    const { text } = this
    const start = this.at
    this.shownFrom = start
    let at = start
    const needDigit = (words: string): void => {
      if (digit(text.charCodeAt(at))) return
      this.at = at
      this.readOne()
      this.bad(`invalid number; expected ${words}`)
    }
    if (text[at] === "-") {
      at++
      needDigit("digit after '-'")
    }
    if (text[at] === "0") at++
    else while (digit(text.charCodeAt(at))) at++
    if (text[at] === ".") {
      at++
      needDigit("digit after '.'")
      while (digit(text.charCodeAt(at))) at++
    }
    if (text[at] === "e" || text[at] === "E") {
      at++
      if (text[at] === "+" || text[at] === "-") {
        at++
        needDigit("digit after exponent sign")
      } else needDigit("'+', '-', or digit after exponent")
      while (digit(text.charCodeAt(at))) at++
    }
    this.at = at
    this.value = text.slice(start, at)
  }

  string(): void {
    const { text } = this
    this.shownFrom = this.at
    let at = this.at + 1
    let from = at
    let out = ""
    for (;;) {
      const code = text.charCodeAt(at)
      if (code === 0x22) break
      if (code === 0x5c) {
        out += text.slice(from, at)
        const kind = text[at + 1]
        if (kind === "u") {
          const [point, end] = this.escape(at)
          out += utf8(point)
          at = end
        } else {
          const simple = kind === undefined ? undefined : simpleEscapes[kind]
          if (simple === undefined) {
            this.at = at + 1
            this.readOne()
            this.bad("invalid string: forbidden character after backslash")
          }
          out += simple
          at += 2
        }
        from = at
      } else if (code >= 0x20 && code < 0x80) at++
      else if (code < 0x20) {
        this.at = at + 1
        const short = controlEscapes[code]
        const long = `\\u${hex4(code)}`
        this.bad(
          `invalid string: control character U+${hex4(code)} (${controlNames[code]}) must be escaped to ${long}${short === undefined ? "" : ` or ${short}`}`
        )
      } else if (at >= text.length) {
        this.at = text.length
        this.ended = true
        this.bad("invalid string: missing closing quote")
      } else {
        const length = sequence(text, at)
        if (length < 0) {
          this.at = at + ~length
          this.readOne()
          this.bad("invalid string: ill-formed UTF-8 byte")
        }
        at += length
      }
    }
    this.value = out === "" ? text.slice(from, at) : out + text.slice(from, at)
    this.at = at + 1
  }

  /** The code point of a `\u` escape at `at`, perhaps of two, and where it ends. */
  escape(at: number): readonly [number, number] {
    const { text } = this
    const unit = (from: number): number => {
      let value = 0
      for (let i = from; i < from + 4; i++) {
        const number = Number.parseInt(text[i] ?? "", 16)
        if (Number.isNaN(number)) {
          this.at = Math.min(i, text.length)
          this.readOne()
          this.bad("invalid string: '\\u' must be followed by 4 hex digits")
        }
        value = value * 16 + number
      }
      return value
    }
    const first = unit(at + 2)
    if (first >= 0xd800 && first <= 0xdbff) {
      const unpaired = "invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF"
      for (const [i, wanted] of ["\\", "u"].entries()) {
        if (text[at + 6 + i] !== wanted) {
          this.at = Math.min(at + 6 + i, text.length)
          this.readOne()
          this.bad(unpaired)
        }
      }
      const second = unit(at + 8)
      if (second < 0xdc00 || second > 0xdfff) {
        this.at = at + 12
        this.bad(unpaired)
      }
      return [0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), at + 12]
    }
    if (first >= 0xdc00 && first <= 0xdfff) {
      this.at = at + 6
      this.bad("invalid string: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF")
    }
    return [first, at + 6]
  }

  numberValue(): Made {
    const { value: text } = this
    if (/^-?\d+$/.test(text)) {
      const short = Number(text)
      if (Number.isSafeInteger(short)) return this.builder.integer(short === 0 ? 0 : short)
      const long = BigInt(text)
      if (BigInt.asIntN(64, long) === long) return this.builder.integer(long)
      if (long > 0n && BigInt.asUintN(64, long) === long) {
        throw new JsonError(`unsigned json number ${long} outside of Nix integer range`)
      }
    }
    const float = Number(text)
    if (!Number.isFinite(float)) throw new JsonError(`[json.exception.out_of_range.406] number overflow parsing '${text}'`)
    return this.builder.float(float)
  }

  read(): Made {
    const { builder } = this
    const lists: Array<Array<Made> | Map<ByteString, Made>> = []
    const keys: Array<ByteString> = []
    let token = this.next("value")
    if (token === Token.End && this.at === 0) {
      this.fail("attempting to parse an empty input; check that your input string or stream contains the expected JSON")
    }
    const key = (found: Token): void => {
      if (found !== Token.Text) this.unexpected(found, "object key", "string literal")
      keys.push(withoutNull(this.value))
      const colon = this.next("object separator", "':'")
      if (colon !== Token.Colon) this.unexpected(colon, "object separator", "':'")
      token = this.next("value")
    }
    for (;;) {
      let made: Made
      switch (token) {
        case Token.Literal:
          made = builder.literal(this.literal)
          break
        case Token.Number:
          made = this.numberValue()
          break
        case Token.Text:
          made = builder.string(withoutNull(this.value))
          break
        case Token.OpenList:
          token = this.next("value")
          if (token !== Token.CloseList) {
            lists.push([])
            continue
          }
          made = builder.list([])
          break
        case Token.OpenObject:
          token = this.next("object key", "string literal")
          if (token !== Token.CloseObject) {
            lists.push(new Map())
            key(token)
            continue
          }
          made = builder.object(new Map())
          break
        default:
          return this.unexpected(token, "value", "'[', '{', or a literal")
      }
      for (;;) {
        const into = lists[lists.length - 1]
        if (into === undefined) {
          token = this.next("value", "end of input")
          if (token !== Token.End) this.unexpected(token, "value", "end of input")
          return made
        }
        if (Array.isArray(into)) {
          into.push(made)
          token = this.next("array", "']'")
          if (token === Token.Comma) {
            token = this.next("value")
            break
          }
          if (token !== Token.CloseList) this.unexpected(token, "array", "']'")
          made = builder.list(into)
        } else {
          into.set(keys.pop()!, made)
          token = this.next("object", "'}'")
          if (token === Token.Comma) {
            key(this.next("object key", "string literal"))
            break
          }
          if (token !== Token.CloseObject) this.unexpected(token, "object", "'}'")
          made = builder.object(into)
        }
        lists.pop()
      }
    }
  }
}

/**
 * Reads one JSON text.
 *
 * @throws JsonError for anything else.
 */
export const readJson = <Made>(text: ByteString, builder: JsonBuilder<Made>): Made => new Reader(text, builder).read()
