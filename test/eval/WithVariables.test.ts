/**
 * Variables of nested `with`, which remember where they were found and which sets lacked them (`Compile.ts`): the same piece of code run again and again with sets that come
 * and go, against maps. Pure.
 */
import { assert, describe, it } from "@effect/vitest"
import { evaluate } from "./builtins/world.ts"
import { randomBelow } from "./FakeHost.ts"

/** Names that no builtin has; the last one only the outermost set has. */
const names = ["p", "q", "r", "s", "everywhere"]

describe("variables of nested `with`", () => {
  it("are found in the innermost set that has them, whatever sets there were before", () => {
    const next = randomBelow(7)
    for (let round = 0; round < 60; round++) {
      const depth = 1 + next(5)
      // A few sets of each depth, of which some have more than a shape that is shared (64 names).
      const choices = Array.from({ length: depth }, (_, level) =>
        Array.from({ length: 1 + next(3) }, (_, choice) => {
          const own = names.slice(0, -1).filter(() => next(3) === 0)
          const set = new Map(own.map((name, i) => [name, 1000 * level + 100 * choice + i]))
          if (level === 0) for (const name of names) if (!set.has(name)) set.set(name, 9000 + names.indexOf(name))
          return { set, filling: next(4) === 0 ? 70 : 0 }
        })
      )
      const written = choices.map((sets) =>
        sets.map(({ set, filling }) => {
          const literal = `{ ${[...set].map(([name, value]) => `${name} = ${value};`).join(" ")} }`
          return filling === 0 ? literal : `(filled ${filling} // ${literal})`
        })
      )
      const parameters = choices.map((_, level) => `w${level}:`).join(" ")
      const nest = choices.map((_, level) => `with w${level};`).join(" ")
      const calls = Array.from({ length: 12 }, () => choices.map((sets) => next(sets.length)))
      const text = `
        let
          filled = n: builtins.listToAttrs (builtins.genList (i: { name = "x\${toString i}"; value = i; }) n);
          f = ${parameters} ${nest} [ ${names.join(" ")} ];
        in [ ${calls.map((call) => `(f ${call.map((choice, level) => written[level]![choice]).join(" ")})`).join(" ")} ]`
      const expected = calls.map((call) => {
        const sets = call.map((choice, level) => choices[level]![choice]!.set).reverse()
        return `[ ${names.map((name) => sets.find((set) => set.has(name))!.get(name)).join(" ")} ]`
      })
      assert.strictEqual(evaluate(text).text, `[ ${expected.join(" ")} ]`)
    }
  })

  it("that no set has are refused each time", () => {
    const text = `let f = a: b: with a; with b; nowhere; in [ (f { p = 1; } { q = 1; }) (f { p = 1; } { nowhere = 2; }) (f { p = 1; } { q = 1; }) ]`
    const refused = { ok: false, text: "undefined variable 'nowhere'", lines: [] }
    assert.strictEqual(evaluate(`builtins.elemAt (${text}) 1`).text, "2")
    assert.deepStrictEqual(evaluate(`builtins.elemAt (${text}) 2`), refused)
    assert.deepStrictEqual(evaluate(`let l = ${text}; in builtins.seq (builtins.elemAt l 1) (builtins.elemAt l 0)`), refused)
  })
})
