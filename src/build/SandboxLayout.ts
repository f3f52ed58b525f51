/**
 * What a builder will see, laid out on the host in a scratch directory before any process starts.
 *
 * ```
 * SCRATCH (0700)/tree (0755)/root      what `/` will be, read-only: mount points, /etc, links
 *                           /area-<n>  one for each writable path: /build, /nix/store (outputs beside mount points of inputs), /tmp
 * ```
 * The drivers mount `root`, put the areas and the read-only things in, and add /proc and /dev. Paths inside are relative to `/`, without a leading slash.
 * The contents of /etc are those that Nix gives a build.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type ByteString, fromUnicode, toBytes } from "../nix/Bytes.ts"
import type { BuildRequest } from "./BuildRequest.ts"
import type { SandboxShell } from "./SandboxShell.ts"

/** An input where it lies on this machine. Symbolic links are made inside instead of mounted. */
export type SandboxInput =
  | { readonly _tag: "Directory" | "File"; readonly name: ByteString; readonly host: string }
  | { readonly _tag: "Symlink"; readonly name: ByteString; readonly target: ByteString }

/** As whom the builder runs on the host, and what it sees itself as. */
export interface BuildIdentity {
  /** Host ids to change to; undefined when we are no root, and builders run as we do. */
  readonly host: { readonly uid: number; readonly gid: number } | undefined
  /** Ids seen inside. Without a user namespace they are those of the host. */
  readonly uid: number
  readonly gid: number
  readonly userNamespace: boolean
}

/** Ids seen inside a user namespace, as Nix has them. */
export const insideUid = 1000
export const insideGid = 100

export interface ReadOnlyMount {
  /** Bytes of the host's path. */
  readonly source: ByteString
  /** Where it appears. */
  readonly inside: ByteString
}

export interface Area {
  readonly inside: ByteString
  /** Name below `tree`. */
  readonly name: string
}

export interface SandboxLayout {
  /** Host path of `SCRATCH/tree`. */
  readonly tree: string
  readonly areas: ReadonlyArray<Area>
  readonly mounts: ReadonlyArray<ReadOnlyMount>
}

const temporary = "tmp"

/** The area that a path lies in, and the rest of the path. */
export const areaOf = (areas: ReadonlyArray<Area>, inside: ByteString): { readonly area: Area; readonly rest: ByteString } | undefined => {
  let best: Area | undefined
  for (const area of areas) {
    const within = inside === area.inside || inside.startsWith(`${area.inside}/`)
    if (within && (best === undefined || area.inside.length > best.inside.length)) best = area
  }
  return best === undefined ? undefined : { area: best, rest: inside.slice(best.inside.length + 1) }
}

const bytes = (path: ByteString): Buffer => Buffer.from(toBytes(path))

/** Where something inside lies on the host: in an area, else below `root`. */
export const hostPath = (tree: string, areas: ReadonlyArray<Area>, inside: ByteString): ByteString => {
  const found = areaOf(areas, inside)
  const [top, rest] = found === undefined ? ["root", inside] : [found.area.name, found.rest]
  return `${fromUnicode(join(tree, top))}${rest === "" ? "" : `/${rest}`}`
}

const parentOf = (path: ByteString): ByteString => path.slice(0, Math.max(0, path.lastIndexOf("/")))

const nameServices = "hosts: files dns\nservices: files\n"
/** Where distributions keep the bundle of certificate authorities. */
const certificateBundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem"
]

