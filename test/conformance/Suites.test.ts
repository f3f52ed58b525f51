/**
 * The conformance script on a little suite made here: what it finds, how it judges. (Upstream's suites are no part of this tree.)
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { parsed } from "./Instantiate.ts"
import { errorLine, judge } from "./Judge.ts"
import { nixCases, snixCases, splitWords } from "./Suites.ts"

const files: Readonly<Record<string, string>> = {
  "nix/tests/functional/lang/eval-okay-sum.nix": "1 + 1",
  "nix/tests/functional/lang/eval-okay-sum.exp": "2\n",
  "nix/tests/functional/lang/eval-okay-sum.flags": "--strict -I 'a b' # why\n",
  "nix/tests/functional/lang/eval-okay-off.nix": "1",
  "nix/tests/functional/lang/eval-okay-off.exp-disabled": "1",
  "nix/tests/functional/lang/eval-okay-doc.nix": "1",
  "nix/tests/functional/lang/eval-okay-doc.exp.xml": "<expr/>",
  "nix/tests/functional/lang/eval-fail-x.nix": 'throw "x"',
  "nix/tests/functional/lang/eval-fail-x.err.exp": "error:\n  … while\n\n       error: x\n",
  "nix/tests/functional/lang/parse-okay-p.nix": "a: a",
  "nix/tests/functional/lang/parse-okay-p.exp": "(a: a)\n",
  "nix/tests/functional/lang/lib.nix": "{ }",
  "snix/snix/eval/src/tests/nix_tests/eval-okay-a.nix": "import ./lib.nix",
  "snix/snix/eval/src/tests/nix_tests/eval-okay-a.exp": "{ }",
  "snix/snix/eval/src/tests/nix_tests/lib.nix": "{ }",
  "snix/snix/eval/src/tests/nix_tests/notyetpassing/eval-okay-b.nix": "import ../lib.nix",
  "snix/snix/eval/src/tests/nix_tests/notyetpassing/eval-okay-b.exp": "{ }",
  "snix/snix/eval/src/tests/snix_tests/identity-c.nix": "[ 1 ]",
  "snix/snix/glue/src/tests/nix_tests/readme": "",
  "snix/snix/glue/src/tests/snix_tests/eval-fail-d.nix": "x",
  "snix/snix/glue/src/tests/empty-file": ""
}

let root = ""

beforeAll(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "yix-suites-"))
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
    fs.writeFileSync(path.join(root, name), text)
  }
})

afterAll(() => fs.rmSync(root, { recursive: true, force: true }))

describe("the suites of a checkout", () => {
  it("are found by their names, with flags and what is expected, but for those that upstream has switched off", () => {
    const cases = nixCases(path.join(root, "nix"))
    assert.deepStrictEqual(
      cases.map((one) => [one.name, one.expected, one.xml, one.flags]),
      [
        ["nix/eval-fail-x", undefined, false, []],
        ["nix/eval-okay-doc", "<expr/>", true, []],
        ["nix/eval-okay-sum", "2\n", false, ["-I", "a b"]],
        ["nix/parse-okay-p", "(a: a)\n", false, []]
      ]
    )
    assert.deepStrictEqual(splitWords(`--arg x 'import(y)' "a b"c # d`), ["--arg", "x", "import(y)", "a bc"])
  })

  it("of Snix are laid out so that the files they use are where they look for them", () => {
    const scratch = path.join(root, "scratch")
    const cases = snixCases(path.join(root, "snix"), scratch)
    assert.deepStrictEqual(
      cases.map((one) => one.name),
      ["snix-nix/eval-okay-a", "snix-nix-notyet/eval-okay-b", "snix/identity-c", "snix-glue/eval-fail-d"]
    )
    for (const one of cases) assert.isTrue(fs.existsSync(one.file), one.file)
    assert.isTrue(fs.existsSync(path.join(scratch, "eval/lib.nix")))
    assert.isTrue(fs.existsSync(path.join(scratch, "glue/empty-file")))
  })
})

describe("a verdict", () => {
  const sum = () => nixCases(path.join(root, "nix")).find((one) => one.name === "nix/eval-okay-sum")!
  const failing = () => nixCases(path.join(root, "nix")).find((one) => one.name === "nix/eval-fail-x")!

  it("needs the expected output, with the folder written as on record", () => {
    assert.isTrue(judge(sum(), { ok: true, output: "2", report: "" }).passed)
    assert.isFalse(judge(sum(), { ok: true, output: "3", report: "" }).passed)
    assert.isFalse(judge(sum(), { ok: false, output: "", report: "error: no" }).passed)
    const place = { ...sum(), expected: "/pwd/lang/x" }
    assert.isTrue(judge(place, { ok: true, output: `${place.directory}/lang/x`, report: "" }).passed)
  })

  it("needs a failure where one is expected, of the language and not of the program, and compares its own line", () => {
    assert.deepInclude(judge(failing(), { ok: false, output: "", report: "error: X" }), { passed: true, sameError: true })
    assert.deepInclude(judge(failing(), { ok: false, output: "", report: "error: y" }), { passed: true, sameError: false })
    assert.isFalse(judge(failing(), { ok: true, output: "1", report: "" }).passed)
    assert.isFalse(judge(failing(), { ok: false, output: "", report: "crash: TypeError" }).passed)
    assert.strictEqual(errorLine("error:\n   … a\n   error: \x1b[31mdeep\x1b[0m\n  at x:1:1"), "deep")
  })

  it("of a parse is about the printed syntax", () => {
    assert.deepStrictEqual(parsed("a: a", "/", "/h"), { ok: true, output: "(a: a)", report: "" })
    assert.match(parsed("a: b", "/", "/h").report, /^error: undefined variable 'b'/)
    assert.match(parsed("(", "/", "/h").report, /^error: syntax error/)
  })
})
