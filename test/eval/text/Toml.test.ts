import { assert, describe, it } from "@effect/vitest"
import { fromUnicode } from "../../../src/nix/Bytes.ts"
import { readToml, TomlError } from "../../../src/eval/text/Toml.ts"
import type { TomlBuilder } from "../../../src/eval/text/Toml.ts"

const plain: TomlBuilder<unknown> = {
  boolean: (value) => value,
  integer: (value) => value,
  float: (value) => ({ float: value }),
  string: (bytes) => bytes,
  list: (elements) => elements,
  table: (entries) => Object.fromEntries(entries),
  timestamp: undefined
}

const read = (text: string) => readToml(fromUnicode(text), plain)

const failure = (text: string): string => {
  try {
    readToml(text, plain)
  } catch (error) {
    assert.instanceOf(error, TomlError)
    return (error as TomlError).message.split("\n")[0]!
  }
  return assert.fail(`${text} was accepted`)
}

describe("TOML", () => {
  it("is read into a builder, integers apart from floats, strings as bytes", () => {
    assert.deepStrictEqual(read('a.b = 1\nf = 1.0\ns = "é"\nbig = 9223372036854775807\n[[t]]\nx = [true]\n[[t]]\n'), {
      a: { b: 1n },
      f: { float: 1 },
      s: "\xc3\xa9",
      big: 9223372036854775807n,
      t: [{ x: [true] }, {}]
    })
  })

  it("is refused in toml11's words where it has some", () => {
    assert.strictEqual(failure("a = 1\na = 2"), "[error] toml::insert_value: failed to insert a value, value already exists")
    assert.strictEqual(failure("[a]\n[a]"), "[error] toml::insert_value: failed to insert a table, table already defined")
    assert.strictEqual(failure("a = "), "[error] bad format: unknown value appeared")
    assert.strictEqual(failure("a = 9223372036854775808"), "[error] toml::parse_dec_integer: too large integer: current max digits = 2^63")
    assert.strictEqual(failure("d = 1979-05-27"), "Dates and times are not supported")
    assert.include(failure("a = \xff"), "not UTF-8")
  })

  it("keeps keys that JavaScript finds special", () => {
    const made: Array<string> = []
    readToml("__proto__ = 1\nconstructor = 2\n", { ...plain, table: (entries) => void made.push(...entries.map(([key]) => key)) })
    assert.deepStrictEqual(made, ["__proto__", "constructor"])
  })

  it("is that of version 1.0, which Nix reads", () => {
    for (const text of [
      "a = '\\x41 \\e'",
      'a = "\\\\x41"',
      "# \\x41 {",
      "a = {b=[1,\n2, # two\n],c=2}",
      "a = '''\n{,}\n\\e'''",
      'a = """x\\""" y"""""\nb = {c = "}", d = """{\n"""}',
      "[[a]]\nx = [{a=1},\n{b=2}]"
    ]) {
      assert.doesNotThrow(() => read(text), text)
    }
    for (const [text, why] of [
      ['a = "\\x41"', "parse_basic_string: invalid string format"],
      ['x = "a\\\\"\ny = {a = "\\e"}', "parse_basic_string: invalid string format"],
      ['a = """\n\\e"""', "parse_ml_basic_string: invalid string format"],
      ["a = {b=1,}", "trailing comma is not allowed"],
      ["a = {b={c=1, },d=2}", "trailing comma is not allowed"],
      ["a = {b=1\n}", "expected value-separator"],
      ["a = {b=1 # c\n}", "expected value-separator"],
      ["t = 1979-05-27T07:32-08:00", "must be HH:MM:SS.subsec"]
    ] as const) {
      assert.include(failure(text), why, text)
    }
    assert.include(failure("t = 1979-05-27T07:32:00.5+00:30"), "Dates and times are not supported")
  })
})
