/**
 * The stamps of paths of a local store, read from its database without opening the store: for programs that would open it for nothing else.
 */
import { join } from "node:path"
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

/** Asks the store in `directory`; `undefined` where there is none, or it cannot be read just now. */
export const withLocalStamps = <A>(directory: string, use: (stamps: LocalStamps) => A): A | undefined => {
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite")
  try {
    const database = new DatabaseSync(join(directory, "yix.sqlite"), { readOnly: true, timeout: patience })
    try {
      if (database.prepare("PRAGMA user_version").get()?.["user_version"] !== formatVersion) return undefined
      return use({
        hasAll: (paths) => {
          // One question for all: each costs as much as finding a dozen paths.
          const count = database.prepare("SELECT count(*) AS there FROM json_each(?) JOIN path_infos ON name = value")
          return paths.length === 0 || count.get(JSON.stringify(paths.map(baseName)))?.["there"] === paths.length
        },
        stamp: (path) => {
          const found = database.prepare("SELECT nar_hash, refs FROM path_infos WHERE name = ?").get(baseName(path))
          if (found === undefined) return undefined
          const references = String(found["refs"])
          return stampOf(found["nar_hash"] as Uint8Array, references === "" ? [] : references.split(" "))
        }
      })
    } finally {
      database.close()
    }
  } catch {
    return undefined
  }
}
