import { assert, describe, it } from "@effect/vitest"
import { parse } from "../../src/lang/Parser.ts"
import { ParseError } from "../../src/lang/ParseError.ts"
import { positionOf } from "../../src/lang/Position.ts"
import { print } from "../../src/lang/Printer.ts"
import { checkScopes } from "../../src/lang/Scope.ts"
import * as Kind from "../../src/lang/Kind.ts"
import type { Syntax } from "../../src/lang/Syntax.ts"
import { isWellFormed } from "../../src/lang/WellFormed.ts"
import { accepted, refused } from "./GrammarTable.ts"
import { makeProgram, numbers, parseText, refusal } from "./Trees.ts"

const wellFormed = (syntax: Syntax): boolean =>
  isWellFormed(syntax.nodes, syntax.root, {
    sourceLength: syntax.source.length,
    symbolCount: syntax.symbols.length,
    stringCount: syntax.strings.length
  })

describe("the grammar", () => {
  for (const [group, cases] of Object.entries(accepted)) {
    it(`reads ${group} as Nix does`, () => {
      for (const [source, printed] of cases) {
        const syntax = parseText(source)
        assert.strictEqual(print(syntax, { home: "/home/me" }), printed, JSON.stringify(source))
        assert.isTrue(wellFormed(syntax), JSON.stringify(source))
      }
    })
  }

  it("refuses what Nix refuses, in its words and at its place", () => {
    const globals = new Set(["true", "false", "null"])
    for (const [source, message, line, column] of refused) {
      try {
        checkScopes(parseText(source), (name) => globals.has(name))
        assert.fail(`accepted ${JSON.stringify(source)}`)
      } catch (error) {
        if (!(error instanceof ParseError)) throw error
        assert.deepStrictEqual({ source, message: error.message, ...positionOf(error.span) }, { source, message, line, column })
      }
    }
  })

  it("has pipes only when they are asked for", () => {
    const options = { pipeOperators: true }
    assert.strictEqual(refusal("1 |> f").reason._tag, "FeatureDisabled")
    assert.strictEqual(print(parseText("f: g: x: x |> f |> g", options)), "(f: (g: (x: (g (f x)))))")
    assert.strictEqual(print(parseText("f: g: x: g <| f <| x", options)), "(f: (g: (x: (g (f x)))))")
    assert.strictEqual(print(parseText("f: x: x -> x |> f 1", options)), "(f: (x: (f 1 (x -> x))))")
    assert.strictEqual(refusal("a |> f <| b", options).message, "syntax error, unexpected '<|', expecting end of file")
    assert.strictEqual(refusal("(g <| f |> x)", options).message, "syntax error, unexpected '|>', expecting ')'")
  })

  it("names the earlier definition of a duplicate", () => {
    const error = refusal("{ a.b = 1;\n  a = { b = 2; }; }")
    assert.strictEqual(error.message, "attribute 'a.b' already defined at /tmp/lang/t/x.nix:1:3")
    assert.deepStrictEqual(positionOf(error.span), { line: 2, column: 9 })
    assert.deepStrictEqual(error.related && positionOf(error.related), { line: 1, column: 3 })
  })

  it("never merges what stands under a dynamic name", () => {
    assert.isTrue(wellFormed(parseText("x: { ${x}.a = 1; ${x}.a = 2; b.${x}.c = 1; b.${x}.c = 2; }")))
    assert.match(refusal("x: { ${x}.a = { b = 1; b = 2; }; }").message, /^attribute 'b' already/)
    assert.match(refusal('x: { a = { ${x + "1"}.b = 1; }; a.c.d = 1; a.c.d = 2; }').message, /^attribute 'a.c.d' already/)
  })

  it("keeps the sources of merged sets apart, which Nix 2.34 mixes up", () => {
    const syntax = parseText("x: y: { a = { inherit (x) p; }; a = { inherit (y) q r; }; }")
    assert.strictEqual(print(syntax), "(x: (y: { a = { inherit (x) p; inherit (y) q r; }; }))")
    assert.isTrue(wellFormed(syntax))
  })

  it("reports the first mistake even when a set goes wrong later", () => {
    assert.match(refusal("{ a = 1; b = { a = 1; a = 2; }; ^ }").message, /already defined at .*:1:16$/)
    assert.match(refusal("{ a.x = 1; a.x = 2; b = ( }").message, /^attribute 'a.x'/)
    assert.match(refusal("{ b = ( ; a.x = 1; a.x = 2; }").message, /^syntax error, unexpected ';'/)
  })
})

