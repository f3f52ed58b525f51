/**
 * Adding things to a store under content-addressed paths: trees and files of the host, and texts.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { BlobService } from "../castore/blob/BlobService.ts"
import { attempt, type CastoreError, InvalidData } from "../castore/CastoreError.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import { type Ingested, ingestPath, type IngestPathOptions } from "../castore/ingest/FileSystem.ts"
import { type SourceError, UnsupportedFile } from "../castore/ingest/SourceError.ts"
import type { Node } from "../castore/Node.ts"
import { type ByteString, toUnicode } from "../nix/Bytes.ts"
import { contentAddressedPath, ContentAddressError, printContentAddress } from "../nix/ContentAddress.ts"
import * as Crypto from "../nix/Crypto.ts"
import { hashBytes, type NixHash, type NixHashAlgorithm, printHash, sameHash } from "../nix/Hash.ts"
import { type StorePath, StorePathError } from "../nix/StorePath.ts"
import { calculate, calculateWith } from "./Nar.ts"
import type { PathInfo } from "./PathInfo.ts"
import { PathInfoService } from "./PathInfoService.ts"

/** What was added has another hash than was asked for. */
export class AddedHashMismatch extends Schema.TaggedError<AddedHashMismatch>()("AddedHashMismatch", {
  /** On the host, as Unicode. */
  path: Schema.String,
  /** SRI forms. */
  expected: Schema.String,
  actual: Schema.String
}) {
  override get message(): string {
    return `'${this.path}' has the hash ${this.actual}, but ${this.expected} was asked for`
  }
}

export interface AddOptions extends Pick<IngestPathOptions, "accepted"> {
  /** `recursive`: the hash of the NAR, for trees, links and executables; `flat`: of a file's contents. Default `recursive`. */
  readonly method?: "recursive" | "flat" | undefined
  /** Default `sha256`. */
  readonly algorithm?: NixHashAlgorithm | undefined
  /** Refuse another hash. */
  readonly expected?: NixHash | undefined
}

/** Makes a content-addressed path info; a name or combination that no store path can have becomes `InvalidData`. */
const addressed = (
  what: string,
  name: ByteString,
  method: "recursive" | "flat" | "text",
  hash: NixHash,
  references: ReadonlyArray<StorePath>
) =>
  attempt("the store", "name a path", () => {
    try {
      const address = { method, hash }
      return { path: contentAddressedPath(name, address, references), ca: printContentAddress(address) }
    } catch (cause) {
      if (cause instanceof StorePathError || cause instanceof ContentAddressError) throw new InvalidData({ what, detail: cause.message })
      throw cause
    }
  })

/** Commits a path unless the store has it already, with whatever signatures it has there. */
const commit = Effect.fnUntraced(function* (
  content: Ingested,
  path: StorePath,
  ca: string,
  references: ReadonlyArray<StorePath>
): Effect.fn.Return<PathInfo, CastoreError, PathInfoService> {
  const service = yield* PathInfoService
  const present = yield* service.get(path)
  if (Option.isSome(present)) return present.value
  const { node, narHash, narSize } = content
  const registrationTime = Math.floor((yield* Clock.currentTimeMillis) / 1000)
  return yield* service.put({ path, node, references, narHash, narSize, signatures: [], deriver: undefined, ca, registrationTime })
})

const hashContents = Effect.fnUntraced(function* (node: Extract<Node, { readonly _tag: "File" }>, algorithm: NixHashAlgorithm) {
  const blobs = yield* BlobService
  const hasher = Crypto.hasher(algorithm)
  yield* Stream.runForEach(blobs.read(node.digest), (piece) => Effect.sync(() => hasher.update(piece)))
  return Uint8Array.from(hasher.digest())
})

/** What is stored of a source, and under which path. */
interface Placed {
  readonly content: Ingested
  readonly path: StorePath
  readonly ca: string
}

