import { assert, describe, it } from "@effect/vitest"
import { ParseError } from "../../src/lang/ParseError.ts"
import { positionOf } from "../../src/lang/Position.ts"
import { checkScopes } from "../../src/lang/Scope.ts"
import { closestNames, didYouMean } from "../../src/lang/Suggestions.ts"
import { parseText } from "./Trees.ts"

const globals = ["true", "false", "null", "builtins", "map", "toString"]

/** `name:column` of the first variable that nothing binds; `undefined` when all are bound. */
const unbound = (source: string): string | undefined => {
  try {
    checkScopes(parseText(source), (name) => globals.includes(name), globals)
    return undefined
  } catch (error) {
    if (!(error instanceof ParseError) || error.reason._tag !== "UndefinedVariable") throw error
    assert.strictEqual(error.message, `undefined variable '${error.reason.name}'`)
    return `${error.reason.name}:${positionOf(error.span).column}`
  }
}

describe("variables", () => {
  it("are bound by functions, in bodies and defaults", () => {
    assert.isUndefined(unbound("x: x"))
    assert.isUndefined(unbound("{ a, b ? a }@c: [ a b c ]"))
    assert.isUndefined(unbound("c@{ a ? b, b ? c }: 1"))
    assert.strictEqual(unbound("x: y"), "y:4")
    assert.strictEqual(unbound("(x: x) x"), "x:8")
    assert.strictEqual(unbound("{ a ? b }: 1"), "b:7")
    assert.strictEqual(unbound("({ a }: a) b"), "b:12")
  })

  it("are bound by let and rec, in any order, and by nothing else", () => {
    assert.isUndefined(unbound("let a = b; b = a; in a"))
    assert.isUndefined(unbound("rec { a = b; b = 1; }"))
    assert.isUndefined(unbound("let { a = 1; body = a; }"))
    assert.isUndefined(unbound("let a.b = 1; a.c = a; in a"))
    assert.strictEqual(unbound("{ a = 1; b = a; }"), "a:14")
    assert.strictEqual(unbound("(let a = 1; in a) a"), "a:19")
    assert.strictEqual(unbound("[ (rec { a = 1; }) a ]"), "a:20")
    assert.strictEqual(unbound("rec { a.b = 1; c = b; }"), "b:20")
    assert.isUndefined(unbound("rec { a = { b = 1; }; a.c = a; }"))
  })

  it("come from outside when inherited, even into a rec", () => {
    assert.strictEqual(unbound("{ inherit a; }"), "a:11")
    assert.strictEqual(unbound("rec { inherit a; }"), "a:15")
    assert.strictEqual(unbound("let inherit a; in 1"), "a:13")
    assert.isUndefined(unbound("a: rec { inherit a; b = a; }"))
    assert.isUndefined(unbound("a: let inherit a; in a"))
    assert.strictEqual(unbound("{ inherit __curPos; }"), "__curPos:11")
  })

  it("may be bound by the rec that inherits from them", () => {
    assert.isUndefined(unbound("rec { s = { }; inherit (s) a; b = a; }"))
    assert.isUndefined(unbound("let inherit (s) a; s = { }; in a"))
    assert.strictEqual(unbound("{ inherit (s) a; s = { }; }"), "s:12")
  })

  it("are looked for in dynamic names, in paths and in strings", () => {
    assert.strictEqual(unbound("{ ${a} = 1; }"), "a:5")
    assert.isUndefined(unbound("rec { a = 1; ${toString a} = a; }"))
    assert.strictEqual(unbound("{ }.${a}"), "a:7")
    assert.strictEqual(unbound("{ } ? x.${a}"), "a:11")
    assert.strictEqual(unbound('"${a}"'), "a:4")
    assert.strictEqual(unbound("''\n  ${a}''"), "a:5")
    assert.strictEqual(unbound("./x${a}"), "a:6")
    assert.strictEqual(unbound("{ }.x or a"), "a:10")
    assert.strictEqual(unbound("x: x or"), "or:4")
  })

  it("may be anything inside a with, but not before it", () => {
    assert.isUndefined(unbound("with { }; a"))
    assert.isUndefined(unbound("with { }; x: { ${a} = b; }"))
    assert.strictEqual(unbound("with a; b"), "a:6")
    assert.isUndefined(unbound("with { }; with a; b"))
    assert.strictEqual(unbound("[ (with { }; a) b ]"), "b:17")
    assert.strictEqual(unbound("f: f (with { }; a) (with { }; b) c"), "c:34")
  })

  it("may be global, and a global stays global wherever it was shadowed", () => {
    assert.isUndefined(unbound("map"))
    assert.isUndefined(unbound("[ map (map: map) (let map = 1; in map) map ]"))
  })

  it("are looked for left to right", () => {
    assert.strictEqual(unbound("a b"), "a:1")
    assert.strictEqual(unbound("if a then b else c"), "a:4")
    assert.strictEqual(unbound("a + b"), "a:1")
    assert.strictEqual(unbound("a > b"), "b:5")
    assert.strictEqual(unbound("{ x = a; y = b; }"), "a:7")
    assert.strictEqual(unbound("let x = a; in b"), "a:9")
    assert.strictEqual(unbound("assert a; b"), "a:8")
  })

  it("do not leave a scope open for what follows, however scopes nest", () => {
    const source = (last: string): string => `[ (a: { b ? a }: let c = b; inherit (c) d; in rec { e = d; f = with e; g; }) ${last} ]`
    assert.isUndefined(unbound(source("null")))
    for (const name of ["a", "b", "c", "d", "e", "f", "g"]) assert.strictEqual(unbound(source(name)), `${name}:${source("").length - 1}`)
  })
})

