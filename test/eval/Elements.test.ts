/**
 * Builtins that take elements of a list which nobody else has (`src/eval/Elements.ts`): no list is made there, and nothing must tell. Each program is compared with one whose
 * list is made, since another expression stands where the call stood.
 */
import { assert, describe, it } from "@effect/vitest"
import { deepForce } from "../../src/eval/DeepForce.ts"
import { reportError } from "../../src/eval/ErrorReport.ts"
import { makeMachine, program, textValue } from "../../src/eval/Evaluate.ts"
import { printValue } from "../../src/eval/Print.ts"
import { render } from "../../src/lang/Diagnostics.ts"
import type { Manner } from "./FakeHost.ts"
import { FakeHost, random } from "./FakeHost.ts"

const prelude = `let get = n: builtins.readFile (builtins.fetchurl "fake:/\${n}"); say = x: y: builtins.trace x y;
  inherit (builtins) concatStringsSep concatLists toJSON listToAttrs foldl' sort any all genList lessThan head; join = concatStringsSep "+"; in `

const contents = Object.fromEntries(["a", "b", "c"].map((name) => [name, { text: `<${name}>` }]))

interface Run {
  /** The value, or the whole report of the error, without the places in the text. */
  readonly result: string
  readonly lines: ReadonlyArray<string>
}

const evaluate = (text: string, manner: Manner, pick: (pending: number) => number = () => 0): Run => {
  const host = new FakeHost(contents, manner)
  const machine = makeMachine(host, { maxCallDepth: 200 })
  const root = program(machine, () => printValue(deepForce(textValue(prelude + text, { _tag: "String" }, "/"))))
  let outcome = root.run()
  while (outcome._tag === "Suspended") {
    host.answer(pick(host.pending.length))
    outcome = root.run()
  }
  if (outcome._tag === "Interrupted") throw new Error("interrupted")
  if (outcome._tag === "Done") return { result: outcome.value, lines: host.lines }
  const report = render(reportError(machine, outcome.error), { showTrace: true })
  return { result: report.replace(/at «?\S*:\d+:\d+:\n(?: +\d*\|.*\n?)*/g, "at\n"), lines: host.lines }
}

/** What takes the elements; `@` is the list. */
const consumers = [
  `concatStringsSep "," @`,
  `join @`,
  `toJSON @`,
  `foldl' (a: x: "\${a}\${x}") "" @`,
  `foldl' (a: x: a) "" @`,
  `sort lessThan @`,
  `sort (a: b: say "\${a}<\${b}" (a < b)) @`,
  `any (x: x == "b") @`,
  `all (x: x != "b") @`,
  `any (x: true) @`,
  `concatLists @`,
  `listToAttrs @`,
  `builtins.length @`,
  `map (x: x) @`,
  `let take = l: concatStringsSep "," l; in take @`,
  `builtins.concatStringsSep (say "separator" ",") @`,
  `foldl' (throw "no function") "" @`
]

const lists = [
  `map (x: x) [ "a" "b" "c" ]`,
  `map (x: say x x) [ "c" "b" "a" ]`,
  `map (x: say x (get x)) [ "a" "b" "c" ]`,
  `map get (say "the list" [ "a" (get "b") "c" ])`,
  `map (x: if x == "b" then throw "element" else x) [ "a" "b" "c" ]`,
  `map (x: [ x (get x) ]) [ "a" "b" ]`,
  `map (x: { name = x; value = get x; }) [ "a" "b" "a" ]`,
  `map (x: if x == "b" then { name = "b"; } else { name = say x x; value = x; }) [ "a" "b" "c" ]`,
  `map (x: { name = x; }) (throw "no list")`,
  `map (throw "unused") [ ]`,
  `map 1 [ 1 ]`,
  `map (x: x) 1`,
  `map (x: let f = n: if n == 0 then x else f (n - 1); in f 150) [ "a" "b" ]`,
  `map (x: let f = n: f (n + 1); in f 0) [ "a" ]`,
  `genList (i: toString i) 3`,
  `genList (i: { name = toString i; value = i; }) 3`,
  `genList (i: i) (say "size" 0)`,
  `genList (i: i) (0 - 1)`,
  `genList 1 1`,
  `genList (i: i) "x"`,
  `(say "callee" map) (x: x) [ "a" ]`,
  `(x: y: [ x y ]) "a" (get "b")`,
  `(x: y: x) 1 2`,
  `(throw "callee") 1 2`
]

const made = (list: string): string => `(if true then ${list} else [ ])`

describe("a list that nobody has but the builtin that takes its elements", () => {
  for (const consumer of consumers) {
    it(`gives what it gives as a list: ${consumer}`, () => {
      for (const list of lists) {
        const alone = consumer.replace("@", `(${list})`)
        const kept = consumer.replace("@", made(list))
        const expected = evaluate(kept, { kind: "at-once" })
        assert.deepStrictEqual(evaluate(alone, { kind: "at-once" }), expected, alone)
        for (let seed = 0; seed < 2; seed++) {
          const [one, other] = [random(seed), random(seed)]
          const replayed = evaluate(alone, { kind: "unwinding" }, (n) => Math.floor(one() * n))
          assert.deepStrictEqual(
            replayed,
            evaluate(kept, { kind: "unwinding" }, (n) => Math.floor(other() * n)),
            alone
          )
          assert.strictEqual(replayed.result, expected.result, alone)
        }
      }
    })
  }

  it("is evaluated by what is called this time, whatever was called before", () => {
    const outer = '[ (concatStringsSep ",") head (l: builtins.length l) toJSON (l: l) join ]'
    const takes = evaluate(`map (f: f (map (x: x + "!") [ "a" "b" ])) ${outer}`, { kind: "at-once" })
    assert.strictEqual(takes.result, `[ "a!,b!" "a!" 2 "[\\"a!\\",\\"b!\\"]" [ "a!" "b!" ] "a!+b!" ]`)
    const inner = "[ map (f: l: l) (f: map f) (f: l: [ (f (head l)) ]) ]"
    const makes = evaluate(`map (f: concatStringsSep "," (f (x: x + "!") [ "a" "b" ])) ${inner}`, { kind: "at-once" })
    assert.strictEqual(makes.result, `[ "a!,b!" "a,b" "a!,b!" "a!" ]`)
  })
})
