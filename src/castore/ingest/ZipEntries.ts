/**
 * A zip archive as ingestion entries. Its directory is at its end, so it first goes to a temporary file, which has no name from the start and vanishes with
 * the process.
 */
import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { crc32, inflateRawSync } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { fromBytes } from "../../nix/Bytes.ts"
import { decompress, type DecompressError } from "../../wire/Decompress.ts"
import { BlobService } from "../blob/BlobService.ts"
import { type CastoreError, StoreUnavailable } from "../CastoreError.ts"
import { targetLimit, targetProblem } from "../Directory.ts"
import { ArchiveFault } from "./ArchiveFault.ts"
import { type ArchiveFile, ArchiveTree, type BadArchive, badArchive, FileGroup } from "./ArchiveTree.ts"
import { type IngestEntry, smallFileLimit } from "./Ingest.ts"
import type { ArchiveOptions } from "./TarEntries.ts"
import { dataOffset, findDirectory, localHeaderLength, readDirectory, readZip64, sameName, tailLength, type ZipMember } from "./Zip.ts"

const readSize = 256 * 1024

/** A file without a name, in the temporary directory of the host. */
const temporaryFile = async (): Promise<FileHandle> => {
  const directory = await mkdtemp(join(tmpdir(), "yix-zip-"))
  try {
    return await open(join(directory, "zip"), "wx+", 0o600)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const damaged = (member: ZipMember): ArchiveFault => new ArchiveFault("checksum", "its contents do not match their checksum", member.path)

/** The contents of a small member from its compressed bytes. Throws `ArchiveFault`. */
const unpackSmall = (member: ZipMember, bytes: Uint8Array): Uint8Array => {
  let contents = bytes
  if (member.method === "deflated") {
    try {
      contents = inflateRawSync(bytes, { maxOutputLength: member.size + 1 })
    } catch {
      throw damaged(member)
    }
  }
  if (contents.length !== member.size || crc32(contents) !== member.crc) throw damaged(member)
  return contents
}

/** The entries of a zip archive; stores the files' contents. */
export const zipEntries =
  ({ source, strip, onTime }: ArchiveOptions) =>
  <E, R>(
    bytes: Stream.Stream<Uint8Array, E, R>
  ): Stream.Stream<IngestEntry, E | BadArchive | DecompressError | CastoreError, R | BlobService> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const blobs = yield* BlobService
        const attempt = <A>(operation: string, run: () => Promise<A>): Effect.Effect<A, StoreUnavailable> =>
          Effect.tryPromise({ try: run, catch: (cause) => new StoreUnavailable({ store: tmpdir(), operation, cause }) })
        const file = yield* Effect.acquireRelease(attempt("make a temporary file", temporaryFile), (handle) =>
          Effect.promise(() => handle.close())
        )
        let fileSize = 0
        yield* Stream.runForEach(bytes, (piece) =>
          attempt("write a temporary file", async () => {
            for (let at = 0; at < piece.length;) at += (await file.write(piece, at, piece.length - at)).bytesWritten
            fileSize += piece.length
          })
        )

        const checked = <A>(run: () => A): Effect.Effect<A, BadArchive> => Effect.try({ try: run, catch: badArchive(source) })
        const read = (offset: number, length: number): Effect.Effect<Uint8Array, BadArchive | CastoreError> =>
          Effect.flatMap(
            attempt("read a temporary file", async () => {
              const buffer = new Uint8Array(Math.max(0, Math.min(length, fileSize - offset)))
              let at = 0
              while (at < buffer.length) {
                const { bytesRead } = await file.read(buffer, at, buffer.length - at, offset + at)
                if (bytesRead === 0) break
                at += bytesRead
              }
              return buffer.subarray(0, at)
            }),
            (part) =>
              checked(() => {
                if (part.length < length) throw new ArchiveFault("truncated", "the archive is shorter than its directory says")
                return part
              })
          )

        const tail = yield* read(Math.max(0, fileSize - tailLength), Math.min(fileSize, tailLength))
        const found = yield* checked(() => findDirectory(tail, fileSize))
        const place =
          "members" in found
            ? found
            : yield* Effect.flatMap(read(found.offset, 56), (record) => checked(() => readZip64(record, found.offset)))
        const directory = yield* read(place.start, place.length)
        const members = yield* checked(() => readDirectory(directory, place))
        if (onTime !== undefined) for (const member of members) onTime(member.modified)

        /** Where a member's data begins; its own header must agree with the directory. */
        const locate = Effect.fnUntraced(function* (member: ZipMember) {
          const header = yield* read(member.offset, localHeaderLength)
          const length = yield* checked(() => dataOffset(header, member))
          const whole = yield* read(member.offset, length)
          yield* checked(() => {
            if (!sameName(whole, member)) throw new ArchiveFault("record", "its own header gives it another name", member.path)
          })
          return member.offset + length
        })

        const large = (member: ZipMember, start: number): Stream.Stream<Uint8Array, BadArchive | DecompressError | CastoreError> => {
          let crc = 0
          let size = 0
          const raw = Stream.paginate(0, (at) => {
            const length = Math.min(readSize, member.compressed - at)
            if (length === 0) return Effect.succeed([[] as Array<Uint8Array>, Option.none<number>()] as const)
            return Effect.map(read(start + at, length), (part) => [[part], Option.some(at + length)] as const)
          })
          const compression = member.method === "stored" ? "none" : "deflate-raw"
          return decompress({ source, compression, maxBytes: member.size })(raw).pipe(
            Stream.map((piece) => {
              crc = crc32(piece, crc)
              size += piece.length
              return piece
            }),
            Stream.concat(
              Stream.drain(
                Stream.fromEffect(
                  checked(() => {
                    if (size !== member.size || crc !== member.crc) throw damaged(member)
                  })
                )
              )
            )
          )
        }

        const tree = new ArchiveTree()
        const group = new FileGroup()
        for (const member of members) {
          if (member.kind === "directory") {
            yield* checked(() => tree.add(member.path, { _tag: "Directory", children: new Map() }))
            continue
          }
          const start = yield* locate(member)
          if (member.kind === "symlink") {
            if (member.size > targetLimit || member.compressed > 2 * targetLimit) {
              return yield* badArchive(source)(new ArchiveFault("name", "its target is too long", member.path))
            }
            const packed = yield* read(start, member.compressed)
            yield* checked(() => {
              const target = fromBytes(unpackSmall(member, packed))
              const problem = targetProblem(target)
              if (problem !== undefined) throw new ArchiveFault("name", `it has ${problem}`, member.path)
              tree.add(member.path, { _tag: "Symlink", target })
            })
            continue
          }
          const entry: ArchiveFile = { _tag: "File", executable: member.executable, blob: undefined }
          yield* checked(() => tree.add(member.path, entry))
          if (member.size > smallFileLimit || member.compressed > 2 * smallFileLimit) {
            entry.blob = yield* blobs.putStream(large(member, start))
            continue
          }
          const packed = yield* read(start, member.compressed)
          if (group.add(entry, yield* checked(() => unpackSmall(member, packed)))) yield* group.store(blobs)
        }
        yield* group.store(blobs)
        return Stream.fromIterable(yield* checked(() => tree.entries(strip)))
      })
    )
