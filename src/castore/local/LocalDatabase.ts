/**
 * The database of a local store: one SQLite file (`yix.sqlite`) in the store's directory, one connection a process.
 *
 * It holds path infos, directories, small blobs, the register of larger blobs (which are files under `blobs/`) and leases. What decides the schema:
 * tables with a rowid and a unique index beside them write ten times faster than clustered random keys (shared/reference/measurements.md §5).
 * The log is a WAL that is not synced on every transaction; `commit`, used for path infos, syncs it and with it everything written before.
 * All calls are synchronous and short. When another process holds the write lock the effects here wait up to 10 s without blocking the thread.
 */
import { mkdirSync, realpathSync } from "node:fs"
import { join, resolve } from "node:path"
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { type CastoreError, isCastoreError, StoreUnavailable } from "../CastoreError.ts"
import { formatVersion } from "./FormatVersion.ts"
import { Session } from "./Session.ts"

/** Milliseconds that an operation waits for another process's lock. */
const patience = 10_000
/** Milliseconds that SQLite itself may block the thread within that. */
const blocking = 20

const schema = `
CREATE TABLE blobs (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, data BLOB);
CREATE TABLE directories (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE path_infos (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, node BLOB NOT NULL, nar_hash BLOB NOT NULL, nar_size INTEGER NOT NULL,
  refs TEXT NOT NULL, signatures TEXT NOT NULL, deriver TEXT, ca TEXT, registered INTEGER NOT NULL, checksum BLOB NOT NULL);
CREATE TABLE leases (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, session TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL,
  boot TEXT NOT NULL, scratch TEXT, acquired INTEGER NOT NULL, UNIQUE (kind, key));
CREATE TABLE checkouts (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, boot TEXT NOT NULL);
`

/** The store's directory was written by a later version of yix. */
export class StoreFormatUnknown extends Schema.TaggedError<StoreFormatUnknown>()("StoreFormatUnknown", {
  directory: Schema.String,
  found: Schema.Finite,
  supported: Schema.Finite
}) {
  override get message(): string {
    return (
      `the store at '${this.directory}' has format ${this.found}, this yix knows formats up to ${this.supported}: ` +
      "use a newer yix, or another directory for the store"
    )
  }
}

const isBusy = (cause: unknown): boolean => {
  const code = (cause as { readonly errcode?: unknown } | undefined)?.errcode
  return typeof code === "number" && ((code & 0xff) === 5 || (code & 0xff) === 6)
}

/** Prepared statements of one connection; rows come as arrays. */
export class Connection {
  readonly database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(database: DatabaseSync) {
    this.database = database
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.database.prepare(sql)
      statement.setReturnArrays(true)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  get<Row extends ReadonlyArray<unknown>>(sql: string, ...values: Array<SQLInputValue>): Row | undefined {
    return this.#prepare(sql).get(...values) as unknown as Row | undefined
  }

  all<Row extends ReadonlyArray<unknown>>(sql: string, ...values: Array<SQLInputValue>): Array<Row> {
    return this.#prepare(sql).all(...values) as unknown as Array<Row>
  }

  /** How many rows changed. */
  run(sql: string, ...values: Array<SQLInputValue>): number {
    return Number(this.#prepare(sql).run(...values).changes)
  }

  /** Runs `body` between BEGIN IMMEDIATE and COMMIT, or undoes it. */
  transaction<A>(body: () => A): A {
    this.database.exec("BEGIN IMMEDIATE")
    try {
      const result = body()
      this.database.exec("COMMIT")
      return result
    } catch (cause) {
      if (this.database.isTransaction) this.database.exec("ROLLBACK")
      throw cause
    }
  }
}

const fileOf = (directory: string): string => join(directory, "yix.sqlite")

const checkFormat = (connection: Connection, directory: string): number => {
  const found = connection.get<[number]>("PRAGMA user_version")![0]
  if (found > formatVersion) throw new StoreFormatUnknown({ directory, found, supported: formatVersion })
  return found
}

/** Opens (and makes, unless read-only) the database of a store directory. Throws, also SQLite's "busy". */
const openConnection = (directory: string): Connection => {
  const connection = new Connection(new DatabaseSync(fileOf(directory), { timeout: blocking }))
  try {
    if (checkFormat(connection, directory) === 0) {
      // Page size counts before the first table and outside WAL only; a second process that comes here meanwhile finds the tables under the lock.
      connection.database.exec("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL")
      connection.transaction(() => {
        if (checkFormat(connection, directory) === 0) connection.database.exec(`${schema}PRAGMA user_version = ${formatVersion}`)
      })
    }
    connection.database.exec(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4000"
    )
    return connection
  } catch (cause) {
    connection.database.close()
    throw cause
  }
}

/**
 * A second connection that can only read, for another thread of the process that opened the store. Throws `StoreFormatUnknown`, or SQLite's
 * error when there is no store.
 */
export const openReadOnly = (directory: string): Connection => {
  const connection = new Connection(new DatabaseSync(fileOf(directory), { readOnly: true, timeout: patience }))
  try {
    checkFormat(connection, directory)
    connection.database.exec("PRAGMA cache_size = -32768")
    return connection
  } catch (cause) {
    connection.database.close()
    throw cause
  }
}

export class LocalDatabase extends Context.Service<
  LocalDatabase,
  {
    /** The store's directory, absolute. */
    readonly directory: string
    /** This process's claim on the directory: temporary files, and the proof that it lives. */
    readonly session: Session
    /** The session, begun. */
    readonly beginSession: Effect.Effect<Session, CastoreError>
    /** Removes the temporary files of processes that died. Costs nothing when there are none. */
    readonly sweep: Effect.Effect<void, CastoreError>
    read<A>(operation: string, body: (connection: Connection) => A): Effect.Effect<A, CastoreError>
    /** One transaction. It survives the death of the process; power may be lost until the next `commit`. */
    write<A>(operation: string, body: (connection: Connection) => A): Effect.Effect<A, CastoreError>
    /** One transaction that is on the disk when this returns, with all that were written before it. */
    commit<A>(operation: string, body: (connection: Connection) => A): Effect.Effect<A, CastoreError>
  }
>()("yix/castore/local/LocalDatabase") {}

/** Retries while SQLite is busy, without blocking the thread for long. `run` must leave nothing when it throws. */
const patiently = <A, E>(run: () => A, failed: (cause: unknown) => E): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const start = performance.now()
    const go: Effect.Effect<A, E> = Effect.suspend(() => {
      try {
        return Effect.succeed(run())
      } catch (cause) {
        return isBusy(cause) && performance.now() - start < patience ? Effect.delay(go, "5 millis") : Effect.fail(failed(cause))
      }
    })
    return go
  })

