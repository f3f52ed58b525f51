import { assert, describe, it } from "@effect/vitest"
import { diagnosticJson } from "../../src/lang/DiagnosticJson.ts"
import { diagnose } from "../../src/lang/Diagnostics.ts"
import type { Origin } from "../../src/lang/Syntax.ts"
import { fromUnicode, toUnicode } from "../../src/nix/Bytes.ts"
import { refusal } from "./Trees.ts"

describe("a diagnostic as JSON", () => {
  it("is one line with the message, its place, the trace and the guesses, in Unicode", () => {
    const origin: Origin = { _tag: "File", path: fromUnicode("/é.nix") }
    const source = "a\nbc"
    const text = diagnosticJson(
      {
        level: "error",
        message: fromUnicode("“x”\nis missing"),
        span: { origin, source, start: 3, end: 3 },
        trace: [{ message: "outer", span: { origin: { _tag: "String" }, source, start: 0, end: 1 } }, { message: "inner" }],
        suggestions: ["y"]
      },
      "missing-attribute",
      1
    )
    assert.isFalse(text.includes("\n"))
    assert.deepStrictEqual(JSON.parse(toUnicode(text)), {
      level: "error",
      kind: "missing-attribute",
      message: "“x”\nis missing",
      position: { file: "/é.nix", line: 2, column: 2 },
      trace: [
        { message: "outer", position: { file: "«string»", line: 1, column: 1 } },
        { message: "inner", position: null }
      ],
      suggestions: ["y"],
      exitCode: 1
    })
  })

  it("tells parse errors alike", () => {
    const json = JSON.parse(diagnosticJson(diagnose(refusal("{ a = 1 }")), "parse", 1)) as Record<string, unknown>
    assert.deepInclude(json["position"], { line: 1, column: 9 })
    assert.match(json["message"] as string, /^syntax error, unexpected '}'/)
  })
})
