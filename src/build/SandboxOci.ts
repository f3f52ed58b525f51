/**
 * The sandbox driver on an OCI runtime: `runc` (1.0 or newer), or `crun`.
 *
 * A runtime is made for containers that outlive it: killed, runc leaves its container running, its state directory, its cgroup and, where it was at work, mounts. So it runs in a
 * process namespace and a mount namespace of its own, as their first process: `unshare` makes them, dies with us, and takes the runtime with it; then the kernel kills all that is in the process
 * namespace, the container's own included, and the mounts go with the last process. State is kept in the scratch directory, and the runtime cannot write to the cgroup file systems, so that it
 * makes no cgroup (it is told to do without: `--rootless`). Whatever is killed, there is nothing left that `runc delete --force` could remove; what is left of the scratch directory is swept as ever.
 *
 * As root the runtime is root and the builder has a user id of its own on the host; otherwise `unshare` makes a user namespace in which we are root, so that no ranges in /etc/subuid and
 * no setuid programs are needed. In both cases the last program enters a further user namespace and the builder sees itself as user 1000 of group 100, as in the other drivers.
 */
import { existsSync } from "node:fs"
import { basename } from "node:path"
import { type ByteString, fromUnicode, toBytes } from "../nix/Bytes.ts"
import type { BuildRequest } from "./BuildRequest.ts"
import { bind, cgroupMountPoints, flagsAt, optionsOf, readMountPoints, readOnly, remount } from "./MountFlags.ts"
import { ociConfig } from "./OciConfig.ts"
import type { BuildIdentity, SandboxLayout } from "./SandboxLayout.ts"
import {
  becomeBuilder,
  enterUserNamespace,
  execute,
  firstCalls,
  heldProgram,
  inputDescriptor,
  type Launch,
  type LaunchContext,
  resolved,
  toolEnvironment,
  usedDescriptors
} from "./SandboxLaunch.ts"
import type { Syscall } from "./SyscallProgram.ts"

export interface OciRuntime {
  /** Path of the program. */
  readonly program: string
  /** Which command line it has. */
  readonly kind: "runc" | "crun"
  readonly unshare: string
}

/** The runtime's arguments. Standard descriptors come first, the rest is to be handed on. */
const runtimeArguments = ({ kind, program }: OciRuntime, scratch: ByteString): ReadonlyArray<ByteString> => [
  fromUnicode(program),
  `--root=${scratch}/state`,
  kind === "crun" ? "--cgroup-manager=disabled" : "--rootless=true",
  "run",
  "--no-new-keyring",
  `--preserve-fds=${usedDescriptors - 3}`,
  `--bundle=${scratch}`,
  scratch.slice(scratch.lastIndexOf("/") + 1)
]

/**
 * Keeps the runtime from making cgroups. Runc insists on seeing some, so it sees them read-only; crun refuses machines with both versions of them, so it sees an empty directory.
 * Where this is not allowed the runtime could not have written there either.
 */
const withoutCgroups = ({ kind }: OciRuntime): ReadonlyArray<Syscall> => {
  const mountPoints = readMountPoints()
  const purpose = "keeping the runtime from cgroups"
  if (kind === "crun") return [{ name: "mount", arguments: ["none", "/sys/fs/cgroup", "tmpfs", readOnly, 0], mayFail: true, purpose }]
  return cgroupMountPoints().map((path) => ({
    name: "mount",
    arguments: [0, path, 0, bind | remount | readOnly | flagsAt(mountPoints, path), 0],
    mayFail: true,
    purpose
  }))
}

const relativeToHere = -100

/**
 * Standard descriptors as the other drivers have them. Runtimes give the process three pipes of their own, which lose the order of output and errors and are anonymous; so the log goes along as the
 * descriptor that is for input elsewhere.
 */
const keepLog: Syscall = { name: "dup3", arguments: [1, inputDescriptor, 0], purpose: "keeping the log" }
const standardDescriptors = (): ReadonlyArray<Syscall> => {
  const purpose = "connecting the log"
  return [
    { name: "openat", arguments: [relativeToHere, "/dev/null", 0, 0], keep: true, purpose },
    { name: "dup3", arguments: ["kept result", 0, 0], purpose },
    { name: "close", arguments: ["kept result"], purpose },
    ...[1, 2].map((descriptor): Syscall => ({ name: "dup3", arguments: [inputDescriptor, descriptor, 0], purpose }))
  ]
}

/** How to run a request in a layout, or why that cannot be done. */
export const launchOci = (
  runtime: OciRuntime,
  request: BuildRequest,
  layout: SandboxLayout,
  identity: BuildIdentity,
  context: LaunchContext
): Launch | string => {
  const scratch = fromUnicode(context.scratch)
  const mountPoints = readMountPoints()
  const config = ociConfig({
    layout,
    user: identity.host ?? { uid: 0, gid: 0 },
    // Who maps root into a user namespace, as our last program does there, needs this one (user_namespaces(7)). The builder is no root: it loses it.
    capabilities: identity.host === undefined ? ["CAP_SETFCAP"] : [],
    program: heldProgram,
    workingDir: request.workingDir,
    network: request.constraints.networkAccess,
    cgroupNamespace: existsSync("/proc/self/ns/cgroup"),
    inherited: (source) => optionsOf(flagsAt(mountPoints, resolved(source))),
    hasDevice: (name) => existsSync(`/dev/${name}`)
  })
  if (typeof config === "string") return config
  const unshareArguments = [
    "unshare",
    ...(identity.host === undefined ? ["--user", "--map-root-user"] : []),
    ...["--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"],
    `${scratch}/prepare`
  ]
  return {
    driver: "oci",
    programs: [
      {
        name: "start",
        calls: [
          ...firstCalls(context),
          keepLog,
          execute(fromUnicode(runtime.unshare), unshareArguments, toolEnvironment, `executing '${runtime.unshare}'`)
        ]
      },
      {
        name: "prepare",
        calls: [
          ...withoutCgroups(runtime),
          execute(
            fromUnicode(runtime.program),
            runtimeArguments(runtime, scratch),
            toolEnvironment,
            `executing '${basename(runtime.program)}'`
          )
        ]
      },
      { name: "become", calls: [...standardDescriptors(), ...enterUserNamespace(identity), ...becomeBuilder(request)] }
    ],
    files: [{ name: "config.json", contents: toBytes(fromUnicode(JSON.stringify(config))) }],
    input: undefined,
    holdsLast: true
  }
}
