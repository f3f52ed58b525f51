import { assert, describe, it } from "@effect/vitest"
import { evaluate } from "./world.ts"
import { mergeSort } from "../../../src/eval/builtins/Lists.ts"
import { agrees } from "./world.ts"

// [expression, what Nix 2.34.8 prints or the last line of its error]
const recorded: ReadonlyArray<readonly [string, string]> = [
  ["map (x: x + 1) [ 1 2 ]", "[ 2 3 ]"],
  ["map 1 [ ]", "[ ]"],
  ["map 1 [ 1 ]", "error: expected a function but found an integer: 1"],
  ["map (x: x) 1", "error: expected a list but found an integer: 1"],
  ['builtins.length (map (x: throw "lazy") [ 1 2 ])', "2"],
  ["builtins.genList (x: x * x) 5", "[ 0 1 4 9 16 ]"],
  ["builtins.genList 1 0", "error: expected a function but found an integer: 1"],
  ["builtins.genList (x: x) (-1)", "error: cannot create list of size -1"],
  ["builtins.genList (x: x) 1.0", "error: expected an integer but found a float: 1"],
  ["builtins.filter (x: x > 1) [ 1 2 3 ]", "[ 2 3 ]"],
  ["builtins.filter (x: null) [ 1 ]", "error: expected a Boolean but found null: null"],
  ["builtins.filter 1 [ ]", "[ ]"],
  ["builtins.partition (x: x > 2) [ 1 2 3 4 ]", "{ right = [ 3 4 ]; wrong = [ 1 2 ]; }"],
  ["builtins.partition (x: 1) [ 1 ]", "error: expected a Boolean but found an integer: 1"],
  ['builtins.groupBy (x: if x > 2 then "big" else "small") [ 1 2 3 4 ]', "{ big = [ 3 4 ]; small = [ 1 2 ]; }"],
  ["builtins.groupBy (x: 1) [ 1 ]", "error: expected a string but found an integer: 1"],
  ["builtins.concatLists [ [ 1 ] [ ] [ 2 3 ] ]", "[ 1 2 3 ]"],
  ["builtins.concatLists [ [ 1 ] 2 ]", "error: expected a list but found an integer: 2"],
  ["builtins.concatMap (x: [ x x ]) [ 1 2 ]", "[ 1 1 2 2 ]"],
  ["builtins.concatMap (x: x) [ 1 ]", "error: expected a list but found an integer: 1"],
  ["builtins.foldl' (a: b: a + b) 0 [ 1 2 3 ]", "6"],
  ['builtins.foldl\' (a: b: b) (throw "x") [ 1 ]', "1"],
  ['builtins.foldl\' (a: b: a) 1 [ (throw "x") ]', "1"],
  ['builtins.foldl\' (_: x: x) 1 [ (throw "e") 2 ]', "error: e"],
  ["builtins.foldl' 1 2 [ ]", "error: expected a function but found an integer: 1"],
  ['builtins.any (x: x > 1) [ 1 2 (throw "no") ]', "true"],
  ["builtins.any (x: 1) [ 1 ]", "error: expected a Boolean but found an integer: 1"],
  ['builtins.all (x: x < 2) [ 1 2 (throw "no") ]', "false"],
  ["builtins.all (x: true) [ ]", "true"],
  ["builtins.sort (a: b: a > b) [ 1 5 2 2 9 (-1) ]", "[ 9 5 2 2 1 -1 ]"],
  ['builtins.sort builtins.lessThan [ "b" "a" "C" "" ]', '[ "" "C" "a" "b" ]'],
  ["builtins.sort builtins.lessThan [ 1 2.5 2 0.5 ]", "[ 0.5 1 2 2.5 ]"],
  ["builtins.sort builtins.lessThan [ [ 2 ] [ 1 2 ] [ 1 ] ]", "[ [ 1 ] [ 1 2 ] [ 2 ] ]"],
  ['builtins.sort builtins.lessThan [ 1 "a" ]', 'error: cannot compare a string with an integer; values are "a" and 1'],
  [
    "builtins.sort (a: b: true) [ 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 ]",
    "[ 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 ]"
  ],
  ["builtins.sort (a: b: a <= b) [ 3 1 2 1 5 4 1 8 7 6 1 10 2 15 13 1 14 ]", "[ 1 1 1 1 1 2 2 3 4 5 6 7 8 10 13 14 15 ]"],
  [
    "builtins.sort (a: b: a.x < b.x) (builtins.genList (i: { x = 5 - (i - (i / 3) * 3); inherit i; }) 20)",
    "[ { i = 2; x = 3; } { i = 5; x = 3; } { i = 8; x = 3; } { i = 11; x = 3; } { i = 14; x = 3; } { i = 17; x = 3; } { i = 1; x = 4; } { i = 4; x = 4; } { i = 7; x = 4; } { i = 10; x = 4; } { i = 13; x = 4; } { i = 16; x = 4; } { i = 19; x = 4; } { i = 0; x = 5; } { i = 3; x = 5; } { i = 6; x = 5; } { i = 9; x = 5; } { i = 12; x = 5; } { i = 15; x = 5; } { i = 18; x = 5; } ]"
  ],
  ["builtins.sort 1 [ ]", "[ ]"],
  ["builtins.sort (a: b: 1) [ 1 2 ]", "error: expected a Boolean but found an integer: 1"],
  ['builtins.sort (a: b: throw "cmp") [ 1 ]', "[ 1 ]"],
  ["builtins.elemAt [ 1 2 ] 1", "2"],
  ["builtins.elemAt [ 1 2 ] 2", "error: 'builtins.elemAt' called with index 2 on a list of size 2"],
  ["builtins.elemAt [ 1 2 ] (-1)", "error: 'builtins.elemAt' called with index -1 on a list of size 2"],
  ["builtins.elemAt [ 1 2 ] 9223372036854775807", "error: 'builtins.elemAt' called with index 9223372036854775807 on a list of size 2"],
  ["builtins.elem 1.0 [ 1 ]", "true"],
  ["builtins.elem { a = 1; } [ { a = 1.0; } ]", "true"],
  ["let f = x: x; in [ (builtins.elem f [ f ]) (builtins.elem (x: x) [ (x: x) ]) ]", "[ true false ]"],
  ["builtins.length [ 1 2 ]", "2"],
  ["builtins.length { }", "error: expected a list but found a set: { }"],
  ["builtins.head [ 1 ]", "1"],
  ["builtins.head [ ]", "error: 'builtins.head' called on an empty list"],
  ["builtins.head 1", "error: expected a list but found an integer: 1"],
  ["builtins.tail [ 1 2 3 ]", "[ 2 3 ]"],
  ["builtins.tail [ ]", "error: 'builtins.tail' called on an empty list"]
]

