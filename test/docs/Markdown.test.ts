import { assert, describe, it } from "@effect/vitest"
import { matches, parseDocument } from "./Markdown.ts"

const source = `# Title \`code\`

Text with [a link](other.md#part) and \`[no link](x.md)\`.

<!-- not run: needs the network -->
<!-- exit: 2 -->
\`\`\`sh
one # → 1
\`\`\`

## Part: two!

1. item
   \`\`\`\`text title
   indented
   \`\`\`
   \`\`\`\`

## Part: two!
<!-- far from any block -->

Prose.

\`\`\`
plain
\`\`\`
`

describe("a document", () => {
  it("has its blocks with their marks, languages and lines", () => {
    const { blocks } = parseDocument("a.md", source)
    assert.deepStrictEqual(
      blocks.map(({ line, language, text, section }) => ({ line, language, text, section })),
      [
        { line: 7, language: "sh", text: "one # → 1", section: 1 },
        { line: 14, language: "text", text: "indented\n```", section: 2 },
        { line: 24, language: "", text: "plain", section: 3 }
      ]
    )
    assert.deepStrictEqual(
      [...blocks[0]!.marks],
      [
        ["not run", "needs the network"],
        ["exit", "2"]
      ]
    )
    assert.strictEqual(blocks[2]!.marks.size, 0)
    assert.throws(() => parseDocument("b.md", "text\n```sh\nnever closed"), "b.md:2")
  })

  it("has the anchors that GitHub gives its headings, and its links", () => {
    const { anchors, links } = parseDocument("a.md", source)
    assert.deepStrictEqual([...anchors], ["title-code", "part-two", "part-two-1"])
    assert.deepStrictEqual(links, [{ line: 3, target: "other.md#part" }])
  })
})

describe("what is printed", () => {
  it("is compared line by line, with … for what differs", () => {
    assert.isTrue(matches("a\nb  \n\n", "\na\nb"))
    assert.isTrue(matches("/nix/store/0123-a.b\n", "/nix/store/…-a.b"))
    assert.isFalse(matches("/nix/store/0123-axb\n", "/nix/store/…-a.b"))
    assert.isFalse(matches("a\nb", "a"))
    assert.isFalse(matches("one\ntwo", "…o"))
  })

  it("may have any lines where a line is only …", () => {
    assert.isTrue(matches("a\nb\nc\nd", "a\n…\nd"))
    assert.isTrue(matches("a\nd", "a\n…\nd"))
    assert.isTrue(matches("a\nb", "…"))
    assert.isFalse(matches("a\nb\nc", "a\n…\nd"))
  })
})
