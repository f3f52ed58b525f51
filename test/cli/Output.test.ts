import { assert, describe, it } from "@effect/vitest"
import { splitNixPath } from "../../src/cli/EvaluationInput.ts"
import { harmless } from "../../src/cli/StandardStreams.ts"

describe("text from outside", () => {
  it("keeps its colours where they are wanted and loses all else that a terminal obeys", () => {
    const text = "a\x1b[31mred\x1b[0m\x1b[2J\x1b[1;1H\x1b]0;title\x07\x1b]52;c;AAAA\x1b\\b\x07\x08\rc\td\x9b"
    assert.strictEqual(harmless(text, true), "a\x1b[31mred\x1b[0mbc\td")
    assert.strictEqual(harmless(text, false), "aredbc\td")
  })
})

describe("NIX_PATH", () => {
  it("is cut at colons, but not inside of URLs", () => {
    assert.deepStrictEqual(splitNixPath("nixpkgs=/a:/b::c=https://x.org/y.tar.gz:file:///z:channel:nixos-24.05:d=flake:nixpkgs"), [
      "nixpkgs=/a",
      "/b",
      "c=https://x.org/y.tar.gz",
      "file:///z",
      "channel:nixos-24.05",
      "d=flake:nixpkgs"
    ])
    assert.deepStrictEqual(splitNixPath(""), [])
  })
})
