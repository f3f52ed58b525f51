/**
 * The services that commands work with, composed from the common flags. A command opens only what it needs, and modules that it does not need are not loaded.
 *
 * The store lies in `--store`, else in `$XDG_DATA_HOME/yix`, else in `~/.local/share/yix`. Beside the store's own files: `log/` (logs of builds), `inputs/` (what
 * is known of locked inputs) and `scratch/` (directories of builds under way). Where there is a configuration (`src/config`), contents, fetcher and builder are what it says.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Builder } from "../build/Builder.ts"
import type { LocalDatabase } from "../castore/local/LocalDatabase.ts"
import type { CompositionLayers } from "../config/CompositionLayers.ts"
import type { OpenError } from "../config/Driver.ts"
import type { Fetcher } from "../fetch/Fetcher.ts"
import type { BuildLogs } from "../realise/BuildLogs.ts"
import type { OpenWorld } from "../realise/Questions.ts"
import { RealiseOptions } from "../realise/Realiser.ts"
import { withinRun } from "../realise/Sharing.ts"
import type { StoreServices } from "../store/LocalStore.ts"
import { foundConfig, stateDirectory } from "./Configuration.ts"
import { withProgress } from "./Progress.ts"

/** The store's directory cannot be used. */
export class StoreNotUsable extends Schema.TaggedError<StoreNotUsable>()("StoreNotUsable", {
  directory: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot use the store in '${this.directory}': ${this.detail}; make that directory writable, or name another one with --store`
  }
}

/** As `mkdir -p`. Node 26's own never returns where a file system answers ENOENT to making a directory in one that exists, as /proc does. */
export const makeDirectories = (directory: string): void => {
  const missing: Array<string> = []
  let at = directory
  for (; !fs.existsSync(at) && at !== path.dirname(at); at = path.dirname(at)) missing.push(at)
  for (const next of missing.reverse()) {
    try {
      fs.mkdirSync(next)
    } catch (error) {
      // Another process may have been quicker.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !fs.statSync(next).isDirectory()) throw error
    }
  }
}

/** The store's directory, which exists afterwards. */
const storeDirectory = Effect.flatMap(stateDirectory, (directory) =>
  Effect.suspend(() => {
    try {
      makeDirectories(directory)
      fs.accessSync(directory, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK)
      return Effect.succeed(directory)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      const reasons = new Map([
        ["EACCES", "permission denied"],
        ["ENOENT", "directories cannot be made there"],
        ["EROFS", "the file system is read-only"],
        ["ENOTDIR", "something on the way to it is not a directory"],
        ["EEXIST", "it is not a directory"],
        ["ENOSPC", "the disk is full"]
      ])
      return Effect.fail(new StoreNotUsable({ directory, detail: reasons.get(code ?? "") ?? message }))
    }
  })
)

/** The store is in memory for this run, empty and read-only: nothing on disk is opened, made or changed, and what would have to be stored is refused. */
export const StoreInMemory = Context.Reference<boolean>("yix/cli/World/StoreInMemory", { defaultValue: () => false })

/** Where the files beside the store lie; of a store in memory, where they would: nothing that it does needs any. */
const filesDirectory = Effect.flatMap(StoreInMemory, (memory) =>
  memory ? Effect.succeed(path.join(os.tmpdir(), `yix-in-memory-${process.pid}`)) : storeDirectory
)

/** The services that the configuration composes, or `undefined` where there is none: then nothing of `src/config` but the finding is loaded. */
class Composed extends Context.Service<Composed, { readonly layers: CompositionLayers | undefined }>()("yix/cli/World/Composed") {}

const composedLayer = Layer.effect(
  Composed,
  Effect.gen(function* () {
    const found = yield* foundConfig
    if (found === undefined) return { layers: undefined }
    const [{ load }, { layersOf }] = yield* Effect.promise(() =>
      Promise.all([import("../config/LoadConfig.ts"), import("../config/CompositionLayers.ts")])
    )
    return { layers: layersOf(yield* load(found, { stateDirectory: yield* stateDirectory })) }
  })
)

/** The store in the directory, its contents where the configuration says. */
const storeIn = Effect.fnUntraced(function* (
  directory: string
): Effect.fn.Return<Layer.Layer<StoreServices | LocalDatabase, OpenError>, never, Composed> {
  const { layers } = yield* Composed
  if (layers !== undefined) return (yield* Effect.promise(() => import("../config/CompositionStore.ts"))).storeLayer(layers, directory)
  return (yield* Effect.promise(() => import("../store/LocalStore.ts"))).layerLocal(directory)
})

type StoreLayer = Layer.Layer<StoreServices | BuildLogs, OpenError>

/** The store in memory and its logs. */
const memoryLayer = Effect.gen(function* () {
  const [LocalStore, BuildLogs, Blobs, Directories, PathInfos] = yield* Effect.promise(() =>
    Promise.all([
      import("../store/LocalStore.ts"),
      import("../realise/BuildLogs.ts"),
      import("../castore/blob/ReadOnly.ts"),
      import("../castore/directory/ReadOnly.ts"),
      import("../store/pathinfo/ReadOnly.ts"),
      import("../castore/crypto/Node.ts").then(({ prepareNode }) => prepareNode())
    ])
  )
  const store = LocalStore.layerMemory
  const name = "the store in memory"
  const readOnly = Layer.mergeAll(Blobs.layer(store, name), Directories.layer(store, name), PathInfos.layer(store, name))
  // A build is refused only when its outputs are to be stored.
  const scratch = yield* filesDirectory
  const cleaning = Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => fs.rmSync(scratch, { recursive: true, force: true }))))
  return Layer.mergeAll(Layer.provideMerge(readOnly, store), BuildLogs.layerMemory, cleaning) as StoreLayer
})

/** The store and its logs. */
const storeLayer = Layer.unwrap(
  Effect.gen(function* () {
    if (yield* StoreInMemory) return yield* memoryLayer
    const directory = yield* storeDirectory
    const [BuildLogs, store] = yield* Effect.all(
      [
        Effect.promise(() => import("../realise/BuildLogs.ts")),
        storeIn(directory),
        Effect.promise(async () => (await import("../castore/crypto/Node.ts")).prepareNode())
      ],
      { concurrency: "unbounded" }
    )
    return Layer.merge(store, BuildLogs.layerDirectory(path.join(directory, "log"))) as StoreLayer
  })
).pipe(Layer.provide(composedLayer))

type Success<L> = L extends Layer.Layer<infer A, infer _E, infer _R> ? A : never

/** What commands on the store alone may use. */
export type StoreWorld = Success<typeof storeLayer>

/** Runs `use` with the store. */
export const withStore = <A, E, R>(use: Effect.Effect<A, E, R>) => withProgress(Effect.provide(use, storeLayer))

/** What fetches and builds: this machine and the network, or what the configuration says. */
const workersIn = Effect.fnUntraced(function* (
  directory: string,
  slots: number
): Effect.fn.Return<Layer.Layer<Builder | Fetcher, OpenError, StoreServices>, never, Composed> {
  const { layers } = yield* Composed
  if (layers !== undefined) {
    const { BuildSlots } = yield* Effect.promise(() => import("../config/Driver.ts"))
    return Layer.merge(layers.service("builders", "root"), layers.service("fetchers", "root")).pipe(
      Layer.provide(Layer.succeed(BuildSlots, slots))
    )
  }
  const [OnDemandBuilder, NetworkFetcher] = yield* Effect.promise(() =>
    Promise.all([import("../build/OnDemandBuilder.ts"), import("../fetch/NetworkFetcher.ts")])
  )
  return Layer.merge(OnDemandBuilder.layer({ scratchRoot: path.join(directory, "scratch"), slots }), NetworkFetcher.layer())
})

/** Runs `use` with the store, and what fetches and builds. */
export const withWorkers = <A, E, R>(use: Effect.Effect<A, E, R>, slots: number) => {
  const workers = Layer.unwrap(Effect.flatMap(filesDirectory, (directory) => workersIn(directory, slots))).pipe(
    Layer.provide(composedLayer)
  )
  return withProgress(Effect.provide(use, workers.pipe(Layer.provideMerge(storeLayer))))
}

/** The realiser over the store, with what fetches and builds. */
const realiserLayer = (options: RealiseOptions) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const directory = yield* filesDirectory
      const [Graph, InputMemory, workers] = yield* Effect.all(
        [
          Effect.promise(() => import("../realise/Graph.ts")),
          Effect.promise(() => import("../realise/InputMemory.ts")),
          workersIn(directory, options.maxJobs)
        ],
        { concurrency: "unbounded" }
      )
      const memory = (yield* StoreInMemory) ? Layer.empty : InputMemory.layerDirectory(path.join(directory, "inputs"))
      return Graph.layer.pipe(Layer.provide([workers, memory]))
    })
  ).pipe(Layer.provide([Layer.succeed(RealiseOptions, options), composedLayer]))

/** Runs `use` with the store and the realiser. */
export const withRealiser = <A, E, R>(use: Effect.Effect<A, E, R>, options: RealiseOptions) =>
  Effect.provide(use, realiserLayer(options).pipe(Layer.provideMerge(storeLayer))).pipe(
    Effect.provideService(RealiseOptions, options),
    withinRun,
    withProgress
  )

const evaluatorLayer = Layer.unwrap(
  Effect.map(
    Effect.promise(() => import("../realise/EvaluatorHost.ts")),
    (host) => host.layer
  )
)

/** Runs `use` with the store, the realiser and the evaluator. */
export const withEvaluator = <A, E, R>(use: Effect.Effect<A, E, R>, options: RealiseOptions) =>
  withRealiser(Effect.provide(use, evaluatorLayer), options)

/** Runs `use` with an evaluator whose store and realiser are opened only when an evaluation asks for something far. */
export const withEvaluatorAlone = <A, E, R>(use: Effect.Effect<A, E, R>, options: RealiseOptions) => {
  const world = realiserLayer(options).pipe(Layer.provideMerge(storeLayer))
  const evaluator = Layer.unwrap(
    Effect.map(
      Effect.promise(() => import("../realise/EvaluatorHost.ts")),
      (host) => host.layerOver(world)
    )
  )
  return Effect.provide(use, evaluator).pipe(Effect.provideService(RealiseOptions, options), withinRun, withProgress)
}

/** Runs an effect in a world that is opened by the first that needs it, and stays open until the session ends. */
export type Within = <A, E, R>(
  effect: Effect.Effect<A, E, R>
) => Effect.Effect<A, E | { readonly message: string }, Exclude<R, SessionWorld>>

type SessionWorld = StoreWorld | Success<ReturnType<typeof realiserLayer>>

/** Runs `use` with a world that is opened only when something needs it: as what answers the questions of evaluations, and as a way into it. */
export const withWorldOnDemand = <A, E, R>(use: (world: OpenWorld, within: Within) => Effect.Effect<A, E, R>, options: RealiseOptions) =>
  Effect.scoped(
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const world = realiserLayer(options).pipe(Layer.provideMerge(storeLayer))
      const context = yield* Effect.context<Layer.Services<typeof world>>()
      const opened = yield* Effect.cached(Effect.provideContext(Layer.buildWithScope(world, scope), context))
      const within = ((effect) => Effect.flatMap(opened, (services) => Effect.provideContext(effect, services))) as Within
      return yield* use(opened, within)
    })
  ).pipe(Effect.provideService(RealiseOptions, options))

/** Runs `use` with an evaluator for sessions, and with a way into its world. Whoever shows progress does so for each input by itself. */
export const withSessions = <A, E, R>(use: (within: Within) => Effect.Effect<A, E, R>, options: RealiseOptions) =>
  withWorldOnDemand(
    (world, within) =>
      Effect.flatMap(
        Effect.promise(() => import("../realise/EvaluatorHost.ts")),
        ({ layerOpening }) => Effect.provide(use(within), layerOpening(world))
      ),
    options
  )
