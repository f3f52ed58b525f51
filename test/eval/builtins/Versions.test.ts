import { assert, describe, it } from "@effect/vitest"
import { agrees } from "./world.ts"

// [expression, what Nix 2.34.8 prints or the last line of its error]
const recorded: ReadonlyArray<readonly [string, string]> = [
  ['builtins.compareVersions "1.0" "1.0pre1"', "1"],
  ['builtins.compareVersions "2.3a" "2.3.1"', "-1"],
  ['builtins.compareVersions "99999999999" "1"', "-1"],
  ['builtins.compareVersions 1 "1"', "error: expected a string but found an integer: 1"],
  ['builtins.splitVersion "1.2.3-beta4"', '[ "1" "2" "3" "beta" "4" ]'],
  ["builtins.splitVersion 1", "error: expected a string but found an integer: 1"],
  ['builtins.parseDrvName "nix-0.12pre12876"', '{ name = "nix"; version = "0.12pre12876"; }'],
  ['builtins.parseDrvName "nix-js"', '{ name = "nix-js"; version = ""; }'],
  ["builtins.parseDrvName 1", "error: expected a string but found an integer: 1"]
]

describe("versions", () => {
  it("are compared and taken apart as in Nix", () => {
    for (const [expression, expected] of recorded) assert.strictEqual(agrees(expression, expected), expected, expression)
  })
})
