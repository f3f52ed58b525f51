/** The arguments of `fetchClosure`. Messages were recorded from Nix 2.34.8 with the feature on. */
import { assert, describe, it } from "@effect/vitest"
import { evaluate } from "./world.ts"

const top = "/nix/store/rgpl4rmgwqkjb2fzw2r82y7s3h1zj7h5-top"

const result = (argument: string, features = new Set(["fetch-closure"])): string => {
  const { ok, text } = evaluate(`builtins.fetchClosure ${argument}`, { settings: { features } })
  return ok ? text : `error: ${text}`
}

describe("fetchClosure", () => {
  it("is there with its feature alone", () => {
    assert.strictEqual(evaluate("builtins ? fetchClosure").text, "false")
    assert.strictEqual(evaluate("builtins ? fetchClosure", { settings: { features: new Set(["fetch-closure"]) } }).text, "true")
  })

  it("refuses what it cannot use, in Nix's words", () => {
    const from = `fromPath = ${top};`
    const cases: ReadonlyArray<readonly [string, string]> = [
      ["1", "expected a set but found an integer: 1"],
      ["{ }", "attribute 'fromPath' is missing in call to 'fetchClosure'"],
      [`{ ${from} }`, "attribute 'fromStore' is missing in call to 'fetchClosure'"],
      [`{ ${from} foo = 1; }`, "attribute 'foo' isn't supported in call to 'fetchClosure'"],
      [
        `{ ${from} inputAddressed = true; toPath = ""; }`,
        "attribute 'inputAddressed' is set to true, but 'toPath' is also set. Please remove one of them"
      ],
      [`{ ${from} inputAddressed = 1; }`, "expected a Boolean but found an integer: 1"],
      [`{ ${from} toPath = null; }`, "cannot coerce null to a string: null"],
      [`{ fromPath = "foo"; }`, "path 'foo' is not in the Nix store"],
      [`{ fromPath = "${top}/x"; }`, `path '${top}/x' is not in the Nix store`],
      [`{ ${from} fromStore = ${top}; }`, `expected a string but found a path: ${top}`],
      [`{ ${from} fromStore = "/tmp/x"; }`, "'fetchClosure' only supports http:// and https:// stores"],
      [`{ ${from} fromStore = "daemon"; }`, "'fetchClosure' only supports http:// and https:// stores"],
      [`{ ${from} fromStore = "ssh://x"; }`, "'fetchClosure' only supports http:// and https:// stores"],
      [`{ ${from} fromStore = "https://h?trusted=1"; }`, "'fetchClosure' does not support URL query parameters (in 'https://h?trusted=1')"],
      // All is well with this one: it gets as far as the world of these tests, which has no network.
      [`{ ${from} fromStore = "https://h"; }`, "there is no network here"]
    ]
    for (const [argument, expected] of cases) assert.strictEqual(result(argument), `error: ${expected}`, argument)
  })
})