describe("lists", () => {
  it("go through lists as in Nix", () => {
    for (const [expression, expected] of recorded) assert.strictEqual(agrees(expression, expected), expected, expression)
  })

  it("sort stably, asking about a later and an earlier element, few questions more than needed", () => {
    let state = 5
    for (const size of [0, 1, 2, 7, 8, 9, 31, 100, 1000]) {
      const elements = Array.from({ length: size }, (_, i) => [(state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % 10, i])
      let questions = 0
      const sorted = mergeSort(elements, (a, b) => {
        questions++
        return ((a as Array<number>)[0] as number) < ((b as Array<number>)[0] as number)
      })
      assert.deepStrictEqual(
        sorted,
        elements.toSorted((a, b) => (a[0] as number) - (b[0] as number))
      )
      assert.isAtMost(questions, size * (Math.log2(size + 1) + 3))
    }
  })

  it("ask little about what is in order already", () => {
    let questions = 0
    mergeSort(
      Array.from({ length: 1024 }, (_, i) => i),
      (a, b) => {
        questions++
        return (a as number) < (b as number)
      }
    )
    assert.isAtMost(questions, 1024)
  })

  it("refuse sizes beyond the limit instead of running out of memory", () => {
    assert.strictEqual(evaluate("builtins.genList (x: x) 9223372036854775807").text, "cannot create list of size 9223372036854775807")
  })
})
