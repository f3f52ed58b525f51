/**
 * What tests of builders stand on: a store in memory, a scratch directory, requests made of scripts.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { BuildError } from "../../src/build/BuildError.ts"
import { Builder, type BuildOptions } from "../../src/build/Builder.ts"
import type { BuildRequest } from "../../src/build/BuildRequest.ts"
import * as LocalBuilder from "../../src/build/LocalBuilder.ts"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import type { DirectoryEntry, Node } from "../../src/castore/Node.ts"
import { prepareNode } from "../../src/castore/crypto/Node.ts"
import * as LocalStore from "../../src/store/LocalStore.ts"

await prepareNode()

/** Programs of the host, so that scripts can use them whatever /bin/sh is. */
export const hostTools: ReadonlyArray<string> = ["/lib", "/lib32", "/lib64", "/usr"].filter((path) => existsSync(path))

export const outPath = "nix/store/00000000000000000000000000000000-out"
export const devPath = "nix/store/11111111111111111111111111111111-dev"

export interface Settings {
  readonly inputs?: ReadonlyArray<DirectoryEntry>
  readonly outputs?: ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
  readonly needles?: ReadonlyArray<string>
  readonly tools?: boolean
  readonly system?: string
}

export const requestOf = (script: string, settings: Settings = {}): BuildRequest => ({
  inputs: settings.inputs ?? [],
  commandArgs: ["/bin/sh", "-c", script],
  workingDir: "build",
  scratchPaths: ["build", "nix/store"],
  inputsDir: "nix/store",
  outputs: settings.outputs ?? [outPath],
  environmentVars: Object.entries({ PATH: "/usr/bin:/usr/sbin", out: `/${outPath}`, dev: `/${devPath}`, ...settings.environment })
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => ({ key, value })),
  constraints: {
    system: settings.system ?? LocalBuilder.hostSystems()[0]!,
    minMemory: 0,
    availableReadOnlyPaths: settings.tools === false ? [] : hostTools,
    networkAccess: false,
    provideBinSh: true
  },
  additionalFiles: [],
  refscanNeedles: settings.needles ?? []
})

export interface World {
  readonly scratchRoot: string
  readonly layer: Layer.Layer<Builder | LocalStore.StoreServices>
  /** Removes everything. Throws when a scratch directory is left. */
  readonly end: () => void
}

/** A builder over a store in memory. */
export const makeWorld = (options: Partial<LocalBuilder.LocalBuilderOptions> = {}): World => {
  const home = mkdtempSync(join(tmpdir(), "yix-build-"))
  const scratchRoot = join(home, "scratch")
  return {
    scratchRoot,
    layer: LocalBuilder.layer({ scratchRoot, ...options }).pipe(Layer.provideMerge(LocalStore.layerMemory)),
    end: () => {
      const left = existsSync(scratchRoot) ? readdirSync(scratchRoot) : []
      rmSync(home, { recursive: true, force: true })
      if (left.length > 0) throw new Error(`left in scratch: ${left.join(", ")}`)
    }
  }
}

export const build = (request: BuildRequest, options: Partial<BuildOptions> = {}) =>
  Effect.flatMap(Builder, (builder) => builder.build(request, { timeout: 60, maxSilent: 0, onLog: () => {}, ...options }))

export const buildFailure = (request: BuildRequest, options: Partial<BuildOptions> = {}): Effect.Effect<BuildError, unknown, Builder> =>
  Effect.flip(build(request, options))

/** A stored tree as plain data: text of files (`*` before it when executable), `-> target`, or entries. */
export type Plain = string | { readonly [name: string]: Plain }

export const plain = (node: Node): Effect.Effect<Plain, unknown, BlobService | DirectoryService> =>
  Effect.gen(function* () {
    if (node._tag === "Symlink") return `-> ${node.target}`
    if (node._tag === "File") {
      const bytes = Option.getOrThrow(yield* (yield* BlobService).get(node.digest))
      return `${node.executable ? "*" : ""}${Buffer.from(bytes).toString("latin1")}`
    }
    const { entries } = Option.getOrThrow(yield* (yield* DirectoryService).get(node.digest))
    const pairs = yield* Effect.forEach(entries, (entry) => Effect.map(plain(entry.node), (below) => [entry.name, below] as const))
    return Object.fromEntries(pairs)
  })
