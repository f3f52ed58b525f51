/**
 * Whether a file of the host, or a tree of them, is as it was, told without reading it.
 *
 * Who looks at a file before reading it and finds the same size, times, inode and device later knows that the content is the same, provided that the file was *settled*: its
 * last change was so long ago that a later one cannot have left the same time. And only on file systems that set the time of change themselves at every change: not on
 * /proc, and not on what another machine serves.
 */
import * as fs from "node:fs"
import { hostPath } from "../castore/ingest/HostTree.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { Fingerprint } from "./Fingerprint.ts"

/** Size, times of content and of change in milliseconds since 1970, inode, device. */
export type FileState = readonly [size: number, modified: number, changed: number, inode: number, device: number]

/** Milliseconds after which a further change gives another time, on every file system that is believed. */
const settling = 2000

/** Linux: ext2 to ext4, xfs, btrfs, tmpfs, overlayfs, zfs, f2fs, bcachefs. */
const believed: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x2fc12fc1, 0xf2f52010, 0xca451a4e])

const devices = new Map<number, boolean>()

const isBelieved = (device: number, path: ByteString): boolean => {
  let known = devices.get(device)
  if (known === undefined) {
    try {
      known = process.platform === "linux" && believed.has(fs.statfsSync(hostPath(path)).type)
    } catch {
      return false
    }
    devices.set(device, known)
  }
  return known
}

export const stateOf = (stat: fs.Stats): FileState => [stat.size, stat.mtimeMs, stat.ctimeMs, stat.ino, stat.dev]

/** What a path was, as told not before `at`: milliseconds since 1970. */
export interface Look {
  readonly stat: fs.Stats
  readonly at: number
}

/** Whether the state tells what is read after the look, however long reading it takes. */
export const isSettled = (path: ByteString, { stat, at }: Look): boolean => at - stat.ctimeMs > settling && isBelieved(stat.dev, path)

/** A tree's state in short. */
export interface TreeState {
  readonly sum: readonly [number, number]
  readonly settled: boolean
}

/**
 * The state of what lies at `root`, which is not followed where it is a link, and of everything below it that is `accepted` (all where undefined): names, types, executable
 * bits, and of files and links their states. `undefined` where something cannot be looked at.
 */
export const treeState = (root: ByteString, accepted: ReadonlyArray<ByteString> | undefined): TreeState | undefined => {
  const wanted = accepted === undefined ? undefined : new Set(accepted)
  const print = new Fingerprint()
  const at = Date.now()
  let settled = true
  const visit = (host: ByteString, relative: ByteString): void => {
    const stat = fs.lstatSync(hostPath(host))
    print.text(relative)
    if (stat.isDirectory()) {
      print.cell(1)
      const prefix = relative === "" ? "" : `${relative}/`
      const names = fs.readdirSync(hostPath(host), "latin1").sort()
      for (const name of names) if (wanted === undefined || wanted.has(prefix + name)) visit(`${host}/${name}`, prefix + name)
      print.cell(2)
      return
    }
    for (const number of stateOf(stat)) print.number(number)
    print.number(stat.mode)
    settled &&= isSettled(host, { stat, at })
  }
  try {
    visit(root.length > 1 ? root.replace(/\/+$/, "") : root, "")
  } catch {
    return undefined
  }
  return { sum: print.sum, settled }
}
