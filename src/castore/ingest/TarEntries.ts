/**
 * A tar archive as ingestion entries. Contents are stored while reading; large files as streams, small ones in groups.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type ByteString, concatBytes } from "../../nix/Bytes.ts"
import { Input } from "../../wire/decompress/Input.ts"
import { BlobService } from "../blob/BlobService.ts"
import type { CastoreError } from "../CastoreError.ts"
import { targetProblem } from "../Directory.ts"
import { ArchiveFault } from "./ArchiveFault.ts"
import { type ArchiveFile, ArchiveTree, type BadArchive, badArchive, FileGroup } from "./ArchiveTree.ts"
import { type IngestEntry, smallFileLimit } from "./Ingest.ts"
import { readTar, type TarEvent } from "./Tar.ts"

export interface ArchiveOptions {
  /** The archive's address or path, for error messages. */
  readonly source: string
  /** As `fetchTarball` does: where the archive's top level is exactly one directory, that directory is the tree. */
  readonly strip: boolean
  /** Hears when each member was last modified, in Unix seconds. */
  readonly onTime?: ((seconds: number) => void) | undefined
}

/** What the synchronous part stopped for. */
type Pause = "input" | "group" | "end" | { readonly file: ArchiveFile; readonly path: ByteString }

/**
 * The entries of a tar archive (not compressed). Stores the files' contents while reading; the whole input is read, also what follows the archive's end.
 */
export const tarEntries =
  ({ source, strip, onTime }: ArchiveOptions) =>
  <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<IngestEntry, E | BadArchive | CastoreError, R | BlobService> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const blobs = yield* BlobService
        const pull = yield* Stream.toPull(bytes)
        const input = new Input()
        const events = readTar(input, onTime)
        const tree = new ArchiveTree()
        const group = new FileGroup()
        let open: { file: ArchiveFile; left: number; pieces: Array<Uint8Array> } | undefined

        const fault = badArchive(source)

        const pullInput: Effect.Effect<boolean, E, R> = pull.pipe(
          Effect.map((pieces) => {
            for (const piece of pieces) input.push(piece)
            return true
          }),
          Effect.catch((error) => {
            if (!Cause.isDone(error)) return Effect.fail(error as E)
            input.end()
            return Effect.succeed(false)
          })
        )

        /** Puts the small file that is complete into the group; whether that is full. */
        const finishSmall = (): boolean => {
          const { file, pieces } = open!
          open = undefined
          return group.add(file, concatBytes(pieces))
        }

        /** Takes events until something is needed that only an effect can give. */
        const advance = (): Pause => {
          for (;;) {
            const { done, value: event } = events.next()
            if (done === true) return "end"
            if (event === undefined) return "input"
            switch (event._tag) {
              case "Data":
                open!.pieces.push(event.bytes)
                open!.left -= event.bytes.length
                if (open!.left > 0) break
                if (finishSmall()) return "group"
                break
              case "Directory":
                tree.add(event.path, { _tag: "Directory", children: new Map() })
                break
              case "Symlink": {
                const problem = targetProblem(event.target)
                if (problem !== undefined) throw new ArchiveFault("name", `it has ${problem}`, event.path)
                tree.add(event.path, event)
                break
              }
              case "HardLink":
                tree.add(event.path, event)
                break
              case "File": {
                const file: ArchiveFile = { _tag: "File", executable: event.executable, blob: undefined }
                tree.add(event.path, file)
                open = { file, left: event.size, pieces: [] }
                if (event.size > smallFileLimit) return { file, path: event.path }
                if (event.size === 0 && finishSmall()) return "group"
              }
            }
          }
        }

        const storeGroup = Effect.suspend(() => group.store(blobs))

        /** The contents of the file that was just begun. */
        const contentsOf = (file: ArchiveFile): Stream.Stream<Uint8Array, E | BadArchive, R> => {
          const step: Effect.Effect<readonly [Uint8Array], E | BadArchive | Cause.Done, R> = Effect.suspend(() => {
            if (open === undefined || open.file !== file) return Cause.done()
            return Effect.flatMap(Effect.try({ try: () => events.next().value as TarEvent | undefined, catch: fault }), (event) => {
              if (event === undefined) return Effect.andThen(pullInput, step)
              const { bytes } = event as TarEvent & { readonly _tag: "Data" }
              open!.left -= bytes.length
              if (open!.left === 0) open = undefined
              return Effect.succeed([bytes] as const)
            })
          })
          return Stream.fromPull(Effect.succeed(step))
        }

        for (;;) {
          const pause = yield* Effect.try({ try: advance, catch: fault })
          if (pause === "end") break
          if (pause === "input") yield* pullInput
          else if (pause === "group") yield* storeGroup
          else pause.file.blob = yield* blobs.putStream(contentsOf(pause.file))
        }
        yield* storeGroup
        // What follows the archive's end is padding; reading it shows whether the input itself was sound to its end.
        while (yield* pullInput) while (input.available > 0) input.pullSome(input.available)

        return Stream.fromIterable(yield* Effect.try({ try: () => tree.entries(strip), catch: fault }))
      })
    )
