import { assert, describe, it } from "@effect/vitest"
import { parse } from "../../src/lang/Parser.ts"
import { ParseError } from "../../src/lang/ParseError.ts"
import { print } from "../../src/lang/Printer.ts"
import { checkScopes } from "../../src/lang/Scope.ts"
import { isWellFormed } from "../../src/lang/WellFormed.ts"
import { accepted } from "./GrammarTable.ts"
import { numbers, parseText, refusal } from "./Trees.ts"

/** Everything the grammar has, in one text. */
const sample = `# all of it
({ pkgs ? import <nixpkgs> { }, lib, ... }@args:
let
  inherit (lib) a b; or = x: x;
  f = { y, z ? 1.5e3 }: y + z * -2 ; "q u".\${"r"}.s = ./p/\${a}/q.nix;
in
with lib; assert a != b -> !(a ? x.y || b <= 3 && a == ~/x);
rec { a.b = ''
    text \${b} ''$ ''' ''\\n '$
  ''; a.c = "s\\n\${"t\${a.c or http://u.v}"}$"; inherit args; } // [ 1 (f or) ] ++ (if a then b else let { body = /c; }) /* end */)`

/** Parses or refuses; anything else than those two fails. */
const settle = (source: string): ParseError | undefined => {
  try {
    const syntax = parseText(source)
    const tables = { sourceLength: source.length, symbolCount: syntax.symbols.length, stringCount: syntax.strings.length }
    assert.isTrue(isWellFormed(syntax.nodes, syntax.root, tables), JSON.stringify(source.slice(0, 200)))
    print(syntax)
    checkScopes(syntax, () => true)
    return undefined
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    const { start, end } = error.span
    assert.isTrue(start >= 0 && start <= end && end <= source.length, `${JSON.stringify(source.slice(0, 200))}: ${start}-${end}`)
    return error
  }
}

