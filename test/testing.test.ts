/** The entry point for users' tests, used as a user would. */
import * as fs from "node:fs"
import * as os from "node:os"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { BuilderFailed } from "../src/build/BuildError.ts"
import { BlobService } from "../src/castore/blob/BlobService.ts"
import { hashBytes, printHash } from "../src/nix/Hash.ts"
import * as Jobs from "../src/realise/Jobs.ts"
import { PathInfoService } from "../src/store/PathInfoService.ts"
import * as Testing from "../src/testing.ts"

const derivation = (name: string, more = "") =>
  Jobs.expression(`derivation { name = "${name}"; system = "x86_64-linux"; builder = "/bin/sh"; ${more} }`)

const contentOf = (path: string) =>
  Effect.gen(function* () {
    const info = Option.getOrThrow(yield* (yield* PathInfoService).get(path as never))
    if (info.node._tag !== "File") throw new Error("not a file")
    return new TextDecoder().decode(Option.getOrThrow(yield* (yield* BlobService).get(info.node.digest)))
  })

describe("yix in memory", () => {
  it.live("builds a derivation and tells of it in events and spans, without touching the disk", () =>
    Effect.gen(function* () {
      const [built] = yield* Jobs.build(
        derivation("top", `dependency = ${'derivation { name = "leaf"; system = "x86_64-linux"; builder = "/bin/sh"; }'};`)
      )
      const { path, info } = built!.outputs[0]!
      assert.match(path, /^\/nix\/store\/.{32}-top$/)
      assert.strictEqual(yield* contentOf(path), `top of ${info.references[0]}`)
      assert.match(info.references.join(), /^\/nix\/store\/.{32}-leaf$/)

      const events = yield* Testing.Events
      const started = yield* events.tagged("Started")
      assert.deepStrictEqual(
        started.filter(({ kind }) => kind === "build").map(({ name }) => name),
        ["leaf", "top"]
      )
      assert.strictEqual((yield* events.tagged("Done")).length, started.length)
      assert.strictEqual((yield* events.all)[0]?._tag, "Started")

      const spans = yield* Testing.Spans
      const builds = yield* spans.named("realise.build")
      assert.deepStrictEqual(
        builds.map(({ attributes, outcome }) => [attributes.get("name"), outcome]),
        [
          ["leaf", "success"],
          ["top", "success"]
        ]
      )
      for (const span of builds) assert.strictEqual(span.ancestors.at(-1), "test")
      const all = yield* spans.ended
      assert.strictEqual(new Set(all.map(({ traceId }) => traceId)).size, 1)
      assert.deepStrictEqual(yield* spans.open, ["test"])
      assert.isEmpty(fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith(`yix-checkouts-${process.pid}-`)))
    }).pipe(
      Effect.withSpan("test"),
      Effect.provide(
        Testing.layer({
          build: Testing.writes(({ environment }) => (environment["name"] === "leaf" ? "leaf" : `top of ${environment["dependency"]}`))
        })
      )
    )
  )

  it.live("gives each output the tree that the function says, and the build's own view to the function", () => {
    const seen: Array<Testing.BuildInput> = []
    return Effect.gen(function* () {
      const [built] = yield* Jobs.build(derivation("tree", 'outputs = [ "out" "dev" ]; args = [ "-c" "exit 1" ];'))
      assert.deepStrictEqual(
        built!.outputs.map(({ info }) => info.node._tag),
        ["Directory"]
      )
      assert.deepStrictEqual(seen[0]!.command, ["/bin/sh", "-c", "exit 1"])
      assert.strictEqual(seen[0]!.environment["out"], built!.outputs[0]!.path)
      assert.strictEqual(seen.length, 2)
    }).pipe(
      Effect.provide(
        Testing.layer({
          build: Testing.writes((input) => {
            seen.push(input)
            return { entries: { bin: { entries: { tool: { file: Uint8Array.of(1), executable: true } } }, link: { link: "bin/tool" } } }
          })
        })
      )
    )
  })

  it.live("fetches what is in the map, checked, and nothing else", () => {
    const bytes = new TextEncoder().encode("fetched")
    const sri = printHash(hashBytes("sha256", bytes), "sri")
    const fetching = (url: string, hash: string) =>
      Jobs.evaluateJson(Jobs.expression(`builtins.readFile (builtins.fetchurl { url = "${url}"; sha256 = "${hash}"; })`))
    return Effect.gen(function* () {
      assert.strictEqual(yield* fetching("https://example.org/a", sri), '"fetched"')
      const wrong = yield* Effect.flip(fetching("https://example.org/b", sri))
      assert.include(wrong.rendered, "hash mismatch")
      assert.strictEqual(wrong.exitCode, 102)
      assert.include(
        (yield* Effect.flip(fetching("https://example.org/c", printHash(hashBytes("sha256", Uint8Array.of(1)), "sri")))).rendered,
        "404"
      )
    }).pipe(
      Effect.provide(
        Testing.layer({
          contents: new Map([
            ["https://example.org/a", bytes],
            ["https://example.org/b", Uint8Array.of(1, 2)]
          ])
        })
      )
    )
  })

  it.live("tells how work ended: failed, or given up", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Jobs.build(derivation("broken")))
      assert.include(error.message, "broken")
      const fiber = yield* Effect.forkChild(Jobs.build(derivation("endless")), { startImmediately: true })
      const events = yield* Testing.Events
      while (!(yield* events.tagged("Started")).some(({ name, kind }) => kind === "build" && name === "endless")) yield* Effect.sleep(2)
      yield* Fiber.interrupt(fiber)
      const spans = yield* Testing.Spans
      assert.deepStrictEqual(
        (yield* spans.named("realise.build")).map(({ attributes, outcome }) => [attributes.get("name"), outcome]),
        [
          ["broken", "failure"],
          ["endless", "interrupted"]
        ]
      )
      assert.deepStrictEqual(yield* spans.open, [])
      assert.strictEqual((yield* events.tagged("Cancelled")).length > 0, true)
    }).pipe(
      Effect.provide(
        Testing.layer({
          build: (request) =>
            request.environmentVars.some(({ key, value }) => key === "name" && value === "endless")
              ? Effect.never
              : Effect.fail(new BuilderFailed({ status: 3, signal: undefined, lastLines: ["no"] }))
        })
      )
    )
  )

  it.live("by default builds files that name their derivations; each part is a layer of its own", () =>
    Effect.gen(function* () {
      const [built] = yield* Jobs.build(derivation("plain"))
      assert.strictEqual(yield* contentOf(built!.outputs[0]!.path), "plain\n")
    }).pipe(
      Effect.provide(
        Testing.layerEvaluator.pipe(
          Layer.provideMerge(Testing.layerRealiser),
          Layer.provideMerge(
            Layer.merge(Testing.layerFetcher(), Testing.layerBuilder(Testing.writes(({ environment }) => `${environment["name"]}\n`)))
          ),
          Layer.provideMerge(Testing.layerStore)
        )
      )
    )
  )

  it.live("keeps two runs apart", () =>
    Effect.gen(function* () {
      const path = (yield* Jobs.build(derivation("once")).pipe(Effect.provide(Testing.layer(), { local: true })))[0]!.outputs[0]!.path
      const present = Effect.flatMap(PathInfoService, (infos) => infos.get(path)).pipe(Effect.provide(Testing.layer(), { local: true }))
      assert.isTrue(Option.isNone(yield* present))
    })
  )
})
