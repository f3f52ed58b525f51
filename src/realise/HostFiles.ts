/**
 * Near requests against the host's file system, synchronously: the evaluator's thread reads files itself. File names are bytes.
 */
import * as fs from "node:fs"
import { hostPath } from "../castore/ingest/HostTree.ts"
import type { FileType, IoAnswer, NearRequest } from "../eval/IoRequest.ts"
import type { ByteString } from "../nix/Bytes.ts"
import type { Look } from "./FileState.ts"

/** Hears of what is read, with how it was just before. */
export interface HostWatch {
  file(path: ByteString, before: Look, contents: Uint8Array): void
  directory(path: ByteString, before: Look, entries: ReadonlyArray<readonly [ByteString, FileType]>): void
  /** Any other request, and those two where they failed. */
  other(request: NearRequest, answer: IoAnswer): void
}

/** Beyond this a file is no string: V8 holds at most about 512 MiB in one. */
const fileLimit = 512 * 1024 * 1024

const typeOf = (stat: fs.Stats | fs.Dirent): FileType =>
  stat.isFile() ? "regular" : stat.isDirectory() ? "directory" : stat.isSymbolicLink() ? "symlink" : "unknown"

const answer = (value: unknown): IoAnswer => ({ ok: true, value })

const refuse = (kind: string, message: string): IoAnswer => ({ ok: false, failure: { kind, message, exitCode: undefined } })

const describe = (error: NodeJS.ErrnoException, doing: string, path: ByteString): IoAnswer => {
  switch (error.code) {
    case "ENOENT":
    case "ENOTDIR":
      return refuse("missing", `path '${path}' does not exist`)
    case "EACCES":
    case "EPERM":
      return refuse("denied", `${doing} '${path}': permission denied`)
    case "ELOOP":
      return refuse("loop", `too many symbolic links encountered while traversing the path '${path}'`)
    case "EISDIR":
      return refuse("directory", `${doing} '${path}': it is a directory`)
    default:
      return refuse("io", `${doing} '${path}': ${error.message}`)
  }
}

/** How something is before it is read. */
const lookAt = (path: ByteString): Look => ({ at: Date.now(), stat: fs.statSync(hostPath(path)) })

/** Where the bytes of small files are read to: each is a string by the time that the next one comes. */
let scratch: Buffer | undefined
const scratchSize = 1 << 20

/** The bytes of an open regular file of this size; fewer where it has become shorter. They are gone with the next call. */
const readOpen = (fd: number, size: number): Buffer => {
  const bytes = size > scratchSize ? Buffer.allocUnsafeSlow(size) : (scratch ??= Buffer.allocUnsafeSlow(scratchSize))
  let filled = 0
  while (filled < size) {
    const count = fs.readSync(fd, bytes, filled, size - filled, null)
    if (count === 0) break
    filled += count
  }
  return bytes.subarray(0, filled)
}

const readFile = (path: ByteString, watch: HostWatch | undefined): IoAnswer => {
  let fd: number | undefined
  try {
    const host = hostPath(path)
    const at = Date.now()
    // A pipe that nobody writes to would be waited for.
    fd = fs.openSync(host, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
    const stat = fs.fstatSync(fd)
    const { size } = stat
    if (size > fileLimit) return refuse("too-large", `file '${path}' has ${size} bytes; at most ${fileLimit} can be read as a string`)
    // What has no size may have content all the same, as in /proc, and what is no file is read as it comes.
    const contents = stat.isFile() && size > 0 ? readOpen(fd, size) : fs.readFileSync(host)
    watch?.file(path, { at, stat }, contents)
    return answer(contents.toString("latin1"))
  } catch (error) {
    return describe(error as NodeJS.ErrnoException, "reading file", path)
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}

const readDirectory = (path: ByteString, watch: HostWatch | undefined): IoAnswer => {
  try {
    const before = watch === undefined ? undefined : lookAt(path)
    const found = fs.readdirSync(hostPath(path), { withFileTypes: true, encoding: "latin1" as BufferEncoding })
    const entries = found.map((entry) => [entry.name, typeOf(entry)] as const)
    if (before !== undefined) watch?.directory(path, before, entries)
    return answer(entries)
  } catch (error) {
    return describe(error as NodeJS.ErrnoException, "reading directory", path)
  }
}

const pathType = (path: ByteString, follow: boolean): IoAnswer => {
  try {
    const stat = (follow ? fs.statSync : fs.lstatSync)(hostPath(path), { throwIfNoEntry: false })
    return answer(stat === undefined ? undefined : typeOf(stat))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === "ENOTDIR" || code === "ENOENT" || code === "ELOOP" || code === "ENAMETOOLONG") return answer(undefined)
    return describe(error as NodeJS.ErrnoException, "looking at", path)
  }
}

const readLink = (path: ByteString): IoAnswer => {
  try {
    return answer(fs.readlinkSync(hostPath(path), "latin1"))
  } catch (error) {
    return describe(error as NodeJS.ErrnoException, "reading symbolic link", path)
  }
}

/** Answers a near request from the host. */
export const answerFromHost = (request: NearRequest, watch?: HostWatch): IoAnswer => {
  const answer = look(request, watch)
  if (watch !== undefined && !(answer.ok && (request._tag === "ReadFile" || request._tag === "ReadDirectory"))) watch.other(request, answer)
  return answer
}

const look = (request: NearRequest, watch: HostWatch | undefined): IoAnswer => {
  switch (request._tag) {
    case "ReadFile":
      return readFile(request.path, watch)
    case "ReadDirectory":
      return readDirectory(request.path, watch)
    case "PathType":
      return pathType(request.path, request.follow)
    case "ReadLink":
      return readLink(request.path)
    case "References":
      return answer([])
    case "Environment": {
      const value = process.env[request.name]
      return answer(value === undefined ? "" : Buffer.from(value, "utf8").toString("latin1"))
    }
    case "CurrentTime":
      return answer(Math.floor(Date.now() / 1000))
  }
}
