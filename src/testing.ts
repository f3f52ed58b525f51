/**
 * yix in memory, for the tests of programs that embed it: a store, a fetcher, a builder, a tracer and an event stream that need no disk, network, sandbox or collector.
 *
 * `layer` is all of it. Each part is a layer of its own as well, so that a test takes the real one of what it is about. Everything but the outside is real: the evaluator, the
 * graph that realises, hashes, store paths, reference scans and the checks of what is fetched and built are the same code that `yix build` runs.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Jobs from "yix/realise/Jobs"
 * import * as Testing from "yix/testing"
 *
 * const program = Effect.gen(function* () {
 *   const [built] = yield* Jobs.build(Jobs.expression('derivation { name = "x"; system = "any"; builder = "/bin/sh"; }'))
 *   const spans = yield* (yield* Testing.Spans).named("realise.build")
 *   return [built!.outputs[0]!.path, spans.length]
 * })
 *
 * Effect.runPromise(Effect.provide(program, Testing.layer({ build: Testing.writes(() => "contents") })))
 * ```
 *
 * Layers are memoised within one run of a program: what is provided twice is one store. `Layer.fresh` makes another.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Builder } from "./build/Builder.ts"
import type { BuildRequest } from "./build/BuildRequest.ts"
import * as MemoryBuilder from "./build/MemoryBuilder.ts"
import type { BlobService } from "./castore/blob/BlobService.ts"
import * as MemoryBlobs from "./castore/blob/Memory.ts"
import { prepareNode } from "./castore/crypto/Node.ts"
import type { DirectoryService } from "./castore/directory/DirectoryService.ts"
import * as MemoryDirectories from "./castore/directory/Memory.ts"
import type { Fetcher } from "./fetch/Fetcher.ts"
import * as MemoryFetcher from "./fetch/MemoryFetcher.ts"
import type { BuildLogs } from "./realise/BuildLogs.ts"
import * as MemoryBuildLogs from "./realise/BuildLogs.ts"
import type { Evaluator } from "./realise/Evaluation.ts"
import * as EvaluatorInThread from "./realise/EvaluatorInThread.ts"
import * as Graph from "./realise/Graph.ts"
import type { Realiser } from "./realise/Realiser.ts"
import type { StoreServices } from "./store/LocalStore.ts"
import * as LocalStore from "./store/LocalStore.ts"
import * as MemoryTracer from "./telemetry/MemoryTracer.ts"
import * as MemoryEvents from "./wire/MemoryEvents.ts"

export type { MemoryBuild as Build, MemoryOutputs as Outputs, MemoryTree as Tree } from "./build/MemoryBuilder.ts"
export type { MemorySpan as Span } from "./telemetry/MemoryTracer.ts"
/** The spans that ended, with the names of those around them. */
export { MemorySpans as Spans } from "./telemetry/MemoryTracer.ts"
/** What happened: work that was started, done, planned, reused. */
export { MemoryEvents as Events } from "./wire/MemoryEvents.ts"

/** Hashing is there before what needs it. */
const prepared = <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
  Layer.unwrap(
    Effect.map(
      Effect.promise(() => prepareNode()),
      () => layer
    )
  )

/** Blobs and directories. */
export const layerCastore: Layer.Layer<BlobService | DirectoryService> = prepared(Layer.merge(MemoryBlobs.layer, MemoryDirectories.layer))

/** A whole store: castore, path infos, leases, and checkouts, which make a temporary directory once something is checked out. */
export const layerStore: Layer.Layer<StoreServices> = prepared(LocalStore.layerMemory)

/** A fetcher whose outside is a map from addresses to bytes; every other address fails with status 404. */
export const layerFetcher = (
  contents: ReadonlyMap<string, Uint8Array> = new Map()
): Layer.Layer<Fetcher, never, BlobService | DirectoryService> => MemoryFetcher.layer(contents)

/** A builder without processes: a function says what comes out of a request. See `writes`. */
export const layerBuilder = (build: MemoryBuilder.MemoryBuild): Layer.Layer<Builder, never, BlobService | DirectoryService> =>
  MemoryBuilder.layerTest(build)

/** What a derivation says, for functions that stand for its builder. */
export interface BuildInput {
  /** Attributes of the derivation, store paths of its outputs among them. */
  readonly environment: Readonly<Record<string, string>>
  /** The command and its arguments. */
  readonly command: ReadonlyArray<string>
  /** Base names of the store paths that the build sees. */
  readonly inputs: ReadonlyArray<string>
  readonly request: BuildRequest
}

/** A build that makes each output a file with this text (or the tree that is given); store paths that the text mentions become references. */
export const writes =
  (content: (input: BuildInput, output: string) => string | MemoryBuilder.MemoryTree): MemoryBuilder.MemoryBuild =>
  (request) =>
    Effect.sync(() => {
      const input: BuildInput = {
        environment: Object.fromEntries(request.environmentVars.map(({ key, value }) => [key, value])),
        command: request.commandArgs,
        inputs: request.inputs.map(({ name }) => name),
        request
      }
      return new Map(
        request.outputs.map((output) => {
          const made = content(input, `/${output}`)
          return [output, typeof made === "string" ? { file: new TextEncoder().encode(made) } : made]
        })
      )
    })

/** Logs of builds. */
export const layerLogs: Layer.Layer<BuildLogs> = MemoryBuildLogs.layerMemory

/** The tracer, and `Spans` to look at what it saw. */
export const layerTracer: Layer.Layer<MemoryTracer.MemorySpans> = MemoryTracer.layer

/** The sink of events, and `Events` to look at what came. */
export const layerEvents: Layer.Layer<MemoryEvents.MemoryEvents> = MemoryEvents.layer

/** The realiser over a store, a fetcher and a builder. */
export const layerRealiser: Layer.Layer<Realiser, never, StoreServices | Fetcher | Builder> = Graph.layer.pipe(Layer.provide(layerLogs))

/** The evaluator in the calling thread. */
export const layerEvaluator: Layer.Layer<Evaluator, never, Realiser | StoreServices> = EvaluatorInThread.layer

/** All of yix in memory. */
export const layer = (
  options: {
    /** What can be fetched: address → bytes. */
    readonly contents?: ReadonlyMap<string, Uint8Array>
    /** What builds give. By default a file that names the derivation. */
    readonly build?: MemoryBuilder.MemoryBuild
  } = {}
): Layer.Layer<Evaluator | Realiser | Fetcher | Builder | StoreServices | MemoryTracer.MemorySpans | MemoryEvents.MemoryEvents> =>
  layerEvaluator.pipe(
    Layer.provideMerge(layerRealiser),
    Layer.provideMerge(
      Layer.merge(
        layerFetcher(options.contents),
        layerBuilder(options.build ?? writes(({ environment }) => `${environment["name"] ?? ""}\n`))
      )
    ),
    Layer.provideMerge(layerStore),
    Layer.provideMerge(Layer.merge(layerTracer, layerEvents))
  )
