/**
 * How a driver wants its sandbox started, and the system calls that drivers have in common.
 */
import { readdirSync, realpathSync } from "node:fs"
import { type ByteString, fromBytes } from "../nix/Bytes.ts"
import type { BuildRequest } from "./BuildRequest.ts"
import { bind, flagsAt, noDev, noSuid, readMountPoints, readOnly, remount } from "./MountFlags.ts"
import { type BuildIdentity, hostPath, type SandboxLayout } from "./SandboxLayout.ts"
import { syscallFilter } from "./SyscallFilter.ts"
import { type Architecture, startedReport, statusDescriptor, type Syscall } from "./SyscallProgram.ts"

export type DriverName = "bubblewrap" | "util-linux" | "oci"

export interface Launch {
  readonly driver: DriverName
  /**
   * Programs to write into the scratch directory: name and calls. The first one is started, the last one becomes the builder. Numbers of their calls go
   * through all of them. They report on descriptor 3.
   */
  readonly programs: ReadonlyArray<{ readonly name: string; readonly calls: ReadonlyArray<Syscall> }>
  /** Other files that the driver needs in the scratch directory. */
  readonly files?: ReadonlyArray<{ readonly name: string; readonly contents: Uint8Array }>
  /** Contents of descriptor 4, for tools that read their arguments there. */
  readonly input: Uint8Array | undefined
  /** Whether the last program is open as descriptor 5, for where its path cannot be reached. */
  readonly holdsLast: boolean
}

/** Descriptor that tools read their arguments from. */
export const inputDescriptor = 4
/** Descriptor of the last program, and its path inside. */
const heldDescriptor = 5
export const heldProgram: ByteString = `/proc/self/fd/${heldDescriptor}`

/** What the processes of a sandbox need to know of each other and of the host. */
export interface LaunchContext {
  /** Host path of the directory that programs are written to. */
  readonly scratch: string
  /** Value for personality(2); undefined leaves it. */
  readonly personality: number | undefined
}

const setDeathSignal = 1
const setDumpable = 4
const setNoNewPrivileges = 38
const setSeccomp = 22
const byFilter = 2
const sigkill = 9
const stackLimit = 3
const coreLimit = 4
const setDescriptorFlags = 2
const closeOnExec = 1
const newUserNamespace = 0x10000000
const writeOnly = 1
const relativeToHere = -100

/** The process gets SIGKILL when its parent dies. Forgotten by the kernel when ids change, so to be repeated then. */
export const dieWithParent: Syscall = { name: "prctl", arguments: [setDeathSignal, sigkill, 0, 0, 0], purpose: "binding its life to ours" }
export const becomeDumpable: Syscall = { name: "prctl", arguments: [setDumpable, 1, 0, 0, 0], purpose: "opening its own /proc files" }
const noNewPrivileges: Syscall = { name: "prctl", arguments: [setNoNewPrivileges, 1, 0, 0, 0], purpose: "giving up new privileges" }

/** Descriptors that the programs use: standard ones, reports (3), input or the log (4), the last program (5). */
export const usedDescriptors = 6

/**
 * Closes what we inherited from whoever started us and what Node therefore hands on: a directory among it would be a way out of the sandbox. Kernels before 5.9
 * cannot close a range, so what is open now is closed one by one, too.
 */
const closeInherited = (): ReadonlyArray<Syscall> => {
  const purpose = "closing inherited descriptors"
  const open = readdirSync("/proc/self/fd").map(Number)
  return [
    { name: "close_range", arguments: [usedDescriptors, 0xffffffff, 0], mayFail: true, purpose },
    ...open.filter((fd) => fd >= usedDescriptors).map((fd): Syscall => ({ name: "close", arguments: [fd], mayFail: true, purpose }))
  ]
}

/** A limit that the process itself may raise as high as it likes. */
const raisableLimit = (bytes: bigint): Uint8Array => new Uint8Array(new BigUint64Array([bytes, 2n ** 64n - 1n]).buffer)

/**
 * The first calls of the first program, in the process that we spawn: dies with us (also when we died before it could say so), usual file modes, the usual stack
 * (evaluations have more), no core files, no keys of ours, no randomised addresses (as in Nix, for builds that dump their memory).
 */
export const firstCalls = (context: LaunchContext): ReadonlyArray<Syscall> => [
  dieWithParent,
  { name: "getppid", arguments: [], expect: process.pid, purpose: "checking that we still live" },
  ...closeInherited(),
  { name: "umask", arguments: [0o022], purpose: "setting the usual file modes" },
  { name: "setrlimit", arguments: [stackLimit, raisableLimit(8n * 2n ** 20n)], mayFail: true, purpose: "setting the usual stack" },
  { name: "setrlimit", arguments: [coreLimit, raisableLimit(0n)], mayFail: true, purpose: "forbidding core files" },
  { name: "keyctl", arguments: [1, 0], mayFail: true, purpose: "leaving our key ring" },
  ...(context.personality === undefined
    ? []
    : [{ name: "personality", arguments: [context.personality], mayFail: true, purpose: "setting the personality" } as const])
]

