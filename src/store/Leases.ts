/**
 * Leases: who is doing what to a store right now.
 *
 * A lease gives one process the right to a piece of work (build this output, fetch this file, write this checkout) and records the scratch directory that the
 * work uses. Another process that wants the same waits while the holder lives and takes over when it died, after removing its scratch. A process
 * counts as alive while it holds the lock of its session (`castore/local/Session.ts`), which the kernel drops with the process; pid, start time and boot
 * id are recorded for people. So `kill -9` at any moment leaves a row and a directory, which the next start or the next one in line cleans.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { CastoreError } from "../castore/CastoreError.ts"
import { LocalDatabase } from "../castore/local/LocalDatabase.ts"
import { removeTree } from "../castore/local/RemoveTree.ts"
import { bootId, processStart } from "../castore/local/Session.ts"

export interface LeaseRequest {
  /** What kind of work: `build`, `fetch`, `checkout`. */
  readonly kind: string
  /** Which piece of it: an output path, a digest. */
  readonly key: string
  /** A directory on the host that the work will fill. It is removed when the holder died; a holder that lives removes its own. */
  readonly scratch?: string | undefined
  /** Called once, when another holder must be waited for. */
  readonly onWait?: ((holder: LeaseHolder) => Effect.Effect<void>) | undefined
}

export interface LeaseHolder {
  readonly kind: string
  readonly key: string
  readonly pid: number
  /** Clock ticks since boot at which the process started; empty where the system does not say. */
  readonly processStart: string
  readonly bootId: string
  readonly scratch: string | undefined
  /** Unix milliseconds. */
  readonly since: number
}

/** What a dead process left behind could not be removed. */
export class ScratchNotRemoved extends Schema.TaggedError<ScratchNotRemoved>()("ScratchNotRemoved", {
  scratch: Schema.String,
  pid: Schema.Finite,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const cause = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `cannot remove '${this.scratch}', which process ${this.pid} left when it died: ${cause}; remove it by hand and try again`
  }
}

export class Leases extends Context.Service<
  Leases,
  {
    /**
     * Runs `use` while holding the lease. Waits (interruptibly) while someone who lives holds it, in this process or another; then the work may
     * have been done: look again before doing it. The lease is given up however `use` ends.
     */
    withLease<A, E, R>(request: LeaseRequest, use: Effect.Effect<A, E, R>): Effect.Effect<A, E | CastoreError | ScratchNotRemoved, R>
    /**
     * Removes what dead processes left, temporary files, leases and scratch directories, and tells which leases there were. What cannot be removed stays
     * listed. Run at start: costs well under a millisecond when nothing is there.
     */
    collectDead(): Effect.Effect<ReadonlyArray<LeaseHolder>, CastoreError>
    /** All leases held now. */
    list(): Effect.Effect<ReadonlyArray<LeaseHolder>, CastoreError>
  }
>()("yix/store/Leases") {}

type Row = readonly [
  id: number,
  kind: string,
  key: string,
  pid: number,
  started: string,
  boot: string,
  scratch: string | null,
  acquired: number,
  session: string
]

const columns = "id, kind, key, pid, started, boot, scratch, acquired, session"

const holderOf = (row: Row): LeaseHolder => ({
  kind: row[1],
  key: row[2],
  pid: row[3],
  processStart: row[4],
  bootId: row[5],
  scratch: row[6] ?? undefined,
  since: row[7]
})

/** Milliseconds between looks at a lease that someone else holds: at first, at most. */
const firstPoll = 5
const slowestPoll = 200

/** Session of a row whose owner failed to clean up: never alive, so the next one tries again. */
const nobody = ""

type Claim =
  | { readonly _tag: "Held"; readonly holder: LeaseHolder }
  | { readonly _tag: "Taken"; readonly id: number; readonly left: LeaseHolder | undefined }

