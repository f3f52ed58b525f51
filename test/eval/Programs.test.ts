/**
 * A slice of a campaign of random programs against Nix 2.34.8: builtins, operators and literals at their edges, some of them wrong on purpose. Each line of
 * `programs.recorded.jsonl` is a program with what `nix-instantiate --eval --strict` printed, or the own line of its error.
 */
import * as fs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { agrees } from "./builtins/world.ts"

const recorded = fs
  .readFileSync(new URL("programs.recorded.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as readonly [program: string, result: string])

describe("random programs", () => {
  it(`give what they gave in Nix (${recorded.length} of them)`, () => {
    assert.isAbove(recorded.length, 300)
    for (const [program, result] of recorded) assert.strictEqual(agrees(program, result), result, program)
  })
})
