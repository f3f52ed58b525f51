/**
 * Directories of a local store: rows of its database, in their canonical encoding.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { CorruptData, InvalidData } from "../CastoreError.ts"
import * as Digest from "../Digest.ts"
import * as Directory from "../Directory.ts"
import { type Connection, LocalDatabase } from "../local/LocalDatabase.ts"
import type { Directory as DirectoryData } from "../Node.ts"
import { descend, encodeAll } from "./Closure.ts"
import { DirectoryService } from "./DirectoryService.ts"

/** The directory, or `undefined` when the store does not have it. Synchronous; for any connection. Throws `CorruptData`. */
export const readDirectory = (connection: Connection, directory: string, digest: Digest.Digest): DirectoryData | undefined => {
  if (digest === Digest.empty) return { entries: [] }
  const row = connection.get<[Uint8Array]>("SELECT data FROM directories WHERE digest = ?", Digest.toBytes(digest))
  if (row === undefined) return undefined
  const actual = Digest.ofBytes(row[0])
  const corrupt = (detail: string) => new CorruptData({ store: directory, digest: Digest.toText(digest), detail })
  if (actual !== digest) throw corrupt(`its ${row[0].length} bytes are ${Digest.toText(actual)}`)
  try {
    return Directory.decode(row[0])
  } catch (cause) {
    // The digest is right, so these bytes were put there as they are: not by us.
    if (cause instanceof InvalidData) throw corrupt(cause.message)
    throw cause
  }
}

const insert = `INSERT INTO directories (digest, size, data) VALUES (?, ?, ?)
  ON CONFLICT (digest) DO UPDATE SET size = excluded.size, data = excluded.data WHERE data IS NOT excluded.data OR size IS NOT excluded.size`

export const make = Effect.gen(function* () {
  const database = yield* LocalDatabase
  const { directory } = database
  const getMany = (digests: ReadonlyArray<Digest.Digest>) =>
    database.read("read directories", (connection) =>
      digests.map((digest) => Option.fromUndefinedOr(readDirectory(connection, directory, digest)))
    )
  return DirectoryService.of({
    get: (digest) => Effect.map(getMany([digest]), (answers) => answers[0]!),
    getRecursive: (root) => descend(directory, root, getMany),
    putMany: (directories) =>
      directories.length === 0
        ? Effect.succeed([])
        : database.write("store directories", (connection) => {
            const all = encodeAll(
              directories,
              (digest) => connection.get<[number]>("SELECT size FROM directories WHERE digest = ?", Digest.toBytes(digest))?.[0]
            )
            for (const { digest, size, bytes } of all) if (bytes.length > 0) connection.run(insert, Digest.toBytes(digest), size, bytes)
            return all.map(({ digest }) => digest)
          }),
    list: () =>
      Stream.paginate(0, (after) =>
        Effect.map(
          database.read("list directories", (connection) =>
            connection.all<[number, Uint8Array]>("SELECT id, digest FROM directories WHERE id > ? ORDER BY id LIMIT 4096", after)
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

export const layer: Layer.Layer<DirectoryService, never, LocalDatabase> = Layer.effect(DirectoryService, make)
