/**
 * Trees of the host's file system as a stream of entries, with the NAR's hash and size from the same pass over the bytes.
 *
 * The walk is synchronous in steps of a few milliseconds, between which other fibers run. Files of up to 1 MiB are read whole, larger ones uploaded as they are read.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type ByteString, toUnicode } from "../../nix/Bytes.ts"
import { NarError } from "../../nix/Nar.ts"
import { BlobService, type StoredBlob } from "../blob/BlobService.ts"
import type { CastoreError } from "../CastoreError.ts"
import type { DirectoryService } from "../directory/DirectoryService.ts"
import type { Node } from "../Node.ts"
import { type HostEvent, HostTree, type HostTreeOptions } from "./HostTree.ts"
import { groupBytes, groupEntries, ingest, type IngestEntry, smallFileLimit } from "./Ingest.ts"
import { NarDigest, type NarObserver, type NarSummary } from "./NarDigest.ts"
import { isSourceError, type SourceError, TreeUnfit } from "./SourceError.ts"

export interface IngestPathOptions extends HostTreeOptions {
  /** Are shown every byte of the NAR. */
  readonly observers?: ReadonlyArray<NarObserver> | undefined
}

export interface Ingested extends NarSummary {
  readonly node: Node
}

/** Milliseconds that a step may take before others get their turn. */
const stepTime = 10
const readSize = 1 << 20

/** Runs synchronous code that reads sources; what it throws besides a `SourceError` or a NAR's limits is a bug and ends the fiber. */
const attemptSource = <A>(path: ByteString, run: () => A): Effect.Effect<A, SourceError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (cause) {
      if (isSourceError(cause)) return Effect.fail(cause)
      if (cause instanceof NarError) return Effect.fail(new TreeUnfit({ path: toUnicode(path), detail: cause.message }))
      return Effect.die(cause)
    }
  })

type LargeFile = Extract<HostEvent, { readonly _tag: "File" }>

interface Step {
  readonly entries: ReadonlyArray<IngestEntry>
  /** The next file, which is too large for a step. */
  readonly large: LargeFile | undefined
  readonly done: boolean
}

/** Takes events until the step is full, tells the NAR's writer about them and makes entries of them. */
const takeStep = (tree: HostTree, nar: NarDigest): Step => {
  const start = performance.now()
  const entries: Array<IngestEntry> = []
  let bytes = 0
  while (bytes < groupBytes && entries.length < groupEntries && performance.now() - start < stepTime) {
    const event = tree.next()
    if (event === undefined) return { entries, large: undefined, done: true }
    switch (event._tag) {
      case "DirectoryStart":
        nar.writer.directoryStart(event.name)
        break
      case "DirectoryEnd":
        nar.writer.directoryEnd()
        entries.push({ _tag: "Directory", path: event.path })
        break
      case "Symlink":
        nar.writer.symlink(event.name, event.target)
        entries.push({ _tag: "Symlink", path: event.path, target: event.target })
        break
      case "File": {
        const { file } = event
        if (file.size > smallFileLimit) return { entries, large: event, done: false }
        const contents = file.readAll()
        nar.writer.file(event.name, contents, file.executable)
        entries.push({ _tag: "File", path: event.path, executable: file.executable, contents })
        bytes += contents.length
      }
    }
  }
  return { entries, large: undefined, done: false }
}

/** Uploads a large file piece by piece. Closes it. */
const upload = (
  blobs: BlobService["Service"],
  root: ByteString,
  { file, name }: LargeFile,
  nar: NarDigest
): Effect.Effect<StoredBlob, SourceError | CastoreError> => {
  const pieces = Stream.paginate(undefined, () =>
    Effect.andThen(
      Effect.yieldNow,
      attemptSource(root, () => {
        const buffer = new Uint8Array(readSize)
        const count = file.read(buffer)
        if (count === 0) {
          file.check()
          nar.writer.fileEnd()
          return [[], Option.none<undefined>()] as const
        }
        const piece = buffer.subarray(0, count)
        nar.writer.fileData(piece)
        return [[piece], Option.some(undefined)] as const
      })
    )
  )
  return Effect.andThen(
    attemptSource(root, () => nar.writer.fileStart(name, file.size, file.executable)),
    blobs.putStream(pieces)
  ).pipe(Effect.ensuring(Effect.sync(() => file.close())))
}

const entriesOf = (
  blobs: BlobService["Service"],
  root: ByteString,
  tree: HostTree,
  nar: NarDigest
): Stream.Stream<IngestEntry, SourceError | CastoreError> =>
  Stream.paginate(undefined, () =>
    Effect.gen(function* () {
      yield* Effect.yieldNow
      const step = yield* attemptSource(root, () => takeStep(tree, nar))
      if (step.large === undefined) return [step.entries, step.done ? Option.none<undefined>() : Option.some(undefined)] as const
      const { path, file } = step.large
      const contents = yield* upload(blobs, root, step.large, nar)
      const entry: IngestEntry = { _tag: "File", path, executable: file.executable, contents }
      return [[...step.entries, entry], Option.some(undefined)] as const
    })
  )

/**
 * Stores the file, directory or symlink at a host path (as bytes, without a slash at its end) and tells its root node, NAR hash and NAR size. Fails with a
 * `SourceError` that names the path that cannot be taken.
 */
export const ingestPath = Effect.fn("castore.ingestPath")(function* (
  path: ByteString,
  options: IngestPathOptions = {}
): Effect.fn.Return<Ingested, SourceError | CastoreError, BlobService | DirectoryService> {
  const blobs = yield* BlobService
  const nar = new NarDigest(options.observers)
  const node = yield* ingest(entriesOf(blobs, path, new HostTree(path, options), nar))
  return { node, ...nar.end() }
})
