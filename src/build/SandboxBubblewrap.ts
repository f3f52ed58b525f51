/**
 * The sandbox driver on bubblewrap (`bwrap`, 0.4 or newer).
 *
 * bwrap makes the namespaces and mounts itself. It slows down with the square of the number of binds and runs builders as whoever runs it, so a program of ours goes first where that is
 * needed: as root it puts the layout at a place that every user reaches and changes to the build user; with many inputs it mounts them beforehand, in a mount
 * namespace of its own, and bwrap binds the whole store once. `--as-pid-1` makes the builder process 1: the kernel kills everything when it ends, and bwrap returns after
 * that (with bwrap's own init it would return before). `--die-with-parent` ends everything when we die. What it executes is a last program of ours, which becomes the builder with exactly
 * its arguments and environment and reports the start, as in the other driver.
 */
import { existsSync, statSync } from "node:fs"
import { type ByteString, fromUnicode, toBytes } from "../nix/Bytes.ts"
import type { BuildRequest } from "./BuildRequest.ts"
import { bind, makePrivate, recursive } from "./MountFlags.ts"
import type { BuildIdentity, SandboxLayout } from "./SandboxLayout.ts"
import {
  becomeBuilder,
  becomeDumpable,
  changeIds,
  execute,
  firstCalls,
  heldProgram,
  inputDescriptor,
  type Launch,
  type LaunchContext,
  mountReadOnly,
  placeIn,
  toolEnvironment
} from "./SandboxLaunch.ts"
import type { Syscall } from "./SyscallProgram.ts"

/** Binds that bwrap does itself; more are mounted beforehand where that is possible. */
export const bindLimit = 64

export interface Bubblewrap {
  readonly program: string
  /** `unshare`, if it works for us: makes the mount namespace for mounting beforehand. */
  readonly unshare: string | undefined
}

/** A directory just below `/` that may be covered in a mount namespace of our own: nothing that is needed lies in it. */
const coverable = (needed: ReadonlyArray<ByteString>): ByteString | undefined =>
  ["/mnt", "/media", "/srv", "/opt", "/home", "/var", "/root", "/tmp"].find((directory) => {
    if (!existsSync(directory) || !statSync(directory).isDirectory()) return false
    return !needed.some((path) => path === directory || path.startsWith(`${directory}/`))
  })

const innerArguments = (
  request: BuildRequest,
  layout: SandboxLayout,
  identity: BuildIdentity,
  tree: ByteString,
  mounted: boolean
): ReadonlyArray<ByteString> => [
  "--unshare-user",
  "--unshare-pid",
  "--unshare-ipc",
  "--unshare-uts",
  "--unshare-cgroup-try",
  ...(request.constraints.networkAccess ? [] : ["--unshare-net"]),
  ...["--uid", String(identity.uid), "--gid", String(identity.gid), "--hostname", "localhost"],
  ...["--die-with-parent", "--as-pid-1", "--new-session", "--cap-drop", "ALL"],
  ...["--ro-bind", `${tree}/root`, "/"],
  ...layout.areas.flatMap(({ inside, name }) => ["--bind", `${tree}/${name}`, `/${inside}`]),
  ...(mounted ? [] : layout.mounts.flatMap(({ source, inside }) => ["--ro-bind", source, `/${inside}`])),
  ...["--proc", "/proc", "--dev", "/dev"],
  ...["--chdir", `/${request.workingDir}`, "--clearenv"]
]

const nulSeparated = (args: ReadonlyArray<ByteString>): Uint8Array => toBytes(args.map((arg) => `${arg}\0`).join(""))

const separate: Syscall = {
  name: "mount",
  arguments: [0, "/", 0, recursive | makePrivate, 0],
  purpose: "separating mounts from the host's"
}

/** How to run a request in a layout, or why that cannot be done. */
export const launchBubblewrap = (
  bubblewrap: Bubblewrap,
  request: BuildRequest,
  layout: SandboxLayout,
  identity: BuildIdentity,
  context: LaunchContext
): Launch | string => {
  const program = fromUnicode(bubblewrap.program)
  const tree = fromUnicode(layout.tree)
  const run = execute(
    program,
    ["bwrap", "--args", String(inputDescriptor), "--", heldProgram],
    toolEnvironment,
    `executing '${bubblewrap.program}'`
  )
  const become = { name: "become", calls: becomeBuilder(request) }
  const direct = (): Launch => ({
    driver: "bubblewrap",
    programs: [{ name: "start", calls: [...firstCalls(context), run] }, become],
    input: nulSeparated(innerArguments(request, layout, identity, tree, false)),
    holdsLast: true
  })
  if (identity.host === undefined && (layout.mounts.length <= bindLimit || bubblewrap.unshare === undefined)) return direct()
  if (bubblewrap.unshare === undefined) return "'unshare' of util-linux is needed to run it as root, and does not work"

  const sources = layout.mounts.map(({ source }) => source)
  const at = identity.host === undefined ? tree : coverable([tree, program, ...sources])
  if (at === undefined) return "no directory below / is free to put the build's files at"
  const prepare = [
    separate,
    ...(at === tree ? [] : [{ name: "mount", arguments: [tree, at, 0, bind, 0], purpose: "mounting the build's files" } as const]),
    ...mountReadOnly(layout, placeIn(at, layout)),
    ...(identity.host === undefined ? [] : [...changeIds(identity.host.uid, identity.host.gid), becomeDumpable]),
    run
  ]
  const unshareArguments = [
    "unshare",
    ...(identity.host === undefined ? ["--user", "--map-root-user"] : []),
    "--mount",
    `${fromUnicode(context.scratch)}/prepare`
  ]
  return {
    driver: "bubblewrap",
    programs: [
      {
        name: "start",
        calls: [...firstCalls(context), execute(fromUnicode(bubblewrap.unshare), unshareArguments, toolEnvironment, "executing 'unshare'")]
      },
      { name: "prepare", calls: prepare },
      become
    ],
    input: nulSeparated(innerArguments(request, layout, identity, at, true)),
    holdsLast: true
  }
}
