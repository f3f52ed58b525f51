/**
 * Path infos of a local store: rows of its database.
 *
 * `put` is the commit point, so it is on the disk when it returns: one synced transaction for all that were asked for while the one before was under way. Each row
 * carries a checksum over its columns, because nothing else would tell a damaged one.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { attempt, type CastoreError, CorruptData, InvalidData } from "../../castore/CastoreError.ts"
import { decodeEntry, encodeEntry } from "../../castore/Directory.ts"
import { type Connection, LocalDatabase } from "../../castore/local/LocalDatabase.ts"
import * as Base16 from "../../nix/Base16.ts"
import * as Crypto from "../../nix/Crypto.ts"
import { baseName, fromBaseName, type StorePath } from "../../nix/StorePath.ts"
import type { PathInfo } from "../PathInfo.ts"
import { PathInfoService } from "../PathInfoService.ts"
import { check, merge } from "./Rules.ts"

type Row = readonly [
  name: string,
  node: Uint8Array,
  narHash: Uint8Array,
  narSize: number,
  references: string,
  signatures: string,
  deriver: string | null,
  ca: string | null,
  registered: number
]

const columns = "name, node, nar_hash, nar_size, refs, signatures, deriver, ca, registered"

const encoder = new TextEncoder()

const checksum = (row: Row): Uint8Array =>
  Crypto.hash(
    "blake3",
    encoder.encode(JSON.stringify(row.map((value) => (value instanceof Uint8Array ? Base16.encode(value) : value))))
  ).subarray(0, 16)

const toRow = (info: PathInfo): Row => [
  baseName(info.path),
  encodeEntry({ name: "", node: info.node }),
  info.narHash,
  info.narSize,
  info.references.map(baseName).join(" "),
  info.signatures.join(" "),
  info.deriver === undefined ? null : baseName(info.deriver),
  info.ca ?? null,
  info.registrationTime
]

const words = (text: string): Array<string> => (text === "" ? [] : text.split(" "))

const sameBytes = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && left.every((byte, i) => byte === right[i])

const fromRow = (store: string, stored: readonly [...Row, Uint8Array]): PathInfo => {
  const row = stored.slice(0, 9) as unknown as Row
  const corrupt = (detail: string) => new CorruptData({ store, digest: `path info '${row[0]}'`, detail })
  if (!sameBytes(checksum(row), stored[9])) throw corrupt("its checksum is wrong")
  try {
    return {
      path: fromBaseName(row[0]),
      node: decodeEntry(row[1]).node,
      narHash: row[2],
      narSize: row[3],
      references: words(row[4]).map(fromBaseName),
      signatures: words(row[5]),
      deriver: row[6] === null ? undefined : fromBaseName(row[6]),
      ca: row[7] ?? undefined,
      registrationTime: row[8]
    }
  } catch (cause) {
    throw corrupt(cause instanceof InvalidData ? cause.message : String(cause))
  }
}

/** The path info, or `undefined`. Synchronous; for any connection. Throws `CorruptData`. */
export const readPathInfo = (connection: Connection, directory: string, path: StorePath): PathInfo | undefined => {
  const row = connection.get<readonly [...Row, Uint8Array]>(`SELECT ${columns}, checksum FROM path_infos WHERE name = ?`, baseName(path))
  return row === undefined ? undefined : fromRow(directory, row)
}

const readByHashPart = (connection: Connection, directory: string, part: string): PathInfo | undefined => {
  // "." follows "-" in ASCII: the range holds exactly the names that begin with `<part>-`.
  const row = connection.get<readonly [...Row, Uint8Array]>(
    `SELECT ${columns}, checksum FROM path_infos WHERE name >= ? AND name < ? ORDER BY name LIMIT 1`,
    `${part}-`,
    `${part}.`
  )
  return row === undefined ? undefined : fromRow(directory, row)
}

const insert = `INSERT INTO path_infos (${columns}, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (name) DO UPDATE SET node = excluded.node, nar_hash = excluded.nar_hash, nar_size = excluded.nar_size, refs = excluded.refs,
  signatures = excluded.signatures, deriver = excluded.deriver, ca = excluded.ca, registered = excluded.registered, checksum = excluded.checksum`

/** Writes a path info in a transaction that is open. A damaged earlier entry is replaced. */
const write = (connection: Connection, directory: string, info: PathInfo): PathInfo => {
  let earlier: PathInfo | undefined
  try {
    earlier = readPathInfo(connection, directory, info.path)
  } catch (cause) {
    if (!(cause instanceof CorruptData)) throw cause
  }
  const merged = merge(earlier, info)
  const row = toRow(merged)
  connection.run(insert, ...row, checksum(row))
  return merged
}

interface Waiting {
  readonly info: PathInfo
  readonly done: Deferred.Deferred<PathInfo, CastoreError>
}

export const make = Effect.gen(function* () {
  const database = yield* LocalDatabase
  const { directory } = database
  const turn = yield* Semaphore.make(1)
  let waiting: Array<Waiting> = []

  /** Commits everything that waits, as one transaction. */
  const flush = Effect.gen(function* () {
    const batch = waiting
    waiting = []
    const exit = yield* Effect.exit(
      database.commit("store path infos", (connection) => batch.map(({ info }) => write(connection, directory, info)))
    )
    batch.forEach(({ done }, i) =>
      Deferred.doneUnsafe(
        done,
        Exit.map(exit, (infos) => infos[i]!)
      )
    )
  })

  return PathInfoService.of({
    get: (path) => database.read("read a path info", (connection) => Option.fromUndefinedOr(readPathInfo(connection, directory, path))),
    getByHashPart: (part) =>
      database.read("read a path info", (connection) => Option.fromUndefinedOr(readByHashPart(connection, directory, part))),
    put: (info) =>
      Effect.gen(function* () {
        yield* attempt(directory, "check a path info", () => check(info))
        const done = Deferred.makeUnsafe<PathInfo, CastoreError>()
        waiting.push({ info, done })
        // Committing blocks the thread, so others can only join before it: give all that are ready the time to. Whoever has the turn commits for all.
        const commit = Effect.andThen(
          Effect.yieldNow,
          Effect.suspend(() => (Deferred.isDoneUnsafe(done) ? Effect.void : Effect.uninterruptible(flush)))
        )
        return yield* Semaphore.withPermit(turn, commit).pipe(
          Effect.andThen(Deferred.await(done)),
          Effect.onInterrupt(() =>
            Effect.sync(() => {
              waiting = waiting.filter((other) => other.done !== done)
            })
          )
        )
      }),
    paths: () =>
      Stream.paginate("", (after) =>
        Effect.map(
          database.read("list paths", (connection) =>
            connection.all<[string]>("SELECT name FROM path_infos WHERE name > ? ORDER BY name LIMIT 4096", after)
          ),
          (rows) =>
            [rows.map((row) => fromBaseName(row[0])), rows.length < 4096 ? Option.none() : Option.some(rows[rows.length - 1]![0])] as const
        )
      ),
    list: () =>
      Stream.paginate("", (after) =>
        Effect.map(
          database.read("list path infos", (connection) =>
            connection
              .all<readonly [...Row, Uint8Array]>(
                `SELECT ${columns}, checksum FROM path_infos WHERE name > ? ORDER BY name LIMIT 1024`,
                after
              )
              .map((row) => fromRow(directory, row))
          ),
          (infos) => [infos, infos.length < 1024 ? Option.none() : Option.some(baseName(infos[infos.length - 1]!.path))] as const
        )
      )
  })
})

export const layer: Layer.Layer<PathInfoService, never, LocalDatabase> = Layer.effect(PathInfoService, make)
