/**
 * What can go wrong while fetching. Transport errors are those of `wire/HttpError.ts`, decompression errors those of `wire/Decompress.ts`, archive errors
 * those of `castore/ingest/ArchiveTree.ts`; here are the ones that only a fetch knows.
 */
import * as Schema from "effect/Schema"
import type { CastoreError } from "../castore/CastoreError.ts"
import type { BadArchive } from "../castore/ingest/ArchiveTree.ts"
import type { DecompressError } from "../wire/Decompress.ts"
import type { HttpError } from "../wire/HttpError.ts"
import type { TreeError } from "./tree/FetchTree.ts"

/** The content is not what the hash promises. Nothing of it was kept under a store path. */
export class HashMismatch extends Schema.TaggedError<HashMismatch>()("HashMismatch", {
  url: Schema.String,
  /** What was hashed: the file's bytes, or the NAR of what was unpacked. */
  method: Schema.Literals(["flat", "recursive"]),
  /** Both as SRI. */
  expected: Schema.String,
  got: Schema.String
}) {
  get exitCode(): number {
    return 102
  }
  override get message(): string {
    const of = this.method === "flat" ? "file" : "unpacked contents"
    return (
      `hash mismatch in the ${of} fetched from '${this.url}':\n` +
      `  specified: ${this.expected}\n` +
      `     got:    ${this.got}\n` +
      `if the change is wanted, write the new hash into the expression; if not, do not trust this source`
    )
  }
}

/** Nothing here can fetch this kind of address. */
export class UnsupportedScheme extends Schema.TaggedError<UnsupportedScheme>()("UnsupportedScheme", {
  url: Schema.String,
  scheme: Schema.String
}) {
  override get message(): string {
    const hint =
      this.scheme === ""
        ? "it is neither a URL nor an absolute path"
        : this.scheme === "s3" || this.scheme === "ftp" || this.scheme === "git" || this.scheme === "ssh"
          ? `'${this.scheme}:' is not supported; use an https address, or bring the file here and use file:`
          : `'${this.scheme}:' is not known; http:, https:, file: and absolute paths are`
    return `cannot fetch '${this.url}': ${hint}`
  }
}

/** A local file cannot be read. */
export class FileUnreadable extends Schema.TaggedError<FileUnreadable>()("FileUnreadable", {
  path: Schema.String,
  /** Such as `ENOENT`; `EISDIR` for a directory, `ENOTREG` for anything else that is no file. */
  code: Schema.String
}) {
  override get message(): string {
    const why = new Map([
      ["ENOENT", "it does not exist"],
      ["EACCES", "permission denied"],
      ["EISDIR", "it is a directory, not a file; use it as a path, without fetching"],
      ["ENOTREG", "it is not a regular file"]
    ]).get(this.code)
    return `cannot read '${this.path}': ${why ?? this.code}`
  }
}

/** A fetcher that serves from directories has nothing for an address. */
export class NotServed extends Schema.TaggedError<NotServed>()("NotServed", {
  url: Schema.String,
  /** The directories. */
  roots: Schema.Array(Schema.String),
  /** A file that would be served for the address; `undefined` where none could be, since the address leads elsewhere. */
  wanted: Schema.UndefinedOr(Schema.String)
}) {
  override get message(): string {
    const roots = this.roots.map((root) => `'${root}'`).join(", ")
    return this.wanted === undefined
      ? `'${this.url}' leads out of what this fetcher serves, which is below ${roots}; add the directory to its 'roots'`
      : `'${this.url}' is not below ${roots}; put the file at '${this.wanted}'`
  }
}

/** A fetcher that replays recordings has none of this fetch. */
export class NotRecorded extends Schema.TaggedError<NotRecorded>()("NotRecorded", {
  url: Schema.String,
  directory: Schema.String
}) {
  override get message(): string {
    return `the fetch of '${this.url}' is not recorded in '${this.directory}'; fetch it once with mode = "auto" or "record"`
  }
}

/** A recording is not, or no longer, what was recorded. */
export class RecordingDamaged extends Schema.TaggedError<RecordingDamaged>()("RecordingDamaged", {
  file: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `the recording '${this.file}' is damaged: ${this.detail}; delete it and record the fetch again`
  }
}

/** An answer cannot be recorded. */
export class RecordingFailed extends Schema.TaggedError<RecordingFailed>()("RecordingFailed", {
  url: Schema.String,
  directory: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot record the fetch of '${this.url}' in '${this.directory}': ${this.detail}; make the directory writable, or use mode = "replay"`
  }
}

/** What should have been a NAR is none. */
export class BadNar extends Schema.TaggedError<BadNar>()("BadNar", {
  url: Schema.String,
  /** Where in the (decompressed) NAR. */
  offset: Schema.Finite,
  detail: Schema.String
}) {
  override get message(): string {
    return `'${this.url}' is not a sound NAR: ${this.detail}`
  }
}

/** The name given for the result cannot be that of a store path. */
export class BadName extends Schema.TaggedError<BadName>()("BadName", {
  url: Schema.String,
  name: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot fetch '${this.url}': ${this.detail}; give it another with the attribute 'name'`
  }
}

/** What reading an address may fail with. */
export type TransferError = HttpError | UnsupportedScheme | FileUnreadable | NotServed

/** What a recording of fetches may fail with. */
export type RecordingError = NotRecorded | RecordingDamaged | RecordingFailed

export type FetchError =
  | TransferError
  | HashMismatch
  | DecompressError
  | BadArchive
  | BadNar
  | BadName
  | RecordingError
  | TreeError
  | CastoreError

/** The exit code that an error asks for (design §7). */
export const exitCodeOf = (error: FetchError): number => (error._tag === "HashMismatch" ? error.exitCode : 1)
