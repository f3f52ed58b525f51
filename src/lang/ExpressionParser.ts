/**
 * The grammar of expressions: recursive descent with precedence climbing, one token ahead. Pure but for the state of a parse (`Source.ts`).
 */
import {
  binding,
  bindingList,
  closeBraces,
  formal,
  formals,
  lambda,
  legacyLet,
  name,
  nameEnd,
  nameStart,
  nameTokens,
  none
} from "./BindingParser.ts"
import { closeSet, paths, recordCells } from "./Bindings.ts"
import * as How from "./How.ts"
import * as Kind from "./Kind.ts"
import { end, next, previousEnd, start, symbol, token } from "./Lexer.ts"
import { expect, float, indented, integer, pathLiteral, quoted, tellLiteral, textNode, unexpected, variable } from "./LiteralParser.ts"
import { append, depth, flush, node1, node2, node3, nodes, pop, push, push3, stack } from "./NodeBuffer.ts"
import { fail, source } from "./Source.ts"
import { symbolOf } from "./SymbolTable.ts"
import { text } from "./TextLexer.ts"
import * as Token from "./Token.ts"

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

/** Tokens after which an operand that was read is a whole expression. */
const endsExpression = new Uint8Array(64)
for (const token of [
  Token.End,
  Token.Semicolon,
  Token.Comma,
  Token.CloseParen,
  Token.CloseBrace,
  Token.CloseBracket,
  Token.Then,
  Token.Else,
  Token.In
]) {
  endsExpression[token] = 1
}

/** How much deeper expressions may nest. */
let depthLeft = 0

const tooDeep: () => never = () => fail({ _tag: "TooDeep" }, start, end)

/** Begins with expressions that may nest so deep. */
export const openExpressions = (maxDepth: number): void => {
  depthLeft = maxDepth
}

/** Parses an expression from the current token on; returns its node. */
export const expression = (): number => {
  if (--depthLeft < 0) tooDeep()
  const node = token === Token.Identifier ? fromIdentifier() : openExpression()
  depthLeft++
  return node
}

/** An expression that starts with an identifier. */
const fromIdentifier = (): number => {
  const from = start
  const to = end
  const found = symbol
  next()
  if (endsExpression[token] === 1) return variable(found, from, to)
  if (token === Token.Colon) {
    next()
    const body = expression()
    const node = node3(Kind.Lambda, from, previousEnd, found, 0, body)
    append(0)
    return node
  }
  if (token === Token.At) return namedArguments(found, from)
  return pipes(variable(found, from, to))
}

/** `name@{…}: body` after its name. */
const namedArguments = (found: number, from: number): number => {
  next()
  if (token !== Token.OpenBrace) unexpected([Token.OpenBrace])
  next()
  const base = depth
  const closed = formals(false)
  return lambda(from, base, closed, found, [Token.Colon])
}

const openExpression = (): number => {
  switch (token) {
    case Token.OpenBrace:
      return braces()
    case Token.If:
      return conditional()
    case Token.Let:
      return letIn()
    case Token.With:
      return withScope(Kind.With)
    case Token.Assert:
      return withScope(Kind.Assert)
    default:
      return pipes(-1)
  }
}

const conditional = (): number => {
  const from = start
  next()
  const condition = expression()
  expect(Token.Then)
  const then = expression()
  expect(Token.Else)
  const otherwise = expression()
  return node3(Kind.If, from, previousEnd, condition, then, otherwise)
}

const letIn = (): number => {
  const whole = start
  // From after the word, so that an empty `let in` has a span too.
  const from = end
  next()
  if (token === Token.OpenBrace) return pipes(legacyLet(whole))
  const base = depth
  const pathBase = paths.length
  bindingList(Token.In, base)
  let dynamic = false
  for (let i = base; i < depth && !dynamic; i += recordCells) {
    const how = stack[i + 2]
    dynamic = how === How.Dynamic || (how === How.Path && paths[stack[i]!]![0]! < 0)
  }
  const set = closeSet(base, pathBase, from, previousEnd, 1)
  next()
  const body = expression()
  if (dynamic) fail({ _tag: "DynamicAttribute", where: "let" }, whole, previousEnd)
  return node2(Kind.Let, whole, previousEnd, set, body)
}

