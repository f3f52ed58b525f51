import { assert, describe, it } from "@effect/vitest"
import { fromUnicode } from "../../../src/nix/Bytes.ts"
import { JsonError, readJson } from "../../../src/eval/text/JsonReader.ts"
import type { JsonBuilder } from "../../../src/eval/text/JsonReader.ts"
import { invalidUtf8, jsonString } from "../../../src/eval/text/JsonStrings.ts"

const plain: JsonBuilder<unknown> = {
  literal: (value) => value,
  integer: (value) => value,
  float: (value) => ({ float: value }),
  string: (bytes) => bytes,
  list: (elements) => elements,
  object: (entries) => Object.fromEntries(entries)
}

const read = (text: string) => readJson(fromUnicode(text), plain)

const failure = (text: string): string => {
  try {
    readJson(text, plain)
  } catch (error) {
    assert.instanceOf(error, JsonError)
    return (error as JsonError).message
  }
  return assert.fail(`${text} was accepted`)
}

describe("JSON", () => {
  it("is read into a builder, integers apart from floats", () => {
    assert.deepStrictEqual(read('{"a":[1,2.0,-9223372036854775808,18446744073709551616,true,null,"é"],"a b":{}}'), {
      a: [1, { float: 2 }, -9223372036854775808n, { float: 18446744073709551616 }, true, null, "\xc3\xa9"],
      "a b": {}
    })
    assert.strictEqual(read("-0"), 0)
  })

  it("keeps the last of equal keys", () => {
    assert.deepStrictEqual(read('{"a":1,"b":2,"a":3}'), { a: 3, b: 2 })
  })

  it("turns escapes into UTF-8 bytes", () => {
    assert.strictEqual(read('"\\u00e9\\ud83d\\ude00\\n\\/"'), "\xc3\xa9\xf0\x9f\x98\x80\n/")
  })

  it("is read however deeply it nests", () => {
    const depth = 200_000
    let value = read("[".repeat(depth) + "]".repeat(depth)) as Array<unknown>
    let found = 1
    while (value.length > 0) {
      value = value[0] as Array<unknown>
      found++
    }
    assert.strictEqual(found, depth)
  })

  // Recorded from Nix 2.34.8.
  it("is refused in nlohmann's words", () => {
    const e = "[json.exception.parse_error.101] parse error at line "
    const recorded: ReadonlyArray<readonly [string, string]> = [
      ["", `${e}1, column 1: attempting to parse an empty input; check that your input string or stream contains the expected JSON`],
      [" ", `${e}1, column 2: syntax error while parsing value - unexpected end of input; expected '[', '{', or a literal`],
      ["[1, nul]", `${e}1, column 8: syntax error while parsing value - invalid literal; last read: '1, nul]'`],
      ['{"a" 1}', `${e}1, column 6: syntax error while parsing object separator - unexpected number literal; expected ':'`],
      ["[1 2]", `${e}1, column 4: syntax error while parsing array - unexpected number literal; expected ']'`],
      ["[1,]", `${e}1, column 4: syntax error while parsing value - unexpected ']'; expected '[', '{', or a literal`],
      ['{"a":1,}', `${e}1, column 8: syntax error while parsing object key - unexpected '}'; expected string literal`],
      ["\n\n [1,\n 2,\n x", `${e}5, column 2: syntax error while parsing value - invalid literal; last read: '2,<U+000A> x'`],
      ['[1,"abc" tru', `${e}1, column 13: syntax error while parsing array - invalid literal; last read: '"abc" tru'; expected ']'`],
      ["1e+", `${e}1, column 4: syntax error while parsing value - invalid number; expected digit after exponent sign; last read: '1e+'`],
      [
        '"a\xe2\x82"',
        `${e}1, column 5: syntax error while parsing value - invalid string: ill-formed UTF-8 byte; last read: '"a\xe2\x82"'`
      ],
      [
        '["\\ud800"]',
        `${e}1, column 9: syntax error while parsing value - invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF; last read: '"\\ud800"'`
      ],
      ["1E400", "[json.exception.out_of_range.406] number overflow parsing '1E400'"],
      ["18446744073709551615", "unsigned json number 18446744073709551615 outside of Nix integer range"]
    ]
    for (const [text, expected] of recorded) assert.strictEqual(failure(text), expected)
  })

  it("refuses strings with null bytes", () => {
    assert.include(failure('"a\\u0000b"'), "because it contains null bytes")
  })

  it("writes strings as UTF-8 and finds what is not", () => {
    assert.strictEqual(jsonString('a"\\\n\x01\x7f\xc3\xa9'), '"a\\"\\\\\\n\\u0001\x7f\xc3\xa9"')
    assert.isUndefined(invalidUtf8("\xc3\xa9"))
    assert.strictEqual(invalidUtf8("a\xffb"), "[json.exception.type_error.316] invalid UTF-8 byte at index 1: 0xFF")
    assert.strictEqual(invalidUtf8("a\xe2\x82"), "[json.exception.type_error.316] incomplete UTF-8 string; last byte: 0x82")
  })
})
