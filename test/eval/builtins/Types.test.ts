import { assert, describe, it } from "@effect/vitest"
import { agrees } from "./world.ts"

// [expression, what Nix 2.34.8 prints or the last line of its error]
const recorded: ReadonlyArray<readonly [string, string]> = [
  [
    'map builtins.typeOf [ 1 1.5 "a" /a null true [ ] { } (x: x) builtins.add (builtins.add 1) ]',
    '[ "int" "float" "string" "path" "null" "bool" "list" "set" "lambda" "lambda" "lambda" ]'
  ],
  [
    'map builtins.isNull [ 1 9223372036854775807 1.5 "a" /a null true [ ] { } (x: x) builtins.add (builtins.add 1) { __functor = x: x; } ]',
    "[ false false false false false true false false false false false false false ]"
  ],
  [
    'map builtins.isBool [ 1 9223372036854775807 1.5 "a" /a null true [ ] { } (x: x) builtins.add (builtins.add 1) { __functor = x: x; } ]',
    "[ false false false false false false true false false false false false false ]"
  ],
  [
    'map builtins.isInt [ 1 9223372036854775807 1.5 "a" /a null true [ ] { } (x: x) builtins.add (builtins.add 1) { __functor = x: x; } ]',
    "[ true true false false false false false false false false false false false ]"
  ],
  [
    'map builtins.isFloat [ 1 9223372036854775807 1.5 "a" /a null true [ ] { } (x: x) builtins.add (builtins.add 1) { __functor = x: x; } ]',
    "[ false false true false false false false false false false false false false ]"
  ],
  [
    'map builtins.isString [ 1 9223372036854775807 1.5 "a" /a null true [ ] { } (x: x) builtins.add (builtins.add 1) { __functor = x: x; } ]',
    "[ false false false true false false false false false false false false false ]"
  ],
  [
    'map builtins.isPath [ 1 9223372036854775807 1.5 "a" /a null true [ ] { } (x: x) builtins.add (builtins.add 1) { __functor = x: x; } ]',
    "[ false false false false true false false false false false false false false ]"
  ],
  [
    'map builtins.isList [ 1 9223372036854775807 1.5 "a" /a null true [ ] { } (x: x) builtins.add (builtins.add 1) { __functor = x: x; } ]',
    "[ false false false false false false false true false false false false false ]"
  ],
  [
    'map builtins.isAttrs [ 1 9223372036854775807 1.5 "a" /a null true [ ] { } (x: x) builtins.add (builtins.add 1) { __functor = x: x; } ]',
    "[ false false false false false false false false true false false false true ]"
  ],
  [
    'map builtins.isFunction [ 1 9223372036854775807 1.5 "a" /a null true [ ] { } (x: x) builtins.add (builtins.add 1) { __functor = x: x; } ]',
    "[ false false false false false false false false false true true true false ]"
  ],
  ['builtins.typeOf (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath', '"string"'],
  ['builtins.isString (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath', "true"],
  ['builtins.isNull (throw "x")', "error: x"]
]

describe("types", () => {
  it("say what kind of value they are given", () => {
    for (const [expression, expected] of recorded) assert.strictEqual(agrees(expression, expected), expected, expression)
  })
})
