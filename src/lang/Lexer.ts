/**
 * Bytes to tokens.
 *
 * One object reads one source; the parser steps it with `next` and, inside strings and paths, with `stringPart`, `indentedPart` and
 * `pathPart`, since what a byte means depends on where it stands. Always the longest match, as in Nix's lexer: `a/b` is a path,
 * `a:b` a URI, `a.b/c` a path. Positions are byte offsets. Identifiers are interned while they are read: no string is made for a
 * name seen before. The bytes are read from a scratch array followed by zeros, so that no look-ahead needs a bounds check. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { classes, digit, nameRest, nameStart, pathByte, schemeByte, single, uriByte } from "./Characters.ts"
import { keyword, longestKeyword } from "./Keywords.ts"
import { ParseError } from "./ParseError.ts"
import type { ParseReason } from "./ParseError.ts"
import * as Part from "./Part.ts"
import type { Origin } from "./Syntax.ts"
import { hashMultiplier, SymbolTable } from "./SymbolTable.ts"
import * as Token from "./Token.ts"

/** Zero bytes that follow the source in the scratch array. */
const padding = 8
/** Sources above this get an array of their own, so that one huge file does not stay in memory. */
const keepBytes = 1 << 22

let scratch = new Uint8Array(1 << 16)
const encoder = new TextEncoder()

/** Puts a byte string into the scratch array. */
const load = (source: ByteString): Uint8Array => {
  const length = source.length
  if (scratch.length < length + padding && length <= keepBytes) scratch = new Uint8Array(Math.max(length + padding, scratch.length * 2))
  const bytes = length <= keepBytes ? scratch : new Uint8Array(length + padding)
  // UTF-8 is Latin-1 as long as everything is ASCII; this copies at memory speed.
  const { read, written } = encoder.encodeInto(source, bytes.subarray(0, length))
  if (read !== length || written !== length) for (let i = 0; i < length; i++) bytes[i] = source.charCodeAt(i)
  bytes.fill(0, length, length + padding)
  return bytes
}

/** Reads one source. Not reusable, and only one is alive at a time: the scratch arrays belong to the last one made. */
export class Lexer {
  readonly source: ByteString
  readonly origin: Origin
  readonly bytes: Uint8Array
  readonly length: number
  readonly pipeOperators: boolean

  /** The current token. */
  token: number = Token.End
  /** Its first byte. */
  start = 0
  /** The byte after it; where `next` goes on. */
  end = 0
  /** The end of the token before it. */
  previousEnd = 0
  /** The symbol of the current identifier. */
  symbol = -1
  /** Text found by `stringPart`, `indentedPart` or `pathPart`. */
  text: ByteString = ""
  /** Where that text stands. */
  textStart = 0
  textEnd = 0
  /** Whether that text counts as written, for the indentation of an indented string. */
  textIsPlain = true

  /** Names of the file. */
  readonly symbols: SymbolTable
  /** Where the end of the source is reported; Nix has it at the start of a path that the source ends with. */
  #endPlace: number
  /** The last run of path bytes that was read for a path or URI: its end, and the last of its bytes that no URI scheme has. */
  #runEnd = 0
  #runNotScheme = -1

  constructor(source: ByteString, origin: Origin, pipeOperators: boolean) {
    this.source = source
    this.origin = origin
    this.length = source.length
    this.bytes = load(source)
    this.pipeOperators = pipeOperators
    this.#endPlace = source.length
    this.symbols = new SymbolTable(source, this.bytes)
  }

  /** Throws a parse error for the bytes from `start` to `end`. */
  fail(reason: ParseReason, start: number, end: number): never {
    throw new ParseError(reason, { origin: this.origin, source: this.source, start, end })
  }

