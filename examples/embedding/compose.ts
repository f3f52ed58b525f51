/**
 * yix as a library: a hierarchy of stores composed in code, and a derivation evaluated and built in it.
 *
 *     node compose.ts STORE-DIRECTORY [CACHE-URL]
 *
 * Every store, fetcher and builder is a function that gives an Effect Layer; combinators take layers. A layer that several others are given is opened once, as long as
 * it is the same object: so `database`, `blobs` and `directories` below are constants, and not calls repeated.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as OnDemandBuilder from "yix/build/OnDemandBuilder"
import type { Builder } from "yix/build/Builder"
import type { BlobService } from "yix/castore/blob/BlobService"
import * as LocalBlobs from "yix/castore/blob/Local"
import * as MemoryBlobs from "yix/castore/blob/Memory"
import * as NearFarBlobs from "yix/castore/blob/NearFar"
import { prepareNode } from "yix/castore/crypto/Node"
import type { DirectoryService } from "yix/castore/directory/DirectoryService"
import * as LocalDirectories from "yix/castore/directory/Local"
import * as MemoryDirectories from "yix/castore/directory/Memory"
import * as NearFarDirectories from "yix/castore/directory/NearFar"
import * as LocalDatabase from "yix/castore/local/LocalDatabase"
import type { Fetcher } from "yix/fetch/Fetcher"
import * as NetworkFetcher from "yix/fetch/NetworkFetcher"
import { parsePublicKey } from "yix/nix/Keys"
import * as BuildLogs from "yix/realise/BuildLogs"
import * as EvaluatorInThread from "yix/realise/EvaluatorInThread"
import * as Graph from "yix/realise/Graph"
import * as Jobs from "yix/realise/Jobs"
import * as Checkouts from "yix/store/Checkouts"
import * as Leases from "yix/store/Leases"
import type { StoreServices } from "yix/store/LocalStore"
import type { PathInfoService } from "yix/store/PathInfoService"
import * as LocalPathInfos from "yix/store/pathinfo/Local"
import * as Lru from "yix/store/pathinfo/Lru"
import * as NearFarPathInfos from "yix/store/pathinfo/NearFar"
import * as NixCache from "yix/store/pathinfo/NixCache"
import * as Http from "yix/wire/Http"

/** A binary cache whose signatures must be by one of the keys. It puts contents into the blob and directory services that it is given. */
export const nixCache = (url: string, keys: ReadonlyArray<string> = ["cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="]) =>
  NixCache.layer({ url, trustedKeys: keys.map(parsePublicKey) }).pipe(Layer.provide(Http.layer()))

/** A place where path infos come from that are not here yet. */
export type Upstream<E> = Layer.Layer<PathInfoService, E, BlobService | DirectoryService>

/** Memory in front of the disk in front of `upstream`, which is only read. `directory` is absolute. */
export const store = <E>(directory: string, upstream: Upstream<E>) => {
  const database = LocalDatabase.layer(directory)
  const blobs = NearFarBlobs.layer(MemoryBlobs.layer, LocalBlobs.layer().pipe(Layer.provide(database)))
  const directories = NearFarDirectories.layer(MemoryDirectories.layer, LocalDirectories.layer.pipe(Layer.provide(database)))
  const contents = Layer.merge(blobs, directories)
  const here = NearFarPathInfos.layer(Lru.layer({ capacity: 1000 }), LocalPathInfos.layer.pipe(Layer.provide(database)))
  const pathInfos = NearFarPathInfos.layer(here, Layer.provide(upstream, contents), { write: "near" })
  return Checkouts.layerLocal.pipe(Layer.provideMerge(Layer.mergeAll(contents, pathInfos, Leases.layerLocal)), Layer.provideMerge(database))
}

/** What fetches and builds on this machine. */
export const workers = (directory: string) =>
  Layer.merge(OnDemandBuilder.layer({ scratchRoot: `${directory}/scratch` }), NetworkFetcher.layer())

/** The evaluator and the realiser over a store and over what works for it. */
export const yix = <E1, E2>(store: Layer.Layer<StoreServices, E1>, workers: Layer.Layer<Builder | Fetcher, E2, StoreServices>) =>
  EvaluatorInThread.layer.pipe(
    Layer.provideMerge(Graph.layer),
    Layer.provide(Layer.merge(workers, BuildLogs.layerMemory)),
    Layer.provideMerge(store)
  )

/** Two derivations, of which the second reads the first. */
export const expression = `
  let
    sh = name: script: derivation {
      inherit name;
      system = builtins.currentSystem;
      builder = "/bin/sh";
      args = [ "-c" script ];
    };
    words = sh "words" "echo hello from a library > $out";
  in
  sh "greeting" "while read -r line; do echo \\"$line\\"; done < \${words} > $out"
`

/** Evaluates and builds it; the store paths of the outputs. */
export const program = Effect.map(Jobs.build(Jobs.expression(expression)), (built) =>
  built.flatMap(({ outputs }) => outputs.map(({ path }) => path))
)

if (import.meta.main) {
  const [directory, cache = "https://cache.nixos.org"] = process.argv.slice(2)
  if (directory === undefined) throw new Error("usage: node compose.ts STORE-DIRECTORY [CACHE-URL]")
  // Hashing is loaded before the first store opens.
  await prepareNode()
  const place = path.resolve(directory)
  const world = yix(store(place, nixCache(cache)), workers(place))
  console.log((await Effect.runPromise(Effect.provide(program, world))).join("\n"))
}
