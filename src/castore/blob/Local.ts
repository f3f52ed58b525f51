/**
 * Blobs of a local store: small ones in its database, larger ones as files `blobs/<2 hex>/<64 hex>`, registered in the database.
 *
 * A file is written under the session's directory, synced (policy `fsync`), renamed into place, and only then registered: a registered file is whole
 * even after a power loss, and what a killed process leaves is its session's directory, which the next one sweeps away.
 * Storing a blob that is there already mends it when it was damaged: rows are compared, files that turned out corrupt were moved aside by their reader.
 */
import { closeSync, fdatasync, fsync, mkdirSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { concatBytes } from "../../nix/Bytes.ts"
import { attempt, type CastoreError, CorruptData, MissingData, StoreUnavailable } from "../CastoreError.ts"
import * as Digest from "../Digest.ts"
import { type Connection, LocalDatabase } from "../local/LocalDatabase.ts"
import { BlobService } from "./BlobService.ts"

export interface LocalBlobOptions {
  /** Whether files are synced to the disk before they are registered. `never` trades safety on power loss for speed. Default `always`. */
  readonly fsync?: "always" | "never"
  /** Whether what is read is hashed and compared with its digest. Default `always`. */
  readonly verify?: "always" | "never"
}

/** Blobs up to this many bytes live in the database. Pages of 8 KiB make rows of this size as fast as files, without their open, sync and rename. */
export const inlineLimit = 65_536

/** Bytes read from a file at a time. */
const readSize = 1 << 18
/** Bytes of rows written in one transaction. */
const transactionBytes = 8 << 20

const shardOf = (directory: string, digest: Digest.Digest): string => join(directory, "blobs", digest.slice(0, 2))
const fileOf = (directory: string, digest: Digest.Digest): string => join(shardOf(directory, digest), digest)

interface WrittenFile {
  readonly fd: number
  readonly path: string
  readonly digest: Digest.Digest
}

type BlobRow = readonly [size: number, data: Uint8Array | null]

const rowOf = (connection: Connection, digest: Digest.Digest): BlobRow | undefined =>
  connection.get<BlobRow>("SELECT size, data FROM blobs WHERE digest = ?", Digest.toBytes(digest))

/** Reads exactly `length` bytes at `position` of an open file, or fewer at its end. */
const readFully = (fd: number, length: number, position: number): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
  let filled = 0
  while (filled < length) {
    const count = readSync(fd, bytes, filled, length - filled, position + filled)
    if (count === 0) break
    filled += count
  }
  return filled === length ? bytes : bytes.subarray(0, filled)
}

const writeFully = (fd: number, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
}

const corrupt = (directory: string, digest: Digest.Digest, detail: string): CorruptData =>
  new CorruptData({ store: directory, digest: Digest.toText(digest), detail })

/** Moves a damaged file out of the way, so that storing the blob again mends the store. Not being allowed to is no further harm. */
const setAside = (directory: string, digest: Digest.Digest): void => {
  try {
    renameSync(fileOf(directory, digest), `${fileOf(directory, digest)}.damaged`)
  } catch {
    return
  }
}

const openFile = (directory: string, digest: Digest.Digest, size: number): number => {
  let fd: number
  try {
    fd = openSync(fileOf(directory, digest), "r")
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") throw corrupt(directory, digest, "its file is gone")
    throw cause
  }
  const actual = statSync(fileOf(directory, digest)).size
  if (actual === size) return fd
  closeSync(fd)
  setAside(directory, digest)
  throw corrupt(directory, digest, `its file has ${actual} bytes instead of ${size}`)
}

/** The whole blob, or `undefined` when the store does not have it. Synchronous; for any connection. Throws `CorruptData`. */
export const readBlob = (connection: Connection, directory: string, digest: Digest.Digest, verify = true): Uint8Array | undefined => {
  if (digest === Digest.empty) return new Uint8Array(0)
  const row = rowOf(connection, digest)
  if (row === undefined) return undefined
  let bytes = row[1]
  if (bytes === null) {
    const fd = openFile(directory, digest, row[0])
    try {
      bytes = readFully(fd, row[0], 0)
    } finally {
      closeSync(fd)
    }
  }
  if (verify) {
    const actual = Digest.ofBytes(bytes)
    if (actual !== digest) {
      if (row[1] === null) setAside(directory, digest)
      throw corrupt(directory, digest, `its ${bytes.length} bytes are ${Digest.toText(actual)}`)
    }
  }
  return bytes
}

const insert = `INSERT INTO blobs (digest, size, data) VALUES (?, ?, ?)
  ON CONFLICT (digest) DO UPDATE SET size = excluded.size, data = excluded.data WHERE data IS NOT excluded.data`

