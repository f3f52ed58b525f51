import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import { tellFailure } from "../../src/cli/Failure.ts"
import { EvaluationFailed } from "../../src/realise/Evaluation.ts"

describe("a failure of a command", () => {
  it("is told with its label, alone on its line where a trace follows", () => {
    const told = (rendered: string) => tellFailure(Cause.fail(new EvaluationFailed({ rendered, exitCode: 1 })), false).lines
    assert.deepStrictEqual(told("no"), ["error: no"])
    assert.deepStrictEqual(told("\n  … while x\n  error: no"), ["error:\n  … while x\n  error: no"])
  })

  it("is told as objects where that was asked for, the evaluator's own as it wrote it", () => {
    const own = '{"level":"error","kind":"throw","message":"x","position":null,"trace":[],"suggestions":[],"exitCode":1}'
    assert.deepStrictEqual(tellFailure(Cause.fail(new EvaluationFailed({ rendered: own, exitCode: 1 })), false, true).lines, [own])
    const other = tellFailure(Cause.fail(Object.assign(new Error("the disk\nis full"), { exitCode: 7 })), false, true)
    assert.strictEqual(other.exitCode, 7)
    assert.deepInclude(JSON.parse(other.lines[0]!), { level: "error", kind: "failure", message: "the disk\nis full", exitCode: 7 })
  })
})
