import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import { BuilderFailed } from "../../src/build/BuildError.ts"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import { hashBytes, printHash } from "../../src/nix/Hash.ts"
import { toBytes } from "../../src/nix/Bytes.ts"
import type { StorePath } from "../../src/nix/StorePath.ts"
import { BuildLogs } from "../../src/realise/BuildLogs.ts"
import { type DependencyFailed, type HashMismatch, type RealiseFailed, toIoFailure } from "../../src/realise/RealiseError.ts"
import { Realiser, RealiseOptions } from "../../src/realise/Realiser.ts"
import { withinRun } from "../../src/realise/Sharing.ts"
import * as LocalStore from "../../src/store/LocalStore.ts"
import { PathInfoService } from "../../src/store/PathInfoService.ts"
import { EventSink } from "../../src/wire/Events.ts"
import { collector, derive, echo, type FakeBuild, type Made, nameOfRequest, world } from "./world.ts"

const defaults: RealiseOptions = { keepGoing: false, maxJobs: 4, timeout: 0, maxSilent: 0, offline: false, check: false }

/** Realises derivations in a realiser that has been told of `known`. */
const build = (targets: ReadonlyArray<Made>, known: ReadonlyArray<Made>) =>
  Effect.gen(function* () {
    const realiser = yield* Realiser
    realiser.addDerivations(known.map((made) => [made.drvPath, made.text]))
    return yield* realiser.realise(targets.map(({ drvPath }) => ({ _tag: "Derivation", drvPath, outputs: undefined })))
  })

/** A builder that counts its builds by name. */
const counting = (inner: FakeBuild = echo) => {
  const built: Array<string> = []
  const fake: FakeBuild = (request, options) => {
    built.push(nameOfRequest(request))
    return inner(request, options)
  }
  return { built, fake }
}

const sleeping: FakeBuild = (request, options) => Effect.andThen(Effect.sleep("1 second"), echo(request, options))

const contentOf = (path: StorePath) =>
  Effect.gen(function* () {
    const info = Option.getOrThrow(yield* (yield* PathInfoService).get(path))
    assert(info.node._tag === "File")
    const bytes = Option.getOrThrow(yield* (yield* BlobService).get(info.node.digest))
    return new TextDecoder().decode(bytes)
  })