interface Shared {
  readonly connection: Connection
  readonly session: Session
  users: number
}

/** Connections of this process by directory: SQLite wants one writer a process. */
const shared = new Map<string, Shared>()

const open = (directory: string): Shared => {
  let entry = shared.get(directory)
  if (entry === undefined) {
    const connection = openConnection(directory)
    entry = { connection, session: new Session(directory, connection), users: 0 }
    shared.set(directory, entry)
  }
  entry.users++
  return entry
}

const close = (directory: string, entry: Shared): void => {
  if (--entry.users > 0) return
  shared.delete(directory)
  try {
    entry.session.end()
  } finally {
    entry.connection.database.close()
  }
}

/** Opens a store's database, making the directory when it does not exist. */
export const make = Effect.fnUntraced(function* (directory: string) {
  const absolute = resolve(directory)
  const unavailable = (operation: string) => (cause: unknown) =>
    cause instanceof StoreFormatUnknown ? cause : new StoreUnavailable({ store: absolute, operation, cause })
  const { entry } = yield* Effect.acquireRelease(
    patiently(() => {
      mkdirSync(absolute, { recursive: true })
      const real = realpathSync(absolute)
      return { entry: open(real), real }
    }, unavailable("open its database")),
    ({ entry, real }) => Effect.sync(() => close(real, entry))
  )
  const { connection, session } = entry
  const failed = (operation: string) => (cause: unknown) =>
    isCastoreError(cause) ? cause : new StoreUnavailable({ store: absolute, operation, cause })
  return LocalDatabase.of({
    directory: absolute,
    session,
    beginSession: patiently(() => {
      session.begin()
      return session
    }, failed("begin a session")),
    sweep: patiently(() => {
      if (session.hasOthers()) session.sweep()
    }, failed("remove what dead processes left")),
    read: (operation, body) => patiently(() => body(connection), failed(operation)),
    write: (operation, body) => patiently(() => connection.transaction(() => body(connection)), failed(operation)),
    commit: (operation, body) =>
      patiently(() => {
        connection.database.exec("PRAGMA synchronous = FULL")
        try {
          return connection.transaction(() => body(connection))
        } finally {
          connection.database.exec("PRAGMA synchronous = NORMAL")
        }
      }, failed(operation))
  })
})

/** The database of the store in `directory`. */
export const layer = (directory: string): Layer.Layer<LocalDatabase, StoreUnavailable | StoreFormatUnknown> =>
  Layer.effect(LocalDatabase, make(directory))
