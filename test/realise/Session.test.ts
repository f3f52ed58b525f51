/**
 * Sessions with the evaluator over a world in memory: in a thread of its own, and in the caller's.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as v8 from "node:v8"
import * as vm from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { BuilderFailed } from "../../src/build/BuildError.ts"
import { Evaluator } from "../../src/realise/Evaluation.ts"
import * as EvaluatorHost from "../../src/realise/EvaluatorHost.ts"
import * as EvaluatorInThread from "../../src/realise/EvaluatorInThread.ts"
import { Realiser } from "../../src/realise/Realiser.ts"
import type { EvaluatorSession, SessionReply, SessionRequest, SessionSettings, SessionView } from "../../src/realise/Session.ts"
import { EventSink } from "../../src/wire/Events.ts"
import type { FakeBuild } from "./world.ts"
import { collector, nameOfRequest, world } from "./world.ts"

const settings: SessionSettings = {
  args: [],
  searchPath: [],
  pure: false,
  restrict: false,
  allowedUris: [],
  allowImportFromDerivation: true,
  system: "x86_64-linux",
  maxCallDepth: 10_000,
  features: [],
  showTrace: false,
  color: false
}

const view: SessionView = { colorValues: false, colorErrors: false, showTrace: false }

const drv = `drv = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; }`

const wordy: FakeBuild = (request) => Effect.succeed(request.outputs.map(() => `<${nameOfRequest(request)}>`))

const told = (reply: SessionReply): string => {
  switch (reply._tag) {
    case "Printed":
      return reply.text
    case "Bound":
      return `bound ${reply.names.join(" ")}`
    case "Candidates":
      return reply.words.join(" ")
    default:
      return JSON.stringify(reply)
  }
}

/** What a request gives as text, or the error's. */
const ask = (session: EvaluatorSession, request: SessionRequest, how: Partial<SessionView> = {}) =>
  session.ask(request, { ...view, ...how }).pipe(
    Effect.map(told),
    Effect.catch((error) => Effect.succeed(`failed: ${error.rendered}`))
  )

const type = (session: EvaluatorSession, text: string) => ask(session, { _tag: "Evaluate", text, directory: "/" })
const about = (session: EvaluatorSession, _tag: "PrintDeep" | "Describe" | "Add" | "Derivation" | "Document" | "Locate", text: string) =>
  ask(session, { _tag, text, directory: "/" })
const complete = (session: EvaluatorSession, text: string) => ask(session, { _tag: "Complete", text })

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "yix-session-"))),
  (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true }))
)