describe("the tree", () => {
  const root = (source: string): ReadonlyArray<number> => {
    const { nodes, root } = parseText(source)
    return Array.from(nodes.subarray(root))
  }

  it("holds integers in two halves", () => {
    assert.deepStrictEqual(root("1"), [Kind.Int, 0, 1, 1, 0])
    assert.deepStrictEqual(root("4294967295"), [Kind.Int, 0, 10, -1, 0])
    assert.deepStrictEqual(root("999999999999999"), [Kind.Int, 0, 15, -1530494977, 232830])
    assert.deepStrictEqual(root("9223372036854775807"), [Kind.Int, 0, 19, -1, 0x7fffffff])
  })

  it("spans literals, names and sets whole, and binary operators by their sign, where Nix reports their errors", () => {
    assert.deepStrictEqual(root(" [1 2 ] ").slice(0, 4), [Kind.List, 1, 7, 2])
    assert.deepStrictEqual(root("x: /**/ x").slice(0, 3), [Kind.Lambda, 0, 9])
    assert.deepStrictEqual(root("10 == 20").slice(0, 3), [Kind.Equal, 3, 5])
    assert.deepStrictEqual(root("{ a = 1; } ").slice(0, 3), [Kind.AttributeSet, 0, 10])
  })

  it("joins the arguments of a call in one node", () => {
    const { nodes, root: at } = parseText("(f 1) (2) 3")
    assert.deepStrictEqual([nodes[at], nodes[at + 4]], [Kind.Call, 3])
  })

  it("numbers each name once, whether it is written bare, quoted or with escapes", () => {
    assert.deepStrictEqual(parseText('{ a.b = 1; "b".c = 1; "\\d" = 2; ${"e"}.d = 1; }').symbols, ["a", "b", "c", "d", "e"])
  })

  it("says where each part of a string or path stands, antiquotations by their sign", () => {
    const starts = (source: string): ReadonlyArray<number> => {
      const { nodes, root: at } = parseText(source)
      const count = nodes[at + 3]!
      return Array.from(nodes.subarray(at + 4 + count, at + 4 + count * 2))
    }
    assert.deepStrictEqual(starts('"ab${ (c) }${d}e"'), [1, 3, 11, 15])
    assert.deepStrictEqual(starts("''\n  a${ /* */ b}''$''"), [3, 6, 17])
    assert.deepStrictEqual(starts("./a${ b}/c${d}"), [0, 3, 8, 10])
  })

  it("keeps the order of bindings as written", () => {
    const { nodes, root: at, symbols } = parseText("{ z = 1; a.b = 2; m = 3; a.c = 4; }")
    const order = [0, 1, 2].map((i) => symbols[nodes[at + 6 + i * 4]!])
    assert.deepStrictEqual(order, ["z", "a", "m"])
  })

  it("grows with files that have very many names and attributes", () => {
    const count = 60_000
    const source = `{ ${Array.from({ length: count }, (_, i) => `name${i} = name${i};`).join("\n")} }`
    const syntax = parseText(source)
    assert.strictEqual(syntax.symbols.length, count)
    assert.strictEqual(syntax.symbols[count - 1], `name${count - 1}`)
    assert.strictEqual(syntax.nodes[syntax.root + 5], count)
    assert.isTrue(wellFormed(syntax))
    assert.throws(() => parseText(source.replace("name59999 =", "name0 =")), /attribute 'name0' already defined/)
  })
})

describe("printing and reading back", () => {
  it("gives the same text once a program has been printed", () => {
    const next = numbers(20240607)
    for (let i = 0; i < 300; i++) {
      const source = makeProgram(next, 4)
      const once = print(parseText(source))
      const twice = print(parseText(once))
      // The first printing changes the tree (`"a${b}"` becomes an addition); after that nothing may change any more.
      assert.strictEqual(print(parseText(twice)), twice, source)
    }
  })

  it("makes well-formed trees only", () => {
    const next = numbers(7)
    for (let i = 0; i < 300; i++) {
      const source = makeProgram(next, 4)
      assert.isTrue(wellFormed(parseText(source)), source)
    }
  })

  it("does not depend on what was parsed before", () => {
    const sources = accepted.sets!.map(([source]) => source)
    const fresh = sources.map((source) => print(parseText(source)))
    const reversed = sources.toReversed().map((source) => print(parseText(source)))
    assert.deepStrictEqual(reversed.toReversed(), fresh)
  })

  it("resolves paths from the base directory", () => {
    const at = (source: string, base: string): string => print(parse(source, { _tag: "String" }, base))
    assert.strictEqual(at("./a", "/"), "/a")
    assert.strictEqual(at("../../a/./b/../c", "/x/y/z"), "/x/a/c")
    assert.strictEqual(at("a/b", "/x"), "/x/a/b")
    assert.strictEqual(at("/../a", "/x"), "/a")
  })
})
