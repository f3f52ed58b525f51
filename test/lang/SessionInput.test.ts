/**
 * What is typed into a session: expressions, bindings, and beginnings of them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Kind from "../../src/lang/Kind.ts"
import { ParseError } from "../../src/lang/ParseError.ts"
import { isUnfinished, parseInput } from "../../src/lang/SessionInput.ts"

const errorOf = (text: string): string => {
  try {
    return parseInput(text, "/").kind
  } catch (error) {
    return error instanceof ParseError ? `${error.message} at ${error.span.start}` : String(error)
  }
}

describe("an input of a session", () => {
  it.each(["1 + 1", "{ a = 1; }", "x: x", "inherit_", "{ }", "a:b", "let x = 1; in x"])("%s is an expression", (text) => {
    assert.strictEqual(parseInput(text, "/").kind, "expression")
  })

  it.each([
    "x = 1",
    "x = 1; y = 2",
    "x = 1;",
    "inherit x",
    "inherit (b) x y;",
    "a.b = 1; a.c = 2",
    '"a b" = 1',
    '${"a"} = 1',
    "",
    "# words"
  ])("%s is bindings", (text) => {
    const { kind, syntax } = parseInput(text, "/")
    assert.strictEqual(kind, "bindings")
    assert.strictEqual(syntax.nodes[syntax.root], Kind.AttributeSet)
  })

  it.each([
    "x =",
    "{ a = 1;",
    '"',
    "''\n a",
    '"${',
    "let x = 1;",
    "x:",
    "if true",
    "a.",
    "[ 1 2",
    "f (",
    "/* words",
    "1 /* words",
    "x = {",
    "1 +"
  ])("%s goes on", (text) => {
    assert.isTrue(isUnfinished(text))
  })

  it.each(["1", "x = 1", ")", "foo bar = 3", "1 2 =", "{ if = 1; }", "a = 1; a = 2", "a /* words */", ""])("%s does not go on", (text) => {
    assert.isFalse(isUnfinished(text))
  })

  it("reports what the reading says that came further", () => {
    assert.match(errorOf("foo bar = 3"), /unexpected '=', expecting end of file at 8/)
    assert.match(errorOf("x = )"), /unexpected '\)' at 4/)
    assert.match(errorOf(":x"), /unexpected ':' at 0/)
    assert.match(errorOf("a = 1; a = 2"), /attribute 'a' already defined at .*:1:1 at 7/)
  })
})
