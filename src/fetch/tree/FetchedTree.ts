/** What fetching an input gives: its tree, and what is known of it besides. */
import type { NarSummary } from "../../castore/ingest/NarDigest.ts"
import type { Node } from "../../castore/Node.ts"
import type { Attribute } from "../../nix/FlakeRef.ts"

/** `lastModified` (Unix seconds), `rev`, `revCount`, `dirtyRev`, `dirtyShortRev`, as far as they are known. */
export type TreeAttributes = ReadonlyMap<string, Attribute>

export interface FetchedTree {
  readonly node: Node
  /** Where the same pass over the bytes told it. */
  readonly nar?: NarSummary | undefined
  readonly attributes: TreeAttributes
}
