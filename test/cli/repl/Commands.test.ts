import * as fs from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { makeGlobals } from "../../../src/eval/Builtins.ts"
import { AttributeSet } from "../../../src/eval/AttributeSet.ts"
import { force } from "../../../src/eval/Force.ts"
import { symbol } from "../../../src/eval/Symbols.ts"
import { Builtin } from "../../../src/eval/Value.ts"
import { describeBuiltin, documented } from "../../../src/cli/repl/BuiltinDocs.ts"
import { commandWords, expressionOf, helpText, parseLine } from "../../../src/cli/repl/Commands.ts"

describe("a line of yix repl", () => {
  it("is a command when it begins with a colon", () => {
    assert.deepStrictEqual(parseLine("  :p  { a = 1; } "), { _tag: "Command", name: "print", takes: "expression", argument: "{ a = 1; }" })
    assert.deepStrictEqual(parseLine(":l ./a b.nix"), { _tag: "Command", name: "load", takes: "path", argument: "./a b.nix" })
    assert.deepStrictEqual(parseLine("a:b"), { _tag: "Input", text: "a:b" })
    assert.deepStrictEqual(parseLine(" \n "), { _tag: "Blank" })
  })

  it("goes on only where it is an expression", () => {
    assert.strictEqual(expressionOf(parseLine(":t { a")), "{ a")
    assert.strictEqual(expressionOf(parseLine(":l { a")), undefined)
    assert.strictEqual(expressionOf(parseLine(":t")), undefined)
    assert.strictEqual(expressionOf(parseLine("[ 1")), "[ 1")
  })

  it("gets a suggestion for a command that is nearly one", () => {
    const near = parseLine(":biuld x")
    assert.deepStrictEqual(near, { _tag: "Unknown", word: ":biuld", suggestions: [":build"] })
    assert.deepStrictEqual(parseLine(":x"), { _tag: "Unknown", word: ":x", suggestions: [] })
  })

  it("is a command for every word that the help and the manual name", () => {
    const manual = fs.readFileSync(fileURLToPath(new URL("../../../docs/repl.md", import.meta.url)), "utf8")
    for (const word of commandWords) {
      assert.strictEqual(parseLine(word)._tag, "Command", word)
      assert.include(helpText(), word)
      assert.match(manual, new RegExp(`\`${word.replace("?", "\\?")}[\` ]`), word)
    }
    const own = manual.slice(0, manual.indexOf("## What is different"))
    for (const [, word] of own.matchAll(/`(:[a-z?-]+)[` ]/g)) assert.strictEqual(parseLine(word!)._tag, "Command", word)
  })
})

describe("what :doc says", () => {
  it("is there for every builtin function", () => {
    const globals = makeGlobals(false)
    const builtins = globals.get(symbol("builtins")) as AttributeSet
    const missing = builtins.names().filter((name) => {
      const value = builtins.get(symbol(name))
      return value instanceof Builtin && !documented(name)
    })
    assert.deepStrictEqual(missing, [])
    assert.strictEqual(force(builtins), builtins)
  })

  it("names arguments, and at least their number where there is no text", () => {
    assert.match(describeBuiltin("map", 2), /^builtins\.map function list\n\n[A-Z]/)
    assert.strictEqual(describeBuiltin("newest", 2), "builtins.newest takes 2 arguments.")
  })
})
