/** Sets that updates make, beside a plain map, whatever their sizes and however much of them was touched before. */
import { assert, describe, it } from "@effect/vitest"
import { AttributeSet, emptySet, fromSymbols, update, updateWith } from "../../src/eval/AttributeSet.ts"
import type { Literal } from "../../src/eval/AttributeSet.ts"
import type { Position } from "../../src/eval/Positions.ts"
import { Code, Delay } from "../../src/eval/Code.ts"
import type { Env } from "../../src/eval/Code.ts"
import { equal } from "../../src/eval/Compare.ts"
import { force } from "../../src/eval/Force.ts"
import { ascendingSlots, sharedShape } from "../../src/eval/Shape.ts"
import { nameOf, symbol } from "../../src/eval/Symbols.ts"
import type { SymbolId } from "../../src/eval/Symbols.ts"
import { Thunk } from "../../src/eval/Value.ts"
import { enter } from "../../src/eval/Machine.ts"
import { makeMachine } from "../../src/eval/Evaluate.ts"
import { host } from "./builtins/world.ts"
import { random } from "./FakeHost.ts"

const machine = makeMachine(host({}))

type Model = Map<SymbolId, { readonly value: number; readonly position: Position }>

const pool = Array.from({ length: 400 }, (_, i) => symbol(`attribute${(i * 7919) % 400}`))

/** A literal whose attributes are promises of numbers. */
const literal = (names: ReadonlyArray<SymbolId>, values: ReadonlyArray<number>, positions: ReadonlyArray<Position>): Literal => {
  const order = ascendingSlots(names)
  const shape = sharedShape(order.map((i) => names[i] as number))
  const codes = order.map((i) => new Code(() => values[i] as number))
  const placed = order.map((i) => positions[i] as number)
  const make = (env: Env): AttributeSet =>
    names.length === 0 ? emptySet : new AttributeSet(shape, new Array<undefined>(names.length).fill(undefined), placed, codes, env)
  return { shape, positions: placed, codes, make }
}

const same = (set: AttributeSet, model: Model): void => {
  assert.strictEqual(set.size, model.size)
  assert.deepStrictEqual(
    set.names(),
    [...model.keys()].map(nameOf).sort((a, b) => (a < b ? -1 : 1))
  )
  const found = enter(machine, () =>
    pool.map((id) => {
      const value = set.get(id)
      return [set.has(id), set.positionOf(id), value === undefined ? undefined : force(value)]
    })
  )
  const expected = pool.map((id) => [model.has(id), model.get(id)?.position ?? 0, model.get(id)?.value])
  assert.strictEqual(JSON.stringify(found), JSON.stringify(expected))
  const visited = set.shape.visiting.map((slot) => set.shape.symbols[slot] as number)
  assert.deepStrictEqual(
    visited,
    [...model.keys()].sort((a, b) => a - b)
  )
}

describe("updates of sets", () => {
  it("share the values that a builtin makes with the set that they grew from", () => {
    let made = 0
    const source = {
      at: (slot: number) => {
        made++
        return new Thunk(new Code(() => slot), [null])
      }
    }
    const shape = sharedShape(ascendingSlots(pool.slice(0, 100)).map((i) => pool[i] as number))
    const base = new AttributeSet(shape, new Array<undefined>(100).fill(undefined), [], [], source)
    const one = update(base, fromSymbols([symbol("one more")], [1]))
    const two = update(one, fromSymbols([symbol("and another")], [2]))
    const name = pool[50] as SymbolId
    assert.strictEqual(two.get(name), base.get(name))
    assert.strictEqual(one.get(name), base.get(name))
    assert.strictEqual(made, 1)
  })

  it("give what a map gives, of every size, and leave their operands as they were", () => {
    for (let seed = 0; seed < 15; seed++) {
      const next = random(seed)
      const upTo = (n: number): number => Math.floor(next() * n)
      const known: Array<readonly [AttributeSet, Model]> = [[emptySet, new Map()]]
      for (let step = 0; step < 40; step++) {
        const size = [upTo(3), upTo(12), 60 + upTo(10), upTo(300)][upTo(4)] as number
        const start = upTo(pool.length)
        const names = Array.from({ length: size }, (_, i) => pool[(start + i * 3) % pool.length] as number)
        const values = names.map(() => upTo(1e6))
        const positions = names.map(() => 1 + upTo(1e6))
        const model: Model = new Map(names.map((id, i) => [id, { value: values[i] as number, position: positions[i] as number }]))
        const written = literal(names, values, positions)
        const made: readonly [AttributeSet, Model] =
          upTo(2) === 0
            ? [written.make([null]), model]
            : [fromSymbols(names, values), new Map([...model].map(([id, { value }]) => [id, { value, position: 0 }]))]
        const [left, leftModel] = known[upTo(known.length)]!
        // Some of it has been touched before.
        for (const id of pool) if (upTo(20) === 0) left.get(id)
        const how = upTo(3)
        if (how === 0) known.push([updateWith(left, written, [null]), new Map([...leftModel, ...model])])
        else if (how === 1) known.push([update(left, made[0]), new Map([...leftModel, ...made[1]])])
        else known.push([update(made[0], left), new Map([...made[1], ...leftModel])])
      }
      for (const [set, model] of known) same(set, model)
    }
  })

  it("share with their operands what nobody has touched", () => {
    const names = pool.slice(0, 200)
    const big = literal(names, names, names).make([null])
    const small = fromSymbols([pool[0] as number, symbol("new")], [1, 2])
    for (const result of [update(big, small), update(update(small, big), fromSymbols([symbol("newer")], [3]))]) {
      const id = pool[150] as number
      const value = result.get(id) as Thunk
      assert.instanceOf(value, Thunk)
      assert.strictEqual(big.get(id), value)
    }
  })

  it("do not make functions: printing still shows a promise, here and there", () => {
    const code = new Code(() => null)
    code.how = Delay.Function
    const names = pool.slice(0, 100).sort((a, b) => a - b)
    const big = new AttributeSet(
      sharedShape(names),
      new Array<undefined>(100).fill(undefined),
      [],
      names.map(() => code),
      [null]
    )
    const result = update(big, fromSymbols([symbol("new")], [1]))
    assert.isTrue(result.isPromisedFunction(7))
    assert.isFalse(result.isPromisedFunction(100))
    big.at(7)
    assert.isFalse(result.isPromisedFunction(7))
  })

  it("grow apart where one set is the start of two", () => {
    const base = fromSymbols(pool.slice(0, 100), pool.slice(0, 100))
    const one = update(base, fromSymbols([symbol("a of one")], [1]))
    const other = update(base, fromSymbols([symbol("a of another")], [2]))
    assert.isUndefined(one.get(symbol("a of another")))
    assert.isUndefined(other.get(symbol("a of one")))
    assert.isUndefined(base.get(symbol("a of one")))
    assert.strictEqual(other.get(symbol("a of another")), 2)
  })

  it("are equal however they were made", () => {
    enter(machine, () => {
      const names = pool.slice(0, 150)
      const whole = fromSymbols(names, names.slice())
      const grown = update(fromSymbols(names.slice(50), names.slice(50)), fromSymbols(names.slice(0, 50), names.slice(0, 50)))
      assert.isTrue(equal(whole, grown))
      assert.isTrue(equal(grown, whole))
      const different = update(grown, fromSymbols([names[3] as number], [-1]))
      assert.isFalse(equal(whole, different))
      const renamed = update(fromSymbols(names.slice(1), names.slice(1)), fromSymbols([symbol("else")], [0]))
      assert.isFalse(equal(whole, renamed))
    })
  })
})
