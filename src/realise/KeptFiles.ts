/**
 * Files that runs leave for those after them, in a folder of the user's: syntax trees, results of evaluations, V8's code.
 *
 * They appear whole, by renaming, and what they keep never changes: processes need not know of each other, and the folder may be deleted at any time. Only our own files are
 * believed; when there is too much, those go that were not used for longest.
 */
import * as fs from "node:fs"

export interface KeptLimits {
  /** Bytes of all files. */
  readonly total: number
  /** How many there are; default: as many as there may be. */
  readonly count?: number | undefined
}

/** Milliseconds after which a file that was being written is one that nobody finished. */
const abandoned = 3_600_000

/** Milliseconds that a note of use stays good enough. */
const noteAfter = 3_600_000

/** What cannot be kept, or cleared away, is no matter: there is no cache then, or another run clears it. */
export const quietly = (act: () => void): void => {
  try {
    act()
  } catch {
    // As it says.
  }
}

/** Whether a file is one that nobody else may have written. */
export const isOurs = (stat: fs.Stats): boolean => stat.isFile() && stat.uid === process.geteuid?.() && (stat.mode & 0o022) === 0

/** Notes that a file is of use. `used`: when that was noted last, in Unix milliseconds. */
export const noteUse = (fd: number, used: number): void => {
  const now = Date.now()
  // Not all file systems take it.
  if (now - used >= noteAfter) quietly(() => fs.futimesSync(fd, now / 1000, now / 1000))
}

/** Writes `folder/name`, which appears when it is complete; makes the folder. Throws what the file system refuses, and leaves nothing then. */
export const writeWhole = (folder: string, name: string, pieces: Iterable<Uint8Array>): void => {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = `${folder}/${name}`
  const writing = `${file}.${process.pid}-${Math.random().toString(36).slice(2)}.tmp`
  const fd = fs.openSync(writing, "wx", 0o600)
  try {
    try {
      for (const piece of pieces) for (let at = 0; at < piece.length;) at += fs.writeSync(fd, piece, at)
    } finally {
      fs.closeSync(fd)
    }
    fs.renameSync(writing, file)
  } catch (error) {
    quietly(() => fs.unlinkSync(writing))
    throw error
  }
}

/** Deletes what nobody finished, and files that end in `suffix` until the rest is within the limits. */
export const tidy = (folder: string, suffix: string, limits: KeptLimits): void => {
  const now = Date.now()
  const kept: Array<{ readonly file: string; readonly size: number; readonly used: number }> = []
  for (const name of fs.readdirSync(folder)) {
    const file = `${folder}/${name}`
    const stat = fs.statSync(file, { throwIfNoEntry: false })
    if (stat === undefined) continue
    if (name.endsWith(suffix)) kept.push({ file, size: stat.size, used: stat.mtimeMs })
    else if (name.endsWith(".tmp") && now - stat.mtimeMs > abandoned) quietly(() => fs.unlinkSync(file))
  }
  let total = kept.reduce((sum, { size }) => sum + size, 0)
  let count = kept.length
  for (const { file, size } of kept.toSorted((a, b) => a.used - b.used)) {
    if (total <= limits.total && count <= (limits.count ?? Infinity)) break
    quietly(() => fs.unlinkSync(file))
    total -= size
    count--
  }
}
