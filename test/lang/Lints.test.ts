import { assert, describe, it } from "@effect/vitest"
import { lintLiteral, noLints } from "../../src/lang/Lints.ts"
import type { Lints, Literal } from "../../src/lang/Lints.ts"
import { parse } from "../../src/lang/Parser.ts"
import { evaluate } from "../eval/builtins/world.ts"

const literals = (source: string): Array<Literal> => {
  const found: Array<Literal> = []
  parse(source, { _tag: "String" }, "/", { onLiteral: (literal) => void found.push(literal) })
  return found
}

const said = (source: string, lints: Partial<Lints>): Array<string> =>
  literals(source).flatMap((literal) => lintLiteral(literal, { ...noLints, ...lints })?.message ?? [])

describe("literals that parse", () => {
  it("are told in the order of the text: URLs, and paths up to their first antiquotation", () => {
    assert.deepStrictEqual(
      literals('[ a/b x:y ~/c ./d/${"e"}f /g "/h" ] # /i').map(({ kind, text, span }) => [kind, text, span.start]),
      [
        ["path", "a/b", 2],
        ["url", "x:y", 6],
        ["home-path", "~/c", 10],
        ["path", "./d/", 14],
        ["path", "/g", 26]
      ]
    )
  })

  it("are complained about as asked for, and not otherwise", () => {
    const source = "[ a/b x:y ~/c ./d ../e /g ]"
    assert.deepStrictEqual(said(source, {}), [])
    assert.deepStrictEqual(said(source, { urlLiterals: "warn" }), [
      'URL literals are discouraged. Consider using a string literal "x:y" instead (lint-url-literals)'
    ])
    assert.deepStrictEqual(said(source, { urlLiterals: "fatal" }), [
      'URL literals are disallowed. Consider using a string literal "x:y" instead (lint-url-literals)'
    ])
    assert.deepStrictEqual(said(source, { shortPathLiterals: "warn" }), [
      "relative path literal 'a/b' should be prefixed with '.' for clarity: './a/b' (lint-short-path-literals)"
    ])
    assert.deepStrictEqual(said(source, { absolutePathLiterals: "fatal" }), [
      "home path literals are not portable. Consider replacing path literal '~/c' by a string, relative path, or parameter (lint-absolute-path-literals)",
      "absolute path literals are not portable. Consider replacing path literal '/g' by a string, relative path, or parameter (lint-absolute-path-literals)"
    ])
  })

  it("warn once with their place and go on, or end the evaluation", () => {
    const warned = evaluate("let f = x: a/b; in [ (f 1) (f 2) ]", { settings: { lints: { ...noLints, shortPathLiterals: "warn" } } })
    assert.strictEqual(warned.text, "[ /dir/a/b /dir/a/b ]")
    assert.strictEqual(warned.lines.length, 1)
    assert.match(warned.lines[0]!, /^warning: relative path literal 'a\/b'.*\n +at «string»:1:12:/)
    const refused = evaluate("[ x:y ]", { settings: { lints: { ...noLints, urlLiterals: "fatal" } } })
    assert.strictEqual(refused.ok, false)
    assert.match(refused.text, /^URL literals are disallowed/)
  })
})
