/**
 * What prints as `«repeated»`: a set that was printed before, and a list only where it is the very same variable or element. Recorded from Nix 2.34.8, whose
 * `nix-instantiate --eval --strict`, `nix eval`, `:p` of the repl and `builtins.trace` agree on it.
 */
import { assert, describe, it } from "@effect/vitest"
import { deepForce } from "../../src/eval/DeepForce.ts"
import { makeMachine, program, textValue } from "../../src/eval/Evaluate.ts"
import { force } from "../../src/eval/Force.ts"
import { printShort, printValue } from "../../src/eval/Print.ts"
import { printTree } from "../../src/eval/PrintTree.ts"
import type { Value } from "../../src/eval/Value.ts"
import { toUnicode } from "../../src/nix/Bytes.ts"
import { evaluate, host } from "./builtins/world.ts"

const printed = (source: string, print: (value: Value) => string): string => {
  const outcome = program(makeMachine(host({}), {}), () => print(textValue(source, { _tag: "String" }, "/"))).run()
  if (outcome._tag !== "Done") throw new Error(outcome._tag)
  return toUnicode(outcome.value)
}

const ways: ReadonlyArray<readonly [string, (value: Value) => string]> = [
  ["nix-instantiate", (value) => printValue(deepForce(value))],
  ["nix eval", (value) => printTree(force(value), { depth: Infinity, color: false, oneLine: true })],
  ["the repl", (value) => printTree(force(value), { depth: Infinity, color: false }).replace(/\s+/g, " ")],
  ["an error", (value) => printShort(deepForce(value))]
]

describe("a list that stands in several places", () => {
  for (const [expression, expected] of [
    ["rec { a = [ 1 2 ]; b = a; c = b; }", "{ a = [ 1 2 ]; b = «repeated»; c = «repeated»; }"],
    ["let s = rec { a = [ 1 ]; b = a; }; in builtins.seq s.a s", "{ a = [ 1 ]; b = «repeated»; }"],
    ["let f = x: { a = x; b = x; }; in f [ 1 2 ]", "{ a = [ 1 2 ]; b = «repeated»; }"],
    ["let s = { a = [ 1 ]; }; in { x = s.a; y = s.a; inherit (s) a; }", "{ a = [ 1 ]; x = [ 1 ]; y = [ 1 ]; }"],
    ["let x = { a = [ 1 ]; }; in [ x x.a ]", "[ { a = [ 1 ]; } [ 1 ] ]"],
    ["let a = { l = [ 1 ]; }; b = a // { m = 1; }; in [ a b ]", "[ { l = [ 1 ]; } { l = «repeated»; m = 1; } ]"],
    ["let a = [ 1 2 3 ]; f = x: x; b = f a; in [ b b a ]", "[ [ 1 2 3 ] «repeated» [ 1 2 3 ] ]"],
    ["let a = [ 1 2 3 ]; in builtins.mapAttrs (n: x: x) { x = a; y = a; }", "{ x = [ 1 2 3 ]; y = [ 1 2 3 ]; }"],
    ["map (x: x) (let a = [ 1 ]; in [ a a ])", "[ [ 1 ] [ 1 ] ]"],
    ["with { v = [ 1 2 3 ]; }; [ v v ]", "[ [ 1 2 3 ] [ 1 2 3 ] ]"],
    ["let l = [ [ 1 ] [ 1 ] ]; in [ (builtins.head l) l l ]", "[ [ 1 ] [ [ 1 ] [ 1 ] ] «repeated» ]"],
    ["({ given, other ? given }: [ given other ]) { given = [ 1 ]; }", "[ [ 1 ] «repeated» ]"],
    ["let z = [ 1 ]; in ({ other ? z }: [ z other ]) { }", "[ [ 1 ] «repeated» ]"],
    // Bindings are made in the order in which their names were first met, and `name` is older than any program.
    ["[ (rec { a = [ 1 ]; name = a; }) ]", "[ { a = [ 1 ]; name = [ 1 ]; } ]"],
    ["let second = first; first = [ 1 ]; third = second; in [ first second third ]", "[ [ 1 ] [ 1 ] «repeated» ]"],
    ["let x = [ x 1 ]; in x", "[ [ «repeated» 1 ] 1 ]"]
  ] as const) {
    for (const [way, print] of ways)
      it(`is one list or several, as in Nix: ${expression}, by ${way}`, () => assert.strictEqual(printed(expression, print), expected))
  }

  it("is one or several as functions are, which are equal only to themselves", () => {
    for (const [expression, expected] of [
      ["let old = x: x; new = old; in [ old ] == [ new ]", "true"],
      ["({ given, other ? given }: [ given ] == [ other ]) { given = x: x; }", "true"],
      ["let f = x: x; in ({ other ? f }: [ f ] == [ other ]) { }", "true"],
      ["let newer = older; older = x: x; in [ older ] == [ newer ]", "false"],
      ["rec { f = x: x; name = f; same = [ f ] == [ name ]; }.same", "false"]
    ] as const)
      assert.strictEqual(evaluate(expression).text, expected, expression)
  })

  it("is one with the argument that is traced", () => {
    for (const [expression, expected] of [
      ["let x = [ x 1 ]; in builtins.trace x null", "trace: [ «repeated» 1 ]"],
      ["let a = [ 1 ]; x = [ a a ]; in builtins.deepSeq x (builtins.trace x null)", "trace: [ [ 1 ] «repeated» ]"],
      ["let s = { l = [ 1 ]; }; x = [ s.l s.l ]; in builtins.deepSeq x (builtins.trace x null)", "trace: [ [ 1 ] [ 1 ] ]"]
    ] as const)
      assert.deepStrictEqual(evaluate(expression).lines, [expected])
  })

  it("is told from a derivation, which is a set", () => {
    const expression = 'let d = { type = "derivation"; drvPath = "/nix/store/d.drv"; }; in [ d d ]'
    const [, tree] = ways[1]!
    assert.strictEqual(printed(expression, tree), "[ «derivation /nix/store/d.drv» «repeated» ]")
  })
})
