/**
 * What can be wrong with a file system tree that is to be taken in.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type ByteString, toUnicode } from "../../nix/Bytes.ts"
import { NarError } from "../../nix/Nar.ts"

const reasons: { readonly [code: string]: string } = {
  ENOENT: "No such file or directory",
  EACCES: "Permission denied",
  EPERM: "Operation not permitted",
  ENOTDIR: "Not a directory",
  ELOOP: "Too many levels of symbolic links",
  ENAMETOOLONG: "File name too long",
  EIO: "Input/output error",
  EMFILE: "Too many open files"
}

/** The system refused to read something. */
export class FileUnreadable extends Schema.TaggedError<FileUnreadable>()("FileUnreadable", {
  /** On the host, as Unicode. */
  path: Schema.String,
  /** Such as `read`, `list`, `look at`. */
  operation: Schema.String,
  /** `ENOENT`, `EACCES` and so on. */
  code: Schema.String
}) {
  override get message(): string {
    return `cannot ${this.operation} '${this.path}': ${reasons[this.code] ?? this.code}`
  }
}

/** Neither file, directory nor symlink. */
export class UnsupportedFile extends Schema.TaggedError<UnsupportedFile>()("UnsupportedFile", {
  path: Schema.String,
  /** Such as `a socket`. */
  kind: Schema.String
}) {
  override get message(): string {
    return `'${this.path}' is ${this.kind}: a store holds regular files, directories and symlinks only; remove it or leave it out with a filter`
  }
}

/** The file was written to while it was read. */
export class FileChanged extends Schema.TaggedError<FileChanged>()("FileChanged", {
  path: Schema.String
}) {
  override get message(): string {
    return `'${this.path}' changed while it was read: make sure that nothing writes to it and try again`
  }
}

/** A tree, name or link that no NAR can hold, such as one nested more than 64 deep. */
export class TreeUnfit extends Schema.TaggedError<TreeUnfit>()("TreeUnfit", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `'${this.path}' cannot be put into a store: ${this.detail}`
  }
}

export type SourceError = FileUnreadable | UnsupportedFile | FileChanged | TreeUnfit

export const isSourceError = (cause: unknown): cause is SourceError =>
  cause instanceof FileUnreadable || cause instanceof UnsupportedFile || cause instanceof FileChanged || cause instanceof TreeUnfit

/** Runs synchronous code that reads sources; what it throws besides a `SourceError` or a NAR's limits is a bug and ends the fiber. */
export const attemptSource = <A>(path: ByteString, run: () => A): Effect.Effect<A, SourceError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (cause) {
      if (isSourceError(cause)) return Effect.fail(cause)
      if (cause instanceof NarError) return Effect.fail(new TreeUnfit({ path: toUnicode(path), detail: cause.message }))
      return Effect.die(cause)
    }
  })
