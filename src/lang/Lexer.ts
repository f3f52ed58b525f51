/**
 * Bytes to tokens.
 *
 * The parser steps with `next` and, inside strings and paths, with what `TextLexer.ts` has, since what a byte means depends on where it stands. Always the longest match, as
 * in Nix's lexer: `a/b` is a path, `a:b` a URI, `a.b/c` a path. Positions are byte offsets. Identifiers are interned while they are read: no string is made for a name seen
 * before. What is rare stands in functions of its own, so that the engine soon compiles what is not. Pure but for the state of a parse (`Source.ts`).
 */
import { classes, digit, inName, leads } from "./Characters.ts"
import * as Lead from "./Lead.ts"
import { hashSteps } from "./NameHash.ts"
import { bytes, fail, hasReturns, length, source } from "./Source.ts"
import { intern, keywordToken } from "./SymbolTable.ts"
import * as Token from "./Token.ts"
import { digitsEnd, floatEnd, homePathEnd, openWords, pathEnd, searchPathEnd, uriEnd } from "./WordEnds.ts"

/** The current token. */
export let token: number = Token.End
/** Its first byte. */
export let start = 0
/** The byte after it; where `next` goes on. */
export let end = 0
/** The end of the token before it. */
export let previousEnd = 0
/** The symbol of the current identifier. */
export let symbol = -1

/** Where the end of the source is reported; Nix has it at the start of a path that the source ends with. */
let endPlace = 0
let pipeOperators = false

/** Begins with a source; `pipes`: whether `|>` and `<|` are tokens. */
export const openTokens = (pipes: boolean): void => {
  openWords()
  token = Token.End
  start = 0
  end = 0
  previousEnd = 0
  endPlace = length
  pipeOperators = pipes
}

/** Says what the current token is, where text was read. */
export const stand = (what: number, from: number, to: number): void => {
  token = what
  start = from
  end = to
}

/** Says where the end of the source is reported. */
export const reportEndAt = (place: number): void => {
  endPlace = place
}

/** Steps to the next token outside strings and paths. Returns it. */
export const next = (): number => {
  const b = bytes
  let p = end
  previousEnd = p
  let c = b[p]!
  while (c === 32 || c === 10) c = b[++p]!
  let lead = leads[c]!
  if (lead === Lead.Blank) {
    p = blanksEnd(p)
    c = b[p]!
    lead = leads[c]!
  }
  start = p
  if (lead < Lead.Blank) {
    token = lead
    end = p + 1
    return lead
  }
  if (lead !== Lead.Name) {
    other(p, c)
    return token
  }

  let hash = hashSteps[c]!
  let q = p + 1
  let d = b[q]!
  while (inName[d] === 1) {
    hash = (hash >>> 8) ^ hashSteps[(hash ^ d) & 255]!
    d = b[++q]!
  }
  if (inName[d] === 2 && longWord(p)) return token
  end = q
  const word = intern(p, q, hash)
  if (word < 0) return (token = keywordToken(word))
  symbol = word
  return (token = Token.Identifier)
}

/** The end of a comment up to the end of its line. */
const lineEnd = (from: number): number => {
  if (!hasReturns) {
    const newline = source.indexOf("\n", from)
    return newline < 0 ? length : newline
  }
  let p = from
  while (p < length && bytes[p] !== 10 && bytes[p] !== 13) p++
  return p
}

/** The end of blanks and comments. */
const blanksEnd = (from: number): number => {
  const b = bytes
  let p = from
  for (;;) {
    const c = b[p]!
    if (c === 32 || c === 10 || c === 9 || c === 13) p++
    else if (c === 35) p = lineEnd(p)
    else if (c === 47 && b[p + 1] === 42) {
      const close = source.indexOf("*/", p + 2)
      // Without an end it is no comment but a division sign.
      if (close < 0) return p
      p = close + 2
    } else return p
  }
}

/** Takes a path or URI that begins at `p`, whatever shorter token does too. */
const longWord = (p: number): boolean => {
  let q = pathEnd(p)
  let what: number = Token.Path
  if (q < 0) {
    q = uriEnd(p)
    if (q < 0) return false
    what = Token.Uri
  }
  token = what
  end = q
  return true
}

const number = (p: number): void => {
  const float = floatEnd(p)
  token = float < 0 ? Token.Integer : Token.Float
  end = float < 0 ? digitsEnd(p) : float
}

const take = (what: number, bytesTaken: number): void => {
  token = what
  end = start + bytesTaken
}

/** The next token, whose first byte `c` at `p` does not settle it. */
const other = (p: number, c: number): void => {
  const d = bytes[p + 1]!
  switch (c) {
    case 61: // =
      return d === 61 ? take(Token.Equal, 2) : take(Token.Assign, 1)
    case 46: // .
      if (longWord(p)) return
      if (d === 46 && bytes[p + 2] === 46) return take(Token.Ellipsis, 3)
      return (classes[d]! & digit) !== 0 ? number(p) : take(Token.Dot, 1)
    case 39: // '
      return d === 39 ? indentedOpen(p) : take(Token.Invalid, 1)
    case 36: // $
      return d === 123 ? take(Token.Interpolate, 2) : take(Token.Invalid, 1)
    case 43: // +
      if (longWord(p)) return
      return d === 43 ? take(Token.Concat, 2) : take(Token.Plus, 1)
    default:
      rare(p, c, d)
  }
}

/** The quotes that open an indented string, and the rest of their line if it is blank. */
const indentedOpen = (p: number): void => {
  let q = p + 2
  while (bytes[q] === 32) q++
  token = Token.IndentedOpen
  end = bytes[q] === 10 ? q + 1 : p + 2
}

const pipe = (what: number): void => {
  if (!pipeOperators) fail({ _tag: "FeatureDisabled", feature: "pipe-operators" }, start, start + 2)
  take(what, 2)
}

/** Takes a token that ends there, if it does. */
const takeUpTo = (what: number, to: number): boolean => {
  if (to < 0) return false
  token = what
  end = to
  return true
}

const rare = (p: number, c: number, d: number): void => {
  switch (c) {
    case 45: // -
      if (longWord(p)) return
      return d === 62 ? take(Token.Implies, 2) : take(Token.Minus, 1)
    case 47: // /
      if (d === 47) return take(Token.Update, 2)
      return longWord(p) ? undefined : take(Token.Slash, 1)
    case 33: // !
      return d === 61 ? take(Token.NotEqual, 2) : take(Token.Not, 1)
    case 60: // <
      if (takeUpTo(Token.SearchPath, searchPathEnd(p))) return
      if (d === 124) return pipe(Token.PipeFrom)
      return d === 61 ? take(Token.LessOrEqual, 2) : take(Token.Less, 1)
    case 62: // >
      return d === 61 ? take(Token.GreaterOrEqual, 2) : take(Token.Greater, 1)
    case 38: // &
      return d === 38 ? take(Token.And, 2) : take(Token.Invalid, 1)
    case 124: // |
      if (d === 62) return pipe(Token.PipeInto)
      return d === 124 ? take(Token.Or, 2) : take(Token.Invalid, 1)
    case 126: // ~
      return takeUpTo(Token.HomePath, homePathEnd(p)) ? undefined : take(Token.Invalid, 1)
    case 0:
      // A NUL byte in the source ends it, as it does for Nix; the error place is then after it.
      token = Token.End
      end = p < length ? p + 1 : p
      start = p < length ? end : endPlace
      return
    default:
      if ((classes[c]! & digit) === 0) return take(Token.Invalid, 1)
      if (!longWord(p)) number(p)
  }
}