  /** Steps to the next token outside strings and paths. */
  next(): void {
    const bytes = this.bytes
    this.previousEnd = this.end
    let p = this.end
    let c = bytes[p]!
    for (;;) {
      while (c === 32 || c === 10 || c === 9 || c === 13) c = bytes[++p]!
      if (c === 35) {
        do c = bytes[++p]!
        while (c !== 10 && c !== 13 && (c !== 0 || p < this.length))
        continue
      }
      if (c === 47 && bytes[p + 1] === 42) {
        let q = p + 2
        while (q < this.length && (bytes[q] !== 42 || bytes[q + 1] !== 47)) q++
        // Without an end it is no comment but a division sign.
        if (q >= this.length) break
        p = q + 2
        c = bytes[p]!
        continue
      }
      break
    }
    this.start = p

    const kind = classes[c]!
    if ((kind & nameStart) !== 0) {
      let hash = c
      let q = p + 1
      let d = bytes[q]!
      while ((classes[d]! & nameRest) !== 0) {
        hash = (Math.imul(hash, hashMultiplier) + d) | 0
        d = bytes[++q]!
      }
      if ((d === 46 || d === 47 || d === 58 || d === 43) && this.#longWord(p)) return
      this.end = q
      const token = q - p <= longestKeyword ? keyword(bytes, p, q - p) : Token.Identifier
      this.token = token
      if (token === Token.Identifier) this.symbol = this.symbols.intern(p, q, hash)
      return
    }

    const one = single[c]!
    if (one !== 0) {
      this.token = one
      this.end = p + 1
      return
    }

    const d = bytes[p + 1]!
    if ((kind & digit) !== 0) {
      if (!this.#longWord(p)) this.#number(p)
      return
    }
    switch (c) {
      case 61: // =
        if (d === 61) return this.#take(Token.Equal, 2)
        return this.#take(Token.Assign, 1)
      case 46: // .
        if (this.#longWord(p)) return
        if (d === 46 && bytes[p + 2] === 46) return this.#take(Token.Ellipsis, 3)
        if ((classes[d]! & digit) !== 0) return this.#number(p)
        return this.#take(Token.Dot, 1)
      case 39: // '
        if (d === 39) {
          let q = p + 2
          while (bytes[q] === 32) q++
          this.token = Token.IndentedOpen
          this.end = bytes[q] === 10 ? q + 1 : p + 2
          return
        }
        break
      case 36: // $
        if (d === 123) return this.#take(Token.Interpolate, 2)
        break
      case 43: // +
        if (this.#longWord(p)) return
        if (d === 43) return this.#take(Token.Concat, 2)
        return this.#take(Token.Plus, 1)
      case 45: // -
        if (this.#longWord(p)) return
        if (d === 62) return this.#take(Token.Implies, 2)
        return this.#take(Token.Minus, 1)
      case 47: // /
        if (d === 47) return this.#take(Token.Update, 2)
        if (this.#longWord(p)) return
        return this.#take(Token.Slash, 1)
      case 33: // !
        if (d === 61) return this.#take(Token.NotEqual, 2)
        return this.#take(Token.Not, 1)
      case 60: // <
        if (this.#searchPath(p)) return
        if (d === 61) return this.#take(Token.LessOrEqual, 2)
        if (d === 124) return this.#pipe(Token.PipeFrom)
        return this.#take(Token.Less, 1)
      case 62: // >
        if (d === 61) return this.#take(Token.GreaterOrEqual, 2)
        return this.#take(Token.Greater, 1)
      case 38: // &
        if (d === 38) return this.#take(Token.And, 2)
        break
      case 124: // |
        if (d === 124) return this.#take(Token.Or, 2)
        if (d === 62) return this.#pipe(Token.PipeInto)
        break
      case 126: // ~
        if (d === 47 && this.#homePath(p)) return
        break
      case 0:
        // A NUL byte in the source ends it, as it does for Nix; the error place is then after it.
        this.token = Token.End
        this.end = p < this.length ? p + 1 : p
        this.start = p < this.length ? this.end : this.#endPlace
        return
    }
    this.#take(Token.Invalid, 1)
  }

  #take(token: number, length: number): void {
    this.token = token
    this.end = this.start + length
  }

  #pipe(token: number): void {
    if (!this.pipeOperators) this.fail({ _tag: "FeatureDisabled", feature: "pipe-operators" }, this.start, this.start + 2)
    this.#take(token, 2)
  }

  /** A path or URI that starts at `p`, whatever shorter token does too. */
  #longWord(p: number): boolean {
    const bytes = this.bytes
    let q = this.#runEnd
    // In `a.b.c` every name asks about the rest of the same run; each run is read once.
    if (p >= q) {
      q = p
      let notScheme = -1
      for (let flags = classes[bytes[q]!]!; (flags & pathByte) !== 0; flags = classes[bytes[++q]!]!) {
        if ((flags & schemeByte) === 0) notScheme = q
      }
      this.#runEnd = q
      this.#runNotScheme = notScheme
    }
    const c = bytes[q]!
    if (c === 47) {
      if ((classes[bytes[q + 1]!]! & pathByte) !== 0) {
        this.token = Token.Path
        this.end = this.#pathSegments(q)
        return true
      }
      if (bytes[q + 1] === 36 && bytes[q + 2] === 123) {
        this.token = Token.Path
        this.end = q + 1
        return true
      }
    } else if (
      c === 58 &&
      p > this.#runNotScheme &&
      (classes[bytes[q + 1]!]! & uriByte) !== 0 &&
      (bytes[p]! | 32) >= 97 &&
      (bytes[p]! | 32) <= 122
    ) {
      q++
      while ((classes[bytes[q]!]! & uriByte) !== 0) q++
      this.token = Token.Uri
      this.end = q
      return true
    }
    return false
  }

  /** The end of `/a/b/c` or `/a/b/`, from a slash on. */
  #pathSegments(slash: number): number {
    const bytes = this.bytes
    let q = slash
    while (bytes[q] === 47) {
      q++
      if ((classes[bytes[q]!]! & pathByte) === 0) break
      do q++
      while ((classes[bytes[q]!]! & pathByte) !== 0)
    }
    return q
  }

  #homePath(p: number): boolean {
    const bytes = this.bytes
    if ((classes[bytes[p + 2]!]! & pathByte) !== 0) {
      this.token = Token.HomePath
      this.end = this.#pathSegments(p + 1)
      return true
    }
    if (bytes[p + 2] === 36 && bytes[p + 3] === 123) {
      this.token = Token.HomePath
      this.end = p + 2
      return true
    }
    return false
  }

  #searchPath(p: number): boolean {
    const bytes = this.bytes
    let q = p
    do {
      q++
      if ((classes[bytes[q]!]! & pathByte) === 0) return false
      do q++
      while ((classes[bytes[q]!]! & pathByte) !== 0)
    } while (bytes[q] === 47)
    if (bytes[q] !== 62) return false
    this.token = Token.SearchPath
    this.end = q + 1
    return true
  }

  /** An integer or a float: `1`, `1.`, `1.5e3`, `.5`, `0.5`; but `1e3`, `0.` and `00.5` are several tokens. */
  #number(p: number): void {
    const bytes = this.bytes
    let q = p
    while ((classes[bytes[q]!]! & digit) !== 0) q++
    const whole = q - p
    const fraction = bytes[q] === 46
    const fractionDigit = fraction && (classes[bytes[q + 1]!]! & digit) !== 0
    if (fraction && (whole === 0 || (whole === 1 && bytes[p] === 48) ? fractionDigit : bytes[p] !== 48)) {
      q++
      while ((classes[bytes[q]!]! & digit) !== 0) q++
      if ((bytes[q]! | 32) === 101) {
        let e = q + 1
        if (bytes[e] === 43 || bytes[e] === 45) e++
        if ((classes[bytes[e]!]! & digit) !== 0) {
          do e++
          while ((classes[bytes[e]!]! & digit) !== 0)
          q = e
        }
      }
      this.token = Token.Float
    } else {
      this.token = Token.Integer
    }
    this.end = q
  }

  /** The source from `start` to `end`; refuses NUL bytes. */
  #sliceWithoutNull(start: number, end: number): ByteString {
    return this.#withoutNull(this.source.substring(start, end), start, end)
  }

