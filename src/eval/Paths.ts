/**
 * Path texts: absolute, normalised, bytes.
 */
import type { ByteString } from "../nix/Bytes.ts"

/** An absolute path without `.`, `..` and doubled slashes; `..` above the root stays at the root. Symlinks are not looked at. */
export const normalise = (path: ByteString): ByteString => {
  if (!/\/\/|\/\.|\/$/.test(path)) return path
  const parts: Array<string> = []
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue
    if (part === "..") parts.pop()
    else parts.push(part)
  }
  return `/${parts.join("/")}`
}

/** `path` as seen from the directory `base`. */
export const resolve = (base: ByteString, path: ByteString): ByteString =>
  path.startsWith("/") ? normalise(path) : normalise(`${base}/${path}`)

/** The last component; a slash at the end does not count. */
export const baseName = (path: ByteString): ByteString => {
  let end = path.length
  if (end > 1 && path[end - 1] === "/") end--
  const at = path.lastIndexOf("/", end - 1)
  return at < 0 ? path.slice(0, end) : path.slice(at + 1, end)
}

/** The directory that an absolute path stands in. */
export const directoryName = (path: ByteString): ByteString => {
  const at = path.lastIndexOf("/")
  return at <= 0 ? "/" : path.slice(0, at)
}
