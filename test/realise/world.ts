/**
 * A world in memory for tests of the realiser: a store, a builder and a fetcher that are functions, and derivations made without an evaluator.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import type { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import { prepareNode } from "../../src/castore/crypto/Node.ts"
import type { FileNode } from "../../src/castore/Node.ts"
import type { BuildError } from "../../src/build/BuildError.ts"
import { Builder, type BuildOptions, type BuiltOutput } from "../../src/build/Builder.ts"
import type { BuildRequest } from "../../src/build/BuildRequest.ts"
import type { Fetch } from "../../src/fetch/Fetch.ts"
import type { FetchError } from "../../src/fetch/FetchError.ts"
import { Fetcher, type FetchProgress } from "../../src/fetch/Fetcher.ts"
import type { Derivation, DerivationOutput } from "../../src/nix/Derivation.ts"
import { type HashModulo, instantiate } from "../../src/nix/HashModulo.ts"
import type { StorePath } from "../../src/nix/StorePath.ts"
import type { PathInfo } from "../../src/store/PathInfo.ts"
import * as BuildLogs from "../../src/realise/BuildLogs.ts"
import * as Graph from "../../src/realise/Graph.ts"
import * as LocalStore from "../../src/store/LocalStore.ts"
import type { Event } from "../../src/wire/Events.ts"

await prepareNode()

/** A derivation with its path and text. */
export interface Made {
  readonly drvPath: StorePath
  readonly text: string
  readonly derivation: Derivation
  readonly modulo: () => HashModulo
  readonly out: (name?: string) => StorePath
}

const modulos = new Map<StorePath, () => HashModulo>()

/** `inputs`: derivations, all of whose outputs are wanted unless said. */
export const derive = (
  name: string,
  options: {
    readonly inputs?: ReadonlyArray<Made | readonly [Made, ReadonlyArray<string>]>
    readonly sources?: ReadonlyArray<StorePath>
    readonly outputs?: ReadonlyArray<string>
    readonly fixed?: { readonly algorithm: string; readonly hash: string }
    readonly env?: Readonly<Record<string, string>>
    readonly builder?: string
  } = {}
): Made => {
  const output: DerivationOutput = { path: "", hashAlgorithm: options.fixed?.algorithm ?? "", hash: options.fixed?.hash ?? "" }
  const inputs = (options.inputs ?? []).map((input) =>
    "drvPath" in input ? ([input.drvPath, [...input.derivation.outputs.keys()]] as const) : ([input[0].drvPath, input[1]] as const)
  )
  const draft: Derivation = {
    name,
    outputs: new Map((options.outputs ?? ["out"]).map((o) => [o, output])),
    inputDerivations: new Map(inputs),
    inputSources: options.sources ?? [],
    system: "x86_64-linux",
    builder: options.builder ?? "/bin/sh",
    args: [],
    env: new Map(Object.entries({ name, ...options.env }))
  }
  const made = instantiate(draft, (drvPath) => modulos.get(drvPath)!())
  modulos.set(made.drvPath, () => made.hashModulo())
  return {
    drvPath: made.drvPath,
    text: made.text,
    derivation: made.derivation,
    modulo: () => made.hashModulo(),
    out: (o = "out") => made.derivation.outputs.get(o)!.path as StorePath
  }
}

/** What a fake builder does: contents of each output, which may mention store paths. */
export type FakeBuild = (request: BuildRequest, options: BuildOptions) => Effect.Effect<ReadonlyArray<string>, BuildError, BlobService>

export const nameOfRequest = (request: BuildRequest): string => request.environmentVars.find(({ key }) => key === "name")!.value

const encoder = new TextEncoder()

/** A file with this text. */
export const file = (text: string, executable = false): Effect.Effect<FileNode, never, BlobService> =>
  Effect.gen(function* () {
    const blobs = yield* BlobService
    const bytes = encoder.encode(text)
    const [digest] = yield* Effect.orDie(blobs.putMany([bytes]))
    return { _tag: "File", digest: digest!, size: bytes.length, executable }
  })

/** A world whose builder writes files. */
export const world = (options: {
  readonly build?: FakeBuild
  readonly fetch?: (
    fetch: Fetch,
    onProgress: ((progress: FetchProgress) => void) | undefined
  ) => Effect.Effect<PathInfo, FetchError, BlobService | DirectoryService>
  readonly store?: typeof LocalStore.layerMemory
}) => {
  const builder = Layer.effect(
    Builder,
    Effect.map(Effect.context<BlobService>(), (context) =>
      Builder.of({
        build: Effect.fnUntraced(function* (request, buildOptions) {
          const texts = yield* Effect.provideContext((options.build ?? echo)(request, buildOptions), context)
          const outputs: Array<BuiltOutput> = []
          for (const text of texts) {
            const node = yield* Effect.provideContext(file(text), context)
            outputs.push({ node, needles: request.refscanNeedles.flatMap((needle, i) => (text.includes(needle) ? [i] : [])) })
          }
          return outputs
        })
      })
    )
  )
  const fetcher = Layer.effect(
    Fetcher,
    Effect.map(Effect.context<BlobService | DirectoryService>(), (context) =>
      Fetcher.of({
        fetch: (fetch, onProgress) =>
          options.fetch === undefined
            ? Effect.die(new Error(`nothing should be fetched, but ${fetch.url} was`))
            : Effect.provideContext(options.fetch(fetch, onProgress), context)
      })
    )
  )
  return Graph.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(builder, fetcher, BuildLogs.layerMemory)),
    Layer.provideMerge(options.store ?? LocalStore.layerMemory)
  )
}

/** A builder that writes its name and the outputs it was given into each output. */
export const echo: FakeBuild = (request) =>
  Effect.succeed(
    request.outputs.map((output) => `${nameOfRequest(request)} made ${output}\n${request.inputs.map((i) => i.name).join("\n")}\n`)
  )

/** Collects events. */
export const collector = () => {
  const events: Array<Event> = []
  return { events, sink: (event: Event) => void events.push(event) }
}
