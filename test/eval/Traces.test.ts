/**
 * What users see of an error: its place, the way to it, and what to do. Layouts and words were compared with those of Nix 2.36's own tests.
 */
import { assert, describe, it } from "@effect/vitest"
import { reportError } from "../../src/eval/ErrorReport.ts"
import { makeMachine, program, textValue } from "../../src/eval/Evaluate.ts"
import { deepForce } from "../../src/eval/DeepForce.ts"
import type { Settings } from "../../src/eval/Machine.ts"
import { render } from "../../src/lang/Diagnostics.ts"
import { toUnicode } from "../../src/nix/Bytes.ts"
import { host } from "./builtins/world.ts"

const report = (source: string, showTrace = true, settings: Partial<Settings> = {}): string => {
  const machine = makeMachine(host({}), settings)
  const outcome = program(machine, () => deepForce(textValue(source, { _tag: "String" }, "/"))).run()
  if (outcome._tag !== "Failed") throw new Error(outcome._tag)
  return toUnicode(render(reportError(machine, outcome.error), { showTrace }))
}

/** The lines that tell what was going on, without places and excerpts. */
const frames = (source: string, showTrace = true): Array<string> =>
  report(source, showTrace)
    .split("\n")
    .flatMap((line) => /^ *… (.*)$/.exec(line)?.[1] ?? [])

