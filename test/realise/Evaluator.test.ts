/**
 * The evaluator over a world in memory: in a thread of its own, which blocks, and in the caller's, which runs again.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import type { EvaluationJob } from "../../src/realise/Evaluation.ts"
import { Evaluator } from "../../src/realise/Evaluation.ts"
import { expression, job as makeJob } from "../../src/realise/Jobs.ts"
import * as EvaluatorHost from "../../src/realise/EvaluatorHost.ts"
import * as EvaluatorInThread from "../../src/realise/EvaluatorInThread.ts"
import type { FakeBuild } from "./world.ts"
import { nameOfRequest, world } from "./world.ts"

const job = (text: string, more: Partial<EvaluationJob> = {}): EvaluationJob =>
  makeJob(expression(text, "/"), { kind: "print", strict: true, format: "nix" }, { system: "x86_64-linux", ...more })

const prelude = `let drv = name: more: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; } // more); read = name: builtins.readFile (drv name { }); in `

const print = (text: string, more: Partial<EvaluationJob> = {}) =>
  Effect.gen(function* () {
    const evaluator = yield* Evaluator
    const result = yield* evaluator.run(job(prelude + text, more))
    return result._tag === "Values" ? result.texts.join("\n") : JSON.stringify(result.derivations)
  })

const wordy: FakeBuild = (request) => Effect.succeed(request.outputs.map(() => `<${nameOfRequest(request)}>`))

const sleepy =
  (milliseconds: number, running: { now: number; most: number }): FakeBuild =>
  (request) =>
    Effect.gen(function* () {
      running.now++
      running.most = Math.max(running.most, running.now)
      yield* Effect.sleep(Duration.millis(milliseconds))
      return request.outputs.map(() => `<${nameOfRequest(request)}>`)
    }).pipe(Effect.ensuring(Effect.sync(() => void running.now--)))

for (const [name, layer] of [
  ["in its own thread", EvaluatorHost.layer],
  ["in the caller's thread", EvaluatorInThread.layer]
] as const) {
  const run = <A, E>(effect: Effect.Effect<A, E, Evaluator>, build: FakeBuild = wordy) =>
    effect.pipe(Effect.provide(layer.pipe(Layer.provideMerge(world({ build }))), { local: true }))

  describe(`the evaluator ${name}`, () => {
    it.live("prints values", () =>
      run(
        Effect.gen(function* () {
          assert.strictEqual(yield* print(`{ a = 1 + 1; b = [ "x" null ]; }`), `{ a = 2; b = [ "x" null ]; }`)
        })
      )
    )

    it.live("reads what derivations build, and imports it", () =>
      run(
        Effect.gen(function* () {
          assert.strictEqual(yield* print(`read "a" + read "b"`), `"<a><b>"`)
          const error = yield* Effect.flip(print(`import (drv "code" { }) + 1`))
          assert.match(error.rendered, /file 'code' was not found[^]*-code:1:1/)
        })
      )
    )

    it.live("builds independent imports at the same time", () => {
      const running = { now: 0, most: 0 }
      return run(
        Effect.gen(function* () {
          assert.strictEqual(yield* print(`read "a" + read "b" + read "c" + read "d"`), `"<a><b><c><d>"`)
          assert.strictEqual(running.most, 4)
        }),
        sleepy(150, running)
      )
    })

    it.live("builds nothing that is not read", () => {
      const running = { now: 0, most: 0 }
      return run(
        Effect.gen(function* () {
          assert.match(yield* print(`(drv "b" { x = drv "a" { }; }).outPath`), /^"\/nix\/store\/.*-b"$/)
          assert.strictEqual(running.most, 0)
        }),
        sleepy(1, running)
      )
    })

    it.live("builds nothing when it may not write, and reads what was built before", () => {
      const running = { now: 0, most: 0 }
      return run(
        Effect.gen(function* () {
          const refused = yield* Effect.flip(print(`read "a"`, { readOnly: true }))
          assert.match(
            refused.rendered,
            /cannot build '\/nix\/store\/\w+-a\.drv': its outputs are not in the store, and a read-only evaluation builds nothing/
          )
          assert.strictEqual(refused.exitCode, 1)
          assert.strictEqual(running.most, 0)
          assert.strictEqual(yield* print(`read "a"`), `"<a>"`)
          assert.strictEqual(yield* print(`read "a"`, { readOnly: true }), `"<a>"`)
        }),
        sleepy(1, running)
      )
    })

    it.live("gives derivations with everything that building them needs", () =>
      run(
        Effect.gen(function* () {
          const text = yield* print(`{ b = drv "b" { x = drv "a" { }; outputs = [ "out" "dev" ]; }; c = 1; }`, {
            mode: { kind: "derivations" }
          })
          const [only, ...others] = JSON.parse(text) as ReadonlyArray<{
            attr: string
            name: string
            outputs: ReadonlyArray<{ name: string }>
          }>
          assert.strictEqual(others.length, 0)
          assert.strictEqual(only?.attr, "b")
          assert.deepStrictEqual(
            only?.outputs.map((o) => o.name),
            ["out", "dev"]
          )
        })
      )
    )

    it.live("shows where an error is and suggests names", () =>
      run(
        Effect.gen(function* () {
          const exit = yield* Effect.exit(print(`{ hello = 1; }.helo`))
          assert.isTrue(Exit.isFailure(exit))
          const text = String(exit)
          assert.include(text, "attribute 'helo' missing")
          assert.include(text, "Did you mean hello?")
        })
      )
    )

    it.live("stores texts and reads them back", () =>
      run(
        Effect.gen(function* () {
          assert.strictEqual(yield* print(`builtins.readFile (builtins.toFile "t" "text")`), `"text"`)
        })
      )
    )

    it.live("fetches only what is allowed when restricted", () =>
      run(
        Effect.gen(function* () {
          const hash = 'sha256 = "0000000000000000000000000000000000000000000000000000";'
          const fetch = (url: string) => `builtins.fetchurl { url = "${url}"; ${hash} }`
          const restricted = { restrict: true, allowedUris: ["https://a.org/x"] }
          assert.match(yield* print(fetch("https://a.org/x/file"), restricted), /^"\/nix\/store\/.*-file"$/)
          for (const url of ["https://a.org/xfile", "https://b.org/x/file", "file:///etc/passwd"]) {
            const error = yield* Effect.flip(print(fetch(url), restricted))
            assert.include(error.rendered, `access to URI '${url}' is forbidden in restricted mode`)
          }
        })
      )
    )

    it.live("ends with Nix's error when calls nest too deeply", () =>
      run(
        Effect.gen(function* () {
          const error = yield* Effect.flip(print(`let f = n: 1 + f (n + 1); in f 0`, { maxCallDepth: 500 }))
          assert.match(error.rendered, /stack overflow/)
        })
      )
    )
  })
}

describe("the evaluator's thread", () => {
  const run = <A, E>(effect: Effect.Effect<A, E, Evaluator>, build: FakeBuild = wordy) =>
    effect.pipe(Effect.provide(EvaluatorHost.layer.pipe(Layer.provideMerge(world({ build }))), { local: true }))

  it.live("recurses deeply", () =>
    run(
      Effect.gen(function* () {
        const depth = 50_000
        const text = `let f = n: if n == 0 then 0 else 1 + f (n - 1); in f ${depth}`
        assert.strictEqual(yield* print(text, { maxCallDepth: 1_000_000 }), String(depth))
      })
    )
  )

  // Fills 256 MiB of stack, which takes ten seconds: `npm run test:slow`.
  it.live.skipIf(process.env["YIX_SLOW"] === undefined)("ends with Nix's error when the stack is full, and goes on in a new thread", () =>
    run(
      Effect.gen(function* () {
        const overflow = yield* Effect.flip(print(`let f = n: 1 + f (n + 1); in f 0`, { maxCallDepth: 100_000_000 }))
        assert.match(overflow.rendered, /stack overflow/)
        assert.strictEqual(yield* print(`1`), "1")
      })
    )
  )

  it.live("stops at once when it is interrupted while computing", () =>
    run(
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(
          print(
            `let f = n: if n == 0 then 0 else f (n - 1); loop = builtins.foldl' (a: b: a + f 1000) 0 (builtins.genList (x: x) 10000000); in loop`
          ),
          {
            startImmediately: true
          }
        )
        yield* Effect.sleep("400 millis")
        const before = performance.now()
        yield* Fiber.interrupt(fiber)
        assert.isBelow(performance.now() - before, 1500)
        assert.strictEqual(yield* print(`2`), "2")
      })
    )
  )

  it.live("interrupts the builds it waits for when it is interrupted", () => {
    let ended = "running"
    const started = Latch.makeUnsafe(false)
    const build: FakeBuild = (request) =>
      started.open.pipe(
        Effect.andThen(Effect.sleep("20 seconds")),
        Effect.as(request.outputs.map(() => "x")),
        Effect.onExit((exit) => Effect.sync(() => void (ended = exit._tag)))
      )
    return run(
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(print(`read "a"`), { startImmediately: true })
        yield* started.await
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(ended, "Failure")
      }),
      build
    )
  })
})
