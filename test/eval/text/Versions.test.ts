import { assert, describe, it } from "@effect/vitest"
import { compareVersions, parseDerivationName, splitVersion } from "../../../src/eval/text/Versions.ts"

describe("versions", () => {
  it("are ordered as Nix orders them", () => {
    const ascending = ["1.0pre1", "1.0", "1.0a", "1.0.1", "1.0.2", "1.0.10", "1.1", "2", "2.3a", "2.3.1"]
    ascending.forEach((a, i) => ascending.forEach((b, j) => assert.strictEqual(compareVersions(a, b), Math.sign(i - j), `${a} ${b}`)))
  })

  it("ignore how components are separated", () => {
    assert.strictEqual(compareVersions("1-2", "1.2"), 0)
    assert.strictEqual(compareVersions("1..2", "1.2"), 0)
    assert.strictEqual(compareVersions("01", "1"), 0)
  })

  it("take digits beyond 32 bits for words", () => {
    assert.strictEqual(compareVersions("2147483648", "9"), -1)
    assert.strictEqual(compareVersions("2147483647", "9"), 1)
  })

  it("split between digits and letters", () => {
    assert.deepStrictEqual(splitVersion("1.2pre3-x..4"), ["1", "2", "pre", "3", "x", "4"])
    assert.deepStrictEqual(splitVersion("."), [])
  })

  it("stand in names after the first dash that no letter follows", () => {
    assert.deepStrictEqual(parseDerivationName("a-b-1.0-rc"), { name: "a-b", version: "1.0-rc" })
    assert.deepStrictEqual(parseDerivationName("a-b-"), { name: "a-b-", version: "" })
    assert.deepStrictEqual(parseDerivationName("a--b"), { name: "a", version: "-b" })
  })
})
