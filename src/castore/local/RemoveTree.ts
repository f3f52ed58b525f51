/**
 * Removing a tree that somebody else may have made: read-only, inaccessible or absurdly deep directories, links to anywhere.
 *
 * Links are removed, never followed. Directories are made accessible first, because a directory of mode 000 (overlayfs leaves one) or 0555 (ours) stops a
 * plain removal. A tree deeper than a path can be long is lifted piece by piece to the top. Several processes may remove one tree at the same time, or
 * rename it meanwhile: what is gone when its turn comes is passed over.
 */
import { chmodSync, lstatSync, readdirSync, renameSync, rmdirSync, unlinkSync } from "node:fs"

const codeOf = (cause: unknown): string | undefined => (cause as NodeJS.ErrnoException).code

/** Runs `step`; that its file is gone is fine, and gives undefined. */
const unlessGone = <A>(step: () => A): A | undefined => {
  try {
    return step()
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined
    throw cause
  }
}

/** Removes `path` and everything below it; nothing there is fine, and so is another process that removes it too. Throws Node's error when the system refuses. */
export const removeTree = (path: string | Buffer): void => {
  const root = typeof path === "string" ? Buffer.from(path) : path
  let lifted = 0
  const slash = Buffer.from("/")
  const stack: Array<{ readonly path: Buffer; readonly below: Array<Buffer> }> = []
  const enter = (directory: Buffer): void => {
    const entries = unlessGone(() => {
      chmodSync(directory, 0o700)
      return readdirSync(directory, { withFileTypes: true, encoding: "buffer" })
    })
    if (entries === undefined) return
    const below: Array<Buffer> = []
    for (const entry of entries) {
      const name = entry.name as unknown as Buffer
      const child = Buffer.concat([directory, slash, name])
      if (child.length > 3500) {
        // Too deep for a path: move it up, to a name that is free at the top.
        const top = Buffer.concat([root, slash, Buffer.from(`.yix-lifted-${process.pid}-${lifted++}`)])
        try {
          if (entry.isDirectory()) chmodSync(child, 0o700)
          renameSync(child, top)
          stack[0]!.below.push(top)
          continue
        } catch (cause) {
          if (codeOf(cause) === "ENOENT") continue
          // A directory without write permission for us cannot be moved; it may still be removed below.
          if (codeOf(cause) !== "EACCES") throw cause
        }
      }
      if (entry.isDirectory()) below.push(child)
      else {
        try {
          unlessGone(() => unlinkSync(child))
        } catch (cause) {
          // Some file systems do not tell the type of an entry.
          if (codeOf(cause) !== "EISDIR" && codeOf(cause) !== "EPERM") throw cause
          below.push(child)
        }
      }
    }
    stack.push({ path: directory, below })
  }
  const remove = (path: Buffer): void => {
    const kind = unlessGone(() => lstatSync(path))
    if (kind === undefined) return
    if (kind.isDirectory()) enter(path)
    else unlessGone(() => unlinkSync(path))
  }
  remove(root)
  while (stack.length > 0) {
    const frame = stack[stack.length - 1]!
    const next = frame.below.pop()
    if (next === undefined) {
      unlessGone(() => rmdirSync(frame.path))
      stack.pop()
      continue
    }
    remove(next)
  }
}