describe("global names of a tree", () => {
  const used = (source: string): ReadonlyArray<string> => {
    const syntax = parseText(source)
    return checkScopes(syntax, (name) => globals.includes(name)).map((symbol) => syntax.symbols[symbol]!)
  }

  it("are those that nothing in it binds, each once, without what only a `with` may bind", () => {
    assert.deepStrictEqual(used("[ true (map: map null) map map { inherit builtins; } ]"), ["true", "null", "map", "builtins"])
    assert.deepStrictEqual(used("with { }; null"), [])
  })
})

describe("suggestions", () => {
  const suggested = (source: string): ReadonlyArray<string> => {
    try {
      checkScopes(parseText(source), (name) => globals.includes(name), globals)
    } catch (error) {
      if (error instanceof ParseError && error.reason._tag === "UndefinedVariable") return error.reason.suggestions
      throw error
    }
    return assert.fail("nothing is undefined")
  }

  it("are the names in scope and the globals, nearest first", () => {
    assert.deepStrictEqual(suggested("let package = 1; packages = 2; in packge"), ["package", "packages"])
    assert.deepStrictEqual(suggested("nul"), ["null"])
    assert.deepStrictEqual(suggested("as: bs: y"), [])
    assert.deepStrictEqual(suggested("[ (stdenv: 1) stdnv ]"), [])
    assert.deepStrictEqual(suggested("stdenv: map (x: stdnv) tostring"), ["stdenv"])
  })

  it("are at most five within two edits, each once", () => {
    assert.deepStrictEqual(closestNames("abc", ["abcd", "abcd", "ab", "xbc", "abcde", "abcdef", "bca", "ac", "zz", "acb"]), [
      "ab",
      "abcd",
      "ac",
      "xbc",
      "abcde"
    ])
    assert.deepStrictEqual(closestNames("x".repeat(100_000), ["x".repeat(100_001)]), [])
  })

  it("read as a question", () => {
    assert.strictEqual(didYouMean([]), "")
    assert.strictEqual(didYouMean(["a"]), "Did you mean a?")
    assert.strictEqual(didYouMean(["a", "b"]), "Did you mean one of a or b?")
    assert.strictEqual(didYouMean(["a", "b", "c"]), "Did you mean one of a, b or c?")
  })
})
