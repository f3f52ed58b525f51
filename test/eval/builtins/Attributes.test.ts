import { assert, describe, it } from "@effect/vitest"
import { agrees } from "./world.ts"

// [expression, what Nix 2.34.8 prints or the last line of its error]
const recorded: ReadonlyArray<readonly [string, string]> = [
  ['builtins.attrNames { b = 1; a = 2; "é" = 3; Z = 1; _ = 1; "1" = 1; }', '[ "1" "Z" "_" "a" "b" "é" ]'],
  ["builtins.attrValues { b = 1; a = 2; }", "[ 2 1 ]"],
  ["builtins.attrNames 1", "error: expected a set but found an integer: 1"],
  ['builtins.getAttr "a" { a = 1; }', "1"],
  ['builtins.getAttr "b" { a = 1; }', "error: attribute 'b' missing"],
  ['builtins.getAttr "a b" { }', "error: attribute '\"a b\"' missing"],
  ["builtins.getAttr 1 { }", "error: expected a string but found an integer: 1"],
  ['builtins.hasAttr "a" { a = throw "lazy"; }', "true"],
  ['builtins.hasAttr "never mentioned elsewhere" { a = 1; }', "false"],
  ['builtins.unsafeGetAttrPos "x" { }', "null"],
  ['builtins.unsafeGetAttrPos "x" (builtins.mapAttrs (n: v: v) { x = 1; })', "null"],
  ['removeAttrs { a = 1; b = 2; } [ "a" "zz" ]', "{ b = 2; }"],
  ['removeAttrs { a = throw "lazy"; } [ ] ? a', "true"],
  ['(throw "left") // (throw "right")', "error: right"],
  ['1 // (throw "right")', "error: right"],
  ['(throw "left") // 1', "error: expected a set but found an integer: 1"],
  ['(throw "a") // (throw "b") // (throw "c")', "error: c"],
  ['(throw "left") <= (throw "right")', "error: right"],
  ['(throw "left") > (throw "right")', "error: right"],
  ['(throw "left") < (throw "right")', "error: left"],
  ['(throw "left") >= (throw "right")', "error: left"],
  ["[ (1 < 2) (1 > 2) (1 <= 2) (1 >= 2) (2 <= 2) (2 >= 2) (2 < 2) (2 > 2) ]", "[ true false true false true true false false ]"],
  ['1 ? ${throw "name"}', "error: name"],
  ['{ } ? a.${throw "name"}', "false"],
  ['{ a = 1; }.a.${throw "name"} or 2', "error: name"],
  ['{ a = throw "value"; }.a.${throw "name"}', "error: name"],
  ['{ a = throw "value"; } ? a.${throw "name"}', "error: value"],
  ['[ ({ a.b = 1; }.${"a"}.b) ({ a = 1; }.${"a"}.b or 2) ({ a = 1; }.${"b"} or 3) ]', "[ 1 2 3 ]"],
  ["removeAttrs { a = 1; } [ 1 ]", "error: expected a string but found an integer: 1"],
  ['builtins.listToAttrs [ { name = "a"; value = 1; } { name = "a"; value = 2; } { name = "b"; value = 3; } ]', "{ a = 1; b = 3; }"],
  ['builtins.listToAttrs [ { name = "a"; value = 1; } { name = "a"; } ]', "{ a = 1; }"],
  ['builtins.listToAttrs [ { name = "a"; } ]', "error: attribute 'value' missing"],
  ["builtins.listToAttrs [ { value = 1; } ]", "error: attribute 'name' missing"],
  ["builtins.listToAttrs [ 1 ]", "error: expected a set but found an integer: 1"],
  ["builtins.intersectAttrs { a = 1; c = 1; } { a = 2; b = 3; }", "{ a = 2; }"],
  ["builtins.intersectAttrs { a = 1; b = 1; c = 1; } { a = 2; d = 3; }", "{ a = 2; }"],
  ["builtins.intersectAttrs { a = 1; } 2", "error: expected a set but found an integer: 2"],
  ['builtins.catAttrs "a" [ { a = 1; } { b = 2; } { a = 3; } ]', "[ 1 3 ]"],
  ['builtins.catAttrs "a" [ 1 ]', "error: expected a set but found an integer: 1"],
  ["builtins.functionArgs ({ z, a ? 1, m }: 1)", "{ a = true; m = false; z = false; }"],
  ["builtins.functionArgs (x: x)", "{ }"],
  ["builtins.functionArgs ({ }: 1)", "{ }"],
  ["builtins.functionArgs builtins.add", "{ }"],
  ["builtins.functionArgs { __functor = self: { a }: a; }", "error: 'functionArgs' requires a function"],
  ["builtins.mapAttrs (n: v: n + toString v) { b = 1; a = 2; }", '{ a = "a2"; b = "b1"; }'],
  ['(builtins.mapAttrs (n: v: v) { a = throw "lazy"; b = 1; }).b', "1"],
  ["builtins.mapAttrs 1 { }", "{ }"],
  ["builtins.mapAttrs (n: v: v) 1", "error: expected a set but found an integer: 1"],
  [
    "builtins.zipAttrsWith (n: vs: { inherit n vs; }) [ { a = 1; } { a = 2; b = 3; } ]",
    '{ a = { n = "a"; vs = [ 1 2 ]; }; b = { n = "b"; vs = [ 3 ]; }; }'
  ],
  ["builtins.zipAttrsWith (n: vs: vs) [ ]", "{ }"],
  ["builtins.zipAttrsWith 1 [ ]", "error: expected a function but found an integer: 1"]
]

describe("attribute sets", () => {
  it("are looked at and remade as in Nix", () => {
    for (const [expression, expected] of recorded) assert.strictEqual(agrees(expression, expected), expected, expression)
  })
})
