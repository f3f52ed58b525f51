import { assert, describe, it } from "@effect/vitest"
import { existingSymbol, nameOf, symbol } from "../../src/eval/Symbols.ts"
import { random } from "./FakeHost.ts"

describe("symbols", () => {
  it("are one for each name, however many there are and whatever bytes they have", () => {
    const next = random(3)
    const names = new Set<string>(["", "\0", "\xff", "a", "\0a"])
    while (names.size < 20_000) {
      const length = Math.floor(next() * 6)
      let name = ""
      for (let i = 0; i < length; i++) name += String.fromCharCode(Math.floor(next() * 256))
      names.add(name)
    }
    const ids = new Map<string, number>()
    for (const name of names) ids.set(name, symbol(name))
    assert.strictEqual(new Set(ids.values()).size, names.size)
    for (const [name, id] of ids) {
      assert.strictEqual(symbol(name), id)
      assert.strictEqual(existingSymbol(name), id)
      assert.strictEqual(nameOf(id), name)
    }
  })

  it("are not made by asking for those that exist", () => {
    assert.isUndefined(existingSymbol("a name that nobody has made"))
    assert.isUndefined(existingSymbol("a name that nobody has made"))
    const id = symbol("a name that nobody has made")
    assert.strictEqual(existingSymbol(["a name that nobody", "has made"].join(" ")), id)
  })
})
