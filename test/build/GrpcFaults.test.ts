import { create } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import * as E from "../../src/build/BuildError.ts"
import { failureMessage, fromFailure, fromFailureMessage, toFault } from "../../src/build/GrpcFaults.ts"
import { BuildFailureSchema } from "../../src/wire/gen/yix/build/v1/build_pb.ts"
import { code, RpcFailed } from "../../src/wire/grpc/RpcError.ts"

const lastLines = ["one", "two \u{1f600}"]
const errors: ReadonlyArray<readonly [error: E.BuildError, status: number]> = [
  [new E.BuilderFailed({ status: 7, signal: undefined, lastLines }), code.aborted],
  [new E.BuilderFailed({ status: undefined, signal: "SIGKILL", lastLines: [] }), code.aborted],
  [new E.BuilderNotExecutable({ path: "/x", reason: "ENOENT" }), code.aborted],
  [new E.BuildTimedOut({ kind: "silence", seconds: 3, lastLines }), code.deadlineExceeded],
  [new E.LogTooLarge({ limit: 5, lastLines }), code.aborted],
  [new E.OutputMissing({ path: "/out", lastLines }), code.aborted],
  [new E.OutputRejected({ output: "/out", path: "/su", kind: "setuid" }), code.aborted],
  [new E.SandboxUnavailable({ attempts: [{ driver: "d", reason: "r" }], advice: ["a"] }), code.internal],
  [new E.SandboxFailed({ driver: "d", step: "s", reason: "r" }), code.internal],
  [new E.ScratchUnavailable({ path: "/s", operation: "make", cause: new Error("full") }), code.internal],
  [new E.UnsupportedSystem({ system: "m68k-linux", supported: ["x86_64-linux"] }), code.failedPrecondition],
  [new E.UnsupportedFeatures({ features: ["kvm"], supported: [] }), code.failedPrecondition],
  [new E.InvalidBuildRequest({ problem: "p" }), code.invalidArgument],
  [new E.InvalidDerivation({ name: "n", attribute: "a", problem: "p" }), code.invalidArgument],
  [new E.InputUnavailable({ path: "/i", cause: new Error("gone") }), code.notFound],
  [new E.OutputNotStored({ path: "/o", cause: "odd" }), code.internal],
  [new E.BuilderUnavailable({ builder: "b", detail: "d" }), code.unavailable],
  [new E.FailedElsewhere({ builder: "b", detail: "d", lastLines }), code.aborted]
]

describe("a failed build on the wire", () => {
  it("is the same error at the other end, whatever its kind", () => {
    for (const [error] of errors) {
      const back = fromFailureMessage("peer", failureMessage(error))
      assert.deepStrictEqual([back._tag, back.exitCode, back.message], [error._tag, error.exitCode, error.message])
      assert.instanceOf(back, error.constructor as new () => unknown)
    }
  })

  it("of a kind that is not known here is told by its words, and ends commands as it did there", () => {
    const told = (error: string, exitCode: number) =>
      fromFailureMessage("peer", create(BuildFailureSchema, { message: "it broke", error, exitCode }))
    for (const error of ["", "{", '{"_tag":"Newer"}', '{"_tag":"BuilderFailed"}']) {
      assert.deepStrictEqual([told(error, 100)._tag, told(error, 100).exitCode], ["FailedElsewhere", 100])
      assert.deepStrictEqual([told(error, 1)._tag, told(error, 77).exitCode], ["BuilderUnavailable", 1])
      assert.include(told(error, 100).message, "it broke")
    }
  })

  it("has a status and words that fit a header where the protocol has no more, with the end of the log", () => {
    for (const [error, status] of errors) assert.strictEqual(toFault(error).code, status, error._tag)
    const long = Array.from({ length: 25 }, (_, i) => `line ${i} ${"x".repeat(300)}`)
    const { details } = toFault(new E.BuilderFailed({ status: 1, signal: undefined, lastLines: long }))
    assert.isBelow(details.length, 2000)
    assert.include(details, "exit code 1")
    assert.include(details, "line 24")
    assert.notInclude(details, "line 0 ")
  })

  it("is told apart from a builder that refuses or is not there", () => {
    const failed = (status: number) => fromFailure(new RpcFailed({ peer: "peer", method: "/m", code: status, details: "words" }))
    for (const status of [code.unavailable, code.permissionDenied, code.resourceExhausted, code.unimplemented, code.unauthenticated]) {
      assert.strictEqual(failed(status)._tag, "BuilderUnavailable")
    }
    for (const status of [code.internal, code.unknown, code.aborted, code.failedPrecondition]) {
      assert.deepStrictEqual([failed(status)._tag, failed(status).exitCode], ["FailedElsewhere", 100])
    }
    assert.strictEqual(failed(code.invalidArgument)._tag, "InvalidBuildRequest")
  })
})
