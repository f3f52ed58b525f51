/**
 * What an evaluation depended on: every answer that it got from outside, so that another run can see whether it would get the same ones.
 *
 * Files and listings are noted by content and by state (`FileState.ts`), taken before the content was read: so a file that is replaced in between at worst looks changed later.
 */
import type { FileType, IoAnswer, NearRequest } from "../eval/IoRequest.ts"
import type { ByteString } from "../nix/Bytes.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { FileState } from "./FileState.ts"
import type { AddSource } from "./HashedSource.ts"

/** A file or the listing of a directory: SHA-256 of what was seen, and the state that stands for it, where it was settled. */
export interface ContentSeen {
  readonly digest: Uint8Array
  readonly state: FileState | undefined
}

/** A source of the host and its store path. `sum`: of the tree's state, where that was settled. */
export interface SourceSeen {
  readonly request: AddSource
  readonly path: StorePath
  readonly sum: readonly [number, number] | undefined
}

/** What a store must say of a path: that it is there ("present"), that it is not ("absent"), or its content and references (`stampOf`). */
export type StoreStamp = string

export const present: StoreStamp = "present"
export const absent: StoreStamp = "absent"

export interface Dependencies {
  readonly files: ReadonlyMap<ByteString, ContentSeen>
  readonly directories: ReadonlyMap<ByteString, ContentSeen>
  /** Types of paths, targets of links, environment, and files and directories that could not be read. */
  readonly others: ReadonlyArray<readonly [NearRequest, IoAnswer]>
  readonly sources: ReadonlyArray<SourceSeen>
  readonly stored: ReadonlyMap<StorePath, StoreStamp>
}

/** SHA-256. Loaded when first needed: a run that finds everything as it was needs none. */
export const contentDigest = (contents: Uint8Array): Uint8Array =>
  process.getBuiltinModule("node:crypto").hash("sha256", contents, "buffer")

/** SHA-256 of a listing, whatever its order. */
export const listingDigest = (entries: ReadonlyArray<readonly [ByteString, FileType]>): Uint8Array =>
  contentDigest(
    Buffer.from(
      entries
        .map(([name, type]) => `${name}\0${type}\0`)
        .sort()
        .join(""),
      "latin1"
    )
  )
