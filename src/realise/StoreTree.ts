/**
 * Near requests inside store paths: walking from a path's root node to what a request names, over any source of directories and blobs.
 *
 * Symlinks on the way are followed while they stay in the same store path; one that leads out of it is answered with `elsewhere`, and the asker starts
 * again there.
 */
import type { Digest, Directory, Node } from "../castore/Node.ts"
import type { FileType, IoAnswer, NearRequest } from "../eval/IoRequest.ts"
import { normalise } from "../eval/Paths.ts"
import type { ByteString } from "../nix/Bytes.ts"

/** Where directories come from; undefined when one is missing. */
export interface DirectorySource {
  directory(digest: Digest): Directory | undefined
}

export type Found =
  | { readonly _tag: "Node"; readonly node: Node }
  | { readonly _tag: "Missing" }
  /** An absolute path outside this store path. */
  | { readonly _tag: "Elsewhere"; readonly path: ByteString }
  | { readonly _tag: "Damaged"; readonly digest: Digest }
  | { readonly _tag: "Loop" }

const linkLimit = 40

/**
 * The node at `path`, which is `root` or lies below it. A symlink in last place is followed only when `follow`.
 */
export const findNode = (source: DirectorySource, root: ByteString, rootNode: Node, path: ByteString, follow: boolean): Found => {
  let wanted = path
  for (let links = 0; links <= linkLimit; links++) {
    const parts = wanted
      .slice(root.length + 1)
      .split("/")
      .filter((part) => part !== "")
    let node = rootNode
    let at: ByteString = root
    let redirected = false
    for (let i = 0; i <= parts.length; i++) {
      if (node._tag === "Symlink" && (i < parts.length || follow)) {
        const target = node.target.startsWith("/") ? node.target : `${at.slice(0, at.lastIndexOf("/"))}/${node.target}`
        wanted = normalise([target, ...parts.slice(i)].join("/"))
        if (wanted !== root && !wanted.startsWith(`${root}/`)) return { _tag: "Elsewhere", path: wanted }
        redirected = true
        break
      }
      if (i === parts.length) return { _tag: "Node", node }
      if (node._tag !== "Directory") return { _tag: "Missing" }
      const directory = source.directory(node.digest)
      if (directory === undefined) return { _tag: "Damaged", digest: node.digest }
      const name = parts[i] as string
      const entry = directory.entries.find((e) => e.name === name)
      if (entry === undefined) return { _tag: "Missing" }
      node = entry.node
      at = `${at}/${name}`
    }
    if (!redirected) break
  }
  return { _tag: "Loop" }
}

export const nodeType = (node: Node): FileType => (node._tag === "File" ? "regular" : node._tag === "Directory" ? "directory" : "symlink")

/** What is needed beyond the node to answer: nothing, the blob's bytes, or the directory's entries. */
export const refusal = (kind: string, message: string): IoAnswer => ({ ok: false, failure: { kind, message, exitCode: undefined } })

/** Answers what needs no content: types, links, and errors. Undefined where content is needed. */
export const answerFromNode = (
  request: NearRequest & { readonly path: ByteString },
  found: Exclude<Found, { _tag: "Elsewhere" }>
): IoAnswer | undefined => {
  if (found._tag === "Damaged")
    return refusal(
      "damaged",
      `path '${request.path}' is damaged in the store: directory ${found.digest} is missing; run 'yix store verify'`
    )
  if (found._tag === "Loop") return refusal("loop", `too many symbolic links encountered while traversing the path '${request.path}'`)
  if (found._tag === "Missing") {
    if (request._tag === "PathType") return { ok: true, value: undefined }
    return refusal("missing", `path '${request.path}' does not exist`)
  }
  const node = found.node
  switch (request._tag) {
    case "PathType":
      return { ok: true, value: nodeType(node) }
    case "ReadLink":
      return node._tag === "Symlink" ? { ok: true, value: node.target } : refusal("io", `path '${request.path}' is not a symbolic link`)
    case "ReadFile":
      return node._tag === "File" ? undefined : refusal("directory", `reading file '${request.path}': it is a ${nodeType(node)}`)
    case "ReadDirectory":
      return node._tag === "Directory" ? undefined : refusal("io", `reading directory '${request.path}': it is a ${nodeType(node)}`)
    default:
      return refusal("io", `cannot answer ${request._tag} from a store path`)
  }
}