for (const [name, layer] of [
  ["in its own thread", EvaluatorHost.layer],
  ["in the caller's thread", EvaluatorInThread.layer]
] as const) {
  const withSession = <A, E, R>(use: (session: EvaluatorSession) => Effect.Effect<A, E, R>, build: FakeBuild = wordy) =>
    Effect.flatMap(
      Effect.flatMap(Evaluator, (evaluator) => evaluator.openSession(settings)),
      use
    ).pipe(Effect.scoped, Effect.provide(layer.pipe(Layer.provideMerge(world({ build }))), { local: true }))

  describe(`a session ${name}`, () => {
    it.live("keeps what was bound, whatever fails in between", () =>
      withSession((session) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* type(session, "x = 1; y = 2"), "bound x y")
          assert.strictEqual(yield* type(session, "f = n: n + x"), "bound f")
          assert.match(yield* type(session, `throw "no"`), /^failed: [^]*no$/)
          assert.match(yield* type(session, "x +"), /^failed: syntax error, unexpected end of file/)
          assert.strictEqual(yield* type(session, "x = 10"), "bound x")
          assert.strictEqual(yield* type(session, "[ (f y) x ]"), "[\n  3\n  10\n]")
          assert.match(yield* type(session, "z = x; a = z"), /undefined variable 'z'/)
          assert.match(yield* type(session, "yy"), /undefined variable 'yy'[^]*Did you mean y\?/)
        })
      )
    )

    it.live("lets operators be what was bound for them", () =>
      withSession((session) =>
        Effect.gen(function* () {
          yield* type(session, "__sub = a: b: 42; map = 7")
          assert.strictEqual(yield* type(session, "[ (1 - 2) map ]"), "[\n  42\n  7\n]")
        })
      )
    )

    it.live("prints one level, or all of them", () =>
      withSession((session) =>
        Effect.gen(function* () {
          yield* type(session, `v = { a = 1 + 1; b = { c = [ 1 { } ]; }; d = throw "no"; }`)
          assert.strictEqual(yield* type(session, "v"), "{\n  a = 2;\n  b = { ... };\n  d = \xc2\xaberror: no\xc2\xbb;\n}")
          assert.strictEqual(
            yield* about(session, "PrintDeep", "v"),
            "{\n  a = 2;\n  b = {\n    c = [\n      1\n      { }\n    ];\n  };\n  d = \xc2\xaberror: no\xc2\xbb;\n}"
          )
          assert.strictEqual(yield* about(session, "PrintDeep", `"a\\nb"`), "a\nb")
          assert.strictEqual(yield* type(session, `{ a = "x"; }`), `{ a = "x"; }`)
          assert.strictEqual(
            yield* ask(session, { _tag: "Evaluate", text: "1", directory: "/" }, { colorValues: true }),
            "\x1b[36;1m1\x1b[0m"
          )
        })
      )
    )

    it.live("names types, functions and where they stand", () =>
      withSession((session) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* about(session, "Describe", "builtins.add 1"), "the partially applied built-in function 'add'")
          assert.strictEqual(yield* about(session, "Document", "builtins.map"), `{"_tag":"Builtin","name":"map","arity":2}`)
          assert.strictEqual(yield* type(session, "/** Adds one.\n\n    To a number. */ inc = n: n + 1"), "bound inc")
          const text = yield* about(session, "Document", "inc")
          assert.include(text, `"name":"inc"`)
          assert.include(text, `"comment":"Adds one.\\n\\nTo a number."`)
          assert.match(yield* about(session, "Document", "5"), /value does not have documentation/)
          assert.strictEqual(yield* about(session, "Locate", "/a/b.nix"), `{"_tag":"Place","path":"/a/b.nix","line":1}`)
          assert.match(yield* about(session, "Describe", "x = 1"), /an expression is needed here/)
        })
      )
    )

    it.live("adds sets, loads files, and loads them again as they are then", () =>
      withSession((session) =>
        Effect.gen(function* () {
          const directory = yield* folder
          const file = path.join(directory, "f.nix")
          fs.writeFileSync(file, "{ one ? 1 }: { inherit one; two = import ./g.nix; }")
          fs.writeFileSync(path.join(directory, "g.nix"), "2")
          const load: SessionRequest = { _tag: "Load", source: { _tag: "File", path: file } }
          assert.strictEqual(yield* ask(session, load), "bound one two")
          assert.strictEqual(yield* about(session, "Add", "{ three = one + two; }"), "bound three")
          assert.strictEqual(yield* type(session, "three"), "3")
          fs.writeFileSync(path.join(directory, "g.nix"), "(")
          assert.strictEqual(yield* ask(session, { _tag: "Reload" }), "bound one two")
          assert.match(yield* type(session, "two"), /unexpected end of file/)
          assert.match(yield* type(session, "three"), /undefined variable 'three'/)
          fs.writeFileSync(file, "{")
          assert.match(yield* ask(session, { _tag: "Reload" }), /f\.nix:1:2/)
          assert.strictEqual(yield* type(session, "one"), "1")
          fs.writeFileSync(file, "{ two = 3; }")
          assert.strictEqual(yield* ask(session, { _tag: "Reload" }), "bound two")
          assert.strictEqual(yield* type(session, "two"), "3")
          assert.match(yield* about(session, "Add", "5"), /expected a set but found an integer/)
        })
      )
    )

    it.live("sees files as they are when they are read", () =>
      withSession((session) =>
        Effect.gen(function* () {
          const directory = yield* folder
          const file = path.join(directory, "t")
          fs.writeFileSync(file, "old")
          yield* type(session, `t = _: builtins.readFile ${file}`)
          assert.strictEqual(yield* type(session, "t 0"), `"old"`)
          fs.writeFileSync(file, "new")
          assert.strictEqual(yield* type(session, "t 0"), `"new"`)
        })
      )
    )

    it.live("builds what is read, tries again what failed, and gives derivations", () => {
      let good = false
      const build: FakeBuild = (request, options) =>
        good ? wordy(request, options) : Effect.fail(new BuilderFailed({ status: 1, signal: undefined, lastLines: ["no"] }))
      return withSession(
        (session) =>
          Effect.gen(function* () {
            yield* type(session, drv)
            yield* type(session, `text = builtins.readFile (drv "a")`)
            assert.match(yield* type(session, "text"), /^failed: [^]*exit code 1/)
            good = true
            assert.strictEqual(yield* type(session, "text"), `"<a>"`)
            assert.match(yield* type(session, `drv "b"`), /^\xc2\xabderivation \/nix\/store\/.*-b\.drv\xc2\xbb$/)
            const reply = yield* session.ask({ _tag: "Derivation", text: `drv "c"`, directory: "/" }, view)
            assert.strictEqual(reply._tag, "Derivation")
            if (reply._tag !== "Derivation") return
            const { drvPath } = reply.derivation
            const [realised] = yield* Effect.flatMap(Realiser, (realiser) =>
              realiser.realise([{ _tag: "Derivation", drvPath, outputs: undefined }])
            )
            assert.strictEqual(realised?.outputs[0]?.path, reply.derivation.outputs[0]?.path)
            assert.match(yield* about(session, "Derivation", "5"), /does not evaluate to a derivation/)
          }),
        build
      )
    })

    it.live("completes variables and attributes, and neither builds nor prints for it", () => {
      let built = 0
      const { events, sink } = collector()
      return withSession(
        (session) =>
          Effect.gen(function* () {
            yield* type(session, drv)
            yield* type(
              session,
              `sets = { alpha = { one = 1; "two words" = 2; }; almost = 1; beta = import (drv "x"); loud = builtins.trace "hi" { a = 1; }; }`
            )
            yield* type(
              session,
              `bad = { no = throw "no"; }; endless = let f = n: if n == 0 then { } else builtins.seq (f (n - 1)) (f (n - 1)); in f 60`
            )
            assert.strictEqual(yield* complete(session, "set"), "sets")
            assert.strictEqual(yield* complete(session, "sets.al"), "sets.almost sets.alpha")
            assert.strictEqual(yield* complete(session, "sets.alpha."), `sets.alpha.one sets.alpha."two words"`)
            assert.strictEqual(yield* complete(session, "sets.beta.x"), "failed: interrupted")
            assert.strictEqual(yield* complete(session, "sets.loud."), "failed: interrupted")
            assert.match(yield* complete(session, "bad.no."), /^failed: /)
            assert.strictEqual(yield* complete(session, "endless.a"), "failed: interrupted")
            assert.include(yield* complete(session, "builtins.map"), "builtins.mapAttrs")
            assert.strictEqual(yield* complete(session, "5."), "")
            assert.strictEqual(built, 0)
            assert.strictEqual(events.filter((event) => event._tag === "Message").length, 0)
            // What was looked at is as it was.
            assert.strictEqual(yield* type(session, "sets.loud.a"), "1")
            assert.deepStrictEqual(
              events.flatMap((event) => (event._tag === "Message" ? [event.text] : [])),
              ["trace: hi"]
            )
          }).pipe(Effect.provideService(EventSink, sink)),
        (request, options) => {
          built++
          return wordy(request, options)
        }
      )
    })

    it.live("stops when it is interrupted in a build, ends the build, and keeps what was bound", () => {
      let [started, ended] = [0, 0]
      let begin = (): void => {}
      const begun = new Promise<void>((resolve) => (begin = resolve))
      return withSession(
        (session) =>
          Effect.gen(function* () {
            yield* type(session, drv)
            yield* type(session, `slow = builtins.readFile (drv "slow"); x = 5`)
            const fiber = yield* Effect.forkChild(type(session, "slow"))
            yield* Effect.promise(() => begun)
            yield* Fiber.interrupt(fiber)
            assert.deepStrictEqual([started, ended], [1, 1])
            assert.strictEqual(yield* type(session, "x"), "5")
          }),
        () =>
          Effect.andThen(
            Effect.sync(() => {
              started++
              begin()
            }),
            Effect.onExit(Effect.never, () => Effect.sync(() => void ended++))
          )
      )
    })

    it.live("shows the last error once more, with its whole trace", () =>
      withSession((session) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* ask(session, { _tag: "LastError" }), `{"_tag":"LastError"}`)
          const short = yield* type(session, `let f = n: if n == 0 then abort "deep" else 1 + f (n - 1); in f 9`)
          const whole = yield* ask(session, { _tag: "LastError" })
          assert.include(short, "deep")
          assert.include(whole, "deep")
          assert.isAbove(whole.length, short.length)
        })
      )
    )
  })
}

