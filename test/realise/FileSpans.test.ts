/**
 * Evaluated files as spans: of both evaluators, through suspensions and failures.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { Evaluator } from "../../src/realise/Evaluation.ts"
import { file, job } from "../../src/realise/Jobs.ts"
import * as EvaluatorHost from "../../src/realise/EvaluatorHost.ts"
import * as EvaluatorInThread from "../../src/realise/EvaluatorInThread.ts"
import { FileTimes } from "../../src/realise/FileTimes.ts"
import { world } from "./world.ts"

describe("the times of files", () => {
  it("nest by import, and count what was suspended and run again as one", () => {
    let now = 0
    const times = new FileTimes(() => now)
    const at = (time: number, step: () => void) => {
      now = time
      step()
    }
    at(0, () => times.enter("/a"))
    at(1, () => times.compiled())
    at(2, () => times.enter("/b"))
    assert.strictEqual(times.current, "/b")
    at(5, () => times.leave("suspended"))
    at(6, () => times.leave("suspended"))
    assert.deepStrictEqual(times.takeEnded(), [])
    at(20, () => times.enter("/a"))
    at(21, () => times.enter("/b"))
    at(22, () => times.compiled())
    at(23, () => times.leave("failed"))
    at(24, () => times.leave("done"))
    assert.deepStrictEqual(times.takeEnded(), [
      { path: "/b", within: 0, index: 1, begun: 2, ended: 23, busy: 5, compiled: 1, attempts: 2, failed: true },
      { path: "/a", within: -1, index: 0, begun: 0, ended: 24, busy: 10, compiled: 1, attempts: 2, failed: false }
    ])
    assert.strictEqual(times.current, undefined)
  })
})

let directory = ""
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "yix-files-"))
  const drv = `derivation { name = "text"; system = "x86_64-linux"; builder = "/bin/sh"; }`
  fs.writeFileSync(path.join(directory, "default.nix"), `builtins.seq (import ./inner.nix) (import ./late.nix)`)
  fs.writeFileSync(path.join(directory, "inner.nix"), `builtins.readFile (${drv})`)
  fs.writeFileSync(path.join(directory, "late.nix"), `{ broken = import ./broken.nix; fine = 1; }`)
  fs.writeFileSync(path.join(directory, "broken.nix"), `throw "no"`)
})
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }))

/** A tracer that keeps its spans. */
const recorder = () => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = Tracer.nativeTracer.span(options)
      spans.push(span)
      return span
    }
  })
  return { spans, layer: Layer.succeed(Tracer.Tracer, tracer) }
}

for (const [name, evaluator, attempts] of [
  ["in its own thread", EvaluatorHost.layer, 1],
  ["in the caller's thread", EvaluatorInThread.layer, 2]
] as const) {
  describe(`the evaluator ${name}`, () => {
    const evaluate = (attr: string) =>
      Effect.gen(function* () {
        const mode = { kind: "print", strict: true, format: "nix" } as const
        return yield* (yield* Evaluator).run(job(file(directory), mode, { attrPaths: [attr] }))
      }).pipe(Effect.provide(evaluator.pipe(Layer.provideMerge(world({ build: () => Effect.succeed(["text"]) }))), { local: true }))

    it.live("gives a span for each file to a tracer that somebody provided", () =>
      Effect.gen(function* () {
        const { spans, layer } = recorder()
        yield* Effect.provide(evaluate("fine"), layer)
        const files = spans.filter((span) => span.name === "eval.file")
        const told = files.map((span) => {
          const parent = Option.getOrThrow(span.parent)
          const above = spans.find(({ spanId }) => spanId === parent.spanId)
          return [
            path.basename(String(span.attributes.get("code.file.path"))),
            above?.name === "eval.file" ? path.basename(String(above.attributes.get("code.file.path"))) : above?.name
          ]
        })
        assert.deepStrictEqual(told, [
          ["default.nix", "Evaluator.run"],
          ["inner.nix", "default.nix"],
          ["late.nix", "default.nix"]
        ])
        const run = spans.find((span) => span.name === "Evaluator.run")!
        for (const span of files) {
          assert.strictEqual(span.status._tag, "Ended")
          assert.isTrue(span.status.startTime >= run.status.startTime)
          if (span.status._tag === "Ended" && run.status._tag === "Ended") assert.isTrue(span.status.endTime <= run.status.endTime)
        }
        assert.strictEqual(files[1]!.attributes.get("attempts"), attempts)
        assert.strictEqual(files[2]!.attributes.get("attempts"), 1)
        const question = spans.find((span) => span.name === "Question.StoreRead")
        assert.strictEqual(path.basename(String(question?.attributes.get("code.file.path"))), "inner.nix")
      })
    )

    it.live("marks a file that failed", () =>
      Effect.gen(function* () {
        const { spans, layer } = recorder()
        yield* Effect.flip(Effect.provide(evaluate("broken"), layer))
        const failed = spans.filter(({ name, status }) => name === "eval.file" && status._tag === "Ended" && status.exit._tag === "Failure")
        assert.deepStrictEqual(
          failed.map((span) => path.basename(String(span.attributes.get("code.file.path")))),
          ["broken.nix"]
        )
      })
    )
  })
}
