/**
 * Walks a tree on the host's file system, one event at a time, in the order of a NAR: a directory's beginning, its entries by name bytewise, its end.
 *
 * Synchronous, because asynchronous file calls are five to ten times slower on small files (shared/reference/measurements.md §7); a caller takes as many events
 * as it has time for. Follows no symlink. Notices files that change while they are read. Throws `SourceError`.
 */
import { chmodSync, closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from "node:fs"
import { type ByteString, toUnicode } from "../../nix/Bytes.ts"
import { FileChanged, FileUnreadable, UnsupportedFile } from "./SourceError.ts"

export interface HostTreeOptions {
  /** Only these paths, relative to the root, parents included; the root always. Default: everything. */
  readonly accepted?: ReadonlyArray<ByteString> | undefined
  /** Give ourselves permission to read what is ours and unreadable, as builders leave it. The executable bit is the one found. Default false. */
  readonly makeAccessible?: boolean | undefined
}

export type HostEvent =
  | { readonly _tag: "DirectoryStart"; readonly path: ByteString; readonly name: ByteString }
  | { readonly _tag: "DirectoryEnd"; readonly path: ByteString }
  | { readonly _tag: "Symlink"; readonly path: ByteString; readonly name: ByteString; readonly target: ByteString }
  | { readonly _tag: "File"; readonly path: ByteString; readonly name: ByteString; readonly file: HostFile }

const ascii = /^[\x00-\x7f]*$/

/** A byte string as Node wants a path. */
export const hostPath = (path: ByteString): string | Buffer => (ascii.test(path) ? path : Buffer.from(path, "latin1"))

const kindOf = (stat: Stats): string =>
  stat.isFIFO()
    ? "a named pipe"
    : stat.isSocket()
      ? "a socket"
      : stat.isBlockDevice()
        ? "a block device"
        : stat.isCharacterDevice()
          ? "a character device"
          : "of an unknown kind"

/** Runs a file call; its failure becomes `FileUnreadable`. */
const call = <A>(operation: string, path: ByteString, run: () => A): A => {
  try {
    return run()
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code === undefined) throw cause
    throw new FileUnreadable({ path: toUnicode(path), operation, code })
  }
}

const isDenied = (cause: unknown): boolean => cause instanceof FileUnreadable && (cause.code === "EACCES" || cause.code === "EPERM")

/** A regular file, open. The reader closes it: `close`, or by reading all of it with `readAll`. */
export class HostFile {
  readonly size: number
  readonly executable: boolean
  readonly #path: ByteString
  readonly #fd: number
  readonly #before: Stats
  #done = 0

  constructor(path: ByteString, fd: number, before: Stats) {
    this.#path = path
    this.#fd = fd
    this.#before = before
    this.size = before.size
    this.executable = (before.mode & 0o100) !== 0
  }

