/**
 * Puts directories together from entries that come children before parents.
 *
 * Holds only what waits for its parent. Checks what a producer may get wrong: names, order, duplicates, entries whose directory never comes. Synchronous.
 */
import { type ByteString, toUnicode } from "../../nix/Bytes.ts"
import { InvalidData } from "../CastoreError.ts"
import * as Directory from "../Directory.ts"
import type { Directory as DirectoryData, DirectoryEntry, Node } from "../Node.ts"

/** An entry whose contents are stored. Paths are relative to the root, which is "". */
export type StoredEntry =
  | { readonly path: ByteString; readonly node: Node }
  /** A directory made of the entries that came before it. */
  | { readonly path: ByteString; readonly node: undefined }

const refuse = (path: ByteString, detail: string): never => {
  throw new InvalidData({ what: path === "" ? "the root of the tree" : `entry '${toUnicode(path)}' of the tree`, detail })
}

export class TreeBuilder {
  /** Entries that wait for their directory, by its path. */
  readonly #waiting = new Map<ByteString, Array<DirectoryEntry>>()
  #finished: Array<DirectoryData> = []
  #root: Node | undefined

  /** Takes the next entry. Throws `InvalidData` when it cannot stand here. */
  add({ path, node }: StoredEntry): void {
    if (this.#root !== undefined) refuse(path, "came after the root, which must be last")
    const made = node ?? this.#close(path)
    if (path === "") {
      this.#root = made
      return
    }
    const slash = path.lastIndexOf("/")
    const name = path.slice(slash + 1)
    const problem = Directory.nameProblem(name) ?? (node === undefined ? undefined : Directory.nodeProblem(node))
    if (problem !== undefined) refuse(path, `has ${problem}`)
    const parent = slash === -1 ? "" : path.slice(0, slash)
    if (slash === 0 || parent.startsWith("/")) refuse(path, "is not a relative path")
    const siblings = this.#waiting.get(parent)
    if (siblings === undefined) this.#waiting.set(parent, [{ name, node: made }])
    else siblings.push({ name, node: made })
  }

  #close(path: ByteString): Node {
    const entries = this.#waiting.get(path) ?? []
    this.#waiting.delete(path)
    let sorted = true
    for (let i = 1; i < entries.length && sorted; i++) sorted = entries[i - 1]!.name < entries[i]!.name
    if (!sorted) entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    for (let i = 1; i < entries.length; i++) {
      if (entries[i - 1]!.name === entries[i]!.name) refuse(path === "" ? entries[i]!.name : `${path}/${entries[i]!.name}`, "came twice")
    }
    const directory = { entries }
    this.#finished.push(directory)
    return Directory.nodeOf(directory)
  }

  /** The directories finished since the last call, children before parents. */
  takeFinished(): ReadonlyArray<DirectoryData> {
    const finished = this.#finished
    this.#finished = []
    return finished
  }

  get finishedCount(): number {
    return this.#finished.length
  }

  /** The root, once all entries came. Throws `InvalidData` when it did not come, or entries are left whose directory did not. */
  end(): Node {
    for (const [parent, entries] of this.#waiting) {
      const child = entries[0]!.name
      refuse(parent === "" ? child : `${parent}/${child}`, "came, but after it no entry for the directory it lies in")
    }
    return this.#root ?? refuse("", "never came; the last entry must be the root")
  }
}
