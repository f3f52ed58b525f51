import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { BlobService } from "../../src/castore/blob/BlobService.ts"
import type { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import type { FarRequest } from "../../src/eval/IoRequest.ts"
import type { Fetch } from "../../src/fetch/Fetch.ts"
import { contentAddress, pathWith, storePathOf } from "../../src/fetch/Fetch.ts"
import { HashMismatch } from "../../src/fetch/FetchError.ts"
import { fromUnicode, toBytes } from "../../src/nix/Bytes.ts"
import { hashBytes, type NixHash, printHash } from "../../src/nix/Hash.ts"
import { makeText, type StorePath } from "../../src/nix/StorePath.ts"
import { Realiser, RealiseOptions } from "../../src/realise/Realiser.ts"
import { calculate } from "../../src/store/Nar.ts"
import type { PathInfo } from "../../src/store/PathInfo.ts"
import { PathInfoService } from "../../src/store/PathInfoService.ts"
import { derive, echo, file, nameOfRequest, world } from "./world.ts"

const ask = (request: FarRequest) => Effect.flatMap(Realiser, (realiser) => realiser.answer(request))
const infoOf = (path: StorePath) => Effect.flatMap(PathInfoService, (service) => Effect.orDie(service.get(path)))

const inDirectory = <A, E, R>(use: (directory: string) => Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "yix-source-"))),
    use,
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true }))
  )

/** A fetcher that brings `text` whatever the URL, and counts. */
const fetching = (text: string) => {
  const fetched: Array<string> = []
  const fetch = (fetch: Fetch): Effect.Effect<PathInfo, HashMismatch, BlobService | DirectoryService> =>
    Effect.suspend(() => {
      fetched.push(fetch.url)
      return Effect.gen(function* () {
        yield* Effect.yieldNow
        const hash: NixHash = hashBytes("sha256", toBytes(text))
        if (fetch.hash !== undefined && printHash(fetch.hash, "sri") !== printHash(hash, "sri")) {
          return yield* new HashMismatch({
            url: fetch.url,
            method: "flat",
            expected: printHash(fetch.hash, "sri"),
            got: printHash(hash, "sri")
          })
        }
        const node = yield* file(text)
        const nar = yield* Effect.orDie(calculate(node))
        return {
          path: pathWith(fetch, hash),
          node,
          references: [],
          ...nar,
          signatures: [],
          deriver: undefined,
          ca: contentAddress(fetch, hash),
          registrationTime: 0
        } satisfies PathInfo
      })
    })
  return { fetched, fetch }
}

const url = (name: string, hash: NixHash | undefined): Fetch => ({ _tag: "Url", url: `http://example.org/${name}`, name, hash })