describe("a session's memory", () => {
  it.effect("has no room for values that were replaced", () =>
    Effect.gen(function* () {
      v8.setFlagsFromString("--expose-gc")
      const collect = vm.runInNewContext("gc") as () => void
      const evaluator = yield* Evaluator
      const session = yield* evaluator.openSession(settings)
      const rebind = (n: number) => type(session, `x = builtins.genList (i: i + ${n}) 500000; y = builtins.deepSeq x 1`)
      const heap = () => {
        collect()
        return process.memoryUsage().heapUsed / 1e6
      }
      yield* rebind(0)
      yield* about(session, "PrintDeep", "builtins.deepSeq x 1")
      const before = heap()
      for (let i = 1; i <= 10; i++) {
        yield* rebind(i)
        yield* about(session, "PrintDeep", "builtins.deepSeq x 1")
      }
      assert.isBelow(heap() - before, 10)
    }).pipe(Effect.scoped, Effect.provide(EvaluatorInThread.layer.pipe(Layer.provideMerge(world({}))), { local: true }))
  )
})

describe("a session in its own thread", () => {
  it.live("stops an evaluation within moments and goes on with what was bound", () =>
    Effect.gen(function* () {
      const evaluator = yield* Evaluator
      const session = yield* evaluator.openSession(settings)
      yield* type(session, "x = 5")
      yield* type(session, "loop = let f = n: if n == 0 then 0 else f (n - 1) + f (n - 1); in f 60")
      const fiber = yield* Effect.forkChild(type(session, "loop + x"))
      yield* Effect.sleep(300)
      const before = performance.now()
      yield* Fiber.interrupt(fiber)
      // On a machine that has other things to do, it is not the evaluator that is measured.
      assert.isBelow(performance.now() - before, os.loadavg()[0]! < os.availableParallelism() ? 200 : 2000)
      assert.strictEqual(yield* type(session, "x"), "5")
      assert.strictEqual(yield* ask(session, { _tag: "Describe", text: "x", directory: "/" }), "an integer")
    }).pipe(Effect.scoped, Effect.provide(EvaluatorHost.layer.pipe(Layer.provideMerge(world({}))), { local: true }))
  )
})
