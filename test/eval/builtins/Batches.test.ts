import { assert, describe, it } from "@effect/vitest"
import type { IoAnswer, IoHost, IoRequest } from "../../../src/eval/IoRequest.ts"
import { requestKey } from "../../../src/eval/IoRequest.ts"
import { makeMachine, program, textValue } from "../../../src/eval/Evaluate.ts"
import { deepForce } from "../../../src/eval/DeepForce.ts"
import { force } from "../../../src/eval/Force.ts"
import { printValue } from "../../../src/eval/Print.ts"
import { host } from "./world.ts"

// Every `f n` stores a text, which is a far request; ten of them are siblings under the builtin in question.
const setup =
  'let f = n: builtins.toFile "f${toString n}" (builtins.trace "made ${toString n}" (toString n)); ns = builtins.genList (n: n) 10; in '

const expressions = {
  concatStringsSep: 'builtins.concatStringsSep ":" (map f ns)',
  toJSON: "builtins.toJSON { list = map f ns; set = { a = f 3; b = f 20; }; }",
  deepSeq: "let x = map (n: { v = f n; }) ns; in builtins.deepSeq x (builtins.elemAt x 9).v",
  filter: "builtins.length (builtins.filter (n: builtins.stringLength (f n) > 0 && n > 4) ns)",
  partition: "builtins.partition (n: builtins.stringLength (f n) > 0 && n > 4) ns",
  concatMap: "builtins.concatMap (n: if builtins.stringLength (f n) > 0 then [ n n ] else [ ]) ns",
  concatLists: "builtins.concatLists (map (n: if builtins.stringLength (f n) > 0 then [ n ] else [ ]) ns)",
  failing: 'builtins.toJSON (map (n: if n == 6 then throw "six" else f n) ns)'
} as const

/** A host whose far answers come late and in a random order; `started` counts those asked for before the first answer came. */
const lateHost = (seed: number, blocking: boolean, lines: Array<string>) => {
  const inner = host({}, lines)
  const answers = new Map<string, IoAnswer>()
  const pending = new Map<string, IoRequest>()
  let state = seed
  let started = 0
  const finishOne = (): void => {
    if (answers.size === 0) started = pending.size
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const key = [...pending.keys()][state % pending.size] as string
    answers.set(key, inner.ask(pending.get(key) as IoRequest) as IoAnswer)
    pending.delete(key)
  }
  const late: IoHost = {
    ...inner,
    ask: (request) => {
      if (request._tag !== "AddText") return inner.ask(request)
      const key = requestKey(request)
      const answer = answers.get(key)
      if (answer === undefined) pending.set(key, request)
      return answer
    },
    wait: blocking
      ? () => {
          finishOne()
          return true
        }
      : undefined
  }
  return { late, finishOne, started: () => started }
}

const run = (expression: string, seed: number | undefined, blocking: boolean) => {
  const lines: Array<string> = []
  const world = lateHost(seed ?? 0, blocking, lines)
  const machine = makeMachine(seed === undefined ? host({}, lines) : world.late)
  const evaluation = program(machine, () => printValue(deepForce(force(textValue(setup + expression, { _tag: "String" }, "/")))))
  for (let rounds = 0; ; rounds++) {
    assert.isBelow(rounds, 200, "no progress")
    const outcome = evaluation.run()
    if (outcome._tag !== "Suspended") {
      const text = outcome._tag === "Done" ? outcome.value : outcome._tag === "Failed" ? `error: ${outcome.error.message}` : outcome._tag
      return { text, lines, started: world.started() }
    }
    world.finishOne()
  }
}

describe("builtins that need all their elements", () => {
  for (const [name, expression] of Object.entries(expressions)) {
    it(`start what they need together and answer the same whenever answers come: ${name}`, () => {
      const expected = run(expression, undefined, true)
      for (const blocking of [true, false]) {
        for (let seed = 1; seed <= 20; seed++) {
          const result = run(expression, seed, blocking)
          assert.strictEqual(result.text, expected.text)
          // Each line once, though in the order of the answers.
          if (name !== "failing") assert.deepStrictEqual(result.lines.toSorted(), expected.lines.toSorted())
          assert.isAtLeast(result.started, name === "failing" ? 6 : 10)
        }
      }
    })
  }
})