const hostFile = (path: string): Buffer | undefined => {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

const writeEtc = (root: string, identity: BuildIdentity, buildDirectory: ByteString, network: boolean): void => {
  const etc = join(root, "etc")
  mkdirSync(etc, { mode: 0o755 })
  const put = (name: string, contents: string | Buffer | undefined) => {
    if (contents !== undefined) writeFileSync(join(etc, name), contents, { mode: 0o444 })
  }
  const { uid, gid } = identity
  const home = Buffer.from(buildDirectory, "latin1").toString()
  put(
    "passwd",
    `root:x:0:0:Nix build user:/${home}:/noshell\nnixbld:x:${uid}:${gid}:Nix build user:/${home}:/noshell\nnobody:x:65534:65534:Nobody:/:/noshell\n`
  )
  put("group", `root:x:0:\nnixbld:!:${gid}:\nnogroup:x:65534:\n`)
  if (network) {
    put("nsswitch.conf", nameServices)
    for (const name of ["resolv.conf", "services", "hosts"]) put(name, hostFile(`/etc/${name}`))
    const bundle = certificateBundles.find((path) => existsSync(path))
    if (bundle !== undefined) {
      mkdirSync(join(etc, "ssl/certs"), { recursive: true })
      put("ssl/certs/ca-certificates.crt", hostFile(bundle))
    }
  } else put("hosts", "127.0.0.1 localhost\n::1 localhost\n")
  chmodSync(etc, 0o555)
}

/** Devices that a builder gets, as far as the host has them. */
export const devices = ["full", "null", "random", "tty", "urandom", "zero"] as const

const writeDev = (root: string): void => {
  const dev = join(root, "dev")
  mkdirSync(dev, { mode: 0o755 })
  for (const device of devices) writeFileSync(join(dev, device), "")
  for (const directory of ["pts", "shm"]) mkdirSync(join(dev, directory), { mode: 0o755 })
  // OCI runtimes give the file system that they mount there the mode of its mount point.
  chmodSync(join(dev, "shm"), 0o1777)
  for (const [name, target] of [
    ["fd", "/proc/self/fd"],
    ["stdin", "/proc/self/fd/0"],
    ["stdout", "/proc/self/fd/1"],
    ["stderr", "/proc/self/fd/2"],
    ["ptmx", "pts/ptmx"]
  ] as const) {
    symlinkSync(target, join(dev, name))
  }
}

/**
 * Lays out a request in `scratch`, an empty directory of ours. Throws what the file system throws.
 *
 * `host` paths in `request.constraints.availableReadOnlyPaths` that do not exist are left out, as optional sandbox paths are in Nix.
 */
export const layOut = (
  scratch: string,
  request: BuildRequest,
  inputs: ReadonlyArray<SandboxInput>,
  shell: SandboxShell | undefined,
  identity: BuildIdentity
): SandboxLayout => {
  const tree = join(scratch, "tree")
  const root = join(tree, "root")
  const scratchPaths = [...request.scratchPaths]
  if (
    areaOf(
      scratchPaths.map((inside) => ({ inside, name: "" })),
      temporary
    ) === undefined
  )
    scratchPaths.push(temporary)
  const areas = scratchPaths.sort().map((inside, index): Area => ({ inside, name: `area-${index}` }))
  const place = (inside: ByteString) => bytes(hostPath(tree, areas, inside))
  const own = (path: string | Buffer) => {
    if (identity.host !== undefined) chownSync(path, identity.host.uid, identity.host.gid)
  }
  const makeParents = (inside: ByteString) => mkdirSync(place(parentOf(inside)), { recursive: true, mode: 0o755 })

  mkdirSync(tree, { mode: 0o755 })
  mkdirSync(root, { mode: 0o755 })
  for (const directory of ["proc", "tmp", "bin"]) mkdirSync(join(root, directory), { mode: 0o755 })
  writeDev(root)
  writeEtc(root, identity, request.workingDir, request.constraints.networkAccess)

  for (const { inside, name } of areas) {
    const path = join(tree, name)
    mkdirSync(path)
    if (inside === temporary) chmodSync(path, 0o1777)
    else if (inside === request.inputsDir) {
      // Sticky and ours: the builder may add outputs, but not rename or remove what is there.
      if (identity.host !== undefined) chownSync(path, 0, identity.host.gid)
      chmodSync(path, 0o1775)
    } else {
      own(path)
      chmodSync(path, 0o700)
    }
  }
  // An area's mount point lies in `root` or in the area around it.
  for (const area of areas) {
    const others = areas.filter((other) => other !== area)
    mkdirSync(bytes(hostPath(tree, others, area.inside)), { recursive: true, mode: 0o755 })
  }

  const mounts: Array<ReadOnlyMount> = []
  const mount = (source: ByteString, inside: ByteString, isDirectory: boolean) => {
    makeParents(inside)
    const at = place(inside)
    if (isDirectory) mkdirSync(at, { recursive: true, mode: 0o755 })
    else writeFileSync(at, "", { mode: 0o644 })
    mounts.push({ source, inside })
  }
  for (const input of inputs) {
    const inside = `${request.inputsDir}/${input.name}`
    if (input._tag === "Symlink") symlinkSync(bytes(input.target), place(inside))
    else mount(fromUnicode(input.host), inside, input._tag === "Directory")
  }
  for (const path of request.constraints.availableReadOnlyPaths) {
    const source = bytes(path)
    if (existsSync(source)) mount(path, path.slice(1), statSync(source).isDirectory())
  }
  const taken = new Set(mounts.map(({ inside }) => inside))
  for (const { path, file } of shell?.files ?? []) {
    const inside = fromUnicode(path.slice(1))
    if (!taken.has(inside)) mount(fromUnicode(file), inside, false)
  }
  for (const { path, contents } of request.additionalFiles) {
    makeParents(path)
    const at = place(path)
    writeFileSync(at, contents, { mode: 0o644, flag: "wx" })
    own(at)
  }
  return { tree, areas, mounts }
}