/** Finds the place of a source that was read. `path`: what errors call it. */
const place = Effect.fnUntraced(function* (
  name: ByteString,
  path: ByteString,
  source: Ingested,
  options: AddOptions
): Effect.fn.Return<Placed, SourceError | CastoreError | AddedHashMismatch, BlobService | DirectoryService> {
  const method = options.method ?? "recursive"
  const algorithm = options.algorithm ?? "sha256"
  let content = source
  let digest = source.narHash
  if (method === "flat") {
    if (source.node._tag !== "File") {
      const kind = `a ${source.node._tag.toLowerCase()} where a flat hash needs a file`
      return yield* Effect.fail(new UnsupportedFile({ path: toUnicode(path), kind }))
    }
    // What has a flat hash is never executable.
    const node = { ...source.node, executable: false }
    content = source.node.executable ? { node, ...(yield* calculate(node)) } : source
    digest = yield* hashContents(node, algorithm)
  } else if (algorithm !== "sha256") {
    digest = (yield* calculateWith(source.node, algorithm)).digest
  }
  const hash = { algorithm, digest }
  const { expected } = options
  if (expected !== undefined && !sameHash(expected, hash)) {
    return yield* new AddedHashMismatch({ path: toUnicode(path), expected: printHash(expected, "sri"), actual: printHash(hash, "sri") })
  }
  return { content, ...(yield* addressed(`store path named '${toUnicode(name)}'`, name, method, hash, [])) }
})

/** Adds the file, tree or symlink at a host path (as bytes) to the store under `name`, as `nix-store --add` and `--add-fixed` do. */
export const addPath = Effect.fn("store.addPath")(function* (
  name: ByteString,
  path: ByteString,
  options: AddOptions = {}
): Effect.fn.Return<PathInfo, SourceError | CastoreError | AddedHashMismatch, BlobService | DirectoryService | PathInfoService> {
  const placed = yield* place(name, path, yield* ingestPath(path, { accepted: options.accepted }), options)
  return yield* commit(placed.content, placed.path, placed.ca, [])
})

/** Where `addNode` would put a tree that the castore has. */
export const pathOfNode = Effect.fn("store.pathOfNode")(function* (
  name: ByteString,
  path: ByteString,
  node: Node,
  options: Omit<AddOptions, "accepted"> = {}
): Effect.fn.Return<StorePath, SourceError | CastoreError | AddedHashMismatch, BlobService | DirectoryService> {
  return (yield* place(name, path, { node, ...(yield* calculate(node)) }, options)).path
})

/** Adds a tree that the castore has, as `addPath` does with one of the host. `path`: what errors call it. */
export const addNode = Effect.fn("store.addNode")(function* (
  name: ByteString,
  path: ByteString,
  node: Node,
  options: Omit<AddOptions, "accepted"> = {}
): Effect.fn.Return<PathInfo, SourceError | CastoreError | AddedHashMismatch, BlobService | DirectoryService | PathInfoService> {
  const placed = yield* place(name, path, { node, ...(yield* calculate(node)) }, options)
  return yield* commit(placed.content, placed.path, placed.ca, [])
})

/** Adds a text with references, as `builtins.toFile` and derivations are. `references`: sorted. */
export const addText = Effect.fn("store.addText")(function* (
  name: ByteString,
  contents: Uint8Array,
  references: ReadonlyArray<StorePath> = []
): Effect.fn.Return<PathInfo, CastoreError, BlobService | DirectoryService | PathInfoService> {
  const blobs = yield* BlobService
  const [digest] = yield* blobs.putMany([contents])
  const node = { _tag: "File", digest: digest!, size: contents.length, executable: false } as const
  const { path, ca } = yield* addressed(`store path named '${toUnicode(name)}'`, name, "text", hashBytes("sha256", contents), references)
  return yield* commit({ node, ...(yield* calculate(node)) }, path, ca, references)
})
