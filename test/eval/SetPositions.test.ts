/**
 * Positions that are put together late are those that were there all along: chains of updates, longer than any that are left open, against a plain map.
 */
import { assert, describe, it } from "@effect/vitest"
import { type AttributeSet, fromSymbols, update } from "../../src/eval/AttributeSet.ts"
import { symbol } from "../../src/eval/Symbols.ts"
import { randomBelow } from "./FakeHost.ts"

const names = Array.from({ length: 90 }, (_, i) => symbol(`position${i}`))

describe("positions of updated sets", () => {
  it("are those of the side that each attribute comes from", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const next = randomBelow(seed)
      const kinds = seed % 3 === 0 ? names.length : 12
      let place = 1
      const made: Array<{ readonly set: AttributeSet; readonly places: ReadonlyMap<number, number> }> = []
      for (let step = 0; step < 80; step++) {
        if (made.length < 4 || next(3) === 0) {
          const chosen = names.slice(0, kinds).filter(() => next(4) === 0)
          const placed = next(5) > 0
          const places = new Map(chosen.map((name) => [name, placed ? place++ : 0]))
          made.push({
            set: fromSymbols(
              chosen,
              chosen.map(() => 1),
              placed ? [...places.values()] : undefined
            ),
            places
          })
          continue
        }
        // The last one most often: a chain. At times a set with itself.
        const left = made[next(4) > 0 ? made.length - 1 : next(made.length)]!
        const right = made[next(made.length)]!
        const places = new Map([...left.places, ...right.places])
        made.push({ set: update(left.set, right.set), places })
        if (next(4) > 0) continue
        const { set } = made[next(made.length)]!
        // Asked before others are made of it.
        void set.positions
      }
      for (const { set, places } of made) {
        const found = set.shape.symbols.map((name, slot) => [name, set.positions[slot] ?? 0] as const)
        assert.deepStrictEqual(
          new Map(found.toSorted((a, b) => a[0] - b[0])),
          new Map([...places].toSorted((a, b) => a[0] - b[0])),
          `seed ${seed}`
        )
      }
    }
  })
})
