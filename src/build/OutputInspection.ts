/**
 * Looking an output over before it is taken in: only regular files, directories and symbolic links, all of the build user, no setuid and setgid bits.
 *
 * Every process of the build is dead by now, but one outside that cooperated with it (builds with network share our network namespace, where descriptors can be
 * passed) may hold a directory of the output. So each directory is taken away from the build user before we look into it, and no step follows a link: what was
 * looked at cannot be exchanged for something else before it is read. Works in slices, so that other fibers run.
 */
import { chmodSync, fchownSync, type Stats } from "node:fs"
import * as Effect from "effect/Effect"
import { type ByteString, toBytes, toUnicode } from "../nix/Bytes.ts"
import { narDepthLimit } from "../nix/Nar.ts"
import { OutputMissing, OutputNotStored, OutputRejected } from "./BuildError.ts"
import { OpenDirectory } from "./OpenDirectory.ts"

const setuid = 0o4000
const setgid = 0o2000
const writableByOthers = 0o022
/** Milliseconds of work before other fibers get a turn. */
const slice = 15

type Rejection = OutputRejected["kind"]

const rejection = (stat: Stats, ownerUid: number): Rejection | undefined => {
  if (stat.isSocket()) return "socket"
  if (stat.isFIFO()) return "fifo"
  if (stat.isBlockDevice() || stat.isCharacterDevice()) return "device"
  if (!stat.isFile() && !stat.isDirectory() && !stat.isSymbolicLink()) return "unknown-type"
  if (stat.uid !== ownerUid) return "foreign-owner"
  if (stat.isSymbolicLink()) return undefined
  if ((stat.mode & setuid) !== 0) return "setuid"
  return (stat.mode & setgid) !== 0 ? "setgid" : undefined
}

/** Makes a directory ours alone. */
const takeOver = (directory: OpenDirectory, ownerUid: number): void => {
  const uid = process.getuid!()
  if (uid !== ownerUid) {
    fchownSync(directory.fd, uid, process.getgid!())
    chmodSync(`/proc/self/fd/${directory.fd}`, 0o700)
  } else directory.makeWritable()
}

interface Frame {
  readonly directory: OpenDirectory
  readonly path: string
  readonly names: Array<Buffer>
}

/** `output`: its path for messages; `host`: bytes of where it lies. Throws. */
const inspectTree = async (output: string, host: ByteString, ownerUid: number): Promise<void> => {
  const slash = host.lastIndexOf("/")
  const top = OpenDirectory.open(Buffer.from(toBytes(host.slice(0, slash))))
  const stack: Array<Frame> = []
  let until = performance.now() + slice
  const look = (parent: OpenDirectory, name: Buffer, path: string): Stats => {
    const stat = parent.lstat(name)
    const kind = rejection(stat, ownerUid) ?? (stack.length >= narDepthLimit ? "too-deep" : undefined)
    if (kind !== undefined) throw new OutputRejected({ output, path, kind })
    return stat
  }
  const enter = (parent: OpenDirectory, name: Buffer, path: string) => {
    const directory = parent.directory(name)
    try {
      takeOver(directory, ownerUid)
      stack.push({ directory, path, names: directory.names() })
    } catch (cause) {
      directory.close()
      throw cause
    }
  }
  try {
    takeOver(top, ownerUid)
    const name = Buffer.from(toBytes(host.slice(slash + 1)))
    const stat = look(top, name, output)
    if (!stat.isSymbolicLink() && (stat.mode & writableByOthers) !== 0) {
      throw new OutputRejected({ output, path: output, kind: "world-writable" })
    }
    if (!stat.isDirectory()) return
    enter(top, name, output)
    while (stack.length > 0) {
      if (performance.now() > until) {
        await new Promise((resolve) => setImmediate(resolve))
        until = performance.now() + slice
      }
      const frame = stack[stack.length - 1]!
      const next = frame.names.pop()
      if (next === undefined) {
        stack.pop()
        frame.directory.close()
        continue
      }
      const path = `${frame.path}/${toUnicode(next.toString("latin1"))}`
      if (look(frame.directory, next, path).isDirectory()) enter(frame.directory, next, path)
    }
  } finally {
    for (const { directory } of stack) directory.close()
    top.close()
  }
}

/**
 * Checks the output at `host` and makes it readable for us and writable for nobody else. `ownerUid` is the host id of the build user. A missing output fails with
 * `OutputMissing`, which carries `lastLines` of the log.
 */
export const inspect = (
  output: string,
  host: ByteString,
  ownerUid: number,
  lastLines: ReadonlyArray<string>
): Effect.Effect<void, OutputMissing | OutputRejected | OutputNotStored> =>
  Effect.tryPromise({
    try: () => inspectTree(output, host, ownerUid),
    catch: (cause) => {
      if (cause instanceof OutputRejected) return cause
      const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT"
      return isMissing ? new OutputMissing({ path: output, lastLines: [...lastLines] }) : new OutputNotStored({ path: output, cause })
    }
  })
