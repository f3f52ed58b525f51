/**
 * Functions of several parameters, whose frames are one (`LambdaCode.frame`): random functions, called with all of their arguments at once or one after the other, against
 * the same functions in JavaScript.
 */
import { assert, describe, it } from "@effect/vitest"
import { makeMachine, program, textValue } from "../../src/eval/Evaluate.ts"
import { printValue } from "../../src/eval/Print.ts"
import { FakeHost, randomBelow } from "./FakeHost.ts"

const evaluate = (text: string): string => {
  const machine = makeMachine(new FakeHost({}), {})
  const outcome = program(machine, () => printValue(textValue(text, { _tag: "String" }, "/"))).run()
  if (outcome._tag !== "Done") throw new Error(`${outcome._tag}: ${text}`)
  return outcome.value
}

type Scope = ReadonlyMap<string, unknown>
type Curried = (argument: number) => number | Curried

/** A text, and what it stands for where the variables have these values. */
interface Term<A> {
  readonly text: string
  readonly value: (scope: Scope) => A
}

const names = ["a", "b", "c"]

/** Terms whose variables are among these, numbers all of them. */
const generator = (next: (below: number) => number) => {
  const number = (variables: ReadonlyArray<string>, depth: number): Term<number> => {
    switch (depth > 0 ? next(7) : next(2)) {
      case 0: {
        const n = next(10)
        return { text: String(n), value: () => n }
      }
      case 1: {
        if (variables.length === 0) return number(variables, 0)
        const name = variables[next(variables.length)]!
        return { text: name, value: (scope) => scope.get(name) as number }
      }
      case 2: {
        const [l, r] = [number(variables, depth - 1), number(variables, depth - 1)]
        return { text: `(${l.text} + ${r.text})`, value: (scope) => l.value(scope) + r.value(scope) }
      }
      case 3: {
        // A frame of another kind in between.
        const name = names[next(names.length)]!
        const [bound, body] = [number(variables, depth - 1), number([...variables, name], depth - 1)]
        const keyword =
          next(2) === 0 ? `let ${name}' = ${bound.text}; in (${name}: ${body.text}) ${name}'` : `(${name}: ${body.text}) ${bound.text}`
        return { text: `(${keyword})`, value: (scope) => body.value(new Map([...scope, [name, bound.value(scope)]])) }
      }
      case 4: {
        // Given some of its arguments, and called twice with the others.
        const arity = 1 + next(5)
        const given = next(arity)
        const f = lambda(variables, arity, depth - 1)
        const some = Array.from({ length: given }, () => number(variables, depth - 1))
        const others = [0, 1].map(() => Array.from({ length: arity - given }, () => number(variables, depth - 1)))
        const calls = others.map((rest) => `f ${rest.map((r) => r.text).join(" ")}`)
        const all = (scope: Scope, rest: ReadonlyArray<Term<number>>) =>
          [...some, ...rest].reduce<number | Curried>((g, argument) => (g as Curried)(argument.value(scope)), f.value(scope)) as number
        return {
          text: `(let f = ${[f, ...some].map((t) => t.text).join(" ")}; in ${calls.join(" + ")})`,
          value: (scope) => all(scope, others[0]!) + all(scope, others[1]!)
        }
      }
      default: {
        const arity = 1 + next(5)
        const f = lambda(variables, arity, depth - 1)
        const args = Array.from({ length: arity }, () => number(variables, depth - 1))
        return {
          text: `(${f.text} ${args.map((a) => a.text).join(" ")})`,
          value: (scope) => args.reduce<number | Curried>((g, argument) => (g as Curried)(argument.value(scope)), f.value(scope)) as number
        }
      }
    }
  }
  const lambda = (variables: ReadonlyArray<string>, arity: number, depth: number): Term<number | Curried> => {
    if (arity === 0) return number(variables, depth)
    const name = names[next(names.length)]!
    const body = lambda([...variables, name], arity - 1, depth)
    return { text: `(${name}: ${body.text})`, value: (scope) => (argument) => body.value(new Map([...scope, [name, argument]])) }
  }
  return number
}

describe("functions of several parameters", () => {
  it("give what they give one parameter after the other", () => {
    let calls = 0
    for (let seed = 1; seed <= 400; seed++) {
      const term = generator(randomBelow(seed))([], 5)
      if (term.text.includes(":")) calls++
      assert.strictEqual(evaluate(term.text), String(term.value(new Map())), term.text)
    }
    assert.isAbove(calls, 100)
  })

  for (const [text, expected] of [
    ["(a: a: a: a) 1 2 3", "3"],
    ["(a: b: a: [ a b ]) 1 2 3", "[ 3 2 ]"],
    [
      "let f = a: b: c: d: e: [ a b c d e ]; g = f 1 2; h = g 3; in [ (g 4 5 6) (h 7 8) (h 9 10) ]",
      "[ [ 1 2 4 5 6 ] [ 1 2 3 7 8 ] [ 1 2 3 9 10 ] ]"
    ],
    ["(a: { b, c ? a + b }: d: [ a b c d ]) 1 { b = 2; } 4", "[ 1 2 3 4 ]"],
    ["({ a, b ? a }: c: d: [ a b c d ]) { a = 1; } 2 3", "[ 1 1 2 3 ]"],
    ["(a: with { x = a; }; b: c: [ a b c x ]) 1 2 3", "[ 1 2 3 1 ]"],
    ["(a: b: with { inherit b; x = a; }; [ a b x ]) 1 2", "[ 1 2 1 ]"],
    ["let f = a: b: rec { inherit a; c = a + b; }; in (f 1 2).c + (f 3 4).a", "6"],
    ["builtins.foldl' (a: b: a - b) 10 [ 1 2 3 ]", "4"],
    ["builtins.foldl' (a: b: c: a (b + c)) (x: x) [ 1 2 3 ] 4", "10"],
    ["map ((a: b: a * b) 3) [ 1 2 3 ]", "[ 3 6 9 ]"],
    ["let s = { __functor = self: a: b: a + b; }; in s 1 2", "3"]
  ] as const) {
    it(text, () =>
      assert.strictEqual(
        evaluate(`builtins.toJSON (${text})`),
        JSON.stringify(expected.replaceAll(/\[ /g, "[").replaceAll(/ \]/g, "]").replaceAll(" ", ","))
      )
    )
  }
})
