/**
 * Names, bindings of sets and `let`, and the named arguments of functions. Pure but for the state of a parse (`Source.ts`).
 */
import { closeSet, define, newSet, openBindings, paths } from "./Bindings.ts"
import * as How from "./How.ts"
import * as Kind from "./Kind.ts"
import { next, previousEnd, start, symbol, token } from "./Lexer.ts"
import { antiquotation, expect, quoted, strings, unexpected } from "./LiteralParser.ts"
import { append, depth, flush, node1, node3, nodes, push3, push4, stack } from "./NodeBuffer.ts"
import { expression } from "./ExpressionParser.ts"
import { fail } from "./Source.ts"
import { nameOf, symbolOf } from "./SymbolTable.ts"
import { text } from "./TextLexer.ts"
import * as Token from "./Token.ts"

/** What may start a name. */
export const nameTokens = [Token.Identifier, Token.OrWord, Token.Interpolate, Token.Quote]
/** For places where more tokens would do than a message lists. */
export const none: ReadonlyArray<number> = []
/** Functions with more named arguments than this are checked for duplicates by hashing. */
const fewFormals = 12

/** Whether each binding is checked against those before it at once, instead of all at the end of the set. */
let checkEarly = false
/** Whether the end of the text closes a binding, too. */
let lastSemicolonOptional = false
/** Where the name that `name` read last stands. */
export let nameStart = 0
export let nameEnd = 0

/** Begins with a source. */
export const openParser = (early: boolean, semicolonOptional: boolean): void => {
  openBindings()
  checkEarly = early
  lastSemicolonOptional = semicolonOptional
}

/** A name: a symbol, or `~node`. Sets `nameStart` and `nameEnd`. */
export const name = (expected: ReadonlyArray<number>): number => {
  if (token !== Token.Identifier) return otherName(expected)
  const found = symbol
  nameStart = start
  next()
  nameEnd = previousEnd
  return found
}

/** A name that is not written as an identifier. */
const otherName = (expected: ReadonlyArray<number>): number => {
  const from = start
  let found: number
  switch (token) {
    case Token.OrWord:
      found = symbolOf("or")
      break
    case Token.Quote: {
      const node = quoted(from)
      found = node < 0 ? symbolOf(text) : ~node
      break
    }
    case Token.Interpolate: {
      const node = antiquotation()
      found = nodes[node] === Kind.String ? symbolOf(strings[nodes[node + 3]!]!) : ~node
      break
    }
    default:
      unexpected(expected)
  }
  next()
  nameStart = from
  nameEnd = previousEnd
  return found
}

/**
 * Bindings up to the token that closes them, which stays current: `close`, or `}` when it is -1. The records are pushed. `close` is
 * the token that a message names beside `inherit`; `base` is where the records of the set begin.
 */
export const bindingList = (close: number, base: number): void => {
  const closing = close < 0 ? Token.CloseBrace : close
  const set = checkEarly ? newSet(0, 0, 0) : undefined
  let unchecked = base
  for (;;) {
    if (set !== undefined) {
      define(set, unchecked)
      unchecked = depth
    }
    if (token === Token.Identifier) {
      const from = start
      const first = symbol
      next()
      binding(first, from)
    } else if (token === closing) {
      return
    } else {
      otherBinding(close)
    }
  }
}

/** A binding that does not begin with an identifier. */
const otherBinding = (close: number): void => {
  switch (token) {
    case Token.Inherit:
      return inherit()
    case Token.OrWord:
    case Token.Quote:
    case Token.Interpolate: {
      const first = otherName(none)
      return binding(first, nameStart)
    }
    default:
      unexpected(close < 0 ? [Token.Inherit] : close < Token.Inherit ? [close, Token.Inherit] : [Token.Inherit, close])
  }
}

/** The rest of `name.b.c = value;`, from after its first name on. */
export const binding = (first: number, from: number): void => {
  let found = first
  let how: number = How.Plain
  if (token === Token.Dot) {
    found = attributePath(first)
    how = How.Path
  } else if (first < 0) {
    how = How.Dynamic
    found = ~first
  }
  if (token !== Token.Assign) unexpected([Token.Dot, Token.Assign])
  next()
  const value = expression()
  closeBinding()
  push4(found, from, how, value)
}

/** The rest of a path of names that are bound, from after the first on: its index. */
const attributePath = (first: number): number => {
  const path = [first]
  do {
    next()
    path.push(name(nameTokens))
  } while (token === Token.Dot)
  return paths.push(path) - 1
}

