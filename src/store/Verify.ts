/**
 * Checking a store: every path info, every tree that one leads to, every blob, and the NAR hashes that path infos state.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { BlobService } from "../castore/blob/BlobService.ts"
import { type CastoreError, StoreUnavailable } from "../castore/CastoreError.ts"
import * as Digest from "../castore/Digest.ts"
import * as Directory from "../castore/Directory.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { Node } from "../castore/Node.ts"
import { printHash } from "../nix/Hash.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { calculate } from "./Nar.ts"
import { PathInfoService } from "./PathInfoService.ts"

/** Something wrong with a store. */
export class StoreProblem extends Schema.TaggedError<StoreProblem>()("StoreProblem", {
  /** The first store path that leads to it; absent for what no path leads to. */
  path: Schema.optional(Schema.String),
  what: Schema.Literals(["path info", "reference", "directory", "blob", "NAR hash"]),
  /** A store path, or a digest as text. */
  subject: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    const where = this.path === undefined || this.path === this.subject ? "" : ` (needed by '${this.path}')`
    return `${this.what} ${this.subject}${where}: ${this.detail}`
  }
}

export interface VerifyOptions {
  /** Only these paths. Default: all of the store. */
  readonly paths?: ReadonlyArray<StorePath> | undefined
  /** Whether blobs and directories that no path leads to are checked too. Default: when all paths are. */
  readonly unreferenced?: boolean | undefined
  /** Whether NAR hashes are computed and compared. Default true. */
  readonly narHashes?: boolean | undefined
  readonly onProblem?: ((problem: StoreProblem) => Effect.Effect<void>) | undefined
  /** Called before each path. */
  readonly onPath?: ((path: StorePath) => Effect.Effect<void>) | undefined
}

export interface VerifyReport {
  /** How many were looked at. */
  readonly paths: number
  readonly directories: number
  readonly blobs: number
  /** Bytes of blobs. */
  readonly bytes: number
  readonly problems: ReadonlyArray<StoreProblem>
}

