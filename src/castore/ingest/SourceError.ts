/**
 * What can be wrong with a file system tree that is to be taken in. Plain errors, without Effect: the evaluator's thread hashes sources, too, and starts faster
 * without it.
 */

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
export class FileUnreadable extends Error {
  readonly _tag = "FileUnreadable"
  /** On the host, as Unicode. */
  readonly path: string
  /** Such as `read`, `list`, `look at`. */
  readonly operation: string
  /** `ENOENT`, `EACCES` and so on. */
  readonly code: string

  constructor({ path, operation, code }: Pick<FileUnreadable, "path" | "operation" | "code">) {
    super()
    this.path = path
    this.operation = operation
    this.code = code
  }

  override get message(): string {
    return `cannot ${this.operation} '${this.path}': ${reasons[this.code] ?? this.code}`
  }
}

/** Neither file, directory nor symlink. */
export class UnsupportedFile extends Error {
  readonly _tag = "UnsupportedFile"
  readonly path: string
  /** Such as `a socket`. */
  readonly kind: string

  constructor({ path, kind }: Pick<UnsupportedFile, "path" | "kind">) {
    super()
    this.path = path
    this.kind = kind
  }

  override get message(): string {
    return `'${this.path}' is ${this.kind}: a store holds regular files, directories and symlinks only; remove it or leave it out with a filter`
  }
}

/** The file was written to while it was read. */
export class FileChanged extends Error {
  readonly _tag = "FileChanged"
  readonly path: string

  constructor({ path }: Pick<FileChanged, "path">) {
    super()
    this.path = path
  }

  override get message(): string {
    return `'${this.path}' changed while it was read: make sure that nothing writes to it and try again`
  }
}

/** A tree, name or link that no NAR can hold, such as one nested more than 64 deep. */
export class TreeUnfit extends Error {
  readonly _tag = "TreeUnfit"
  readonly path: string
  readonly detail: string

  constructor({ path, detail }: Pick<TreeUnfit, "path" | "detail">) {
    super()
    this.path = path
    this.detail = detail
  }

  override get message(): string {
    return `'${this.path}' cannot be put into a store: ${this.detail}`
  }
}

export type SourceError = FileUnreadable | UnsupportedFile | FileChanged | TreeUnfit

export const isSourceError = (cause: unknown): cause is SourceError =>
  cause instanceof FileUnreadable || cause instanceof UnsupportedFile || cause instanceof FileChanged || cause instanceof TreeUnfit
