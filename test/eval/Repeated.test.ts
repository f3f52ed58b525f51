/**
 * What prints as `«repeated»`: a set that was printed before, and a list only where it is the very same variable or element. Recorded from Nix 2.34.8.
 */
import { assert, describe, it } from "@effect/vitest"
import { evaluate } from "./builtins/world.ts"

describe("a list that stands in several places", () => {
  for (const [expression, printed] of [
    ["rec { a = [ 1 2 ]; b = a; c = b; }", "{ a = [ 1 2 ]; b = «repeated»; c = «repeated»; }"],
    ["let s = rec { a = [ 1 ]; b = a; }; in builtins.seq s.a s", "{ a = [ 1 ]; b = «repeated»; }"],
    ["let f = x: { a = x; b = x; }; in f [ 1 2 ]", "{ a = [ 1 2 ]; b = «repeated»; }"],
    ["let s = { a = [ 1 ]; }; in { x = s.a; y = s.a; inherit (s) a; }", "{ a = [ 1 ]; x = [ 1 ]; y = [ 1 ]; }"],
    ["let x = { a = [ 1 ]; }; in [ x x.a ]", "[ { a = [ 1 ]; } [ 1 ] ]"],
    ["let a = { l = [ 1 ]; }; b = a // { m = 1; }; in [ a b ]", "[ { l = [ 1 ]; } { l = «repeated»; m = 1; } ]"]
  ] as const) {
    it(`is one list or several, as in Nix: ${expression}`, () => {
      assert.strictEqual(evaluate(expression).text, printed)
    })
  }
})
