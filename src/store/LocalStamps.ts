/**
 * The stamps of paths of a local store, read from its database without opening the store: for programs that would open it for nothing else.
 */
import { join } from "node:path"
import type { DatabaseSync } from "node:sqlite"
import { formatVersion } from "../castore/local/FormatVersion.ts"
import { baseName, type StorePath } from "../nix/StorePath.ts"
import { stampOf } from "./Stamp.ts"

/** Milliseconds that it waits for another process's lock. */
const patience = 100

export interface LocalStamps {
  /** Whether the store has all of these, which are different. */
  hasAll(paths: ReadonlyArray<StorePath>): boolean
  /** The stamp of a path that the store has. */
  stamp(path: StorePath): string | undefined
}

/** It cannot be read just now: another process writes, or it is damaged. */
class Unreadable extends Error {}

const reading = <A>(read: () => A): A => {
  try {
    return read()
  } catch (cause) {
    throw new Unreadable("the store's database cannot be read", { cause })
  }
}

/** Asks the store in `directory`; `undefined` where there is none, or it cannot be read just now. What `use` throws by itself is thrown. */
export const withLocalStamps = <A>(directory: string, use: (stamps: LocalStamps) => A): A | undefined => {
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite")
  let opened: DatabaseSync | undefined
  try {
    const database = reading(() => (opened = new DatabaseSync(join(directory, "yix.sqlite"), { readOnly: true, timeout: patience })))
    if (reading(() => database.prepare("PRAGMA user_version").get()?.["user_version"]) !== formatVersion) return undefined
    return use({
      hasAll: (paths) =>
        reading(() => {
          // One question for all: each costs as much as finding a dozen paths.
          const count = database.prepare("SELECT count(*) AS there FROM json_each(?) JOIN path_infos ON name = value")
          return paths.length === 0 || count.get(JSON.stringify(paths.map(baseName)))?.["there"] === paths.length
        }),
      stamp: (path) =>
        reading(() => {
          const found = database.prepare("SELECT nar_hash, refs FROM path_infos WHERE name = ?").get(baseName(path))
          if (found === undefined) return undefined
          const references = String(found["refs"])
          return stampOf(found["nar_hash"] as Uint8Array, references === "" ? [] : references.split(" "))
        })
    })
  } catch (error) {
    if (error instanceof Unreadable) return undefined
    throw error
  } finally {
    opened?.close()
  }
}
