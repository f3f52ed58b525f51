/**
 * Cutting down a tree of the castore to some of its paths, as a filter leaves them.
 */
import * as Effect from "effect/Effect"
import type { ByteString } from "../nix/Bytes.ts"
import { attempt, type CastoreError, MissingData } from "./CastoreError.ts"
import * as Digest from "./Digest.ts"
import * as Directory from "./Directory.ts"
import { DirectoryService } from "./directory/DirectoryService.ts"
import type { Directory as DirectoryData, DirectoryEntry, DirectoryNode, Node } from "./Node.ts"
import { loadDirectories } from "./view/TreeWalk.ts"

/**
 * The tree below `root` with only the paths of `accepted`: relative to it, parents included; the root itself always stays. Its directories are put into `into`,
 * all of them, so that they can be read from there alone. Files are not touched. Fails with `MissingData` where a directory is not there.
 */
export const pruneTree = Effect.fnUntraced(function* (
  root: Node,
  accepted: ReadonlyArray<ByteString>,
  into: DirectoryService["Service"]
): Effect.fn.Return<Node, CastoreError, DirectoryService> {
  if (root._tag !== "Directory") return root
  const directories = yield* loadDirectories(root)
  const wanted = new Set(accepted)
  const made: Array<DirectoryData> = []
  const cut = (digest: Digest.Digest, at: ByteString): DirectoryNode => {
    const whole = directories.get(digest)
    if (whole === undefined) throw new MissingData({ store: "the directory service", kind: "directory", digest: Digest.toText(digest) })
    const entries: Array<DirectoryEntry> = []
    for (const { name, node } of whole.entries) {
      const below = at === "" ? name : `${at}/${name}`
      if (wanted.has(below)) entries.push({ name, node: node._tag === "Directory" ? cut(node.digest, below) : node })
    }
    const directory = { entries }
    made.push(directory)
    return Directory.nodeOf(directory)
  }
  const node = yield* attempt("the tree", "cut it down", () => cut(root.digest, ""))
  yield* into.putMany(made)
  return node
})