  #withoutNull(text: ByteString, start: number, end: number): ByteString {
    if (text.includes("\0")) this.fail({ _tag: "NullByte", text: text.replaceAll("\0", "\xe2\x90\x80") }, start, end)
    return text
  }

  /** Text of a `"…"` string from `end` on, unescaped, up to and with the `"` or `${` that ends it. */
  stringPart(): number {
    const bytes = this.bytes
    const from = this.end
    let p = from
    let plain = true
    let null_ = false
    for (;;) {
      const c = bytes[p]!
      if (c === 34) break
      if (c === 92) {
        plain = false
        p += 2
        if (p > this.length) return this.#unterminated()
        continue
      }
      if (c === 36) {
        const d = bytes[p + 1]!
        if (d === 123) break
        // `$$` is a pair: the second one starts no antiquotation.
        p += d === 34 || d === 92 ? 1 : 2
        if (p > this.length) return this.#unterminated()
        if (d === 13) plain = false
        continue
      }
      if (c === 13) plain = false
      else if (c === 0) {
        if (p >= this.length) return this.#unterminated()
        null_ = true
      }
      p++
    }
    this.textStart = from
    this.textEnd = p
    this.text = plain ? this.source.substring(from, p) : this.#unescape(from, p)
    if (null_ || (!plain && this.text.includes("\0"))) this.#withoutNull(this.text, from, p)
    this.start = p
    if (bytes[p] === 34) {
      this.token = Token.Quote
      this.end = p + 1
      return Part.Close
    }
    this.token = Token.Interpolate
    this.end = p + 2
    return Part.Interpolation
  }

  #unterminated(): number {
    this.token = Token.End
    this.start = this.end = this.length
    return Part.End
  }

  /** `\n`, `\r`, `\t`; any other escaped byte stands for itself; CR and CR LF become LF. */
  #unescape(start: number, end: number): ByteString {
    const source = this.source
    let result = ""
    let from = start
    let p = start
    while (p < end) {
      const c = source.charCodeAt(p)
      if (c === 92) {
        result += source.substring(from, p)
        const d = source.charCodeAt(p + 1)
        if (d === 110) result += "\n"
        else if (d === 114) result += "\r"
        else if (d === 116) result += "\t"
        else result += source[p + 1]
        p += 2
        from = p
      } else if (c === 13) {
        result += `${source.substring(from, p)}\n`
        p++
        if (p < end && source.charCodeAt(p) === 10) p++
        from = p
      } else {
        p++
      }
    }
    return result + source.substring(from, end)
  }

  /**
   * The next piece of an indented string, from `end` on: `Text` (with `text`, and `textIsPlain` unless it was an escape), or its end
   * or `${`, which are stepped over.
   */
  indentedPart(): number {
    const bytes = this.bytes
    const from = this.end
    let p = from
    for (;;) {
      const c = bytes[p]!
      if (c === 36) {
        const d = bytes[p + 1]!
        if (d === 123 || d === 39 || p + 1 >= this.length) break
        p += 2
      } else if (c === 39) {
        const d = bytes[p + 1]!
        if (d === 39 || d === 36 || p + 1 >= this.length) break
        p += 2
      } else if (c === 0 && p >= this.length) {
        break
      } else {
        p++
      }
    }
    this.start = from
    if (p > from) {
      this.textIsPlain = true
      this.textStart = from
      this.textEnd = this.end = p
      this.text = this.#sliceWithoutNull(from, p)
      return Part.Text
    }
    if (p >= this.length) return this.#unterminated()
    if (bytes[p] === 36) {
      if (bytes[p + 1] === 123) {
        this.token = Token.Interpolate
        this.end = p + 2
        return Part.Interpolation
      }
      return this.#escape("$", 1)
    }
    if (bytes[p + 1] !== 39) return this.#escape("'", 1)
    const c = bytes[p + 2]!
    if (c === 36) return this.#escape("$", 3)
    if (c === 39) return this.#escape("''", 3)
    if (c === 92 && p + 3 < this.length) {
      const text = this.#unescape(p + 2, p + 4)
      return this.#escape(this.#withoutNull(text, p, p + 4), 4)
    }
    this.token = Token.IndentedClose
    this.end = p + 2
    return Part.Close
  }

  #escape(text: ByteString, length: number): number {
    this.textIsPlain = false
    this.text = text
    this.textStart = this.start
    this.textEnd = this.end = this.start + length
    return Part.Text
  }

  /** What follows a piece of path at `end`: `Text`, `Interpolation` (stepped over), or `Close`. Refuses a path that ends in a slash. */
  pathPart(): number {
    const bytes = this.bytes
    const from = this.end
    let p = from
    while ((classes[bytes[p]!]! & pathByte) !== 0) p++
    if (bytes[p] === 47) p = this.#pathSegments(p)
    this.previousEnd = from
    if (p > from) {
      this.start = from
      this.textStart = from
      this.textEnd = this.end = p
      this.text = this.source.substring(from, p)
      return Part.Text
    }
    if (bytes[p] === 36 && bytes[p + 1] === 123) {
      this.start = p
      this.token = Token.Interpolate
      this.end = p + 2
      return Part.Interpolation
    }
    if (bytes[p - 1] === 47) {
      if (p >= this.length) this.fail({ _tag: "PathTrailingSlash" }, this.start, p)
      this.fail({ _tag: "PathTrailingSlash" }, p, p + 1)
    }
    if (p >= this.length) this.#endPlace = this.start
    return Part.Close
  }
}