describe("realising derivations", () => {
  it.effect("independent builds go on at the same time, as many as there are slots", () => {
    const all = Array.from({ length: 12 }, (_, i) => derive(`n${i}`))
    let now = 0
    let most = 0
    const fake: FakeBuild = (request, options) =>
      Effect.acquireUseRelease(
        Effect.sync(() => void (most = Math.max(most, ++now))),
        () => sleeping(request, options),
        () => Effect.sync(() => void now--)
      )
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(build(all, all))
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const realised = yield* Fiber.join(fiber)
      assert.strictEqual(realised.length, 12)
      assert.strictEqual(most, 4)
    }).pipe(Effect.provide(world({ build: fake })), Effect.provideService(RealiseOptions, defaults))
  })

  it.effect("a diamond builds its foot once and everything in order", () => {
    const foot = derive("foot")
    const left = derive("left", { inputs: [foot] })
    const right = derive("right", { inputs: [foot] })
    const top = derive("top", { inputs: [left, right] })
    const { built, fake } = counting(sleeping)
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(build([top], [top, right, left, foot]))
      for (let turn = 0; turn < 1000 && fiber.pollUnsafe() === undefined; turn++) yield* TestClock.adjust("100 millis")
      const [realised] = yield* Fiber.join(fiber)
      assert.deepStrictEqual(built.toSorted(), ["foot", "left", "right", "top"])
      assert.strictEqual(realised!.outputs[0]!.path, top.out())
      assert.include(yield* contentOf(top.out()), "top made nix/store/")
    }).pipe(Effect.provide(world({ build: fake })))
  })

  it.effect("what exists is not built, and its inputs are not looked at", () => {
    const input = derive("input")
    const top = derive("top", { inputs: [input] })
    const { built, fake } = counting()
    return Effect.gen(function* () {
      yield* build([top], [top, input])
      assert.deepStrictEqual(built, ["input", "top"])
      const user = derive("user", { inputs: [top] })
      // The realiser knows nothing of `input` any more than what `top`'s text says: `unknown` would fail if it were asked for.
      yield* build([user], [user])
      yield* build([top, user], [])
      assert.deepStrictEqual(built, ["input", "top", "user"])
    }).pipe(Effect.provide(world({ build: fake })))
  })

  it.effect("a builder sees the closure of its inputs and nothing else, and its references are the needles found", () => {
    const deep = derive("deep")
    const middle = derive("middle", { inputs: [deep] })
    const buildOnly = derive("build-only", { inputs: [middle] })
    const top = derive("top", { inputs: [middle, buildOnly] })
    const seen = new Map<string, ReadonlyArray<string>>()
    const fake: FakeBuild = (request) => {
      const name = nameOfRequest(request)
      seen.set(name, request.inputs.map((input) => input.name.slice(33)).toSorted())
      if (name === "middle") return Effect.succeed([`needs ${deep.out()}`])
      if (name === "top") return Effect.succeed([`needs ${middle.out()} and itself ${top.out()}`])
      return Effect.succeed([name])
    }
    return Effect.gen(function* () {
      const [realised] = yield* build([top], [deep, middle, buildOnly, top])
      assert.deepStrictEqual(seen.get("top"), ["build-only", "deep", "middle"])
      const { info } = realised!.outputs[0]!
      assert.deepStrictEqual(info.references, [middle.out(), top.out()].toSorted())
      assert.strictEqual(info.deriver, top.drvPath)
      assert.isUndefined(info.ca)
      assert.isAbove(info.narSize, 100)
    }).pipe(Effect.provide(world({ build: fake })))
  })

  it.effect("several outputs come together, under their names whatever the order of their paths", () => {
    const made = derive("multi", { outputs: ["out", "dev", "lib", "doc"] })
    const fake: FakeBuild = (request) => Effect.succeed(request.outputs.map((output) => `I am ${output}`))
    return Effect.gen(function* () {
      const [realised] = yield* build([made], [made])
      for (const { path } of realised!.outputs) assert.strictEqual(yield* contentOf(path), `I am ${path.slice(1)}`)
      assert.deepStrictEqual(
        realised!.outputs.map(({ name, path }) => [name, path]),
        ["dev", "doc", "lib", "out"].map((n) => [n, made.out(n)])
      )
    }).pipe(Effect.provide(world({ build: fake })))
  })

  it.effect("a chain of two thousand derivations is built", () => {
    const chain: Array<Made> = []
    for (let i = 0; i < 2000; i++) chain.push(derive(`c${i}`, { inputs: i === 0 ? [] : [chain[i - 1]!] }))
    const fake: FakeBuild = (request) => Effect.succeed(request.outputs.map(() => "x"))
    return Effect.gen(function* () {
      const [realised] = yield* build([chain.at(-1)!], chain)
      assert.strictEqual(realised!.outputs[0]!.path, chain.at(-1)!.out())
    }).pipe(Effect.provide(world({ build: fake })))
  })
})

describe("sharing and interruption", () => {
  /** A builder that never ends, and says when it began and when it was interrupted. */
  const endless = () => {
    const began = Deferred.makeUnsafe<void>()
    const log: Array<string> = []
    const fake: FakeBuild = (request) =>
      Effect.andThen(
        Effect.sync(() => log.push(`began ${nameOfRequest(request)}`)),
        Effect.andThen(
          Deferred.succeed(began, undefined),
          Effect.onInterrupt(Effect.never, () => Effect.sync(() => log.push(`killed ${nameOfRequest(request)}`)))
        )
      )
    return { began, log, fake }
  }

  it.effect("the builder is interrupted when the last who waits leaves, not before", () => {
    const made = derive("shared")
    const { began, log, fake } = endless()
    const { events, sink } = collector()
    return Effect.gen(function* () {
      const one = yield* Effect.forkChild(build([made], [made]))
      const two = yield* Effect.forkChild(build([made], [made]))
      yield* Deferred.await(began)
      yield* Effect.yieldNow
      yield* Fiber.interrupt(one)
      assert.deepStrictEqual(log, ["began shared"])
      yield* Fiber.interrupt(two)
      assert.deepStrictEqual(log, ["began shared", "killed shared"])
      assert.deepStrictEqual(
        events.map((event): string => event._tag).filter((tag) => ["Started", "Done", "Failed", "Cancelled"].includes(tag)),
        ["Started", "Cancelled"]
      )
    }).pipe(Effect.provide(world({ build: fake })), Effect.provideService(EventSink, sink))
  })

  it.effect("interrupting the user of a deep chain reaches the builder at its end", () => {
    const chain: Array<Made> = []
    for (let i = 0; i < 500; i++) chain.push(derive(`d${i}`, { inputs: i === 0 ? [] : [chain[i - 1]!] }))
    const { began, log, fake } = endless()
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(build([chain.at(-1)!], chain))
      yield* Deferred.await(began)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(log, ["began d0", "killed d0"])
    }).pipe(Effect.provide(world({ build: fake })))
  })

  it.effect("interrupted work is begun anew by the next who asks", () => {
    const made = derive("again")
    let tries = 0
    const began = Deferred.makeUnsafe<void>()
    const fake: FakeBuild = (request, options) =>
      ++tries === 1 ? Effect.andThen(Deferred.succeed(began, undefined), Effect.never) : echo(request, options)
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(build([made], [made]))
      yield* Deferred.await(began)
      yield* Fiber.interrupt(fiber)
      yield* build([made], [made])
      assert.strictEqual(tries, 2)
    }).pipe(Effect.provide(world({ build: fake })))
  })

  it.effect("a second realiser over the same store waits for the build of the first instead of repeating it", () => {
    const made = derive("leased")
    const { built, fake } = counting(sleeping)
    const { events, sink } = collector()
    return Effect.gen(function* () {
      const services = yield* Effect.context<Layer.Success<typeof LocalStore.layerMemory>>()
      const store = Layer.succeedContext(services) as typeof LocalStore.layerMemory
      const other = () => Effect.provide(build([made], [made]), world({ build: fake, store }))
      const one = yield* Effect.forkChild(other())
      const two = yield* Effect.forkChild(other())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(one)
      yield* Fiber.join(two)
      assert.deepStrictEqual(built, ["leased"])
      assert.isTrue(events.some((event) => event._tag === "Message" && event.text.startsWith(`waiting for process ${process.pid}`)))
    }).pipe(Effect.provide(LocalStore.layerMemory), Effect.provideService(EventSink, sink))
  })
})

