/**
 * The services that commands work with, composed from the common flags. A command opens only what it needs, and modules that it does not need are not loaded.
 *
 * The store lies in `--store`, else in `$XDG_DATA_HOME/yix`, else in `~/.local/share/yix`. Beside the store's own files: `log/` (logs of builds) and `scratch/`
 * (directories of builds under way).
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { RealiseOptions } from "../realise/Realiser.ts"
import { withinRun } from "../realise/Sharing.ts"
import { StoreDirectory } from "./CommonFlags.ts"
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

const defaultDirectory = (): string => {
  const data = process.env["XDG_DATA_HOME"]
  return path.join(data !== undefined && path.isAbsolute(data) ? data : path.join(os.homedir(), ".local", "share"), "yix")
}

/** As `mkdir -p`. Node 26's own never returns where a file system answers ENOENT to making a directory in one that exists, as /proc does. */
const makeDirectories = (directory: string): void => {
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
const storeDirectory = Effect.flatMap(StoreDirectory, (given) =>
  Effect.suspend(() => {
    const directory = path.resolve(Option.getOrElse(given, defaultDirectory))
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

/** The store and its logs. */
const storeLayer = Layer.unwrap(
  Effect.gen(function* () {
    const directory = yield* storeDirectory
    const [LocalStore, BuildLogs] = yield* Effect.promise(async () => {
      const modules = await Promise.all([
        import("../store/LocalStore.ts"),
        import("../realise/BuildLogs.ts"),
        import("../castore/crypto/Node.ts")
      ])
      await modules[2].prepareNode()
      return modules
    })
    return Layer.merge(LocalStore.layerLocal(directory), BuildLogs.layerDirectory(path.join(directory, "log")))
  })
)

type Success<L> = L extends Layer.Layer<infer A, infer _E, infer _R> ? A : never

/** What commands on the store alone may use. */
export type StoreWorld = Success<typeof storeLayer>

/** Runs `use` with the store. */
export const withStore = <A, E, R>(use: Effect.Effect<A, E, R>) => withProgress(Effect.provide(use, storeLayer))

/** The realiser over the store, with what fetches and builds. */
const realiserLayer = (options: RealiseOptions) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const directory = yield* storeDirectory
      const [Graph, LocalBuilder, NetworkFetcher] = yield* Effect.promise(() =>
        Promise.all([import("../realise/Graph.ts"), import("../build/LocalBuilder.ts"), import("../fetch/NetworkFetcher.ts")])
      )
      const builder = LocalBuilder.layer({ scratchRoot: path.join(directory, "scratch"), slots: options.maxJobs })
      const fetcher = NetworkFetcher.layer()
      return Graph.layer.pipe(Layer.provide(Layer.merge(builder, fetcher)))
    })
  ).pipe(Layer.provide(Layer.succeed(RealiseOptions, options)))

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
