import { assert, describe, it } from "@effect/vitest"
import { compile, match, RegexError, RegexTooComplex, search, searchAll } from "../../src/eval/regex/Regex.ts"

const matched = (pattern: string, text: string) => match(compile(pattern), text)

describe("regular expressions", () => {
  it("keep captures of earlier iterations", () => {
    assert.deepStrictEqual(matched("((a)|(b))*", "ab"), ["b", "a", "b"])
  })

  it("know no lazy quantifier", () => {
    assert.deepStrictEqual(matched("^(.*?)(x)?$", "ax"), ["ax", null])
  })

  it("take the first way through when matching, not POSIX's", () => {
    assert.deepStrictEqual(matched("(a|ab)(c|bcd)(d*)", "abcd"), ["a", "bcd", ""])
  })

  it("take the longest branch when searching", () => {
    assert.deepStrictEqual(search(compile("a|ab"), "xabx", 0), { start: 1, end: 3, captures: [] })
    assert.deepStrictEqual(search(compile("(a|b)*c|(a|ab)*c"), "abc", 0)?.captures, ["b", null])
  })

  it("refuse what libstdc++ refuses, in Nix's words", () => {
    for (const pattern of [
      "a{2,1}",
      "[z-a]",
      "(",
      "*a",
      "^*",
      "a{",
      "(?:a)",
      "[[:foo:]]",
      "[[.-.]]",
      "\\s",
      "\\d",
      "\\1",
      ")",
      "a{99999999999}"
    ]) {
      try {
        compile(pattern)
        assert.fail(`${pattern} was accepted`)
      } catch (error) {
        assert.instanceOf(error, RegexError)
        assert.strictEqual((error as RegexError).message, `invalid regular expression '${pattern}'`)
      }
    }
    assert.throws(() => compile("a{99999}"), "memory limit exceeded by regular expression 'a{99999}'")
    assert.throws(() => compile("((a{1000}){1000}){1000}"), "memory limit exceeded")
  })

  it("accept what libstdc++ accepts", () => {
    for (const pattern of ["a**", "a|", "()", "[^]a]", "[[=a=]]", "a+?", "]", "}", "[]-a]", "[a-]"]) compile(pattern)
    assert.deepStrictEqual(matched("[[=a=]]", "A"), [])
  })

  it("compare bytes", () => {
    assert.deepStrictEqual(matched(".", "\xc3\xa9"), null)
    assert.deepStrictEqual(matched("..", "\xc3\xa9"), [])
    assert.deepStrictEqual(matched("(.*)\n.*", "a\nb"), ["a"])
  })

  it("stay quick where backtracking is exponential", () => {
    assert.strictEqual(matched("(a+)+b", "a".repeat(5_000)), null)
    assert.strictEqual(matched("(a|a)*b", "a".repeat(5_000)), null)
    assert.strictEqual(matched("a*a*a*a*a*a*b", "a".repeat(3_000)), null)
    assert.strictEqual(search(compile("(a|aa)+$"), `${"a".repeat(5_000)}b`, 0), null)
    assert.strictEqual(searchAll(compile("(x+x+)+y"), "x".repeat(2_000)).length, 0)
  })

  it("go through long texts without recursion", () => {
    assert.deepStrictEqual(matched("(a|b)*", "ab".repeat(100_000)), ["b"])
    assert.strictEqual(searchAll(compile("(a)|(b)"), "ab".repeat(20_000)).length, 40_000)
  })

  it("give up with an error of their own beyond the budget", () => {
    const nested = "(".repeat(12) + "a*" + "*)*".repeat(12)
    try {
      const captures = matched(`${nested}${nested}b`, "a".repeat(400))
      assert.isNull(captures)
    } catch (error) {
      assert.instanceOf(error, RegexTooComplex)
    }
  })
})