describe("failures", () => {
  const failing =
    (...names: ReadonlyArray<string>): FakeBuild =>
    (request, options) =>
      names.includes(nameOfRequest(request))
        ? Effect.andThen(
            Effect.sync(() => options.onLog(new TextEncoder().encode(`${Array.from({ length: 30 }, (_, i) => `line ${i}`).join("\n")}\n`))),
            Effect.fail(new BuilderFailed({ status: 1, signal: undefined, lastLines: [] }))
          )
        : echo(request, options)

  it.effect("dependents name the root cause, which keeps the last 25 lines; the whole log is kept", () => {
    const bad = derive("bad")
    const middle = derive("middle", { inputs: [bad] })
    const top = derive("top", { inputs: [middle] })
    return Effect.gen(function* () {
      const error = (yield* Effect.flip(build([top], [bad, middle, top]))) as DependencyFailed
      assert.strictEqual(error._tag, "DependencyFailed")
      assert.strictEqual(error.drvPath, top.drvPath)
      assert.deepStrictEqual(error.inputs, [middle.drvPath])
      assert.strictEqual(error.roots.length, 1)
      const root = error.roots[0] as { readonly _tag: string; readonly drvPath: string; readonly lastLines: ReadonlyArray<string> }
      assert.strictEqual(root._tag, "DerivationFailed")
      assert.strictEqual(root.drvPath, bad.drvPath)
      assert.deepStrictEqual([root.lastLines.length, root.lastLines[0], root.lastLines.at(-1)], [25, "line 5", "line 29"])
      assert.strictEqual(error.exitCode, 100)
      const told = toIoFailure(error)
      assert.strictEqual(told.exitCode, 100)
      assert.match(
        told.message,
        /bad\.drv': builder failed with exit code 1[^]*> line 29\n[^]*top\.drv': its input '[^]*middle\.drv' failed$/
      )
      const log = yield* (yield* BuildLogs).read(bad.drvPath)
      assert.match(new TextDecoder().decode(log), /^line 0\n[^]*line 29\n$/)
      const left = yield* (yield* PathInfoService).get(bad.out())
      assert.isTrue(Option.isNone(left))
    }).pipe(Effect.provide(world({ build: failing("bad") })))
  })

  it.effect("with keep-going everything independent is built, a failed one once, and the status has the bits of all", () => {
    const bad = derive("bad")
    const wrong = derive("wrong", { fixed: { algorithm: "sha256", hash: "0".repeat(64) } })
    const users = ["a", "b", "c"].map((name) => derive(name, { inputs: [bad] }))
    const good = derive("good")
    const { built, fake } = counting(failing("bad"))
    return Effect.gen(function* () {
      const all = [...users, wrong, good]
      const error = (yield* Effect.flip(build(all, [...all, bad]))) as RealiseFailed
      assert.strictEqual(error._tag, "RealiseFailed")
      assert.deepStrictEqual(built.toSorted(), ["bad", "good", "wrong"])
      assert.strictEqual(error.exitCode, 100 | 102)
      assert.isTrue(Option.isSome(yield* (yield* PathInfoService).get(good.out())))
    }).pipe(Effect.provide(world({ build: fake })), Effect.provideService(RealiseOptions, { ...defaults, keepGoing: true }))
  })

  it.effect("without keep-going a failure interrupts the builds beside it", () => {
    const bad = derive("bad")
    const slow = derive("slow")
    let killed = false
    const began = Deferred.makeUnsafe<void>()
    const fake: FakeBuild = (request) =>
      nameOfRequest(request) === "slow"
        ? Effect.andThen(
            Deferred.succeed(began, undefined),
            Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (killed = true)))
          )
        : Effect.andThen(Deferred.await(began), Effect.fail(new BuilderFailed({ status: 1, signal: undefined, lastLines: [] })))
    return Effect.gen(function* () {
      const error = yield* Effect.flip(build([slow, bad], [slow, bad]))
      assert.strictEqual(error._tag, "DerivationFailed")
      assert.isTrue(killed)
    }).pipe(Effect.provide(world({ build: fake })))
  })

  it.effect("a failure is remembered within a run and tried again in the next", () => {
    const bad = derive("bad")
    const { built, fake } = counting(failing("bad"))
    return Effect.gen(function* () {
      yield* withinRun(
        Effect.gen(function* () {
          yield* Effect.flip(build([bad], [bad]))
          yield* Effect.flip(build([bad], [bad]))
        })
      )
      assert.strictEqual(built.length, 1)
      yield* Effect.flip(build([bad], [bad]))
      assert.strictEqual(built.length, 2)
    }).pipe(Effect.provide(world({ build: fake })))
  })

  it.effect("an unknown derivation, an unknown output and an unknown path are told apart", () => {
    const made = derive("known")
    const unknown = derive("unknown")
    return Effect.gen(function* () {
      const realiser = yield* Realiser
      realiser.addDerivations([[made.drvPath, made.text]])
      const messages = []
      for (const target of [
        { _tag: "Derivation", drvPath: unknown.drvPath, outputs: undefined },
        { _tag: "Derivation", drvPath: made.drvPath, outputs: ["lib"] },
        { _tag: "Path", path: unknown.out() }
      ] as const)
        messages.push((yield* Effect.flip(realiser.realise([target]))).message)
      assert.include(messages[0]!, "no evaluation has made this derivation")
      assert.include(messages[1]!, "has no output 'lib', only out")
      assert.include(messages[2]!, `path '${unknown.out()}' is not in the store`)
    }).pipe(Effect.provide(world({})))
  })

  it.effect("floating outputs and foreign built-in builders are refused in words", () => {
    const floating = derive("floating", { fixed: { algorithm: "r:sha256", hash: "" } })
    const env = derive("env", { builder: "builtin:buildenv" })
    return Effect.gen(function* () {
      assert.include((yield* Effect.flip(build([floating], [floating]))).message, "floating content-addressed")
      assert.include((yield* Effect.flip(build([env], [env]))).message, "the built-in builder 'buildenv' is not supported")
    }).pipe(Effect.provide(world({})))
  })
})