/** `with` or `assert`. */
const withScope = (kind: number): number => {
  const from = start
  next()
  const subject = expression()
  expect(Token.Semicolon)
  const body = expression()
  return node2(kind, from, previousEnd, subject, body)
}

/** An expression that starts with `{`: a function with named arguments, or an operand that is a set. */
const braces = (): number => {
  const from = start
  const base = depth
  next()
  switch (token) {
    case Token.CloseBrace: {
      const after = next()
      if (after === Token.Colon || after === Token.At) return lambda(from, base, 1, -1, none)
      return pipes(closeSet(base, paths.length, from, previousEnd, 0))
    }
    case Token.Ellipsis:
      return lambda(from, base, formals(false), -1, [Token.Colon, Token.At])
    case Token.Identifier: {
      const found = symbol
      const at = start
      const after = next()
      if (after === Token.Comma || after === Token.Question || after === Token.CloseBrace) {
        formal(found, at)
        return lambda(from, base, formals(true), -1, [Token.Colon, Token.At])
      }
      const pathBase = paths.length
      binding(found, at)
      return pipes(closeBraces(base, pathBase, from, 0, false))
    }
  }
  return pipes(closeBraces(base, paths.length, from, 0, false))
}

/** Operators and pipes. `first`: an operand that was read already, or -1. */
const pipes = (first: number): number => {
  const left = operators(0, first)
  return token === Token.PipeInto || token === Token.PipeFrom ? piped(left) : left
}

const piped = (first: number): number => {
  let left = first
  if (token === Token.PipeInto) {
    do {
      const from = start
      const to = end
      next()
      left = call(operators(0, -1), left, from, to)
    } while (token === Token.PipeInto)
    return left
  }
  const base = depth
  push(left)
  do {
    push(start)
    next()
    push(operators(0, -1))
  } while (token === Token.PipeFrom)
  left = pop()
  for (let pairs = (depth - base) / 2; pairs > 0; pairs--) {
    const from = pop()
    left = call(pop(), left, from, from + 2)
  }
  return left
}

/** `callee argument`; joins the arguments when the callee is a call itself, as Nix does. */
const call = (callee: number, argument: number, from: number, to: number): number => {
  const base = depth
  push(argument)
  return closeCall(callee, base, from, to)
}

/** A call whose arguments stand on the stack. */
const closeCall = (callee: number, base: number, from: number, to: number): number => {
  if (nodes[callee] === Kind.Call) return joinCall(callee, base, to)
  const node = node2(Kind.Call, from, to, callee, depth - base)
  flush(base)
  return node
}

/** The same where the callee is a call. */
const joinCall = (callee: number, base: number, to: number): number => {
  const count = nodes[callee + 4]!
  const added = depth - base
  const node = node2(Kind.Call, nodes[callee + 1]!, Math.max(to, nodes[callee + 2]!), nodes[callee + 3]!, count + added)
  for (let i = 0; i < count; i++) append(nodes[callee + 5 + i]!)
  flush(base)
  return node
}

/** Operators that bind at least as tightly as `least`. */
const operators = (least: number, first: number): number => {
  let left: number
  if (first < 0 && (token === Token.Not || token === Token.Minus)) left = prefix()
  else left = application(first)
  for (;;) {
    const operator = token
    const power = precedence[operator]!
    if (power === 0 || power < least) return left
    const from = start
    const to = end
    next()
    if (operator === Token.Question) {
      left = path(Kind.HasAttribute, left, nodes[left + 1]!)
      continue
    }
    const side = associativity[operator]!
    if (side === 1 && --depthLeft < 0) tooDeep()
    const right = operators(side === 1 ? power : power + 1, -1)
    if (side === 1) depthLeft++
    left = node2(kindOf[operator]!, from, to, left, right)
    if (side === 2 && precedence[token] === power) unexpected(none)
  }
}

