/**
 * A local store read synchronously, for a thread that must not wait for effects: the evaluator's.
 *
 * It has a connection of its own, which can only read. What it gives was verified; damage throws `CorruptData`.
 */
import { resolve } from "node:path"
import { readBlob } from "../castore/blob/Local.ts"
import { StoreUnavailable } from "../castore/CastoreError.ts"
import { readDirectory } from "../castore/directory/Local.ts"
import * as LocalDatabase from "../castore/local/LocalDatabase.ts"
import type { Digest, Directory } from "../castore/Node.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { PathInfo } from "./PathInfo.ts"
import { readPathInfo } from "./pathinfo/Local.ts"

export interface ReadOnlyView {
  /** `undefined` when the store does not have it; so below. */
  getPathInfo(path: StorePath): PathInfo | undefined
  getDirectory(digest: Digest): Directory | undefined
  getBlob(digest: Digest): Uint8Array | undefined
  close(): void
}

/** Opens the store in `directory`, which must exist. Throws `StoreUnavailable` or `StoreFormatUnknown`; the reads throw `CastoreError`. */
export const openReadOnly = (directory: string): ReadOnlyView => {
  const store = resolve(directory)
  let connection: LocalDatabase.Connection
  try {
    connection = LocalDatabase.openReadOnly(store)
  } catch (cause) {
    if (cause instanceof LocalDatabase.StoreFormatUnknown) throw cause
    throw new StoreUnavailable({ store, operation: "open its database for reading", cause })
  }
  return {
    getPathInfo: (path) => readPathInfo(connection, store, path),
    getDirectory: (digest) => readDirectory(connection, store, digest),
    getBlob: (digest) => readBlob(connection, store, digest),
    close: () => connection.database.close()
  }
}
