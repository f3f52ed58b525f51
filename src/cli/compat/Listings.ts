/**
 * Trees listed as `nix store ls` and `nix nar ls` do it.
 */
import type { ByteString } from "../../nix/Bytes.ts"
import { printListing, type NarListing } from "../../nix/NarListing.ts"
import type { FlagTable } from "./Flags.ts"

export const listingTable = {
  long: ["--long -l", "", "Modes, sizes and targets"],
  recursive: ["--recursive -R", "", "Go into directories"],
  directory: ["--directory -d", "", "A directory itself, not what it holds"],
  json: ["--json", "", "Print JSON"],
  pretty: ["--no-pretty --pretty", "", "Changes nothing"]
} as const satisfies FlagTable

export interface ListingOptions {
  readonly long: boolean
  readonly recursive: boolean
  readonly directory: boolean
}

/** What lies at a path inside a tree; `undefined` where nothing does. */
export const listingAt = (root: NarListing, path: ByteString): NarListing | undefined => {
  let node: NarListing | undefined = root
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue
    node = node?._tag === "Directory" ? node.entries.get(name) : undefined
  }
  return node
}

const mode = (node: NarListing): string => {
  if (node._tag === "Directory") return "dr-xr-xr-x"
  if (node._tag === "Symlink") return "lrwxrwxrwx"
  return node.executable ? "-r-xr-xr-x" : "-r--r--r--"
}

/** A line for each entry, `./name` below a directory; `name` is that of what is no directory. */
export const listingLines = (root: NarListing, name: ByteString, options: ListingOptions): ReadonlyArray<ByteString> => {
  const lines: Array<ByteString> = []
  const show = (node: NarListing, path: ByteString): void => {
    if (!options.long) return void lines.push(path)
    const size = node._tag === "File" ? node.size : 0
    lines.push(`${mode(node)} ${String(size).padStart(20)} ${path}${node._tag === "Symlink" ? ` -> ${node.target}` : ""}`)
  }
  const visit = (node: NarListing, path: ByteString, inside: boolean): void => {
    if (!inside || node._tag !== "Directory") show(node, path)
    if (node._tag !== "Directory" || !(inside || options.recursive)) return
    for (const [entry, child] of node.entries) visit(child, `${path}/${entry}`, false)
  }
  if (root._tag !== "Directory") show(root, name)
  else visit(root, ".", !options.directory)
  return lines
}

/** The JSON of a listing. Without `recursive` it says of what a directory holds nothing but the names, as Nix does. */
export const listingJson = (root: NarListing, recursive: boolean): ByteString => {
  if (recursive || root._tag !== "Directory") return printListing(root).replace(/^\{"root":([^]*),"version":1\}$/, "$1")
  return `{"entries":{${[...root.entries.keys()].map((name) => `${JSON.stringify(name)}:{}`).join(",")}},"type":"directory"}`
}