const inherit = (): void => {
  next()
  let source = -1
  if (token === Token.OpenParen) {
    next()
    source = expression()
    expect(Token.CloseParen)
    push4(-1, -1, How.Source, source)
  }
  while (!atEnd()) {
    const from = start
    const found = name(none)
    if (found < 0) fail({ _tag: "DynamicAttribute", where: "inherit" }, from, nameEnd)
    // Not `variable`: an inherited `__curPos` is a variable of that name.
    if (source >= 0) push4(found, from, How.InheritFrom, -1)
    else push4(found, from, How.Inherit, node1(Kind.Variable, from, nameEnd, found))
  }
  closeBinding()
}

/** Whether a binding ends here. */
const atEnd = (): boolean => token === Token.Semicolon || (lastSemicolonOptional && token === Token.End)

/** The semicolon after a binding. */
const closeBinding = (): void => {
  if (token === Token.Semicolon) next()
  else if (!atEnd()) unexpected([Token.Semicolon])
}

/** The rest of a set, from its first (or next) binding on to `}`. */
export const closeBraces = (base: number, pathBase: number, from: number, recursive: number, listsBrace: boolean): number => {
  bindingList(listsBrace ? Token.CloseBrace : -1, base)
  next()
  return closeSet(base, pathBase, from, previousEnd, recursive)
}

/** `let { …, body = … }` means `(rec { …, body = … }).body`. */
export const legacyLet = (from: number): number => {
  expect(Token.OpenBrace)
  const set = closeBraces(depth, paths.length, from, 1, true)
  const to = previousEnd
  const node = node3(Kind.Select, from, to, set, -1, 1)
  append(symbolOf("body"))
  append(from)
  append(to)
  return node
}

/** Named arguments up to and with `}`, pushed as (symbol, start, default). 1 when closed, 2 when `...` was there. */
export const formals = (afterFormal: boolean): number => {
  let first = !afterFormal
  for (;;) {
    if (!first) {
      if (token === Token.CloseBrace) {
        next()
        return 1
      }
      if (token !== Token.Comma) unexpected([Token.CloseBrace, Token.Comma])
      next()
    }
    first = false
    if (token === Token.Identifier) {
      const found = symbol
      const from = start
      next()
      formal(found, from)
    } else if (token === Token.Ellipsis) {
      next()
      expect(Token.CloseBrace)
      return 2
    } else if (token !== Token.CloseBrace) {
      unexpected([Token.Identifier, Token.Ellipsis, Token.CloseBrace])
    } else {
      next()
      return 1
    }
  }
}

/** One named argument whose name was read. */
export const formal = (found: number, from: number): void => {
  let fallback = -1
  if (token === Token.Question) {
    next()
    fallback = expression()
  }
  push3(found, from, fallback)
}

/** A function whose named arguments stand on the stack: `@ name` (unless it came first), `:`, body. */
export const lambda = (from: number, base: number, closed: number, before: number, expected: ReadonlyArray<number>): number => {
  let parameter = before
  if (token === Token.At && before < 0) {
    if (next() !== Token.Identifier) unexpected([Token.Identifier])
    parameter = symbol
    next()
    expect(Token.Colon)
  } else {
    if (token !== Token.Colon) unexpected(expected)
    next()
  }
  const body = expression()
  checkFormals(base, depth, parameter, from)
  const node = node3(Kind.Lambda, from, previousEnd, parameter, closed, body)
  append((depth - base) / 3)
  flush(base)
  return node
}

/** Refuses names that occur twice; of several, the one that was first seen in the file. */
const checkFormals = (base: number, top: number, parameter: number, from: number): void => {
  let duplicate = -1
  let place = 0
  if (top - base <= fewFormals * 3) {
    for (let i = base + 3; i < top; i += 3) {
      const found = stack[i]!
      if (duplicate >= 0 && found >= duplicate) continue
      for (let j = base; j < i; j += 3) {
        if (stack[j] !== found) continue
        duplicate = found
        place = stack[i + 1]!
        break
      }
    }
  } else {
    const seen = new Set<number>()
    for (let i = base; i < top; i += 3) {
      const found = stack[i]!
      if (!seen.has(found)) seen.add(found)
      else if (duplicate < 0 || found < duplicate) {
        duplicate = found
        place = stack[i + 1]!
      }
    }
  }
  if (duplicate >= 0) {
    const twice = nameOf(duplicate)
    fail({ _tag: "DuplicateFormal", name: twice }, place, place + twice.length)
  }
  if (parameter < 0) return
  for (let i = base; i < top; i += 3) {
    if (stack[i] === parameter) fail({ _tag: "DuplicateFormal", name: nameOf(parameter) }, from, previousEnd)
  }
}
