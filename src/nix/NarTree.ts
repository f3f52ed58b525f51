/**
 * Trees held in memory, to and from NAR: for small ones, tests and listings. Big ones are streamed with `NarReader` and `NarWriter`.
 */
import type { ByteString } from "./Bytes.ts"
import { narDepthLimit, narDirectorySize, NarError, narEntrySize, narFileSize, narMagicSize, narSymlinkSize } from "./Nar.ts"
import type { NarHandler } from "./Nar.ts"
import { NarReader } from "./NarReader.ts"
import { NarWriter } from "./NarWriter.ts"

export type NarTree =
  | { readonly _tag: "File"; readonly executable: boolean; readonly contents: Uint8Array }
  | { readonly _tag: "Symlink"; readonly target: ByteString }
  /** Entries strictly ascending by name, bytewise. */
  | { readonly _tag: "Directory"; readonly entries: ReadonlyArray<NarTreeEntry> }

export interface NarTreeEntry {
  readonly name: ByteString
  readonly node: NarTree
}

/** Tells a handler about a tree. Recursive: the handler refuses what is deeper than a NAR may be. */
export const walkTree = (tree: NarTree, handler: NarHandler, name: ByteString = ""): void => {
  switch (tree._tag) {
    case "File":
      handler.fileStart(name, tree.contents.length, tree.executable)
      if (tree.contents.length > 0) handler.fileData(tree.contents)
      handler.fileEnd()
      return
    case "Symlink":
      handler.symlink(name, tree.target)
      return
    case "Directory":
      handler.directoryStart(name)
      for (const entry of tree.entries) walkTree(entry.node, handler, entry.name)
      handler.directoryEnd()
  }
}

const nodeSize = (tree: NarTree, depth: number): number => {
  if (depth >= narDepthLimit) throw new NarError(0, { kind: "depth", limit: narDepthLimit })
  switch (tree._tag) {
    case "File":
      return narFileSize(tree.contents.length, tree.executable)
    case "Symlink":
      return narSymlinkSize(tree.target)
    case "Directory":
      return tree.entries.reduce((sum, entry) => sum + narEntrySize(entry.name) + nodeSize(entry.node, depth + 1), narDirectorySize)
  }
}

/** Bytes of a tree's NAR. Throws `NarError` where it is too deep to have one. */
export const narSize = (tree: NarTree): number => narMagicSize + nodeSize(tree, 0)

/** The NAR of a tree. Throws `NarError` where the tree has none. */
export const renderNar = (tree: NarTree): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(narSize(tree))
  let at = 0
  const writer = new NarWriter(
    (chunk) => {
      bytes.set(chunk, at)
      at += chunk.length
    },
    { reuse: true }
  )
  walkTree(tree, writer)
  writer.end()
  return bytes
}

/** Builds a tree from the calls of a reader; `tree` is it when they are over. */
export class NarTreeBuilder implements NarHandler {
  tree: NarTree | undefined
  private readonly open: Array<{ readonly name: ByteString; readonly entries: Array<NarTreeEntry> }> = []
  private parts: Array<Uint8Array> = []
  private file = { name: "" as ByteString, executable: false }

  directoryStart(name: ByteString): void {
    this.open.push({ name, entries: [] })
  }

  directoryEnd(): void {
    const { entries, name } = this.open.pop()!
    this.add(name, { _tag: "Directory", entries })
  }

  fileStart(name: ByteString, _size: number, executable: boolean): void {
    this.parts = []
    this.file = { name, executable }
  }

  fileData(bytes: Uint8Array): void {
    this.parts.push(bytes.slice())
  }

  fileEnd(): void {
    const contents = new Uint8Array(this.parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of this.parts) {
      contents.set(part, at)
      at += part.length
    }
    this.parts = []
    this.add(this.file.name, { _tag: "File", executable: this.file.executable, contents })
  }

  symlink(name: ByteString, target: ByteString): void {
    this.add(name, { _tag: "Symlink", target })
  }

  private add(name: ByteString, node: NarTree): void {
    const parent = this.open.at(-1)
    if (parent === undefined) this.tree = node
    else parent.entries.push({ name, node })
  }
}

/** The tree of a whole NAR. Throws `NarError`. */
export const parseNar = (bytes: Uint8Array): NarTree => {
  const builder = new NarTreeBuilder()
  const reader = new NarReader(builder)
  reader.push(bytes)
  reader.end()
  return builder.tree!
}
