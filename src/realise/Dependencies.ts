/**
 * What an evaluation depended on: every answer that it got from outside, so that another run can see whether it would get the same ones.
 *
 * Files and listings are noted by content and by state (`FileState.ts`), taken before the content was read: so a file that is replaced in between at worst looks changed later.
 */
import type { FileType, IoAnswer, NearRequest } from "../eval/IoRequest.ts"
import type { ByteString } from "../nix/Bytes.ts"
import type { NixHashAlgorithm } from "../nix/Hash.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { AddSource } from "./HashedSource.ts"

/** Numbers of a state. */
export const stateLength = 5
/** Bytes of a digest. */
export const digestLength = 32

/** A source of the host and its store path. `sum`: of the tree's state, where that was settled. */
export interface SourceSeen {
  readonly request: Omit<AddSource, "expected">
  /** Algorithm and bytes of the hash that it had to have. */
  readonly expected: readonly [NixHashAlgorithm, ReadonlyArray<number>] | null
  readonly path: StorePath
  readonly sum: readonly [number, number] | null
}

/** What a store must say of a path: that it is there ("present"), that it is not ("absent"), or its content and references (`stampOf`). */
export type StoreStamp = string

export const present: StoreStamp = "present"
export const absent: StoreStamp = "absent"

/** In a form that is written and read as it is. */
export interface Dependencies {
  readonly files: ReadonlyArray<ByteString>
  readonly directories: ReadonlyArray<ByteString>
  /** How the files, then the directories were (`FileState.ts`); not numbers, where that does not stand for the content. */
  readonly states: Float64Array
  /** SHA-256 of the contents of the files and of the listings of the directories. */
  readonly digests: Uint8Array
  /** A letter for the type, `f` where a last link was followed or `l`, and the path. */
  readonly types: ReadonlyArray<ByteString>
  /** Targets of links, environment, and what could not be read. */
  readonly others: ReadonlyArray<readonly [NearRequest, IoAnswer]>
  readonly sources: ReadonlyArray<SourceSeen>
  readonly stored: ReadonlyArray<readonly [StorePath, StoreStamp]>
}

const typeLetters: ReadonlyArray<readonly [string, unknown]> = [
  ["r", "regular"],
  ["d", "directory"],
  ["s", "symlink"],
  ["u", "unknown"],
  ["-", undefined]
]

/** The letter of a type of file; of `undefined`, nothing is there. */
export const typeLetter = (type: unknown): string => typeLetters.find(([, named]) => named === type)![0]

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
