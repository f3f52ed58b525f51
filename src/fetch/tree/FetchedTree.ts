/** What fetching an input gives: its tree, and what is known of it besides. */
import type { Node } from "../../castore/Node.ts"
import type { Attribute } from "../../nix/FlakeRef.ts"

/** `lastModified` (Unix seconds), `rev`, `revCount`, `dirtyRev`, `dirtyShortRev`, as far as they are known. */
export type TreeAttributes = ReadonlyMap<string, Attribute>

export interface FetchedTree {
  readonly node: Node
  readonly attributes: TreeAttributes
}
