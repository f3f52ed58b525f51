/**
 * Scratch directories of builds: made, removed, and removed after the death of the process that made them.
 *
 * A scratch directory has a random name below a scratch root of mode 0700, so nobody else reaches what is inside. The name also says which process owns it (boot,
 * pid namespace, pid, start time), so the next start can tell what a killed process left; a caller that keeps leases of its own may register it there as well.
 * Removal makes directories accessible first, never follows a link, and holds directories by descriptor, since a builder wrote what is below. It works in slices, so that other fibers run.
 */
import { randomBytes } from "node:crypto"
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync
} from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ScratchUnavailable } from "./BuildError.ts"
import { OpenDirectory } from "./OpenDirectory.ts"

/** Told before a scratch directory is made and after it is gone. */
export interface ScratchLeases {
  readonly register: (path: string) => Effect.Effect<void>
  readonly release: (path: string) => Effect.Effect<void>
}

const proc = (path: string): string => {
  try {
    return readFileSync(path, "latin1")
  } catch {
    return ""
  }
}

const bootOf = (): string => proc("/proc/sys/kernel/random/boot_id").trim().slice(0, 8) || "noboot"
const pidNamespace = (): string => {
  try {
    return readlinkSync("/proc/self/ns/pid").replace(/\D/g, "")
  } catch {
    return "0"
  }
}
/** Clock ticks since boot at which a process started; empty when there is no such process. */
const startOf = (pid: number | "self"): string => {
  const stat = proc(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  // A zombie holds nothing any more.
  return fields[0] === "Z" ? "" : (fields[19] ?? "")
}

const prefix = "build"
const owned = /^build-([0-9a-z]+)-([0-9]+)-([0-9]+)-([0-9]*)-[0-9a-f]{16}$/

const freshName = (): string => [prefix, bootOf(), pidNamespace(), process.pid, startOf("self"), randomBytes(8).toString("hex")].join("-")

/** Whether the owner that a name tells of is certainly gone. Processes in another pid namespace cannot be judged and count as alive. */
const isAbandoned = (name: string): boolean => {
  const [, boot, namespace, pid, start] = owned.exec(name) ?? []
  if (boot === undefined) return false
  if (boot !== bootOf()) return true
  return namespace === pidNamespace() && startOf(Number(pid)) !== start
}

/** Depth at which a directory is moved to the top, so that no chain of directories exhausts our descriptors. */
const deepest = 200
/** Milliseconds of work before other fibers get a turn. */
const slice = 15

/** Removes a tree. Something that is not there is fine; nothing is followed. */
const removeTree = async (path: string): Promise<void> => {
  const parent = OpenDirectory.open(join(path, ".."))
  let until = performance.now() + slice
  const pause = async () => {
    if (performance.now() < until) return
    await new Promise((resolve) => setImmediate(resolve))
    until = performance.now() + slice
  }
  const stack: Array<{
    readonly directory: OpenDirectory
    readonly name: Buffer
    readonly above: OpenDirectory
    readonly names: Array<Buffer>
  }> = []
  const enter = (above: OpenDirectory, name: Buffer) => {
    const directory = above.directory(name)
    try {
      directory.makeWritable()
      stack.push({ directory, name, above, names: directory.names() })
    } catch (cause) {
      directory.close()
      throw cause
    }
  }
  try {
    const name = Buffer.from(path.slice(path.lastIndexOf("/") + 1))
    try {
      if (!parent.lstat(name).isDirectory()) return unlinkSync(parent.at(name))
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return
      throw cause
    }
    enter(parent, name)
    let lifted = 0
    while (stack.length > 0) {
      await pause()
      const frame = stack[stack.length - 1]!
      const next = frame.names.pop()
      if (next === undefined) {
        stack.pop()
        frame.directory.close()
        rmdirSync(frame.above.at(frame.name))
      } else if (!frame.directory.lstat(next).isDirectory()) unlinkSync(frame.directory.at(next))
      else if (stack.length < deepest) enter(frame.directory, next)
      else {
        const child = frame.directory.directory(next)
        child.makeWritable()
        child.close()
        const top = stack[0]!
        const name = Buffer.from(`lifted-${lifted++}-${randomBytes(4).toString("hex")}`)
        renameSync(frame.directory.at(next), top.directory.at(name))
        top.names.push(name)
      }
    }
  } finally {
    for (const { directory } of stack) directory.close()
    parent.close()
  }
}

/** Removes a tree that processes may still be dying in: tries again for two seconds when something new appears in it. */
const removeStubbornly = async (path: string): Promise<void> => {
  const deadline = performance.now() + 2000
  for (;;) {
    try {
      return await removeTree(path)
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code
      if ((code !== "ENOTEMPTY" && code !== "EBUSY" && code !== "ENOENT") || performance.now() > deadline) throw cause
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

const unavailable = (path: string, operation: string) => (cause: unknown) => new ScratchUnavailable({ path, operation, cause })

/** Removes a directory and all below it, whatever a builder made of it. */
export const remove = (path: string): Effect.Effect<void, ScratchUnavailable> =>
  Effect.uninterruptible(Effect.tryPromise({ try: () => removeStubbornly(path), catch: unavailable(path, "remove") }))

/** Makes the scratch root, or checks that it belongs to us and to nobody else. */
const prepareRoot = (root: string): void => {
  mkdirSync(root, { recursive: true, mode: 0o700 })
  const stat = statSync(root)
  const uid = process.getuid!()
  if (stat.uid !== uid) throw new Error(`it belongs to user ${stat.uid}, not to ${uid}`)
  if ((stat.mode & 0o077) !== 0) chmodSync(root, 0o700)
}

/** A fresh directory of mode 0700 below `root`, removed when the scope ends. */
export const acquire = (root: string, leases: ScratchLeases | undefined): Effect.Effect<string, ScratchUnavailable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const path = join(root, freshName())
      if (leases !== undefined) yield* leases.register(path)
      yield* Effect.try({
        try: () => {
          prepareRoot(root)
          mkdirSync(path, { mode: 0o700 })
        },
        catch: unavailable(path, "make")
      })
      return path
    }),
    (path) =>
      remove(path).pipe(
        Effect.andThen(leases === undefined ? Effect.void : leases.release(path)),
        Effect.catchTag("ScratchUnavailable", (error) => Effect.logWarning(error.message))
      )
  )

/** Removes what dead processes left below `root`, and tells the paths. Something that cannot be removed is left, with a warning. */
export const sweep = (root: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const removed: Array<string> = []
    for (const name of yield* Effect.sync(() => namesIn(root))) {
      if (!isAbandoned(name)) continue
      const path = join(root, name)
      const gone = yield* remove(path).pipe(
        Effect.as(true),
        Effect.catchTag("ScratchUnavailable", (error) => Effect.as(Effect.logWarning(error.message), false))
      )
      if (gone) removed.push(path)
    }
    return removed
  })

const namesIn = (root: string): ReadonlyArray<string> => {
  try {
    // A link in place of the root is somebody's trap.
    return lstatSync(root).isDirectory() ? readdirSync(root) : []
  } catch {
    return []
  }
}