const prefix = (): number => {
  const from = start
  const operator = token
  if (--depthLeft < 0) tooDeep()
  next()
  const operand = operators(operator === Token.Not ? notOperand : negateOperand, -1)
  depthLeft++
  return node1(operator === Token.Not ? Kind.Not : Kind.Negate, from, previousEnd, operand)
}

/** Function application. */
const application = (first: number): number => {
  const from = first >= 0 ? nodes[first + 1]! : start
  const callee = select(first, from)
  if (startsSimple[token] === 0) return callee
  const base = depth
  do push(select(-1, start))
  while (startsSimple[token] !== 0)
  return closeCall(callee, base, from, previousEnd)
}

/** `simple`, `simple.a.b`, `simple.a.b or default`, and the call `simple or`. */
const select = (first: number, from: number): number => {
  const subject = first >= 0 ? first : simple()
  if (token === Token.Dot) {
    next()
    return path(Kind.Select, subject, from)
  }
  return token === Token.OrWord ? callOnOr(subject, from) : subject
}

/** `simple or`: a word that once was a plain identifier, so this applies `simple` to the variable `or`. */
const callOnOr = (subject: number, from: number): number => {
  const argument = variable(symbolOf("or"), from, end)
  next()
  // A call of its own: Nix joins no arguments here.
  const node = node2(Kind.Call, from, previousEnd, subject, 1)
  append(argument)
  return node
}

/** An attribute path after `.` or `?`, and the node that holds it. */
const path = (kind: number, subject: number, from: number): number => {
  const base = depth
  for (;;) {
    const found = name(nameTokens)
    push3(found, nameStart, nameEnd)
    if (token !== Token.Dot) break
    next()
  }
  const count = (depth - base) / 3
  let node: number
  if (kind === Kind.Select) {
    const fallback = token === Token.OrWord ? defaultValue() : -1
    node = node3(kind, from, previousEnd, subject, fallback, count)
  } else {
    node = node2(kind, from, previousEnd, subject, count)
  }
  flush(base)
  return node
}

/** What follows the word `or`. */
const defaultValue = (): number => {
  if (--depthLeft < 0) tooDeep()
  next()
  const node = select(-1, start)
  depthLeft++
  return node
}

const simple = (): number => {
  const from = start
  const to = end
  switch (token) {
    case Token.Identifier: {
      const found = symbol
      next()
      return variable(found, from, to)
    }
    case Token.Quote: {
      let node = quoted(from)
      if (node < 0) node = textNode(Kind.String, text, from, end)
      next()
      return node
    }
    case Token.IndentedOpen:
      return indented(from)
    case Token.OpenParen: {
      next()
      const node = expression()
      expect(Token.CloseParen)
      return node
    }
    case Token.OpenBracket:
      return list(from)
    case Token.OpenBrace: {
      next()
      return closeBraces(depth, paths.length, from, 0, false)
    }
    case Token.Path:
    case Token.HomePath:
      return pathLiteral(from)
    default:
      return otherSimple(from, to)
  }
}

const list = (from: number): number => {
  if (--depthLeft < 0) tooDeep()
  next()
  const base = depth
  while (startsSimple[token] !== 0) push(select(-1, start))
  if (token !== Token.CloseBracket) unexpected(none)
  next()
  depthLeft++
  const node = node1(Kind.List, from, previousEnd, depth - base)
  flush(base)
  return node
}

const otherSimple = (from: number, to: number): number => {
  switch (token) {
    case Token.Rec: {
      next()
      expect(Token.OpenBrace)
      return closeBraces(depth, paths.length, from, 1, true)
    }
    case Token.Let:
      next()
      return legacyLet(from)
    case Token.Integer:
      return integer(from, to)
    case Token.Float:
      return float(from, to)
    case Token.SearchPath:
      next()
      return textNode(Kind.SearchPath, source.substring(from + 1, to - 1), from, to)
    case Token.Uri:
      tellLiteral("url", from, to)
      next()
      return textNode(Kind.String, source.substring(from, to), from, to)
    default:
      unexpected(none)
  }
}
