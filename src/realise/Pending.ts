/** Stand-ins for rooms that have not landed; removed as they do. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { BlobService } from "../castore/blob/BlobService.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { CastoreError } from "../castore/CastoreError.ts"
import type { Node } from "../castore/Node.ts"
import { hasher } from "../nix/Crypto.ts"
import type { NixHashAlgorithm } from "../nix/Hash.ts"
import { NarWriter } from "../nix/NarWriter.ts"
import { FetchFailure } from "./RealiseError.ts"
import type { Fetch } from "../fetch/Fetch.ts"
import type { BuildRequest } from "../build/BuildRequest.ts"
import type { Derivation } from "../nix/Derivation.ts"
import { hashPart, baseName, type StorePath } from "../nix/StorePath.ts"
import type { PathInfo } from "../store/PathInfo.ts"

export const calculateWith = (
  node: Node,
  algorithm: NixHashAlgorithm
): Effect.Effect<{ narSize: number; digest: Uint8Array }, CastoreError, BlobService | DirectoryService> =>
  Effect.gen(function* () {
    const blobs = yield* BlobService
    const directories = yield* DirectoryService
    const hash = hasher(algorithm)
    let narSize = 0
    const writer = new NarWriter((chunk) => {
      narSize += chunk.length
      hash.update(chunk)
    })
    const walk = (name: string, node: Node): Effect.Effect<void, CastoreError> =>
      Effect.gen(function* () {
        if (node._tag === "Symlink") writer.symlink(name, node.target)
        else if (node._tag === "File") {
          writer.fileStart(name, node.size, node.executable)
          const bytes = Option.getOrThrow(yield* blobs.get(node.digest))
          if (bytes.length > 0) writer.fileData(bytes)
          writer.fileEnd()
        } else {
          writer.directoryStart(name)
          for (const entry of Option.getOrThrow(yield* directories.get(node.digest)).entries) yield* walk(entry.name, entry.node)
          writer.directoryEnd()
        }
      })
    yield* walk("", node)
    writer.end()
    return { narSize, digest: hash.digest() }
  })

export const requestFor = (derivation: Derivation, closure: ReadonlyMap<StorePath, PathInfo>): BuildRequest => {
  const outputs = [...derivation.outputs.values()].map(({ path }) => path as StorePath).sort()
  const inputs = [...closure.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
  return {
    inputs: inputs.map(({ path, node }) => ({ name: baseName(path), node })),
    commandArgs: [derivation.builder, ...derivation.args],
    workingDir: "build",
    scratchPaths: ["build", "nix/store"],
    inputsDir: "nix/store",
    outputs: outputs.map((path) => path.slice(1)),
    environmentVars: [...derivation.env].sort().map(([key, value]) => ({ key, value })),
    constraints: { system: derivation.system, minMemory: 0, availableReadOnlyPaths: [], networkAccess: false, provideBinSh: true },
    additionalFiles: [],
    refscanNeedles: [...outputs.map(hashPart), ...inputs.map(({ path }) => hashPart(path))]
  }
}

export const fetchFailure = (error: { readonly message: string }, _what: StorePath | undefined) =>
  new FetchFailure({ detail: error.message, code: 1 })
export const fetchOfDerivation = (_: Derivation): Fetch => {
  throw new Error("pending")
}
export const pathOfFetch = (_: Fetch): StorePath | undefined => undefined
