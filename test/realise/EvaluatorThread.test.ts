/**
 * A thread that was given its job before anybody asked for an evaluator: whoever then asks for that job finds it under way, with all that was said meanwhile.
 */
import { spawnSync } from "node:child_process"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { EvaluationJob } from "../../src/realise/Evaluation.ts"
import { Evaluator } from "../../src/realise/Evaluation.ts"
import * as EvaluatorHost from "../../src/realise/EvaluatorHost.ts"
import { startAhead } from "../../src/realise/EvaluatorThread.ts"
import { expression, job as makeJob } from "../../src/realise/Jobs.ts"
import { type Event, EventSink } from "../../src/wire/Events.ts"
import { world } from "./world.ts"

const job = (text: string): EvaluationJob =>
  makeJob(expression(text, "/"), { kind: "print", strict: true, format: "nix" }, { system: "x86_64-linux" })

const imported = `builtins.readFile (derivation { name = "x"; system = "x86_64-linux"; builder = "/bin/sh"; })`

/** What comes of jobs, one after the other, and the messages on the way. */
const run = (...jobs: ReadonlyArray<EvaluationJob>) => {
  const messages: Array<string> = []
  const sink = (event: Event): void => void (event._tag === "Message" && messages.push(event.text))
  return Effect.gen(function* () {
    const evaluator = yield* Evaluator
    const texts: Array<string> = []
    for (const each of jobs) {
      const result = yield* evaluator.run(each)
      texts.push(...(result._tag === "Values" ? result.texts : []))
    }
    return { texts, messages }
  }).pipe(
    Effect.provide(EvaluatorHost.layer.pipe(Layer.provideMerge(world({ build: () => Effect.succeed(["built"]) }))), { local: true }),
    Effect.provideService(EventSink, sink)
  )
}

describe("a thread with a head start", { timeout: 60_000 }, () => {
  it.live("is found at work by whoever wants its job, and asks what it needs from then on", () =>
    Effect.gen(function* () {
      const text = `builtins.trace "seen" (1 + builtins.stringLength (${imported}))`
      const thread = startAhead(job(text))
      // Time for all that it can do alone.
      yield* Effect.sleep("500 millis")
      const { texts, messages } = yield* run(job(text), job("2"))
      assert.deepStrictEqual(texts, ["6", "2"])
      assert.deepStrictEqual(messages, ["trace: seen"])
      assert.isUndefined(thread.ahead)
    })
  )

  it.live("is left alone by whoever wants something else, which is evaluated by another", () =>
    Effect.gen(function* () {
      startAhead(job(`builtins.trace "unwanted" (let f = x: f x; in f 1)`))
      const { texts, messages } = yield* run(job(`builtins.trace "wanted" 1`))
      assert.deepStrictEqual(texts, ["1"])
      assert.deepStrictEqual(messages, ["what was evaluated ahead is not what is wanted; it is evaluated again", "trace: wanted"])
    })
  )

  it.live("keeps its failure for whoever asks", () =>
    Effect.gen(function* () {
      startAhead(job(`throw "no"`))
      yield* Effect.sleep("300 millis")
      const failed = yield* Effect.flip(run(job(`throw "no"`)))
      assert.match(failed.message, /no$/)
    })
  )

  it.live("tells whoever listens that it has ended, also when it had ended before", () =>
    Effect.gen(function* () {
      const thread = startAhead(job("1"))
      yield* Effect.promise(() => thread.terminate())
      const failed = yield* Effect.flip(run(job("1")))
      assert.match(failed.message, /^the evaluator's thread ended: /)
    })
  )
})

describe("a thread that another program started", { timeout: 60_000 }, () => {
  it("holds the program while it evaluates, and no longer", () => {
    const program = path.join(import.meta.dirname, "ThreadProgram.ts")
    const run = spawnSync(process.execPath, [program], { encoding: "utf8", timeout: 30_000 })
    assert.deepStrictEqual([run.status, run.signal, run.stderr], [0, null, ""])
    assert.strictEqual(run.stdout, `{"_tag":"Values","texts":["2"]}\n`)
  })
})
