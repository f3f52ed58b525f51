import { assert, describe, it } from "@effect/vitest"
import type { Derivation } from "../../src/nix/Derivation.ts"
import type { StorePath } from "../../src/nix/StorePath.ts"
import { outputChecks, type CheckedOutput, violation } from "../../src/realise/OutputChecks.ts"

const path = (name: string) => `/nix/store/${"a".repeat(32)}-${name}` as StorePath
const [out, dev, lib, gcc] = [path("x"), path("x-dev"), path("lib"), path("gcc")] as const

const withEnv = (env: Record<string, string>): Derivation => ({
  name: "x",
  outputs: new Map(["out", "dev"].map((name) => [name, { path: name === "out" ? out : dev, hashAlgorithm: "", hash: "" }])),
  inputDerivations: new Map(),
  inputSources: [],
  system: "x86_64-linux",
  builder: "/bin/sh",
  args: [],
  env: new Map(Object.entries(env))
})

const output: CheckedOutput = {
  path: out,
  references: [lib, out],
  closure: new Map([
    [out, 100],
    [lib, 50],
    [gcc, 1000]
  ]),
  narSize: 100
}

const check = (env: Record<string, string>, of: CheckedOutput = output) => {
  const checks = outputChecks(withEnv(env), "out")
  return "check" in checks
    ? checks
    : violation(
        checks,
        of,
        new Map([
          ["out", out],
          ["dev", dev]
        ])
      )
}
const structured = (out: unknown) => ({ __json: JSON.stringify({ outputChecks: { out } }) })

describe("checks on outputs", () => {
  it("nothing asked is nothing refused", () => {
    assert.isUndefined(check({}))
    assert.isUndefined(check(structured({})))
    assert.isUndefined(check({ __json: JSON.stringify({ outputChecks: { dev: { maxSize: 1 } } }) }))
  })

  it("allowedReferences refuses what it does not name, the output itself too", () => {
    assert.deepStrictEqual(check({ allowedReferences: "" })?.offenders, [out, lib].sort())
    assert.deepStrictEqual(check({ allowedReferences: lib })?.offenders, [out])
    assert.isUndefined(check({ allowedReferences: `${lib}\n out ` }))
  })

  it("allowedRequisites looks through the whole closure and lets an output refer to itself", () => {
    assert.deepStrictEqual(check({ allowedRequisites: lib })?.offenders, [gcc])
    assert.isUndefined(check({ allowedRequisites: `${lib} ${gcc}` }))
    assert.deepStrictEqual(check(structured({ allowedRequisites: [lib, gcc] }))?.offenders, [out])
    assert.isUndefined(check(structured({ allowedRequisites: [lib, gcc], ignoreSelfRefs: true })))
  })

  it("disallowed references and requisites are found, by path or by output name", () => {
    assert.strictEqual(check({ disallowedReferences: lib })?.check, "disallowedReferences")
    assert.isUndefined(check({ disallowedReferences: gcc }))
    assert.deepStrictEqual(check({ disallowedRequisites: gcc })?.offenders, [gcc])
    assert.deepStrictEqual(check({ disallowedReferences: "dev" }, { ...output, references: [dev] })?.offenders, [dev])
  })

  it("sizes are limited under structured attributes", () => {
    assert.strictEqual(check(structured({ maxSize: 99 }))?.check, "maxSize")
    assert.isUndefined(check(structured({ maxSize: 100 })))
    assert.strictEqual(check(structured({ maxClosureSize: 1149 }))?.check, "maxClosureSize")
    assert.isUndefined(check(structured({ maxClosureSize: 1150 })))
  })

  it("what is written wrongly is an error, not ignored", () => {
    assert.deepStrictEqual(check({ allowedReferences: "nothing" })?.offenders, ["nothing"])
    assert.include(check(structured({ allowedReferences: "a" }))?.detail, "list of strings")
    assert.include(check({ __json: "{" })?.detail, "not JSON")
  })
})
