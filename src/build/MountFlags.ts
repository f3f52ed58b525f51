/**
 * Mount options that must be repeated: in a user namespace a mount may be made stricter, never laxer, so remounting something read-only fails with EPERM
 * unless the options it has (`nosuid`, `nodev`, `noexec`, `ro`) are asked for again.
 *
 * Source: /proc/self/mountinfo (proc(5)); flag values of mount(2).
 */
import { readFileSync } from "node:fs"
import { type ByteString, fromBytes } from "../nix/Bytes.ts"

export const readOnly = 1
export const noSuid = 2
export const noDev = 4
export const noExec = 8
export const remount = 32
export const bind = 4096
export const recursive = 16384
export const makePrivate = 1 << 18

const named: Record<string, number> = { ro: readOnly, nosuid: noSuid, nodev: noDev, noexec: noExec }

interface MountPoint {
  readonly path: ByteString
  readonly flags: number
  /** Such as `ext4`. */
  readonly type: ByteString
}

/** Names of the options that are flags. */
export const optionsOf = (flags: number): ReadonlyArray<string> => Object.keys(named).filter((name) => (flags & named[name]!) !== 0)

const unescape = (text: string): string => text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)))

/** The mounts of this process, later ones last. Empty where the system does not tell. */
export const readMountPoints = (): ReadonlyArray<MountPoint> => {
  let text: ByteString
  try {
    text = fromBytes(readFileSync("/proc/self/mountinfo"))
  } catch {
    return []
  }
  return text
    .split("\n")
    .map((line) => line.split(" "))
    .filter((fields) => fields.length > 6)
    .map((fields) => ({
      path: unescape(fields[4]!),
      flags: fields[5]!.split(",").reduce((flags, option) => flags | (named[option] ?? 0), 0),
      // After a number of optional fields, which a dash ends.
      type: fields[fields.indexOf("-") + 1] ?? ""
    }))
}

/** Options of the mount that an absolute path (links resolved) lies on. */
export const flagsAt = (mountPoints: ReadonlyArray<MountPoint>, path: ByteString): number => {
  let best: MountPoint | undefined
  for (const mount of mountPoints) {
    const within = path === mount.path || mount.path === "/" || path.startsWith(`${mount.path}/`)
    if (within && (best === undefined || mount.path.length >= best.path.length)) best = mount
  }
  return best?.flags ?? 0
}

/** Where the cgroup file systems are mounted, of either version. */
export const cgroupMountPoints = (): ReadonlyArray<ByteString> =>
  readMountPoints()
    .filter(({ type }) => type === "cgroup" || type === "cgroup2")
    .map(({ path }) => path)
