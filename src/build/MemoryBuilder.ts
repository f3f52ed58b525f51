/**
 * A builder without processes, for tests: a function says what comes out of a request.
 *
 * Trees that the function gives are stored in the castore and scanned for references like real outputs are.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BlobService } from "../castore/blob/BlobService.ts"
import type { CastoreError } from "../castore/CastoreError.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import * as Directory from "../castore/Directory.ts"
import type { Node } from "../castore/Node.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { ReferenceScanner } from "../nix/References.ts"
import { type BuildError, OutputMissing, OutputNotStored } from "./BuildError.ts"
import { Builder, type BuildOptions, type BuiltOutput } from "./Builder.ts"
import type { BuildRequest } from "./BuildRequest.ts"

/** A tree to come out: file contents, the target of a link, or named entries. */
export type MemoryTree =
  | { readonly file: Uint8Array; readonly executable?: boolean }
  | { readonly link: ByteString }
  | { readonly entries: Readonly<Record<string, MemoryTree>> }

/** Output path of the request (relative) → tree. */
export type MemoryOutputs = ReadonlyMap<ByteString, MemoryTree>

/** Runs a request. May log, wait, or fail. */
export type MemoryBuild = (request: BuildRequest, options: BuildOptions) => Effect.Effect<MemoryOutputs, BuildError>

const store = (tree: MemoryTree, scanner: ReferenceScanner): Effect.Effect<Node, CastoreError, BlobService | DirectoryService> =>
  Effect.gen(function* () {
    if ("link" in tree) {
      scanner.scanText(tree.link)
      return { _tag: "Symlink", target: tree.link }
    }
    if ("file" in tree) {
      scanner.boundary()
      scanner.update(tree.file)
      const blobs = yield* BlobService
      const [digest] = yield* blobs.putMany([tree.file])
      return { _tag: "File", digest: digest!, size: tree.file.length, executable: tree.executable ?? false }
    }
    const directories = yield* DirectoryService
    const names = Object.keys(tree.entries).sort()
    const entries = yield* Effect.forEach(names, (name) => {
      scanner.scanText(name)
      return Effect.map(store(tree.entries[name]!, scanner), (node) => ({ name, node }))
    })
    const directory = { entries }
    yield* directories.putMany([directory])
    return Directory.nodeOf(directory)
  })

/** A builder that does what the function says. */
export const layerTest = (build: MemoryBuild): Layer.Layer<Builder, never, BlobService | DirectoryService> =>
  Layer.effect(
    Builder,
    Effect.map(Effect.context<BlobService | DirectoryService>(), (context) =>
      Builder.of({
        build: Effect.fn("MemoryBuilder.build")(function* (request, options) {
          const outputs = yield* build(request, options)
          return yield* Effect.forEach(request.outputs, (path) =>
            Effect.gen(function* () {
              const tree = outputs.get(path)
              if (tree === undefined) return yield* new OutputMissing({ path: `/${path}`, lastLines: [] })
              const scanner = new ReferenceScanner(request.refscanNeedles)
              const node = yield* Effect.mapError(store(tree, scanner), (cause) => new OutputNotStored({ path: `/${path}`, cause }))
              const built: BuiltOutput = { node, needles: scanner.found() }
              return built
            }).pipe(Effect.provideContext(context))
          )
        })
      })
    )
  )