export const make = Effect.fnUntraced(function* (options: LocalBlobOptions = {}) {
  const database = yield* LocalDatabase
  const { directory } = database
  const syncing = options.fsync !== "never"
  const verifying = options.verify !== "never"
  /** Large blobs whose file was hashed as a whole in this process, so that ranges of it need no further pass. */
  const wholesome = new Set<Digest.Digest>()

  const isWhole = (digest: Digest.Digest, row: BlobRow): boolean => {
    if (row[1] !== null) return true
    const stat = statSync(fileOf(directory, digest), { throwIfNoEntry: false })
    return stat?.size === row[0]
  }

  const has = (connection: Connection, digest: Digest.Digest): boolean => {
    if (digest === Digest.empty) return true
    const row = connection.get<BlobRow>(
      "SELECT size, CASE WHEN data IS NULL THEN NULL ELSE x'' END FROM blobs WHERE digest = ?",
      Digest.toBytes(digest)
    )
    return row !== undefined && isWhole(digest, row)
  }

  /** Moves finished temporary files to their places: synced first, at the same time, and their directories afterwards. */
  const settle = Effect.fnUntraced(function* (files: ReadonlyArray<WrittenFile>) {
    if (syncing)
      yield* syncAll(
        files.map(({ fd }) => fd),
        fdatasync
      )
    const shards = yield* attempt(directory, "write a blob", () => {
      const touched = new Set(files.map(({ digest }) => shardOf(directory, digest)))
      for (const shard of touched) mkdirSync(shard, { recursive: true })
      for (const { path, digest } of files) renameSync(path, fileOf(directory, digest))
      return syncing ? [...touched] : []
    })
    if (shards.length === 0) return
    yield* Effect.acquireUseRelease(
      attempt(directory, "write a blob", () => shards.map((shard) => openSync(shard, "r"))),
      (fds) => syncAll(fds, fsync),
      (fds) => Effect.sync(() => fds.forEach((fd) => closeSync(fd)))
    )
  })

  const syncAll = (fds: ReadonlyArray<number>, sync: (fd: number, done: (error: Error | null) => void) => void) =>
    Effect.forEach(
      fds,
      (fd) =>
        Effect.callback<void, CastoreError>((resume) =>
          sync(fd, (cause) =>
            resume(
              cause === null
                ? Effect.void
                : Effect.fail(new StoreUnavailable({ store: directory, operation: "sync a blob to the disk", cause }))
            )
          )
        ),
      { concurrency: 8, discard: true }
    )

  /** A temporary file that is closed at the end, and removed unless it was settled. */
  const temporaryFile = Effect.gen(function* () {
    const session = yield* database.beginSession
    return yield* Effect.acquireRelease(
      attempt(directory, "write a blob", () => {
        const path = session.temporary()
        return { fd: openSync(path, "wx", 0o444), path }
      }),
      ({ fd, path }) =>
        Effect.sync(() => {
          closeSync(fd)
          rmSync(path, { force: true })
        })
    )
  })

  const storeFiles = (blobs: ReadonlyArray<readonly [Digest.Digest, Uint8Array]>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const files: Array<WrittenFile> = []
        for (const [digest, bytes] of blobs) {
          const file = yield* temporaryFile
          yield* attempt(directory, "write a blob", () => writeFully(file.fd, bytes))
          files.push({ ...file, digest })
        }
        // Not to be interrupted between a rename and its sync: the row that follows vouches for both.
        yield* Effect.uninterruptible(settle(files))
      })
    )

  const putMany = Effect.fnUntraced(function* (blobs: ReadonlyArray<Uint8Array>) {
    const digests: Array<Digest.Digest> = []
    for (let from = 0; from < blobs.length;) {
      let to = from
      for (let bytes = 0; to < blobs.length && (to === from || bytes + blobs[to]!.length <= transactionBytes); to++)
        bytes += blobs[to]!.length
      const part = blobs.slice(from, to)
      from = to
      const own = part.map(Digest.ofBytes)
      digests.push(...own)
      const large = new Map(own.map((digest, i) => [digest, part[i]!] as const).filter(([, bytes]) => bytes.length > inlineLimit))
      if (large.size > 0) {
        const missing = yield* database.read("look for blobs", (connection) => [...large].filter(([digest]) => !has(connection, digest)))
        if (missing.length > 0) yield* storeFiles(missing)
      }
      yield* database.write("store blobs", (connection) => {
        for (let i = 0; i < part.length; i++) {
          const bytes = part[i]!
          if (bytes.length > 0) connection.run(insert, Digest.toBytes(own[i]!), bytes.length, bytes.length <= inlineLimit ? bytes : null)
        }
      })
    }
    return digests
  })

  const putStream = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) =>
    Effect.scoped(
      Effect.gen(function* () {
        let small: Array<Uint8Array> = []
        let size = 0
        const hasher = Digest.incremental()
        let file: { readonly fd: number; readonly path: string } | undefined
        yield* Stream.runForEachArray(bytes, (pieces) =>
          Effect.gen(function* () {
            if (file === undefined) {
              for (const piece of pieces) {
                small.push(piece.slice())
                size += piece.length
              }
              if (size <= inlineLimit) return
              file = yield* temporaryFile
              pieces = small as [Uint8Array, ...Array<Uint8Array>]
              small = []
            } else {
              for (const piece of pieces) size += piece.length
            }
            const { fd } = file
            yield* attempt(directory, "write a blob", () => {
              for (const piece of pieces) {
                hasher.update(piece)
                writeFully(fd, piece)
              }
            })
          })
        )
        if (file === undefined) {
          const [digest] = yield* putMany([concatBytes(small)])
          return { digest: digest!, size }
        }
        const digest = hasher.end()
        const { fd, path } = file
        if (!(yield* database.read("look for a blob", (connection) => has(connection, digest)))) {
          yield* Effect.uninterruptible(settle([{ fd, path, digest }]))
        }
        yield* database.write("store a blob", (connection) => connection.run(insert, Digest.toBytes(digest), size, null))
        return { digest, size }
      })
    )

  /** A file's bytes from `offset` up to `end`; hashed on the way when that is all of it. */
  const readFile = (digest: Digest.Digest, size: number, offset: number, end: number): Stream.Stream<Uint8Array, CastoreError> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const fd = yield* Effect.acquireRelease(
          attempt(directory, "read a blob", () => openFile(directory, digest, size)),
          (fd) => Effect.sync(() => closeSync(fd))
        )
        const hasher = verifying && offset === 0 && end === size ? Digest.incremental() : undefined
        return Stream.paginate(offset, (position) =>
          Effect.andThen(
            Effect.yieldNow,
            attempt(directory, "read a blob", () => {
              const wanted = Math.min(readSize, end - position)
              const bytes = readFully(fd, wanted, position)
              if (bytes.length < wanted) throw corrupt(directory, digest, `its file ends after ${position + bytes.length} of ${size} bytes`)
              hasher?.update(bytes)
              const next = position + bytes.length
              if (next < end) return [[bytes], Option.some(next)] as const
              if (hasher !== undefined) {
                const actual = hasher.end()
                if (actual !== digest) {
                  setAside(directory, digest)
                  throw corrupt(directory, digest, `its ${size} bytes are ${Digest.toText(actual)}`)
                }
                wholesome.add(digest)
              }
              return [[bytes], Option.none<number>()] as const
            })
          )
        )
      })
    )

  const read = (
    digest: Digest.Digest,
    range?: { readonly offset?: number; readonly length?: number }
  ): Stream.Stream<Uint8Array, CastoreError> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const row =
          digest === Digest.empty
            ? ([0, new Uint8Array(0)] as const)
            : yield* database.read("read a blob", (connection) => rowOf(connection, digest))
        if (row === undefined) return yield* new MissingData({ store: directory, kind: "blob", digest: Digest.toText(digest) })
        const [size, data] = row
        const offset = Math.min(Math.max(range?.offset ?? 0, 0), size)
        const end = Math.min(offset + Math.max(range?.length ?? size, 0), size)
        if (data !== null) {
          if (verifying) yield* Digest.verified(directory, digest, data)
          return end > offset ? Stream.succeed(data.subarray(offset, end)) : Stream.empty
        }
        if (verifying && (offset > 0 || end < size) && !wholesome.has(digest)) yield* Stream.runDrain(readFile(digest, size, 0, size))
        return end > offset ? readFile(digest, size, offset, end) : Stream.empty
      })
    )

  const getMany = (digests: ReadonlyArray<Digest.Digest>) =>
    database.read("read blobs", (connection) =>
      digests.map((digest) => Option.fromUndefinedOr(readBlob(connection, directory, digest, verifying)))
    )

  return BlobService.of({
    has: (digest) => database.read("look for a blob", (connection) => has(connection, digest)),
    get: (digest) => Effect.map(getMany([digest]), (answers) => answers[0]!),
    getMany,
    read,
    putMany,
    putStream,
    list: () =>
      Stream.paginate(0, (after) =>
        Effect.map(
          database.read("list blobs", (connection) =>
            connection.all<[number, Uint8Array]>("SELECT id, digest FROM blobs WHERE id > ? ORDER BY id LIMIT 4096", after)
          ),
          (rows) =>
            [
              rows.map((row) => Digest.fromBytes(row[1])),
              rows.length < 4096 ? Option.none() : Option.some(rows[rows.length - 1]![0])
            ] as const
        )
      )
  })
})

export const layer = (options?: LocalBlobOptions): Layer.Layer<BlobService, never, LocalDatabase> =>
  Layer.effect(BlobService, make(options))
