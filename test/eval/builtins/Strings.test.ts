import { assert, describe, it } from "@effect/vitest"
import { agrees } from "./world.ts"

// [expression, what Nix 2.34.8 prints or the last line of its error]
const recorded: ReadonlyArray<readonly [string, string]> = [
  ['builtins.stringLength "é"', "2"],
  ['builtins.stringLength { outPath = "abc"; }', "3"],
  ["builtins.stringLength 1", "error: cannot coerce an integer to a string: 1"],
  ['builtins.substring 1 3 "hello"', '"ell"'],
  ['builtins.substring 1 (-1) "hello"', '"ello"'],
  ['builtins.substring 10 1 "hello"', '""'],
  ['builtins.substring (-1) 1 "hello"', "error: negative start position in 'substring'"],
  ['builtins.substring 1 9223372036854775807 "hello"', '"ello"'],
  ['builtins.substring 9223372036854775807 (-1) "hello"', '""'],
  ['builtins.substring 0 2 { outPath = "abc"; }', '"ab"'],
  ["builtins.substring 0 1 1", "error: cannot coerce an integer to a string: 1"],
  ['builtins.concatStringsSep ", " [ "a" { outPath = "b"; } "c" ]', '"a, b, c"'],
  ['builtins.concatStringsSep "," [ ]', '""'],
  ["builtins.concatStringsSep 1 [ ]", "error: expected a string but found an integer: 1"],
  ['builtins.concatStringsSep "" [ [ "a" ] ]', 'error: cannot coerce a list to a string: [ "a" ]'],
  ['builtins.replaceStrings [ "" "a" ] [ "-" "b" ] "aXa"', '"-a-X-a-"'],
  ['builtins.replaceStrings [ "a" "" ] [ "b" "-" ] "aXa"', '"b-Xb-"'],
  ['builtins.replaceStrings [ "ab" "a" ] [ "1" "2" ] "aabab"', '"211"'],
  ['builtins.replaceStrings [ ] [ ] "abc"', '"abc"'],
  ['builtins.replaceStrings [ "" ] [ "x" ] ""', '"x"'],
  ['builtins.replaceStrings [ "a" ] [ (throw "lazy") ] "bcd"', '"bcd"'],
  ['builtins.replaceStrings [ "a" ] [ 1 ] "a"', "error: expected a string but found an integer: 1"],
  ['builtins.replaceStrings [ "a" ] [ ] "a"', "error: 'from' and 'to' arguments passed to builtins.replaceStrings have different lengths"],
  ['builtins.match "([a-z]+)-(.*)" "ab-1"', '[ "ab" "1" ]'],
  ['builtins.match "a" "b"', "null"],
  ['builtins.match "(" "b"', "error: invalid regular expression '('"],
  ['builtins.match "a{99999}" "b"', "error: memory limit exceeded by regular expression 'a{99999}'"],
  ['builtins.match "((a)|(b))*" "ab"', '[ "b" "a" "b" ]'],
  ['builtins.split "(a)|b" "xaybz"', '[ "x" [ "a" ] "y" [ null ] "z" ]'],
  ['builtins.split "" "abc"', '[ "" [ ] "a" [ ] "b" [ ] "c" [ ] "" ]'],
  ['builtins.split "x*" "axxb"', '[ "" [ ] "a" [ ] "" [ ] "b" [ ] "" ]'],
  ['builtins.split "$" "abc"', '[ "abc" [ ] "" ]'],
  ['builtins.split "," "abc"', '[ "abc" ]'],
  ['builtins.split "[" "abc"', "error: invalid regular expression '['"]
]

describe("strings", () => {
  it("are bytes, cut and searched as in Nix", () => {
    for (const [expression, expected] of recorded) assert.strictEqual(agrees(expression, expected), expected, expression)
  })
})