describe("hostile sources", () => {
  it("parses the sample itself", () => {
    assert.isUndefined(settle(sample))
  })

  it("refuses the sample cut off anywhere, at or before the cut", () => {
    for (let cut = 0; cut < sample.length; cut++) {
      const error = settle(sample.slice(0, cut))
      assert.isDefined(error, `cut at ${cut}`)
      assert.isTrue(error!.span.start <= cut)
    }
  })

  it("names a place for the sample without any one of its bytes, or with another byte there", () => {
    const next = numbers(99)
    for (let i = 0; i < sample.length; i++) {
      settle(sample.slice(0, i) + sample.slice(i + 1))
      settle(sample.slice(0, i) + String.fromCharCode(next(256)) + sample.slice(i + 1))
      settle(sample.slice(0, i) + sample.slice(next(sample.length)))
    }
  })

  it("survives random bytes and random pieces of programs", () => {
    const next = numbers(4)
    const pieces = Object.values(accepted).flatMap((cases) => cases.map(([source]) => source))
    for (let i = 0; i < 1500; i++) {
      settle(String.fromCharCode(...Array.from({ length: next(40) }, () => next(256))))
      settle(
        Array.from({ length: 1 + next(6) }, () => pieces[next(pieces.length)]!.slice(next(4), 1 + next(30))).join(
          ["", " ", "${", "''", '"'][next(5)]
        )
      )
    }
  })

  const deep: ReadonlyArray<readonly [what: string, open: string, middle: string, close: string]> = [
    ["parentheses", "(", "1", ")"],
    ["lists", "[ ", "1", " ]"],
    ["sets", "{ a = ", "1", "; }"],
    ["antiquotations", '"${', "1", '}"'],
    ["indented antiquotations", "''${", "1", "}''"],
    ["paths", "./a${", "1", "}"],
    ["functions", "x: ", "1", ""],
    ["named arguments", "{ a ? ", "1", " }: 1"],
    ["lets", "let a = 1; in ", "1", ""],
    ["let values", "let a = ", "1", "; in 1"],
    ["old lets", "let { body = ", "1", "; }"],
    ["withs", "with 1; ", "1", ""],
    ["conditions", "if 1 then 1 else ", "1", ""],
    ["negations", "!", "1", ""],
    ["minuses", "- ", "1", ""],
    ["concatenations", "[ ] ++ ", "[ ]", ""],
    ["implications", "1 -> ", "1", ""],
    ["defaults", "a.a or ", "1", ""],
    ["dynamic names", "{ ${", "1", "} = 1; }"]
  ]
  for (const [what, open, middle, close] of deep) {
    it(`refuses a hundred thousand nested ${what} with a place, on a small stack`, () => {
      const depth = 100_001
      const error = settle(open.repeat(depth) + middle + close.repeat(depth))
      assert.strictEqual(error?.reason._tag, "TooDeep")
      assert.strictEqual(error?.message, "expression nested too deeply")
    })

    it(`reads three hundred nested ${what}`, () => {
      assert.isUndefined(settle(open.repeat(300) + middle + close.repeat(300)))
    })
  }

  it("stops at the depth it is told", () => {
    assert.isTrue(parseText("((((1))))", { maxDepth: 5 }).root >= 0)
    assert.strictEqual(refusal("(((((1)))))", { maxDepth: 5 }).reason._tag, "TooDeep")
  })

  it("takes chains of a hundred thousand operators, calls, bindings and list elements, and prints and checks them", () => {
    const many = 100_000
    for (const source of [
      "1" + " + 1".repeat(many),
      "a" + " b".repeat(many),
      `[ ${"1 ".repeat(many)}]`,
      "a" + " |> a".repeat(many),
      `{ } ? a${".a".repeat(many)}`,
      `"${"${a}".repeat(many)}"`,
      "{ a = 1; }.a" + " or a.a".repeat(1),
      "''" + "\n a''$ ${a}".repeat(many) + "''",
      `{ ${"a, ".replace("a", "a").repeat(1)}... }: 1`,
      `{ ${Array.from({ length: many }, (_, i) => `a${i}`).join(", ")} }: 1`
    ]) {
      const syntax = parse(source, { _tag: "String" }, "/", { pipeOperators: true })
      assert.isAbove(print(syntax).length, 0)
      checkScopes(syntax, () => true)
    }
  })

  it("says too deep, and no worse, for a hundred thousand names in one attribute path of a binding", () => {
    const error = settle(`{ a${".a".repeat(100_000)} = 1; }`)
    assert.strictEqual(error?.reason._tag, "TooDeep")
  })

  it("reads a source of many megabytes, and a small one after it", () => {
    const source = `[ ${'"text" '.repeat(800_000)}]`
    assert.strictEqual(parseText(source).strings.length, 800_000)
    assert.deepStrictEqual(parseText('"a"').strings, ["a"])
  })

  it("keeps bytes that are not UTF-8 in strings, and refuses them elsewhere", () => {
    assert.deepStrictEqual(parseText('"\xff\xfe\x80"').strings, ["\xff\xfe\x80"])
    assert.deepStrictEqual(parseText("''\xc3\x28''").strings, ["\xc3\x28"])
    assert.strictEqual(refusal("{ \xe9 = 1; }").message, "syntax error, unexpected invalid token, expecting 'inherit'")
    assert.isUndefined(settle("# \xff\n1"))
  })

  it("works in time proportional to the text for comments, strings and paths that never end", () => {
    const many = 300_000
    for (const source of [
      "/*".repeat(many),
      '"' + "\\".repeat(many),
      "''" + "'$".repeat(many),
      "a/".repeat(many),
      "a.".repeat(many),
      "<".repeat(many),
      "a:".repeat(many)
    ]) {
      const start = performance.now()
      settle(source)
      assert.isBelow(performance.now() - start, 5000, source.slice(0, 4))
    }
  })
})
