/**
 * A process's presence in a store's directory.
 *
 * `sessions/<token>/` holds the process's temporary files and `lock`, an SQLite file that the process keeps locked for as long as it lives. The
 * kernel drops the lock with the process, however that died, so whoever gets the lock knows that the owner is gone; process ids, which
 * are reused and mean nothing in another container, decide nothing. A session begins when something is first written and
 * then sweeps away the directories of the dead. Sessions are born and swept inside a write transaction of the store's database, so no one sees
 * one that has a directory and no lock yet.
 */
import { randomBytes } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import type { Connection } from "./LocalDatabase.ts"
import { removeTree } from "./RemoveTree.ts"

/** Text of a file of /proc, or nothing where there is none. */
const proc = (path: string): string => {
  try {
    return readFileSync(path, "latin1").trim()
  } catch {
    return ""
  }
}

/** This boot's id; empty where the system has none. */
export const bootId = (): string => proc("/proc/sys/kernel/random/boot_id")

/** When this process started, in the kernel's clock ticks since boot; empty where the system does not say. */
export const processStart = (): string => {
  const stat = proc("/proc/self/stat")
  // The command's name, in parentheses, may hold spaces: count from the last one.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""
}

/** What a dead session's directory is called from the moment someone found it dead. */
const dead = "dead-"

const tryLock = (file: string): DatabaseSync | undefined => {
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    database.exec("BEGIN EXCLUSIVE")
    return database
  } catch (cause) {
    database.close()
    if (((cause as { readonly errcode?: number }).errcode ?? 0) % 256 === 5) return undefined
    throw cause
  }
}

export class Session {
  readonly token = `${process.pid}-${randomBytes(8).toString("hex")}`
  readonly #root: string
  readonly #connection: Connection
  #lock: DatabaseSync | undefined
  #counter = 0

  constructor(directory: string, connection: Connection) {
    this.#root = join(directory, "sessions")
    this.#connection = connection
  }

  /** Begins the session, if that has not happened. Must not be called inside a transaction. Throws, also SQLite's "busy". */
  begin(): void {
    if (this.#lock !== undefined) return
    this.#connection.transaction(() => {
      mkdirSync(join(this.#root, this.token), { recursive: true })
      this.#lock = tryLock(join(this.#root, this.token, "lock"))
      if (this.#lock === undefined) throw new Error(`cannot lock '${join(this.#root, this.token, "lock")}'`)
    })
    this.sweep()
  }

  /** Whether other processes have, or left, sessions. */
  hasOthers(): boolean {
    try {
      return readdirSync(this.#root).some((name) => name !== this.token)
    } catch {
      return false
    }
  }

  /** Removes what dead processes left. Must not be called inside a transaction. Throws, also SQLite's "busy". */
  sweep(): void {
    if (!this.hasOthers()) return
    this.#connection.transaction(() => {
      for (const name of readdirSync(this.#root)) {
        if (name.startsWith(dead) || this.isAlive(name)) continue
        try {
          renameSync(join(this.#root, name), join(this.#root, `${dead}${name}`))
        } catch (cause) {
          // A process that ends in peace renames and removes its own, outside of any transaction.
          if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause
        }
      }
    })
    // Removing may take long, so it happens outside of the transaction; another process may be at it too.
    for (const name of readdirSync(this.#root)) {
      if (!name.startsWith(dead)) continue
      try {
        removeTree(join(this.#root, name))
      } catch {
        // What we may not remove must not keep the store from working; the next one tries again.
      }
    }
  }

  /** Whether the process of this session token lives (and has its session open). */
  isAlive(token: string): boolean {
    if (token === this.token) return true
    if (!/^[0-9]+-[0-9a-f]{16}$/.test(token)) return false
    try {
      readdirSync(join(this.#root, token))
      const lock = tryLock(join(this.#root, token, "lock"))
      lock?.close()
      return lock === undefined
    } catch {
      return false
    }
  }

  /** A fresh path for a temporary file or directory, on the file system of the store. Needs a session that has begun. */
  temporary(): string {
    return join(this.#root, this.token, String(++this.#counter))
  }

  end(): void {
    if (this.#lock === undefined) return
    // Renamed while it is locked: nobody who looks whether this session lives makes a new lock in a directory that is being removed.
    const gone = join(this.#root, `${dead}${this.token}`)
    try {
      renameSync(join(this.#root, this.token), gone)
    } catch (cause) {
      // The whole store may have been removed meanwhile.
      if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause
    } finally {
      this.#lock.close()
      this.#lock = undefined
    }
    removeTree(gone)
  }
}