describe("an error's report", () => {
  it("names what an infinite recursion begins with", () => {
    assert.deepStrictEqual(frames("let x = y + 1; y = x + 1; in x"), [
      "entering the infinite recursion",
      "while evaluating the attribute 'x'",
      "while evaluating the attribute 'y'"
    ])
    assert.match(report("let x = y + 1; y = x + 1; in x"), /error: infinite recursion encountered\n +at «string»:1:20:/)
    assert.deepStrictEqual(frames("let a = b; b = c + 1; c = d + 1; d = c; in a"), [
      "while evaluating the attribute 'b'",
      "entering the infinite recursion",
      "while evaluating the attribute 'c'"
    ])
  })

  it("places what operators refuse", () => {
    for (const [source, place] of [
      ["1 - 9223372036854775807 - 9", "1:25"],
      ["2 * 9223372036854775807", "1:3"],
      ["1 / 0", "1:3"],
      ['1 - "a"', "1:3"],
      ["9223372036854775807 + 1", "1:23"],
      ["1 && true", "1:1"],
      ["false || 1", "1:10"],
      ["true -> 1", "1:9"],
      ["!1", "1:2"],
      ["-null", "1:1"],
      ["[ ] ++ 1", "1:8"],
      ["1 // { }", "1:1"],
      ["1 < null", "1:3"]
    ] as const) {
      assert.include(report(source), `at «string»:${place}:`, source)
    }
    assert.deepStrictEqual(frames("1 && true"), ["in the left operand of '&&'"])
    assert.deepStrictEqual(frames("{ } // 1"), ["in the right operand of '//'"])
  })

  it("is of the first operand of + where nothing can be added to it, and then the second is not evaluated", () => {
    for (const [first, words] of [
      ["{ }", "cannot coerce a set to a string"],
      ["null", "cannot coerce null to a string"],
      ["(x: x)", "cannot coerce a function to a string"],
      ["(let x = [ ]; in x)", "cannot coerce a list to a string"]
    ] as const) {
      for (const source of [
        `${first} + throw "second"`,
        `let x = ${first}; in builtins.seq x (x + throw "second")`,
        `(y: ${first} + y) (throw "second")`
      ])
        assert.include(report(source, false), words, source)
    }
    for (const first of ["1", '"a"', "1.5", "/.", "{ outPath = 1; }", "{ __toString = 1; }", '(builtins.toFile "a" "b")'])
      assert.include(report(`${first} + throw "second"`, false), "error: second", first)
  })

  it("says once which attribute was evaluated, whoever asked for it", () => {
    assert.deepStrictEqual(frames('{ a = throw "x"; }'), ["while evaluating the attribute 'a'", "while calling the 'throw' builtin"])
  })

  it("says once which argument of fetchClosure was evaluated", () => {
    const features = new Set(["fetch-closure"])
    for (const cache of ["1", 'builtins.toFile "a" "b"']) {
      const text = report(`builtins.fetchClosure { fromPath = "/nix/store/${"a".repeat(32)}-x"; fromStore = ${cache}; }`, true, {
        features
      })
      assert.lengthOf(text.match(/while evaluating the attribute 'fromStore' passed to builtins.fetchClosure/g)!, 1, text)
    }
  })

  it("shows what programs wrote for their readers however short the trace is cut", () => {
    const deep = 'let f = n: if n == 0 then throw "x" else builtins.addErrorContext "at ${toString n}" (1 + f (n - 1)); in f 3'
    const short = frames(deep, false)
    assert.deepStrictEqual(
      short.filter((frame) => frame.startsWith("at ")),
      ["at 3", "at 2", "at 1"]
    )
    assert.isBelow(short.length, frames(deep).length)
    assert.include(report(deep, false), "(stack trace truncated; use '--show-trace' to show the full, detailed trace)")
  })

  it("says where a call nested too deeply, with the user's own call first", () => {
    const text = report("let f = n: f (n + 1); in f 0", false, { maxCallDepth: 50 })
    assert.match(text, /^error:\n +… from call site\n +at «string»:1:26:/)
    assert.match(text, /error: stack overflow; max-call-depth exceeded\n +at «string»:1:12:/)
  })

  it("calls a function that a function gives by the name that both are bound to", () => {
    assert.include(
      report("let f = a: b: { c }: c; in builtins.length (f 1 2)", false),
      "expected a list but found a function: \u00ablambda f @ "
    )
    assert.include(
      report("let f = a: if a then b: b else a; in builtins.length (f true)", false),
      "expected a list but found a function: \u00ablambda @ "
    )
  })

  it("says which operand of an arithmetic builtin is no number", () => {
    assert.include(frames('builtins.add "a" 1'), "while evaluating the first argument of the addition")
    assert.include(frames('builtins.mul 1 "a"'), "while evaluating the second argument of the multiplication")
    assert.include(frames('builtins.div "a" "b"'), "while evaluating the second operand of the division")
    assert.deepStrictEqual(frames("builtins.div 1 0"), ["while calling the 'div' builtin"])
  })

  it("points at the antiquotation that gives no string", () => {
    assert.match(report('"ab${1}"'), /while evaluating a path segment\n +at «string»:1:4:/)
  })

  it("guesses what a misspelt name should have been", () => {
    assert.include(report("let number = 1; in numbr"), "Did you mean number?")
    assert.include(report("{ foo = 1; }.fo"), "Did you mean foo?")
    assert.include(report("builtins.lenght"), "Did you mean length?")
    assert.include(report("({ name }: 1) { nmae = 1; name = 2; }"), "Did you mean name?")
    assert.include(report("with { value = 1; }; valeu + valu"), "undefined variable 'valeu'")
  })

  it("counts deep values like calls: in forcing, printing, JSON, XML, comparison and conversion to strings", () => {
    const nested = "(builtins.foldl' (inner: _: [ inner ]) 1 (builtins.genList (n: n) 200))"
    for (const source of [
      `builtins.deepSeq ${nested} 1`,
      `builtins.toJSON ${nested}`,
      `builtins.toXML ${nested}`,
      `${nested} == ${nested}`,
      `toString ${nested}`,
      nested
    ]) {
      assert.include(report(source, false, { maxCallDepth: 100 }), "error: stack overflow; max-call-depth exceeded", source)
    }
    assert.include(
      report('let x = { outPath = x; }; in "${x}"', false, { maxCallDepth: 100 }),
      "error: stack overflow; max-call-depth exceeded"
    )
  })
})
