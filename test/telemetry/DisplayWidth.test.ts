import { assert, describe, it } from "@effect/vitest"
import { displayWidth, fitted, oneLine } from "../../src/telemetry/DisplayWidth.ts"

describe("the width of a text", () => {
  it("counts what is seen, in columns", () => {
    const widths: ReadonlyArray<readonly [string, number]> = [
      ["hello", 5],
      ["日本語", 6],
      ["한국", 4],
      ["ｆｕｌｌ", 8],
      ["\u00e9", 1],
      ["e\u0301", 1],
      ["👩‍👩‍👧", 2],
      ["👍🏽", 2],
      ["🇨🇭", 2],
      ["❤️", 2],
      ["1️⃣", 2],
      ["⌛", 2],
      ["→ ✗ …", 5],
      ["a\u200bb", 2],
      ["𠀀", 2],
      ["", 0]
    ]
    for (const [text, width] of widths) assert.strictEqual(displayWidth(text), width, JSON.stringify(text))
  })

  it("is never more than was asked for when a text is cut, and nothing is cut that fits", () => {
    for (const text of ["hello world", "日本語日本語", "a日b本c語", "ée\u0301\u200b日👩‍👩‍👧x", "👍🏽👍🏽👍🏽"]) {
      const width = displayWidth(text)
      for (let columns = 0; columns <= width + 2; columns++) {
        const cut = fitted(text, columns, "…")
        assert.isAtMost(displayWidth(cut), columns, `${text} in ${columns}`)
        if (columns >= width) assert.strictEqual(cut, text)
        else if (columns > 0) {
          assert.isTrue(cut.endsWith("…"))
          assert.isTrue(text.startsWith(cut.slice(0, -1)))
          // A wide character that did not fit leaves one column.
          assert.isAtLeast(displayWidth(cut), columns - 1)
        }
      }
    }
  })
})

describe("a text from outside as one line", () => {
  it("has nothing in it that a terminal obeys", () => {
    assert.strictEqual(oneLine("\x1b[31mred\x1b[0m\ttab\nline\x1b]0;title\x07 \x08end\x9b"), "red tab line  end")
    assert.strictEqual(oneLine("abc\u202edef\u2066"), "abcdef")
    assert.strictEqual(oneLine("  日本\r\n"), "日本")
  })
})
