import { assert, describe, it } from "@effect/vitest"
import { diagnose, excerpt, render } from "../../src/lang/Diagnostics.ts"
import { formatPlace, positionAt } from "../../src/lang/Position.ts"
import type { Origin, Span } from "../../src/lang/Syntax.ts"
import { refusal } from "./Trees.ts"

const file: Origin = { _tag: "File", path: "/x/y.nix" }
const span = (source: string, start: number, origin: Origin = { ...file }): Span => ({ origin, source, start, end: start + 1 })

describe("positions", () => {
  it("count lines and bytes from one", () => {
    const source = "ab\n\xc3\xa9c\n\nd"
    const places = Array.from({ length: source.length + 1 }, (_, i) => positionAt(file, source, i)).map(
      ({ line, column }) => `${line}:${column}`
    )
    assert.deepStrictEqual(places, ["1:1", "1:2", "1:3", "2:1", "2:2", "2:3", "2:4", "3:1", "4:1", "4:2"])
  })

  it("end lines at LF, at CR and at CR LF", () => {
    const source = "a\r\nb\rc\n\rd\r\r\ne"
    assert.deepStrictEqual(
      ["a", "b", "c", "d", "e"].map((letter) => positionAt(file, source, source.indexOf(letter)).line),
      [1, 2, 3, 5, 7]
    )
  })

  it("agree with counting by hand in a long text, in any order of questions", () => {
    const source = Array.from({ length: 3000 }, (_, i) => "x".repeat(i % 7)).join("\n")
    const origin: Origin = { _tag: "String" }
    for (let i = 0; i < source.length; i += 17) {
      const offset = (i * 7919) % source.length
      const before = source.slice(0, offset).split("\n")
      assert.deepStrictEqual(positionAt(origin, source, offset), { line: before.length, column: before.at(-1)!.length + 1 })
    }
  })

  it("are those of the source that is asked about when an origin is used twice", () => {
    const origin: Origin = { _tag: "String" }
    assert.strictEqual(positionAt(origin, "\n\na", 2).line, 3)
    assert.strictEqual(positionAt(origin, "aaa", 2).line, 1)
  })

  it("name where a text comes from", () => {
    assert.strictEqual(formatPlace(span("a", 0)), "/x/y.nix:1:1")
    assert.strictEqual(formatPlace(span("a", 0, { _tag: "Stdin" })), "\xc2\xabstdin\xc2\xbb:1:1")
    assert.strictEqual(formatPlace(span("a", 0, { _tag: "String" })), "\xc2\xabstring\xc2\xbb:1:1")
    assert.strictEqual(formatPlace(span("a", 0, { _tag: "Builtin", name: "derivation" })), "\xc2\xabderivation\xc2\xbb:1:1")
  })
})

// The layouts below were compared with the output of nix-instantiate 2.34.8 on the same sources.
describe("a rendered error", () => {
  const rendered = (source: string): string => render(diagnose(refusal(source)))

  it("shows the line with a caret between its neighbours", () => {
    assert.strictEqual(
      rendered("{\n  a = 1;\n  b = ];\n  c = 2;\n}\n"),
      `error: syntax error, unexpected ']'
       at /tmp/lang/t/x.nix:3:7:
            2|   a = 1;
            3|   b = ];
             |       ^
            4|   c = 2;`
    )
  })

  it("shows the empty last line when the text ends too early, and nothing of an empty text", () => {
    assert.strictEqual(
      rendered("1 +\n"),
      `error: syntax error, unexpected end of file
       at /tmp/lang/t/x.nix:2:1:
            1| 1 +
            2|
             | ^`
    )
    assert.strictEqual(
      rendered(""),
      `error: syntax error, unexpected end of file
       at /tmp/lang/t/x.nix:1:1:`
    )
  })

  it("keeps the caret under its character after tabs and non-ASCII text", () => {
    assert.strictEqual(excerpt(span("\tx ^", 3)), "     1| \tx ^\n      | \t  ^")
    assert.strictEqual(excerpt(span('"\xc3\xa9\xe2\x82\xac" ^', 8)), '     1| "\xc3\xa9\xe2\x82\xac" ^\n      |      ^')
  })

  it("lets no control characters of the source through", () => {
    assert.strictEqual(excerpt(span("\x1b[31m\x07 ^", 7)), "     1| [31m ^\n      |        ^")
  })

  it("cuts lines that would fill the screen", () => {
    const text = excerpt(span(`${"x".repeat(5000)}^`, 5000))
    assert.isBelow(text.length, 1100)
  })

  it("indents all lines of a message, its suggestions and hints", () => {
    assert.strictEqual(
      render({ level: "error", message: "one\ntwo", suggestions: ["a", "b"], hints: ["try harder"] }),
      "error: one\n       two\n       Did you mean one of a or b?\n       try harder"
    )
    assert.strictEqual(render({ level: "warning", message: "one\ntwo" }), "warning: one\n         two")
  })

  it("has colours when they are asked for", () => {
    const text = render({ level: "error", message: "m", span: span("a ^", 2) }, { colour: true })
    assert.include(text, "\x1b[31;1merror:\x1b[0m m")
    assert.include(text, "\x1b[34;1mat \x1b[35;1m/x/y.nix:1:3\x1b[0m:")
    assert.include(text, "|   \x1b[31;1m^\x1b[0m")
  })

  it("shows what was going on before it, outermost first", () => {
    const trace = [{ message: "while evaluating the attribute 'a'", span: span("f: f 1\n", 3) }, { message: "from call site" }]
    assert.strictEqual(
      render({ level: "error", message: "m", span: span("g", 0), trace }),
      `error:
       \xe2\x80\xa6 while evaluating the attribute 'a'
         at /x/y.nix:1:4:
            1| f: f 1
             |    ^
            2|

       \xe2\x80\xa6 from call site

       error: m
       at /x/y.nix:1:1:
            1| g
             | ^`
    )
  })

  it("cuts a long trace unless all of it is asked for, and counts repeated frames", () => {
    const trace = Array.from({ length: 6 }, (_, i) => ({ message: `frame ${i}` }))
    const short = render({ level: "error", message: "m", trace })
    assert.include(short, "frame 3")
    assert.notInclude(short, "frame 4")
    assert.include(short, "(stack trace truncated; use '--show-trace' to show the full, detailed trace)")
    const long = render({ level: "error", message: "m", trace }, { showTrace: true })
    assert.include(long, "frame 5")
    assert.notInclude(long, "truncated")
    const loop = Array.from({ length: 20 }, () => ({ message: "again" }))
    assert.include(render({ level: "error", message: "m", trace: loop }, { showTrace: true }), "(19 duplicate frames omitted)")
  })
})