describe("fetches", () => {
  const text = "contents"
  const hash = hashBytes("sha256", toBytes(text))

  it.effect("that are known are done when their path is needed, once, and not before", () => {
    const { fetched, fetch } = fetching(text)
    const source = url("source", hash)
    const sourcePath = storePathOf(source)!
    const one = derive("one", { sources: [sourcePath] })
    const two = derive("two", { sources: [sourcePath] })
    return Effect.gen(function* () {
      const realiser = yield* Realiser
      realiser.addFetches([[sourcePath, source]])
      realiser.addDerivations([one, two].map((made) => [made.drvPath, made.text]))
      const unrelated = derive("unrelated")
      realiser.addDerivations([[unrelated.drvPath, unrelated.text]])
      yield* realiser.realise([{ _tag: "Derivation", drvPath: unrelated.drvPath, outputs: undefined }])
      assert.deepStrictEqual(fetched, [])
      assert.strictEqual(yield* ask({ _tag: "EnsurePath", path: sourcePath }), true)
      assert.deepStrictEqual(fetched, [])
      yield* realiser.realise([one, two].map(({ drvPath }) => ({ _tag: "Derivation", drvPath, outputs: undefined })))
      assert.strictEqual(fetched.length, 1)
      yield* realiser.realise([{ _tag: "Path", path: sourcePath }])
      assert.strictEqual(fetched.length, 1)
    }).pipe(Effect.provide(world({ fetch })))
  })

  it.effect("by builtin:fetchurl are not given to the builder", () => {
    const { fetched, fetch } = fetching(text)
    const made = derive("file", {
      builder: "builtin:fetchurl",
      fixed: { algorithm: "sha256", hash: printHash(hash, "base16") },
      env: { url: "http://example.org/file" }
    })
    const wrong = derive("file", {
      builder: "builtin:fetchurl",
      fixed: { algorithm: "sha256", hash: "1".repeat(64) },
      env: { url: "http://example.org/file" }
    })
    return Effect.gen(function* () {
      const realiser = yield* Realiser
      realiser.addDerivations([made, wrong].map((m) => [m.drvPath, m.text]))
      const [realised] = yield* realiser.realise([{ _tag: "Derivation", drvPath: made.drvPath, outputs: ["out"] }])
      assert.strictEqual(realised!.outputs[0]!.path, made.out())
      assert.strictEqual(realised!.outputs[0]!.info.ca, `fixed:sha256:${printHash(hash, "nix32")}`)
      const error = yield* Effect.flip(realiser.realise([{ _tag: "Derivation", drvPath: wrong.drvPath, outputs: undefined }]))
      assert.strictEqual(error.exitCode, 102)
      assert.include(error.message, wrong.drvPath)
      assert.isTrue(Option.isNone(yield* infoOf(wrong.out())))
      assert.strictEqual(fetched.length, 2)
    }).pipe(Effect.provide(world({ fetch, build: () => Effect.die(new Error("no build")) })))
  })

  it.effect("asked for by the evaluator give their path, with or without a hash; equal ones share one run", () => {
    const { fetched, fetch } = fetching(text)
    const request: FarRequest = { _tag: "Fetch", url: "http://example.org/x", name: "x", hash: undefined, unpack: false }
    return Effect.gen(function* () {
      const [a, b] = yield* Effect.all([ask(request), ask(request)], { concurrency: 2 })
      assert.strictEqual(a, storePathOf(url("x", hash)))
      assert.strictEqual(b, a)
      assert.strictEqual(fetched.length, 1)
      assert.strictEqual(yield* ask({ ...request, hash }), a)
      assert.strictEqual(fetched.length, 1)
    }).pipe(Effect.provide(world({ fetch })))
  })

  it.effect("over the network are refused offline; what is there is not fetched", () => {
    const { fetched, fetch } = fetching(text)
    return Effect.gen(function* () {
      const realiser = yield* Realiser
      const source = url("y", hash)
      const path = storePathOf(source)!
      realiser.addFetches([[path, source]])
      const offline = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.provideService(effect, RealiseOptions, {
          keepGoing: false,
          maxJobs: 1,
          timeout: 0,
          maxSilent: 0,
          offline: true,
          check: false
        })
      const error = yield* Effect.flip(offline(realiser.realise([{ _tag: "Path", path }])))
      assert.include(error.message, "--offline forbids")
      assert.deepStrictEqual(fetched, [])
      yield* realiser.realise([{ _tag: "Path", path }])
      yield* offline(realiser.realise([{ _tag: "Path", path }]))
      assert.strictEqual(fetched.length, 1)
    }).pipe(Effect.provide(world({ fetch })))
  })
})

