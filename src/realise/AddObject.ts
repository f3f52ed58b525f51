/**
 * Sources and texts as path infos whose contents are in the castore and which are not committed yet: `builtins.path`, path literals, `builtins.toFile`, `.drv` files.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { BlobService } from "../castore/blob/BlobService.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import { ingestPath } from "../castore/ingest/FileSystem.ts"
import { isSourceError } from "../castore/ingest/SourceError.ts"
import type { Node } from "../castore/Node.ts"
import type { FarRequest } from "../eval/IoRequest.ts"
import { type ByteString, toUnicode } from "../nix/Bytes.ts"
import { hash as digestOf } from "../nix/Crypto.ts"
import { type NixHash, printHash, printPrefixed, sameHash } from "../nix/Hash.ts"
import { makeFixedOutput, makeText, type StorePath } from "../nix/StorePath.ts"
import { calculate, calculateWith } from "../store/Nar.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import { contentAddress, flatHash } from "./FixedOutput.ts"
import { HashMismatch, SourceUnreadable, storeFailure } from "./RealiseError.ts"

export type AddSource = Extract<FarRequest, { readonly _tag: "AddSource" }>

const now = Effect.map(Clock.currentTimeMillis, (time) => Math.floor(time / 1000))

/** Seconds since 1970, as path infos have it. */
export { now as registrationNow }

/** The path that a source will have, where it is known before reading it. */
export const expectedPath = (request: AddSource): StorePath | undefined =>
  request.expected === undefined ? undefined : makeFixedOutput(request.name, request.recursive ? "recursive" : "flat", request.expected)

/** Reads a source into the castore. */
export const takeSource = Effect.fnUntraced(function* (request: AddSource) {
  const { name, path, accepted, recursive, expected } = request
  const taken = yield* ingestPath(path, { accepted }).pipe(
    Effect.mapError((error) =>
      isSourceError(error) ? new SourceUnreadable({ path: toUnicode(path), detail: error.message }) : storeFailure(error)
    )
  )
  const algorithm = expected?.algorithm ?? "sha256"
  let hash: NixHash
  let found: { readonly node: Node; readonly narHash: Uint8Array; readonly narSize: number } = taken
  if (recursive) {
    const digest =
      algorithm === "sha256" ? taken.narHash : (yield* Effect.mapError(calculateWith(taken.node, algorithm), storeFailure)).digest
    hash = { algorithm, digest }
  } else {
    if (taken.node._tag !== "File") {
      return yield* new SourceUnreadable({ path: toUnicode(path), detail: "it is not a regular file, which a flat hash needs" })
    }
    // A flat hash says nothing about the executable bit, so there is none.
    const node: Node = { ...taken.node, executable: false }
    hash = yield* Effect.mapError(flatHash(node, algorithm), storeFailure)
    if (taken.node.executable) found = { node, ...(yield* Effect.mapError(calculate(node), storeFailure)) }
  }
  if (expected !== undefined && !sameHash(hash, expected)) {
    return yield* new HashMismatch({ what: toUnicode(path), expected: printHash(expected, "sri"), actual: printHash(hash, "sri") })
  }
  const method = recursive ? "recursive" : "flat"
  return {
    path: makeFixedOutput(name, method, hash),
    node: found.node,
    references: [],
    narSize: found.narSize,
    narHash: found.narHash,
    signatures: [],
    deriver: undefined,
    ca: contentAddress(method, hash),
    registrationTime: yield* now
  } satisfies PathInfo
})

/** A text on its way to the store; its path is known before it is stored. */
export interface Text {
  readonly path: StorePath
  readonly contents: Uint8Array
  readonly sha256: Uint8Array
  /** Sorted, each once. */
  readonly references: ReadonlyArray<StorePath>
}

export const textOf = (name: ByteString, contents: Uint8Array, references: Iterable<StorePath>): Text => {
  const sha256 = digestOf("sha256", contents)
  const sorted = [...new Set(references)].sort()
  return { path: makeText(name, sha256, sorted), contents, sha256, references: sorted }
}

/** Stores the contents of a text. */
export const takeText = Effect.fnUntraced(function* (
  text: Text
): Effect.fn.Return<PathInfo, ReturnType<typeof storeFailure>, BlobService | DirectoryService> {
  const blobs = yield* BlobService
  const [digest] = yield* Effect.mapError(blobs.putMany([text.contents]), storeFailure)
  const node: Node = { _tag: "File", digest: digest!, size: text.contents.length, executable: false }
  const nar = yield* Effect.mapError(calculate(node), storeFailure)
  return {
    path: text.path,
    node,
    references: text.references,
    ...nar,
    signatures: [],
    deriver: undefined,
    ca: `text:${printPrefixed({ algorithm: "sha256", digest: text.sha256 }, "nix32")}`,
    registrationTime: yield* now
  }
})
