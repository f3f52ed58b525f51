/**
 * The `config.json` of an OCI bundle (OCI runtime specification 1.0.2) for a build's layout. Pure.
 *
 * The container has every namespace but a user's (whoever starts the runtime has made that), the layout as its file system, and no cgroup of its own. Its process is a program
 * that becomes the builder and filters its system calls: JSON is UTF-8, and the builder's arguments and environment are any bytes.
 */
import { type ByteString, fromUnicode, toUnicode } from "../nix/Bytes.ts"
import { devices, type SandboxLayout } from "./SandboxLayout.ts"

export interface OciMount {
  readonly destination: string
  readonly type: string
  readonly source: string
  readonly options: ReadonlyArray<string>
}

/** As much of the specification's configuration as we use. */
export interface OciConfig {
  readonly ociVersion: "1.0.2"
  readonly process: {
    readonly terminal: false
    readonly user: { readonly uid: number; readonly gid: number; readonly umask: number }
    readonly args: ReadonlyArray<string>
    readonly env: ReadonlyArray<string>
    readonly cwd: string
    readonly capabilities: Readonly<Record<string, ReadonlyArray<string>>>
    readonly noNewPrivileges: true
  }
  readonly root: { readonly path: string; readonly readonly: true }
  readonly hostname: string
  readonly domainname: string
  readonly mounts: ReadonlyArray<OciMount>
  readonly linux: {
    readonly namespaces: ReadonlyArray<{ readonly type: string }>
  }
}

export interface OciConfigInput {
  readonly layout: SandboxLayout
  /** Ids of the process, in the runtime's user namespace. */
  readonly user: { readonly uid: number; readonly gid: number }
  /** What it can do until it becomes the builder. */
  readonly capabilities: ReadonlyArray<string>
  /** Path of the program that becomes the builder. */
  readonly program: string
  readonly workingDir: ByteString
  /** The host's network instead of one of its own. */
  readonly network: boolean
  readonly cgroupNamespace: boolean
  /** Options that a mount of this path of the host must have, since its file system has them: `noexec`, `nosuid` … */
  readonly inherited: (source: ByteString) => ReadonlyArray<string>
  /** Which of the devices the host has. */
  readonly hasDevice: (name: string) => boolean
}

const capabilitySets = ["bounding", "effective", "permitted"]

/** The paths among those that JSON cannot hold. */
const unwritable = (paths: ReadonlyArray<ByteString>): ByteString | undefined =>
  paths.find((path) => fromUnicode(toUnicode(path)) !== path || path.includes("\0"))

/** The configuration; a text says why there is none. */
export const ociConfig = (input: OciConfigInput): OciConfig | string => {
  const { layout, network } = input
  const tree = fromUnicode(layout.tree)
  const wrong = unwritable([tree, input.workingDir, ...layout.areas.map(({ inside }) => inside), ...layout.mounts.flatMap(Object.values)])
  if (wrong !== undefined) return `the path '${toUnicode(wrong)}' is not UTF-8, and an OCI configuration cannot hold it`

  const bind = (source: ByteString, inside: ByteString, options: ReadonlyArray<string>): OciMount => ({
    destination: `/${toUnicode(inside)}`,
    type: "bind",
    source: toUnicode(source),
    options: ["bind", ...options]
  })
  const strict = (source: ByteString, options: ReadonlyArray<string>) => [
    ...new Set(["nosuid", "nodev", ...options, ...input.inherited(source)])
  ]
  const area = ({ inside, name }: SandboxLayout["areas"][number]) => bind(`${tree}/${name}`, inside, strict(`${tree}/${name}`, []))
  // A mount of /dev itself tells runtimes to make no devices of their own.
  const dev = `${tree}/root/dev`
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { ...input.user, umask: 0o022 },
      args: [input.program],
      env: [],
      cwd: `/${toUnicode(input.workingDir)}`,
      capabilities: Object.fromEntries(capabilitySets.map((set) => [set, input.capabilities])),
      noNewPrivileges: true
    },
    root: { path: toUnicode(`${tree}/root`), readonly: true },
    hostname: "localhost",
    domainname: "(none)",
    mounts: [
      ...layout.areas.map(area),
      ...layout.mounts.map(({ source, inside }) => bind(source, inside, strict(source, ["ro"]))),
      { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "nodev", "noexec"] },
      bind(dev, "dev", strict(dev, ["ro"])),
      ...devices.filter(input.hasDevice).map((name) => bind(`/dev/${name}`, `dev/${name}`, [])),
      {
        destination: "/dev/pts",
        type: "devpts",
        source: "devpts",
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
      },
      { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "nodev", "mode=1777", "size=50%"] }
    ],
    linux: {
      namespaces: [...["pid", "mount", "ipc", "uts"], ...(network ? [] : ["network"]), ...(input.cgroupNamespace ? ["cgroup"] : [])].map(
        (type) => ({ type })
      )
    }
  }
}
