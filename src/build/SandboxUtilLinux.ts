/**
 * The sandbox driver that needs nothing but `unshare` of util-linux (2.32 or newer).
 *
 * unshare makes the namespaces and stays as the parent of the first process inside, which is a program of ours (`SyscallProgram.ts`): it builds the file system, pivots into it,
 * drops ids and privileges, and becomes the builder. The builder is process 1 of its pid namespace, so the kernel kills everything when it ends, and `unshare` returns only after that;
 * `--kill-child` and the death signal of the program kill it when we die.
 *
 * As root the builder gets a user id of its own on the host; otherwise everything happens in a user namespace. In both cases a further user namespace makes the
 * builder see itself as user 1000 of group 100, as in Nix. As root on a machine that forbids user namespaces it sees its host ids, as in Nix too.
 */
import { existsSync } from "node:fs"
import { type ByteString, fromUnicode, toBytes } from "../nix/Bytes.ts"
import type { BuildRequest } from "./BuildRequest.ts"
import { bind, makePrivate, noDev, noExec, noSuid, readMountPoints, readOnly, recursive, remount, flagsAt } from "./MountFlags.ts"
import { type BuildIdentity, devices, type SandboxLayout } from "./SandboxLayout.ts"
import {
  becomeBuilder,
  bindMount,
  changeIds,
  dieWithParent,
  enterUserNamespace,
  execute,
  firstCalls,
  type Launch,
  type LaunchContext,
  mountReadOnly,
  toolEnvironment
} from "./SandboxLaunch.ts"
import type { Syscall } from "./SyscallProgram.ts"

const detach = 2

/** SIOCSIFFLAGS on `lo`: up and running. */
const raiseLoopback = (): ReadonlyArray<Syscall> => {
  const request = new Uint8Array(40)
  request.set(toBytes("lo"))
  request[16] = 0x41
  const purpose = "raising the loopback interface"
  return [
    { name: "socket", arguments: [2, 2, 0], keep: true, purpose },
    { name: "ioctl", arguments: ["kept result", 0x8914, request], purpose },
    { name: "close", arguments: ["kept result"], purpose }
  ]
}

const mountSystem = (root: ByteString): ReadonlyArray<Syscall> => [
  {
    name: "mount",
    arguments: ["proc", `${root}/proc`, "proc", noSuid | noDev | noExec, 0],
    purpose: "mounting /proc of the build's own processes"
  },
  ...devices
    .filter((device) => existsSync(`/dev/${device}`))
    .map((device): Syscall => ({
      name: "mount",
      arguments: [`/dev/${device}`, `${root}/dev/${device}`, 0, bind, 0],
      purpose: `mounting /dev/${device}`
    })),
  {
    name: "mount",
    arguments: ["devpts", `${root}/dev/pts`, "devpts", noSuid | noExec, "newinstance,ptmxmode=0666,mode=0620"],
    purpose: "mounting /dev/pts"
  },
  {
    name: "mount",
    arguments: ["shm", `${root}/dev/shm`, "tmpfs", noSuid | noDev, "mode=1777,size=50%"],
    purpose: "mounting /dev/shm"
  }
]

/** The program that becomes the builder. */
const insideCalls = (request: BuildRequest, layout: SandboxLayout, identity: BuildIdentity): ReadonlyArray<Syscall> => {
  const tree = fromUnicode(layout.tree)
  const root = `${tree}/root`
  const mountPoints = readMountPoints()
  return [
    { name: "mount", arguments: [0, "/", 0, recursive | makePrivate, 0], purpose: "separating mounts from the host's" },
    { name: "mount", arguments: [root, root, 0, bind, 0], purpose: "mounting the root" },
    ...layout.areas.flatMap(({ inside, name }) => bindMount(mountPoints, `${tree}/${name}`, `${root}/${inside}`, 0)),
    ...mountReadOnly(layout, (inside) => `${root}/${inside}`),
    ...mountSystem(root),
    { name: "chdir", arguments: [root], purpose: "entering the root" },
    {
      name: "mount",
      arguments: [0, ".", 0, bind | remount | readOnly | noSuid | noDev | flagsAt(mountPoints, root), 0],
      purpose: "making the root read-only"
    },
    { name: "pivot_root", arguments: [".", "."], purpose: "changing the root" },
    { name: "umount2", arguments: [".", detach], purpose: "leaving the host's root" },
    { name: "chdir", arguments: ["/"], purpose: "entering the new root" },
    ...(request.constraints.networkAccess ? [] : raiseLoopback()),
    { name: "sethostname", arguments: ["localhost", 9], purpose: "setting the host name" },
    { name: "setdomainname", arguments: ["(none)", 6], purpose: "setting the domain name" },
    ...(identity.host === undefined ? [] : changeIds(identity.host.uid, identity.host.gid)),
    ...enterUserNamespace(identity),
    ...(identity.userNamespace ? [dieWithParent] : []),
    { name: "setsid", arguments: [], mayFail: true, purpose: "leaving the terminal" },
    { name: "chdir", arguments: [`/${request.workingDir}`], purpose: `entering /${request.workingDir}` },
    ...becomeBuilder(request)
  ]
}

/** Namespaces that every build gets. Mounts are private by default. */
const namespaces = ["--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child=KILL"]

/** How to run a request in a layout. `unshare` is the path of that program. */
export const launchUtilLinux = (
  unshare: string,
  request: BuildRequest,
  layout: SandboxLayout,
  identity: BuildIdentity,
  context: LaunchContext
): Launch => {
  const inside = `${fromUnicode(context.scratch)}/enter`
  const program = fromUnicode(unshare)
  const args = [
    "unshare",
    ...(identity.host === undefined ? ["--user", "--map-root-user"] : []),
    ...namespaces,
    ...(request.constraints.networkAccess ? [] : ["--net"]),
    inside
  ]
  return {
    driver: "util-linux",
    programs: [
      { name: "start", calls: [...firstCalls(context), execute(program, args, toolEnvironment, `executing '${unshare}'`)] },
      { name: "enter", calls: insideCalls(request, layout, identity) }
    ],
    input: undefined,
    holdsLast: false
  }
}