const makeLocal = Effect.gen(function* () {
  const database = yield* LocalDatabase
  const started = processStart()
  const boot = bootId()

  const claim = Effect.fnUntraced(function* (request: LeaseRequest) {
    const session = yield* database.beginSession
    return yield* database.write("take a lease", (connection): Claim => {
      const row = connection.get<Row>(`SELECT ${columns} FROM leases WHERE kind = ? AND key = ?`, request.kind, request.key)
      if (row === undefined) {
        connection.run(
          "INSERT INTO leases (kind, key, session, pid, started, boot, scratch, acquired) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
          request.kind,
          request.key,
          session.token,
          process.pid,
          started,
          boot,
          request.scratch ?? null,
          Date.now()
        )
        return { _tag: "Taken", id: connection.get<[number]>("SELECT last_insert_rowid()")![0], left: undefined }
      }
      if (session.isAlive(row[8])) return { _tag: "Held", holder: holderOf(row) }
      // The row keeps naming the dead one's scratch until that is gone, in case we die too.
      connection.run("UPDATE leases SET session = ? WHERE id = ?", session.token, row[0])
      return { _tag: "Taken", id: row[0], left: holderOf(row) }
    })
  })

  const drop = (id: number) =>
    Effect.asVoid(
      database.write("give up a lease", (connection) =>
        connection.run("DELETE FROM leases WHERE id = ? AND session = ?", id, database.session.token)
      )
    )

  /** Removes a dead holder's scratch; when that fails the row is left for the next one to try. */
  const clean = (id: number, left: LeaseHolder) =>
    left.scratch === undefined
      ? Effect.void
      : Effect.try({
          try: () => removeTree(left.scratch!),
          catch: (cause) => new ScratchNotRemoved({ scratch: left.scratch!, pid: left.pid, cause })
        }).pipe(
          Effect.tapError(() =>
            database.write("leave a lease", (connection) => connection.run("UPDATE leases SET session = ? WHERE id = ?", nobody, id))
          )
        )

  const take = Effect.fnUntraced(function* (request: LeaseRequest) {
    const claimed = yield* claim(request)
    if (claimed._tag === "Held" || claimed.left === undefined) return claimed
    yield* clean(claimed.id, claimed.left)
    yield* database.write("take a lease", (connection) =>
      connection.run(
        "UPDATE leases SET pid = ?, started = ?, boot = ?, scratch = ?, acquired = ? WHERE id = ?",
        process.pid,
        started,
        boot,
        request.scratch ?? null,
        Date.now(),
        claimed.id
      )
    )
    return claimed
  })

  return Leases.of({
    withLease: (request, use) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          let pause = firstPoll
          let told = false
          let claimed = yield* take(request)
          while (claimed._tag === "Held") {
            if (!told && request.onWait !== undefined) yield* restore(request.onWait(claimed.holder))
            told = true
            yield* restore(Effect.sleep(pause))
            pause = Math.min(pause * 1.5, slowestPoll)
            claimed = yield* take(request)
          }
          return yield* Effect.onExit(restore(use), () => drop((claimed as { readonly id: number }).id))
        })
      ),
    collectDead: () =>
      Effect.uninterruptible(
        Effect.gen(function* () {
          yield* database.sweep
          const some = yield* database.read("look for leases", (connection) => connection.get("SELECT 1 FROM leases LIMIT 1"))
          if (some === undefined) return []
          const session = yield* database.beginSession
          const found = yield* database.write("collect leases", (connection) => {
            const alive = new Map<string, boolean>()
            return connection.all<Row>(`SELECT ${columns} FROM leases`).filter((row) => {
              if (!alive.has(row[8])) alive.set(row[8], session.isAlive(row[8]))
              if (alive.get(row[8]) === true) return false
              connection.run("UPDATE leases SET session = ? WHERE id = ?", session.token, row[0])
              return true
            })
          })
          const collected: Array<LeaseHolder> = []
          for (const row of found) {
            const left = holderOf(row)
            const cleaned = yield* clean(row[0], left).pipe(
              Effect.as(true),
              Effect.catchTag("ScratchNotRemoved", (error) => Effect.as(Effect.logWarning(error.message), false))
            )
            if (!cleaned) continue
            yield* drop(row[0])
            collected.push(left)
          }
          return collected
        })
      ),
    list: () =>
      database.read("list leases", (connection) => connection.all<Row>(`SELECT ${columns} FROM leases ORDER BY acquired`).map(holderOf))
  })
})

/** Leases in the database of a local store, shared with all processes that open it. */
export const layerLocal: Layer.Layer<Leases, never, LocalDatabase> = Layer.effect(Leases, makeLocal)

/** Leases among the fibers of this process. */
export const layerMemory: Layer.Layer<Leases> = Layer.sync(Leases, () => {
  const held = new Map<string, LeaseHolder>()
  const turns = new Map<string, { readonly turn: Semaphore.Semaphore; users: number }>()
  return Leases.of({
    withLease: (request, use) =>
      Effect.suspend(() => {
        const key = JSON.stringify([request.kind, request.key])
        const entry = turns.get(key) ?? { turn: Semaphore.makeUnsafe(1), users: 0 }
        turns.set(key, entry)
        entry.users++
        const before = held.get(key)
        const told = before === undefined || request.onWait === undefined ? Effect.void : request.onWait(before)
        const hold = Effect.acquireUseRelease(
          Effect.sync(() =>
            held.set(key, {
              kind: request.kind,
              key: request.key,
              pid: process.pid,
              processStart: "",
              bootId: "",
              scratch: request.scratch,
              since: Date.now()
            })
          ),
          () => use,
          () => Effect.sync(() => held.delete(key))
        )
        return Effect.ensuring(
          Effect.andThen(told, Semaphore.withPermit(entry.turn, hold)),
          Effect.sync(() => {
            if (--entry.users === 0) turns.delete(key)
          })
        )
      }),
    collectDead: () => Effect.succeed([]),
    list: () => Effect.sync(() => [...held.values()])
  })
})