export const execute = (
  path: ByteString,
  args: ReadonlyArray<ByteString>,
  environment: ReadonlyArray<ByteString>,
  purpose: string
): Syscall => ({ name: "execve", arguments: [path, { strings: args }, { strings: environment }], purpose })

/** For processes without new privileges. A kernel without filters does without: modes that a store cannot hold are then refused when outputs are inspected. */
const filterCalls = (): Syscall => ({
  name: "prctl",
  arguments: [setSeccomp, byFilter, { filter: syscallFilter(process.arch as Architecture) }],
  mayFail: true,
  purpose: "filtering system calls"
})

/** The last calls of the last program: says that all is ready and becomes the builder, whose `$0` is the last part of its path, as in Nix. */
export const becomeBuilder = (request: BuildRequest): ReadonlyArray<Syscall> => {
  const [builder = "", ...args] = request.commandArgs
  const report = startedReport()
  const purpose = "hiding our descriptors from the builder"
  return [
    noNewPrivileges,
    filterCalls(),
    { name: "write", arguments: [statusDescriptor, report, report.length], purpose: "reporting the start" },
    { name: "close", arguments: [heldDescriptor], mayFail: true, purpose },
    { name: "close", arguments: [inputDescriptor], mayFail: true, purpose },
    { name: "fcntl", arguments: [statusDescriptor, setDescriptorFlags, closeOnExec], purpose },
    execute(
      builder,
      [builder.slice(builder.lastIndexOf("/") + 1), ...args],
      request.environmentVars.map(({ key, value }) => `${key}=${value}`),
      "executing the builder"
    )
  ]
}

/** Environment of the tools that we start outside of the sandbox. */
export const toolEnvironment: ReadonlyArray<ByteString> = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"]

const shown = (path: ByteString): string => Buffer.from(path, "latin1").toString()

/** A path without symbolic links, where it exists. */
export const resolved = (path: ByteString): ByteString => {
  try {
    return fromBytes(realpathSync(Buffer.from(path, "latin1"), { encoding: "buffer" }))
  } catch {
    return path
  }
}

/** Mounts a place of the host on another, at least as strict as `flags`. */
export const bindMount = (
  mountPoints: ReturnType<typeof readMountPoints>,
  source: ByteString,
  target: ByteString,
  flags: number
): ReadonlyArray<Syscall> => [
  { name: "mount", arguments: [source, target, 0, bind, 0], purpose: `mounting '${shown(source)}' on '${shown(target)}'` },
  {
    name: "mount",
    arguments: [0, target, 0, bind | remount | noSuid | noDev | flags | flagsAt(mountPoints, resolved(source)), 0],
    purpose: `restricting the mount of '${shown(source)}' on '${shown(target)}'`
  }
]

/** Mounts everything read-only of a layout at its place below `target(inside)`. */
export const mountReadOnly = (layout: SandboxLayout, target: (inside: ByteString) => ByteString): ReadonlyArray<Syscall> => {
  const mountPoints = readMountPoints()
  return layout.mounts.flatMap(({ source, inside }) => bindMount(mountPoints, source, target(inside), readOnly))
}

/** Where things inside lie when the layout's tree is at `tree`. */
export const placeIn = (tree: string, layout: SandboxLayout) => (inside: ByteString) => hostPath(tree, layout.areas, inside)

/** Changes for good to other ids. */
export const changeIds = (uid: number, gid: number): ReadonlyArray<Syscall> => [
  { name: "setgroups", arguments: [0, 0], purpose: "leaving all groups" },
  { name: "setresgid", arguments: [gid, gid, gid], purpose: `changing to group ${gid}` },
  { name: "setresuid", arguments: [uid, uid, uid], purpose: `changing to user ${uid}` },
  dieWithParent
]

/** Writes a text to a file of /proc. */
const writeProc = (path: ByteString, text: ByteString, purpose: string): ReadonlyArray<Syscall> => [
  { name: "openat", arguments: [relativeToHere, path, writeOnly, 0], keep: true, purpose },
  { name: "write", arguments: ["kept result", text, text.length], purpose },
  { name: "close", arguments: ["kept result"], purpose }
]

/** Enters a user namespace in which the builder has the ids that it is to see. Forgets what the process dies with. */
export const enterUserNamespace = (identity: BuildIdentity): ReadonlyArray<Syscall> => {
  if (!identity.userNamespace) return []
  // Ids outside of this namespace: the build user's, or 0 in the namespace that unshare made.
  const { uid, gid } = identity.host ?? { uid: 0, gid: 0 }
  return [
    { name: "unshare", arguments: [newUserNamespace], purpose: "entering the builder's user namespace" },
    becomeDumpable,
    ...writeProc("/proc/self/setgroups", "deny", "forbidding changes of groups"),
    ...writeProc("/proc/self/uid_map", `${identity.uid} ${uid} 1`, "mapping the user id"),
    ...writeProc("/proc/self/gid_map", `${identity.gid} ${gid} 1`, "mapping the group id")
  ]
}
