import { assert, describe, it } from "@effect/vitest"
import { agrees } from "./world.ts"

// [expression, what Nix 2.34.8 prints or the last line of its error]
const recorded: ReadonlyArray<readonly [string, string]> = [
  ["builtins.add 9223372036854775807 1", "error: integer overflow in adding 9223372036854775807 + 1"],
  ["builtins.add 9007199254740992 1", "9007199254740993"],
  ["builtins.add 1 1.5", "2.5"],
  ['builtins.add "a" 1', 'error: expected an integer but found a string: "a"'],
  ["builtins.sub (-9223372036854775807) 2", "error: integer overflow in subtracting -9223372036854775807 - 2"],
  ["builtins.sub 9007199254740993 1", "9007199254740992"],
  ["builtins.mul 4611686018427387904 2", "error: integer overflow in multiplying 4611686018427387904 * 2"],
  ["builtins.mul 4611686018427387904 (-2)", "-9223372036854775808"],
  ["builtins.mul 3037000500 3037000499", "9223372033963249500"],
  ["builtins.mul null 1", "error: expected an integer but found null: null"],
  ["builtins.div 7 (-2)", "-3"],
  ["builtins.div (-7) 2", "-3"],
  ["builtins.div (-9223372036854775807 - 1) (-1)", "error: integer overflow in dividing -9223372036854775808 / -1"],
  ["builtins.div 1 0", "error: division by zero"],
  ["builtins.div 1 0.0", "error: division by zero"],
  ['builtins.div "a" 0', "error: division by zero"],
  ['builtins.div 1 "a"', 'error: expected a float but found a string: "a"'],
  ["builtins.div 7 2.0", "3.5"],
  ["builtins.div 9223372036854775807 2", "4611686018427387903"],
  ["builtins.bitAnd 12 10", "8"],
  ["builtins.bitAnd 9223372036854775807 (-1)", "9223372036854775807"],
  ["builtins.bitOr 12 3", "15"],
  ["builtins.bitOr 1 (-9223372036854775807 - 1)", "-9223372036854775807"],
  ["builtins.bitXor (-9223372036854775807) 12345678901234567", "-9211026357953541242"],
  ["builtins.bitAnd 1.0 1", "error: expected an integer but found a float: 1"],
  ["builtins.ceil 1.2", "2"],
  ["builtins.ceil (-0.5)", "0"],
  [
    "builtins.ceil 9007199254740993",
    "error: Due to a bug (see https://github.com/NixOS/nix/issues/12899) a loss of precision occurred in previous Nix versions because the NixInt argument 9007199254740993 was rounded to 9007199254740992."
  ],
  [
    "builtins.ceil 9223372036854775807",
    "error: Due to a bug (see https://github.com/NixOS/nix/issues/12899) the NixInt argument 9223372036854775807 caused undefined behavior in previous Nix versions."
  ],
  ["builtins.ceil 9.3e18", "error: NixFloat argument 9.3e+18 is not in the range of NixInt"],
  ["builtins.floor 1.8", "1"],
  ["builtins.floor (-1.2)", "-2"],
  ["builtins.floor 1.0e18", "1000000000000000000"],
  ["builtins.floor 5", "5"],
  ["builtins.floor (-9.3e18)", "error: NixFloat argument -9.3e+18 is not in the range of NixInt"],
  ['builtins.floor "a"', 'error: expected a float but found a string: "a"'],
  ["builtins.lessThan 1 1.5", "true"],
  ['builtins.lessThan "a" "b"', "true"],
  ["builtins.lessThan [ 1 2 ] [ 1 3 ]", "true"],
  ["builtins.lessThan /a /b", "true"],
  ['builtins.lessThan 1 "a"', 'error: cannot compare an integer with a string; values are 1 and "a"'],
  ["builtins.lessThan null null", "error: cannot compare null with null; values of that type are incomparable (values are null and null)"],
  ["(- 0.0)", "0"]
]

describe("arithmetic", () => {
  it("stays within 64 bits and refuses what Nix refuses", () => {
    for (const [expression, expected] of recorded) assert.strictEqual(agrees(expression, expected), expected, expression)
  })
})
