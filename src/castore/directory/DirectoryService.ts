/**
 * The directory service: directories under the BLAKE3 digest of their canonical encoding.
 *
 * Contract, checked by `test/castore/directory.contract.ts` over every driver: what is read was verified; `putMany` takes children
 * before parents and refuses a directory whose child directories are neither stored nor earlier in the same call, or whose entry sizes disagree.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { CastoreError } from "../CastoreError.ts"
import type { Digest, Directory } from "../Node.ts"

export interface StoredDirectory {
  readonly digest: Digest
  readonly directory: Directory
}

export class DirectoryService extends Context.Service<
  DirectoryService,
  {
    get(digest: Digest): Effect.Effect<Option.Option<Directory>, CastoreError>
    /** The directory and all below it, root first, each once; empty when the root is unknown. A missing child fails with `MissingData`. */
    getRecursive(digest: Digest): Stream.Stream<StoredDirectory, CastoreError>
    /** Stores directories, children before parents, all or none; digests in the order given. */
    putMany(directories: ReadonlyArray<Directory>): Effect.Effect<ReadonlyArray<Digest>, CastoreError>
    list(): Stream.Stream<Digest, CastoreError>
  }
>()("yix/castore/DirectoryService") {}