describe("fixed outputs", () => {
  const text = "the source\n"
  const sha256 = hashBytes("sha256", toBytes(text))
  const writes =
    (contents: string): FakeBuild =>
    (request) =>
      Effect.succeed(request.outputs.map(() => contents))

  it.effect("the right content is committed with a content address that is its declared hash (D2)", () => {
    const made = derive("source", { fixed: { algorithm: "sha256", hash: printHash(sha256, "base16") } })
    return Effect.gen(function* () {
      const [realised] = yield* build([made], [made])
      assert.strictEqual(realised!.outputs[0]!.info.ca, `fixed:sha256:${printHash(sha256, "nix32")}`)
    }).pipe(Effect.provide(world({ build: writes(text) })))
  })

  it.effect("a recursive hash is of the NAR, in any algorithm", () =>
    Effect.gen(function* () {
      const probe = derive("probe")
      const [first] = yield* build([probe], [probe])
      const made = derive("nar", { fixed: { algorithm: "r:sha256", hash: Buffer.from(first!.outputs[0]!.info.narHash).toString("hex") } })
      const [realised] = yield* build([made], [made])
      const digest = first!.outputs[0]!.info.narHash
      assert.strictEqual(realised!.outputs[0]!.info.ca, `fixed:r:sha256:${printHash({ algorithm: "sha256", digest }, "nix32")}`)
      const sha1 = derive("nar1", { fixed: { algorithm: "r:sha1", hash: "00".repeat(20) } })
      const error = (yield* Effect.flip(build([sha1], [sha1]))) as HashMismatch
      const again = derive("nar1", { fixed: { algorithm: "r:sha1", hash: Buffer.from(error.actual.slice(5), "base64").toString("hex") } })
      yield* build([again], [again])
    }).pipe(Effect.provide(world({ build: writes(text) })))
  )

  it.effect("other content fails with both hashes and status 102, and is not committed (D1)", () => {
    const made = derive("source", { fixed: { algorithm: "sha256", hash: printHash(sha256, "base16") } })
    return Effect.gen(function* () {
      const error = (yield* Effect.flip(build([made], [made]))) as HashMismatch
      assert.strictEqual(error._tag, "HashMismatch")
      assert.strictEqual(error.exitCode, 102)
      assert.strictEqual(error.expected, printHash(sha256, "sri"))
      assert.strictEqual(error.actual, printHash(hashBytes("sha256", toBytes("other")), "sri"))
      assert.isTrue(Option.isNone(yield* (yield* PathInfoService).get(made.out())))
    }).pipe(Effect.provide(world({ build: writes("other") })))
  })

  it.effect("an output with a fixed hash may not refer to store paths", () => {
    const input = derive("input")
    const refers = `see ${input.out()}`
    const made = derive("source", {
      inputs: [input],
      fixed: { algorithm: "sha256", hash: printHash(hashBytes("sha256", toBytes(refers)), "base16") }
    })
    return Effect.gen(function* () {
      const error = yield* Effect.flip(build([made], [made, input]))
      assert.include(error.message, "must not refer to store paths")
    }).pipe(Effect.provide(world({ build: writes(refers) })))
  })
})

