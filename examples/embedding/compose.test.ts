/** How a program that embeds yix tests itself: with layers in memory in place of disks, networks and sandboxes. `node --test` runs it. */
import assert from "node:assert/strict"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { after, before, test } from "node:test"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { BlobService } from "yix/castore/blob/BlobService"
import { prepareNode } from "yix/castore/crypto/Node"
import { parse } from "yix/config/Composition"
import { layersOf } from "yix/config/CompositionLayers"
import { PathInfoService } from "yix/store/PathInfoService"
import * as MemoryPathInfos from "yix/store/pathinfo/Memory"
import * as Testing from "yix/testing"
import { program, store, yix } from "./compose.ts"
import { drivers } from "./driver.ts"

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-embedding-"))
before(() => prepareNode())
after(() => fs.rmSync(scratch, { recursive: true }))

/** In place of the sandbox: what the two derivations would write. */
const workers = Layer.merge(
  Testing.layerBuilder(Testing.writes(({ environment, inputs }) => `${environment["name"]} of ${inputs.join()}`)),
  Testing.layerFetcher()
)
const observed = Layer.merge(Testing.layerTracer, Testing.layerEvents)

const buildsStarted = Effect.flatMap(Testing.Events, (events) =>
  Effect.map(events.tagged("Started"), (started) => started.filter(({ kind }) => kind === "build").map(({ name }) => name))
)

test("builds both derivations, the second after the first, all in memory", () =>
  Effect.gen(function* () {
    const [greeting] = yield* program
    assert.match(greeting!, /^\/nix\/store\/.{32}-greeting$/)
    assert.deepEqual(yield* buildsStarted, ["words", "greeting"])
    const spans = yield* (yield* Testing.Spans).named("realise.build")
    assert.deepEqual(
      spans.map(({ outcome }) => outcome),
      ["success", "success"]
    )
  }).pipe(Effect.provide(Layer.provideMerge(yix(Testing.layerStore, workers), observed)), Effect.runPromise))

test("takes from upstream what is there, and builds nothing", async () => {
  const directory = path.join(scratch, "store")
  // What another machine has built: the same store, with nobody upstream.
  const infos = await Effect.gen(function* () {
    yield* program
    return yield* Stream.runCollect((yield* PathInfoService).list())
  }).pipe(Effect.provide(yix(store(directory, MemoryPathInfos.layer), workers)), Effect.runPromise)
  // Upstream is a memory that holds its path infos. (A real cache would bring the contents as well, once something reads them: nothing does here.)
  const upstream = Layer.effect(
    PathInfoService,
    Effect.gen(function* () {
      const memory = MemoryPathInfos.make()
      yield* Effect.forEach(infos, (info) => memory.put(info))
      return memory
    })
  )
  fs.rmSync(directory, { recursive: true })
  await Effect.gen(function* () {
    const [greeting] = yield* program
    assert.ok(infos.some((info) => info.path === greeting))
    assert.deepEqual(yield* buildsStarted, [])
  }).pipe(Effect.provide(Layer.provideMerge(yix(store(directory, upstream), workers), observed)), Effect.runPromise)
})

const read = (text: string) => parse("yix.toml", text, { drivers, place: { directory: scratch, stateDirectory: scratch } })

test("knows the driver of its own by its type in yix.toml", () =>
  Effect.gen(function* () {
    const composition = yield* read(fs.readFileSync(new URL("./yix.toml", import.meta.url), "utf8"))
    const bytes = new TextEncoder().encode("the same thing over and over, ".repeat(1000))
    const digest = yield* Effect.gen(function* () {
      const blobs = yield* BlobService
      const [digest] = yield* blobs.putMany([bytes])
      return digest!
    }).pipe(Effect.provide(layersOf(composition).service("blobservices", "root")))
    const file = path.join(scratch, "blobs", `${digest}.gz`)
    assert.ok(fs.statSync(file).size < 1000)
    // Opened anew, without the memory in front.
    const stored = yield* Effect.flatMap(BlobService, (blobs) => Stream.runCollect(blobs.read(digest, { offset: 4, length: 4 }))).pipe(
      Effect.provide(layersOf(composition).service("blobservices", "small"), { local: true })
    )
    assert.equal(Buffer.concat(stored).toString(), "same")
  }).pipe(Effect.runPromise))

test("checks that driver's keys like any other's", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(read('[blobservices.root]\ntype = "gzip"\nlevel = 10\npth = "blobs"\n'))
    assert.deepEqual(
      error.problems.map(({ line, key }) => [line, key]),
      [
        [1, "blobservices.root.path"],
        [3, "blobservices.root.level"],
        [4, "blobservices.root.pth"]
      ]
    )
    assert.match(error.message, /did you mean 'path'\?/)
  }).pipe(Effect.runPromise))
