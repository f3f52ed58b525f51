/**
 * The stamps of paths of a local store, read from its database without opening the store: for programs that would open it for nothing else.
 */
import { join } from "node:path"
import { formatVersion } from "../castore/local/FormatVersion.ts"
import { baseName, type StorePath } from "../nix/StorePath.ts"
import { stampOf } from "./Stamp.ts"

/** Milliseconds that it waits for another process's lock. */
const patience = 100

/** The stamps of those of `paths` that the store in `directory` has; `undefined` where there is no such store, or it cannot be read just now. */
export const localStamps = (directory: string, paths: Iterable<StorePath>): ReadonlyMap<StorePath, string> | undefined => {
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite")
  try {
    const database = new DatabaseSync(join(directory, "yix.sqlite"), { readOnly: true, timeout: patience })
    try {
      if (database.prepare("PRAGMA user_version").get()?.["user_version"] !== formatVersion) return undefined
      const row = database.prepare("SELECT nar_hash, refs FROM path_infos WHERE name = ?")
      const stamps = new Map<StorePath, string>()
      for (const path of paths) {
        const found = row.get(baseName(path))
        if (found === undefined) continue
        const references = String(found["refs"])
        stamps.set(path, stampOf(found["nar_hash"] as Uint8Array, references === "" ? [] : references.split(" ")))
      }
      return stamps
    } finally {
      database.close()
    }
  } catch {
    return undefined
  }
}