describe("checking", () => {
  it.effect("the same content passes, other content gives status 104 and changes nothing, and what is not there cannot be checked", () => {
    const steady = derive("steady")
    const shaky = derive("shaky")
    let count = 0
    const fake: FakeBuild = (request) => Effect.succeed([nameOfRequest(request) === "shaky" ? `${count++}` : "same"])
    const checked = (made: Made) => Effect.provideService(build([made], [made]), RealiseOptions, { ...defaults, check: true })
    return Effect.gen(function* () {
      assert.include((yield* Effect.flip(checked(steady))).message, "build it without --check first")
      yield* build([steady, shaky], [steady, shaky])
      yield* checked(steady)
      const error = yield* Effect.flip(checked(shaky))
      assert.strictEqual(error._tag, "NotDeterministic")
      assert.strictEqual(error.exitCode, 104)
      assert.strictEqual(yield* contentOf(shaky.out()), "0")
    }).pipe(Effect.provide(world({ build: fake })))
  })
})

describe("writing derivations", () => {
  it.effect("a derivation is written after its inputs, and another process can build from it", () => {
    const input = derive("input")
    const top = derive("top", { inputs: [input] })
    return Effect.gen(function* () {
      const realiser = yield* Realiser
      realiser.addDerivations([top, input].map((made) => [made.drvPath, made.text]))
      const info = yield* realiser.writeDerivation(top.drvPath)
      assert.deepStrictEqual(info.references, [input.drvPath])
      assert.match(info.ca ?? "", /^text:sha256:[0-9a-z]{52}$/)
      assert.strictEqual(yield* contentOf(input.drvPath), input.text)
      const services = yield* Effect.context<Layer.Success<typeof LocalStore.layerMemory>>()
      const store = Layer.succeedContext(services) as typeof LocalStore.layerMemory
      yield* Effect.provide(build([top], []), world({ store }))
      assert.isTrue(Option.isSome(yield* (yield* PathInfoService).get(top.out())))
    }).pipe(Effect.provide(world({})))
  })

  it.effect("a text that belongs to another path is refused", () => {
    const one = derive("one")
    const two = derive("two")
    return Effect.gen(function* () {
      const realiser = yield* Realiser
      realiser.addDerivations([[one.drvPath, two.text]])
      const exit = yield* Effect.exit(realiser.writeDerivation(one.drvPath))
      assert.isTrue(Exit.isFailure(exit))
    }).pipe(Effect.provide(world({})))
  })
})