/** Checks the store. Problems are the result; a store that cannot be asked at all is the failure. */
export const verify = Effect.fn("store.verify")(function* (
  options: VerifyOptions = {}
): Effect.fn.Return<VerifyReport, StoreUnavailable, BlobService | DirectoryService | PathInfoService> {
  const blobs = yield* BlobService
  const directories = yield* DirectoryService
  const service = yield* PathInfoService
  const problems: Array<StoreProblem> = []
  /** Whether a tree, by digest, is whole. */
  const treeWhole = new Map<Digest.Digest, boolean>()
  const blobWhole = new Map<Digest.Digest, boolean>()
  let paths = 0
  let bytes = 0

  const report = (path: StorePath | undefined, what: StoreProblem["what"], subject: string, detail: string) =>
    Effect.suspend(() => {
      const problem = new StoreProblem({ path, what, subject, detail })
      problems.push(problem)
      return options.onProblem?.(problem) ?? Effect.void
    })

  /** The result, or `undefined` after reporting what is wrong. */
  const checked = <A, R>(
    check: Effect.Effect<A, CastoreError, R>,
    path: StorePath | undefined,
    what: StoreProblem["what"],
    subject: string
  ) =>
    check.pipe(
      Effect.asSome,
      Effect.catchIf(
        (error): error is Exclude<CastoreError, StoreUnavailable> => !(error instanceof StoreUnavailable),
        (error) => Effect.as(report(path, what, subject, error.message), Option.none<A>())
      )
    )

  const checkBlob = Effect.fnUntraced(function* (path: StorePath | undefined, digest: Digest.Digest, size: number | undefined) {
    const known = blobWhole.get(digest)
    if (known !== undefined) return known
    const subject = Digest.toText(digest)
    let length = 0
    const reading = Stream.runForEach(blobs.read(digest), (piece) =>
      Effect.sync(() => {
        length += piece.length
      })
    )
    let whole = Option.isSome(yield* checked(reading, path, "blob", subject))
    bytes += length
    if (whole && size !== undefined && length !== size) {
      yield* report(path, "blob", subject, `has ${length} bytes, its directory says ${size}`)
      whole = false
    }
    blobWhole.set(digest, whole)
    return whole
  })

  /** Checks a tree, directories first found last finished, with a stack of its own. */
  const checkTree = Effect.fnUntraced(function* (path: StorePath | undefined, root: Node) {
    if (root._tag === "Symlink") return true
    if (root._tag === "File") return yield* checkBlob(path, root.digest, root.size)
    const stack: Array<{ readonly digest: Digest.Digest; readonly entries: ReadonlyArray<Node>; next: number; whole: boolean }> = []
    const enter = Effect.fnUntraced(function* (digest: Digest.Digest, size: number) {
      const subject = Digest.toText(digest)
      const found = yield* checked(directories.get(digest), path, "directory", subject)
      const directory = Option.flatten(found)
      if (Option.isNone(directory)) {
        if (Option.isSome(found)) yield* report(path, "directory", subject, "is missing")
        treeWhole.set(digest, false)
        return false
      }
      let whole = true
      if (Directory.size(directory.value) !== size) {
        yield* report(path, "directory", subject, `has ${Directory.size(directory.value)} entries below it, its parent says ${size}`)
        whole = false
      }
      stack.push({ digest, entries: directory.value.entries.map((entry) => entry.node), next: 0, whole })
      return whole
    })
    if (!treeWhole.has(root.digest)) yield* enter(root.digest, root.size)
    while (stack.length > 0) {
      const frame = stack[stack.length - 1]!
      const node = frame.entries[frame.next++]
      if (node === undefined) {
        stack.pop()
        treeWhole.set(frame.digest, frame.whole)
        const parent = stack[stack.length - 1]
        if (parent !== undefined && !frame.whole) parent.whole = false
      } else if (node._tag === "File") {
        if (!(yield* checkBlob(path, node.digest, node.size))) frame.whole = false
      } else if (node._tag === "Directory") {
        const known = treeWhole.get(node.digest)
        if (known === undefined ? !(yield* enter(node.digest, node.size)) : !known) frame.whole = false
      }
    }
    return treeWhole.get(root.digest)!
  })

  const checkPath = Effect.fnUntraced(function* (path: StorePath) {
    paths++
    if (options.onPath !== undefined) yield* options.onPath(path)
    const found = yield* checked(service.get(path), path, "path info", path)
    if (Option.isNone(found)) return
    if (Option.isNone(found.value)) return yield* report(path, "path info", path, "is missing")
    const info = found.value.value
    for (const reference of info.references) {
      if (reference === path) continue
      const there = yield* checked(service.get(reference), path, "reference", reference)
      if (Option.isSome(there) && Option.isNone(there.value)) yield* report(path, "reference", reference, "is not in the store")
    }
    const whole = yield* checkTree(path, info.node)
    if (!whole || options.narHashes === false) return
    const nar = yield* checked(calculate(info.node), path, "NAR hash", path)
    if (Option.isNone(nar)) return
    const { narHash, narSize } = nar.value
    const [actual, stated] = [narHash, info.narHash].map((digest) => printHash({ algorithm: "sha256", digest }, "sri"))
    if (actual !== stated) yield* report(path, "NAR hash", path, `is ${actual}, the path info says ${stated}`)
    else if (narSize !== info.narSize)
      yield* report(path, "NAR hash", path, `the NAR has ${narSize} bytes, the path info says ${info.narSize}`)
  })

  const unavailable = (error: CastoreError) =>
    error instanceof StoreUnavailable ? error : new StoreUnavailable({ store: "the store", operation: "list what it holds", cause: error })
  if (options.paths !== undefined) yield* Effect.forEach(options.paths, checkPath, { discard: true })
  else yield* Stream.runForEach(Stream.mapError(service.paths(), unavailable), checkPath)
  if (options.unreferenced ?? options.paths === undefined) {
    yield* Stream.runForEach(Stream.mapError(directories.list(), unavailable), (digest) =>
      treeWhole.has(digest)
        ? Effect.void
        : Effect.asVoid(
            Effect.tap(checked(directories.get(digest), undefined, "directory", Digest.toText(digest)), (found) =>
              Effect.sync(() => treeWhole.set(digest, Option.isSome(found)))
            )
          )
    )
    yield* Stream.runForEach(Stream.mapError(blobs.list(), unavailable), (digest) => checkBlob(undefined, digest, undefined))
  }
  return { paths, directories: treeWhole.size, blobs: blobWhole.size, bytes, problems }
})