describe("sources and texts", () => {
  const source = (at: string, more: Partial<Extract<FarRequest, { _tag: "AddSource" }>> = {}): FarRequest => ({
    _tag: "AddSource",
    name: "src",
    path: fromUnicode(at),
    accepted: undefined,
    recursive: true,
    expected: undefined,
    ...more
  })

  it.effect("a tree goes into the store under the path of its contents, filtered", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        fs.mkdirSync(path.join(directory, "sub"))
        fs.writeFileSync(path.join(directory, "sub/keep"), "kept")
        fs.writeFileSync(path.join(directory, "drop"), "dropped")
        const whole = (yield* ask(source(directory))) as StorePath
        const filtered = (yield* ask(source(directory, { accepted: ["sub", "sub/keep"] }))) as StorePath
        assert.notStrictEqual(whole, filtered)
        fs.rmSync(path.join(directory, "drop"))
        assert.strictEqual(yield* ask(source(directory)), filtered)
        const info = Option.getOrThrow(yield* infoOf(filtered))
        assert.strictEqual(info.ca, `fixed:r:sha256:${printHash({ algorithm: "sha256", digest: info.narHash }, "nix32")}`)
      })
    ).pipe(Effect.provide(world({})))
  )

  it.effect("a file with a flat hash loses its executable bit; another hash than expected is refused with status 102", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const at = path.join(directory, "f")
        fs.writeFileSync(at, "text", { mode: 0o755 })
        const expected = hashBytes("sha256", toBytes("text"))
        const added = (yield* ask(source(at, { recursive: false }))) as StorePath
        const { node, ca } = Option.getOrThrow(yield* infoOf(added))
        assert.isTrue(node._tag === "File" && !node.executable)
        assert.strictEqual(ca, `fixed:sha256:${printHash(expected, "nix32")}`)
        assert.strictEqual(yield* ask(source(at, { recursive: false, expected })), added)
        fs.writeFileSync(at, "other")
        // Declared and there: not read again.
        assert.strictEqual(yield* ask(source(at, { recursive: false, expected })), added)
        const error = yield* Effect.flip(ask(source(at, { recursive: false, expected: hashBytes("sha256", toBytes("third")) })))
        assert.strictEqual(error._tag, "HashMismatch")
        assert.strictEqual(error.exitCode, 102)
      })
    ).pipe(Effect.provide(world({})))
  )

  it.effect("what is not there or no file is an error that names it", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const missing = yield* Effect.flip(ask(source(path.join(directory, "missing"))))
        assert.strictEqual(missing._tag, "SourceUnreadable")
        assert.include(missing.message, "missing")
        const flat = yield* Effect.flip(ask(source(directory, { recursive: false })))
        assert.strictEqual(flat._tag, "SourceUnreadable")
      })
    ).pipe(Effect.provide(world({})))
  )

  it.effect("a text makes what it refers to present first", () => {
    const { fetched, fetch } = fetching("contents")
    const referred = url("referred", hashBytes("sha256", toBytes("contents")))
    const referredPath = storePathOf(referred)!
    return Effect.gen(function* () {
      const contents = `see ${referredPath}`
      const expected = makeText("note", hashBytes("sha256", toBytes(contents)).digest, [referredPath])
      const request: FarRequest = { _tag: "AddText", name: "note", contents, references: [referredPath] }
      assert.strictEqual((yield* Effect.flip(ask(request)))._tag, "PathUnavailable")
      assert.isTrue(Option.isNone(yield* infoOf(expected)))
      ;(yield* Realiser).addFetches([[referredPath, referred]])
      assert.strictEqual(yield* ask(request), expected)
      assert.strictEqual(fetched.length, 1)
      assert.deepStrictEqual(Option.getOrThrow(yield* infoOf(expected)).references, [referredPath])
      assert.strictEqual(yield* ask({ _tag: "EnsurePath", path: expected }), true)
      assert.strictEqual(yield* ask({ _tag: "EnsurePath", path: makeText("none", new Uint8Array(32)) }), false)
    }).pipe(Effect.provide(world({ fetch })))
  })
})

describe("realising for the evaluator", () => {
  it.effect("takes derivations with the request; a whole derivation means its file, not a build", () => {
    const built: Array<string> = []
    const low = derive("low")
    const high = derive("high", { inputs: [low], outputs: ["out", "dev"] })
    return Effect.gen(function* () {
      const derivations = [low, high].map((made) => [made.drvPath, made.text] as const)
      yield* ask({ _tag: "Realise", elements: [{ _tag: "AllOutputs", drvPath: high.drvPath }], derivations })
      assert.deepStrictEqual(built, [])
      assert.isTrue(Option.isSome(yield* infoOf(high.drvPath)))
      assert.isTrue(Option.isSome(yield* infoOf(low.drvPath)))
      const answer = yield* ask({ _tag: "Realise", elements: [{ _tag: "Output", drvPath: high.drvPath, output: "dev" }], derivations: [] })
      assert.isNull(answer)
      assert.deepStrictEqual(built, ["low", "high"])
      assert.isTrue(Option.isSome(yield* infoOf(high.out("dev"))))
    }).pipe(
      Effect.provide(
        world({
          build: (request, options) => {
            built.push(nameOfRequest(request))
            return echo(request, options)
          }
        })
      )
    )
  })

  it.effect("interrupting one question leaves the equal question of another running", () => {
    const made = derive("slow")
    const go = Deferred.makeUnsafe<void>()
    const began = Deferred.makeUnsafe<void>()
    return Effect.gen(function* () {
      const request: FarRequest = {
        _tag: "Realise",
        elements: [{ _tag: "Output", drvPath: made.drvPath, output: "out" }],
        derivations: [[made.drvPath, made.text]]
      }
      const one = yield* Effect.forkChild(ask(request))
      const two = yield* Effect.forkChild(ask(request))
      yield* Deferred.await(began)
      yield* Effect.yieldNow
      yield* Fiber.interrupt(one)
      yield* Deferred.succeed(go, undefined)
      assert.isNull(yield* Fiber.join(two))
    }).pipe(
      Effect.provide(
        world({
          build: (request, options) =>
            Effect.andThen(Deferred.succeed(began, undefined), Effect.andThen(Deferred.await(go), echo(request, options)))
        })
      )
    )
  })
})