  /** Fills the buffer as far as the file goes, and gives how many bytes it put there; 0 at the end. */
  read(buffer: Uint8Array): number {
    const wanted = Math.min(buffer.length, this.size - this.#done)
    let filled = 0
    while (filled < wanted) {
      const count = call("read", this.#path, () => readSync(this.#fd, buffer, filled, wanted - filled, null))
      if (count === 0) throw new FileChanged({ path: toUnicode(this.#path) })
      filled += count
    }
    this.#done += filled
    return filled
  }

  /** Throws `FileChanged` unless the file is as it was when it was opened. */
  check(): void {
    const after = call("look at", this.#path, () => fstatSync(this.#fd))
    const { size, mtimeMs, ctimeMs } = this.#before
    const changed = after.size !== size || after.mtimeMs !== mtimeMs || after.ctimeMs !== ctimeMs
    // Some files (of /proc) have contents and the size 0.
    if (changed || (size === 0 && readSync(this.#fd, new Uint8Array(1), 0, 1, null) > 0))
      throw new FileChanged({ path: toUnicode(this.#path) })
  }

  close(): void {
    closeSync(this.#fd)
  }

  /** The rest of the file, into `buffer` when it has room for it, checked; closes it. */
  readAll(buffer?: Uint8Array): Uint8Array {
    try {
      const rest = this.size - this.#done
      const bytes = buffer !== undefined && buffer.length >= rest ? buffer.subarray(0, rest) : new Uint8Array(rest)
      if (rest > 0) this.read(bytes)
      this.check()
      return bytes
    } finally {
      this.close()
    }
  }
}

interface Frame {
  readonly path: ByteString
  /** Host path with a slash at its end. */
  readonly prefix: ByteString
  readonly names: ReadonlyArray<ByteString>
  next: number
}

const byteOrder = (a: ByteString, b: ByteString): number => (a < b ? -1 : 1)

export class HostTree {
  readonly #root: ByteString
  readonly #accepted: ReadonlySet<ByteString> | undefined
  readonly #makeAccessible: boolean
  readonly #stack: Array<Frame> = []
  #started = false

  /** `root`: a host path as bytes. */
  constructor(root: ByteString, options: HostTreeOptions = {}) {
    // A slash at the end would make the system follow a link.
    this.#root = root.length > 1 ? root.replace(/\/+$/, "") || "/" : root
    this.#accepted = options.accepted === undefined ? undefined : new Set(options.accepted)
    this.#makeAccessible = options.makeAccessible ?? false
  }

  /** The next event, or `undefined` after the last. A `File` must be closed before the next call. */
  next(): HostEvent | undefined {
    if (!this.#started) {
      this.#started = true
      return this.#visit("", "", this.#root)
    }
    const frame = this.#stack[this.#stack.length - 1]
    if (frame === undefined) return undefined
    const name = frame.names[frame.next++]
    if (name === undefined) {
      this.#stack.pop()
      return { _tag: "DirectoryEnd", path: frame.path }
    }
    return this.#visit(frame.path === "" ? name : `${frame.path}/${name}`, name, frame.prefix + name)
  }

  #visit(path: ByteString, name: ByteString, host: ByteString): HostEvent {
    const stat = call("look at", host, () => lstatSync(hostPath(host)))
    if (stat.isFile()) return { _tag: "File", path, name, file: this.#open(host, stat) }
    if (stat.isDirectory()) {
      this.#stack.push({ path, prefix: host.endsWith("/") ? host : `${host}/`, names: this.#list(path, host, stat), next: 0 })
      return { _tag: "DirectoryStart", path, name }
    }
    if (stat.isSymbolicLink()) {
      const target = call("read the link", host, () => readlinkSync(hostPath(host), "latin1"))
      return { _tag: "Symlink", path, name, target }
    }
    throw new UnsupportedFile({ path: toUnicode(host), kind: kindOf(stat) })
  }

  /** Does it again with permissions added when it was denied and that is wanted. */
  #accessibly<A>(host: ByteString, stat: Stats, bits: number, run: () => A): A {
    try {
      return run()
    } catch (cause) {
      if (!this.#makeAccessible || !isDenied(cause)) throw cause
      call("make accessible", host, () => chmodSync(hostPath(host), (stat.mode & 0o777) | bits))
      return run()
    }
  }

  #open(host: ByteString, found: Stats): HostFile {
    // Not blocking, should the file have become a pipe meanwhile.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const fd = this.#accessibly(host, found, 0o400, () => call("read", host, () => openSync(hostPath(host), flags)))
    try {
      const stat = call("look at", host, () => fstatSync(fd))
      if (stat.ino !== found.ino || !stat.isFile()) throw new FileChanged({ path: toUnicode(host) })
      return new HostFile(host, fd, stat)
    } catch (cause) {
      closeSync(fd)
      throw cause
    }
  }

  #list(path: ByteString, host: ByteString, stat: Stats): ReadonlyArray<ByteString> {
    const names = this.#accessibly(host, stat, 0o700, () => call("list", host, () => readdirSync(hostPath(host), "latin1")))
    const accepted = this.#accepted
    const prefix = path === "" ? "" : `${path}/`
    return (accepted === undefined ? names : names.filter((name) => accepted.has(prefix + name))).sort(byteOrder)
  }
}
