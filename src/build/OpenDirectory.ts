/**
 * A directory held by a descriptor, so that what happens to its path meanwhile does not matter.
 *
 * Trees that a builder wrote are read and removed through these: every step goes to `/proc/self/fd/<n>/<one name>`, which is openat(2) in all but name, and no step
 * follows a link. Modes are changed through descriptors of exactly the thing that was looked at.
 */
import { chmodSync, closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, type Stats } from "node:fs"

/** Linux's O_PATH, which Node does not name: a descriptor that stands for a place and needs no permission on it. */
const pathOnly = 0o10000000
const noFollow = constants.O_NOFOLLOW
const directoryOnly = constants.O_DIRECTORY

const slash = Buffer.from("/")

/** Runs `use` with a descriptor that stands for the path itself, a link included. */
const withPlace = <A>(path: string | Buffer, use: (magicPath: string, stat: Stats) => A): A => {
  const fd = openSync(path, pathOnly | noFollow)
  try {
    return use(`/proc/self/fd/${fd}`, fstatSync(fd))
  } finally {
    closeSync(fd)
  }
}

export class OpenDirectory {
  readonly fd: number
  readonly #prefix: Buffer

  private constructor(fd: number) {
    this.fd = fd
    this.#prefix = Buffer.from(`/proc/self/fd/${fd}/`)
  }

  /** Opens the directory at a path, the last part of which must not be a link. Makes it accessible to us first where it is not. Throws Node's errors. */
  static open(path: string | Buffer): OpenDirectory {
    const flags = constants.O_RDONLY | directoryOnly | noFollow
    try {
      return new OpenDirectory(openSync(path, flags))
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EACCES") throw cause
    }
    return withPlace(path, (place, stat) => {
      if (!stat.isDirectory()) throw Object.assign(new Error(`'${path}' is not a directory`), { code: "ENOTDIR" })
      chmodSync(place, (stat.mode & 0o777) | 0o700)
      return new OpenDirectory(openSync(`${place}/.`, constants.O_RDONLY | directoryOnly))
    })
  }

  /** The path of an entry, good as long as the directory is open. */
  at(name: Buffer): Buffer {
    return Buffer.concat([this.#prefix, name])
  }

  names(): Array<Buffer> {
    return readdirSync(this.#prefix, { encoding: "buffer" })
  }

  stat(): Stats {
    return fstatSync(this.fd)
  }

  lstat(name: Buffer): Stats {
    return lstatSync(this.at(name))
  }

  directory(name: Buffer): OpenDirectory {
    return OpenDirectory.open(this.at(name))
  }

  /** Opens a regular file for reading; makes it readable first where it is not. Neither follows a link nor waits for the writer of a named pipe. */
  file(name: Buffer): number {
    const flags = constants.O_RDONLY | noFollow | constants.O_NONBLOCK
    try {
      return openSync(this.at(name), flags)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EACCES") throw cause
    }
    return withPlace(this.at(name), (place, stat) => {
      if (!stat.isFile()) throw Object.assign(new Error("not a regular file"), { code: "EINVAL" })
      chmodSync(place, (stat.mode & 0o777) | 0o400)
      return openSync(place, constants.O_RDONLY)
    })
  }

  /** Gives us all permissions on the directory, so that entries can be removed. */
  makeWritable(): void {
    const stat = this.stat()
    if ((stat.mode & 0o700) !== 0o700) chmodSync(`/proc/self/fd/${this.fd}`, 0o700)
  }

  close(): void {
    closeSync(this.fd)
  }
}

/** `directory` and `name` with a slash between. */
export const joinBytes = (directory: Buffer, name: Buffer): Buffer => Buffer.concat([directory, slash, name])
