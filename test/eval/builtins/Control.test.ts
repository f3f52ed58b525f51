import { assert, describe, it } from "@effect/vitest"
import { evaluate } from "./world.ts"
import { agrees } from "./world.ts"

// [expression, what Nix 2.34.8 prints or the last line of its error]
const recorded: ReadonlyArray<readonly [string, string]> = [
  ['builtins.seq (throw "a") 1', "error: a"],
  ['builtins.seq { a = throw "x"; } 1', "1"],
  ['builtins.deepSeq { a = throw "x"; } 1', "error: x"],
  ['builtins.deepSeq [ { a = [ (throw "deep") ]; } ] 1', "error: deep"],
  ["let x = { y = x; l = [ x ]; }; in builtins.deepSeq x 1", "1"],
  ['builtins.tryEval { a = throw "lazy"; } ? value', "true"],
  ['builtins.tryEval (throw "x")', "{ success = false; value = false; }"],
  ["builtins.tryEval (assert false; 1)", "{ success = false; value = false; }"],
  ['builtins.tryEval (abort "x")', "error: evaluation aborted with the following error message: 'x'"],
  ['builtins.tryEval (1 + "a")', "error: cannot add a string to an integer"],
  ["builtins.tryEval ({ }.a)", "error: attribute 'a' missing"],
  ["builtins.tryEval <nope>", "{ success = false; value = false; }"],
  ['builtins.tryEval (builtins.foldl\' (_: x: x) 1 [ (throw "e") 2 ])', "{ success = false; value = false; }"],
  ['throw "x"', "error: x"],
  ["throw { }", "error: cannot coerce a set to a string: { }"],
  ['throw { __toString = s: "s"; }', "error: s"],
  ['abort "x"', "error: evaluation aborted with the following error message: 'x'"],
  ["abort 1", "error: cannot coerce an integer to a string: 1"],
  ['builtins.addErrorContext "ctx" (1 + "a")', "error: cannot add a string to an integer"],
  ['builtins.addErrorContext (throw "unused") 1', "1"],
  ["builtins.break { a = 1; }", "{ a = 1; }"],
  ['builtins.trace "x" 1', "1"],
  ['builtins.traceVerbose (throw "unused") 1', "1"],
  ["builtins.warn 1 2", "error: expected a string but found an integer: 1"],
  [
    'builtins.genericClosure { startSet = [ { key = "b"; } { key = "a"; } { key = "b"; v = 1; } ]; operator = i: if i.key == "a" then [ { key = "c"; } ] else [ ]; }',
    '[ { key = "b"; } { key = "a"; } { key = "c"; } ]'
  ],
  [
    "builtins.genericClosure { startSet = [ { key = 1; } { key = 1.0; } { key = 2; } ]; operator = i: [ ]; }",
    "[ { key = 1; } { key = 2; } ]"
  ],
  [
    "builtins.genericClosure { startSet = [ { key = [ 1 ]; } { key = [ 1 ]; } { key = [ 0 1 ]; } ]; operator = i: [ ]; }",
    "[ { key = [ 1 ]; } { key = [ 0 1 ]; } ]"
  ],
  [
    'builtins.genericClosure { startSet = [ { key = 1; } { key = "string"; } ]; operator = i: [ ]; }',
    'error: cannot compare a string with an integer; values are "string" and 1'
  ],
  ["builtins.genericClosure { startSet = [ { key = null; } ]; operator = i: [ ]; }", "[ { key = null; } ]"],
  [
    "builtins.genericClosure { startSet = [ { key = null; } { key = null; } ]; operator = i: [ ]; }",
    "error: cannot compare null with null; values of that type are incomparable (values are null and null)"
  ],
  ["builtins.genericClosure { startSet = [ { } ]; operator = i: [ ]; }", "error: attribute 'key' missing"],
  ["builtins.genericClosure { startSet = [ { key = 1; } ]; operator = i: 1; }", "error: expected a list but found an integer: 1"],
  ["builtins.genericClosure { startSet = [ ]; }", "[ ]"],
  ["builtins.genericClosure { }", "error: attribute 'startSet' missing"],
  [
    "builtins.length (builtins.genericClosure { startSet = [ { key = 0; } ]; operator = { key }: if key < 2000 then [ { key = key + 1; } { key = key + 2; } ] else [ ]; })",
    "2002"
  ]
]

describe("order and errors", () => {
  it("follow Nix", () => {
    for (const [expression, expected] of recorded) assert.strictEqual(agrees(expression, expected), expected, expression)
  })

  it("end the evaluation with their trace where that was asked for", () => {
    const result = evaluate('builtins.tryEval (builtins.warn "b" 1)', { settings: { abortOnWarn: true } })
    assert.deepStrictEqual(result, {
      ok: false,
      text: "aborting to reveal stack trace of warning, as abort-on-warn is set",
      lines: ["evaluation warning: b"]
    })
  })

  it("keep their colours only where colours are wanted", () => {
    const red = 'builtins.trace (builtins.fromJSON "\\"\\\\u001b[31mred\\\\u001b[0m\\"") 1'
    assert.deepStrictEqual(evaluate(red).lines, ["trace: red"])
    assert.deepStrictEqual(evaluate(red, { settings: { color: true } }).lines, ["trace: \u001b[31mred\u001b[0m"])
  })

  it("show traces and warnings in order, sets unevaluated as far as they are", () => {
    const result = evaluate('builtins.trace "a" (builtins.warn "b" (builtins.trace { x = 1; y = 1 + 1; l = [ 1 ]; } 3))')
    assert.deepStrictEqual(result, {
      ok: true,
      text: "3",
      lines: ["trace: a", "evaluation warning: b", "trace: { l = «thunk»; x = 1; y = «thunk»; }"]
    })
  })

  it("show verbose traces when asked to", () => {
    assert.deepStrictEqual(evaluate('builtins.traceVerbose "v" 1', { settings: { traceVerbose: true } }).lines, ["trace: v"])
    assert.deepStrictEqual(evaluate('builtins.traceVerbose "v" 1').lines, [])
  })

  it("count how deeply toJSON and deepSeq go", () => {
    const deep = (wrap: string) => `let deep = n: if n == 0 then 1 else [ (deep (n - 1)) ]; in ${wrap} (deep 400)`
    for (const wrap of ["builtins.toJSON", "builtins.toXML", "x: builtins.deepSeq x 1"]) {
      const result = evaluate(deep(wrap.startsWith("x:") ? `(${wrap})` : wrap), { settings: { maxCallDepth: 300 } })
      assert.deepStrictEqual(result, { ok: false, text: "stack overflow; max-call-depth exceeded", lines: [] })
    }
  })
})
