/**
 * `<name>`: looked up in the search path (`-I`, `NIX_PATH`), entry by entry. URLs in it are fetched as tarballs when they are reached.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { Position } from "./Positions.ts"
import { bundledFile, bundledPrefix } from "./BundledFiles.ts"
import { ask } from "./Force.ts"
import { pathType } from "./Import.ts"
import type { SearchPathEntry } from "./Machine.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"
import { normalise, resolve } from "./Paths.ts"
import { NixPath } from "./Value.ts"

const isUrl = (text: ByteString): boolean => /^(https?|file|ftp|channel):/.test(text)

/** Where an entry leads; undefined when there is nothing. */
const entryRoot = (path: ByteString): ByteString | undefined => {
  if (isUrl(path)) {
    const url = path.startsWith("channel:") ? `https://channels.nixos.org/${path.slice(8)}/nixexprs.tar.xz` : path
    return ask({ _tag: "Fetch", url, name: "source", hash: undefined, unpack: true }) as ByteString
  }
  const root = resolve(machine.settings.workingDirectory, path)
  return pathType(root, true) === undefined ? undefined : root
}

/** What stands after an entry's prefix in `name`; undefined when the entry is not about it. */
const rest = (entry: SearchPathEntry, name: ByteString): ByteString | undefined => {
  if (entry.prefix === "") return `/${name}`
  if (name === entry.prefix) return ""
  return name.startsWith(`${entry.prefix}/`) ? name.slice(entry.prefix.length) : undefined
}

/** Looks `name` up; throws what `tryEval` can catch when it is not found. */
export const find = (entries: ReadonlyArray<SearchPathEntry>, name: ByteString, position: Position): NixPath => {
  for (const entry of entries) {
    const suffix = rest(entry, name)
    if (suffix === undefined) continue
    const root = entryRoot(entry.path)
    if (root === undefined) {
      machine.print(`warning: Nix search path entry '${entry.path}' does not exist, ignoring`)
      continue
    }
    const path = normalise(root + suffix)
    if (suffix === "" || pathType(path, true) !== undefined) return new NixPath(path)
  }
  const bundled = name.startsWith("nix/") ? `${bundledPrefix}/${name.slice(4)}` : ""
  if (bundledFile(bundled) !== undefined) return new NixPath(bundled)
  throw new NixError(
    "throw",
    machine.settings.pure
      ? `cannot look up '<${name}>' in pure evaluation mode (use '--impure' to override)`
      : `file '${name}' was not found in the Nix search path (add it using $NIX_PATH or -I)`,
    position
  )
}

/** `<name>`. */
export const findOnSearchPath = (name: ByteString, position: Position): NixPath => find(machine.settings.searchPath, name, position)
