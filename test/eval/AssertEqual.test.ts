/**
 * What a failed `assert a == b` says. Messages were compared with Nix 2.34.8.
 */
import { assert, describe, it } from "@effect/vitest"
import { reportError } from "../../src/eval/ErrorReport.ts"
import { makeMachine, program, textValue } from "../../src/eval/Evaluate.ts"
import { force } from "../../src/eval/Force.ts"
import { evaluate, host } from "./builtins/world.ts"

const message = (condition: string): string => evaluate(`assert ${condition}; "held"`).text

describe("a failed assertion of equality", () => {
  for (const [condition, expected] of [
    ["1 == 2", "an integer with value '1' is not equal to an integer with value '2'"],
    ["1 == 1.5", "an integer with value '1' is not equal to a float with value '1.5'"],
    ['"a" == "b"', `string '"a"' is not equal to string '"b"'`],
    ["true == false", "boolean 'true' is not equal to boolean 'false'"],
    ["null == 1", "null of value 'null' is not equal to an integer of value '1'"],
    ["/x == /y", "path '/x' is not equal to path '/y'"],
    ["(x: x) == (x: x)", "distinct functions and immediate comparisons of identical functions compare as unequal"],
    ["[ 1 ] == [ 1 2 ]", "list of size '1' is not equal to list of size '2', left hand side is '[ 1 ]', right hand side is '[ 1 2 ]'"],
    ["[ 1 2 ] == [ 1 3 ]", "an integer with value '2' is not equal to an integer with value '3'"],
    ["{ a = 1; } == { a = 1; b = 2; }", "attribute names of attribute set '{ a = 1; }' differs from attribute set '{ a = 1; b = 2; }'"],
    ["{ a = 1; } == { b = 1; }", "attribute name 'a' is contained in '{ a = 1; }', but not in '{ b = 1; }'"],
    [
      '{ type = "derivation"; outPath = "/a"; } == { type = "derivation"; outPath = "/b"; x = 1; }',
      `string '"/a"' is not equal to string '"/b"'`
    ]
  ] as const) {
    it(`tells how the sides of ${condition} differ`, () => {
      assert.strictEqual(message(condition), expected)
    })
  }

  it("leads to the first difference, however deep, by the places of both sides", () => {
    const machine = makeMachine(host({}))
    const source = "assert { a = [ { b = 1; } ]; } == { a = [ { b = 2; } ]; }; 1"
    const outcome = program(machine, () => force(textValue(source, { _tag: "String" }, "/"))).run()
    if (outcome._tag !== "Failed") throw new Error(outcome._tag)
    const { trace } = reportError(machine, outcome.error)
    assert.deepStrictEqual(
      trace!.map((frame) => frame.message),
      [
        "while evaluating the condition of the assertion '({ a = [ ({ b = 1; }) ]; } == { a = [ ({ b = 2; }) ]; })'",
        "while comparing attribute 'a'",
        "where left hand side is",
        "where right hand side is",
        "while comparing list element 0",
        "while comparing attribute 'b'",
        "where left hand side is",
        "where right hand side is"
      ]
    )
    assert.deepStrictEqual(
      trace!.map((frame) => frame.span?.start),
      [0, 31, 9, 36, 31, 31, 17, 44]
    )
  })

  it("is caught by tryEval, and says no more than that it failed where the condition is no comparison", () => {
    assert.strictEqual(evaluate("(builtins.tryEval (assert 1 == 2; 1)).success").text, "false")
    assert.strictEqual(message("1 != 1"), "assertion '(1 != 1)' failed")
  })
})
