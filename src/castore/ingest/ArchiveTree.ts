/**
 * The tree that an archive's members make, whatever their order.
 *
 * Contents are stored as they come (`FileGroup`), here are only names and digests; the entries for ingestion follow when all members are known. A member
 * below something that is not a directory is refused: nothing is ever written through a symlink.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type ByteString, toUnicode } from "../../nix/Bytes.ts"
import type { BlobService, StoredBlob } from "../blob/BlobService.ts"
import type { CastoreError } from "../CastoreError.ts"
import { nameProblem } from "../Directory.ts"
import { ArchiveFault, archiveProblems, memberNames } from "./ArchiveFault.ts"
import { groupBytes, groupEntries, type IngestEntry } from "./Ingest.ts"

/** Names on a member's path, so that the tree is no deeper than a NAR may be. */
export const depthLimit = 63

/** An archive that cannot be unpacked. */
export class BadArchive extends Schema.TaggedError<BadArchive>()("BadArchive", {
  /** The archive: an address or a path. */
  source: Schema.String,
  problem: Schema.Literals(archiveProblems),
  /** Path of the member concerned, as text for people; undefined where it is the archive as a whole. */
  member: Schema.UndefinedOr(Schema.String),
  detail: Schema.String
}) {
  override get message(): string {
    const where = this.member === undefined ? "" : `member '${this.member}': `
    const hint =
      this.problem === "not-archive"
        ? "; check that the address leads to the archive and not to a page about it"
        : this.problem === "truncated"
          ? "; fetch it again"
          : ""
    return `cannot unpack '${this.source}': ${where}${this.detail}${hint}`
  }
}

/** What was thrown, as an error about the archive `source`; anything but an `ArchiveFault` is thrown on. */
export const badArchive =
  (source: string) =>
  (error: unknown): BadArchive => {
    if (!(error instanceof ArchiveFault)) throw error
    const member = error.member === undefined ? undefined : toUnicode(error.member)
    return new BadArchive({ source, problem: error.problem, member, detail: error.message })
  }

export interface ArchiveFile {
  readonly _tag: "File"
  readonly executable: boolean
  blob: StoredBlob | undefined
}

interface Folder {
  readonly _tag: "Directory"
  readonly children: Map<ByteString, Item>
}

interface HardLink {
  readonly _tag: "HardLink"
  readonly path: ByteString
  readonly target: ByteString
}

type Item = ArchiveFile | Folder | { readonly _tag: "Symlink"; readonly target: ByteString } | HardLink

const kindOf = (item: Item): string => (item._tag === "Directory" ? "a directory" : item._tag === "Symlink" ? "a symlink" : "a file")

/** The tree that the members make. Synchronous; throws `ArchiveFault`. */
export class ArchiveTree {
  private readonly root: Folder = { _tag: "Directory", children: new Map() }
  private readonly links: Array<{ readonly folder: Folder; readonly name: ByteString; readonly link: HardLink }> = []

  private names(path: ByteString, member: ByteString = path): ReadonlyArray<ByteString> {
    const names = memberNames(path, nameProblem, member)
    if (names.length > depthLimit) throw new ArchiveFault("tree", `it lies more than ${depthLimit} directories deep`, member)
    return names
  }

  /** The directory of these names, made where it is missing. */
  private folder(names: ReadonlyArray<ByteString>, count: number, path: ByteString): Folder {
    let folder = this.root
    for (let i = 0; i < count; i++) {
      const name = names[i]!
      let next = folder.children.get(name)
      if (next === undefined) {
        next = { _tag: "Directory", children: new Map() }
        folder.children.set(name, next)
      }
      if (next._tag !== "Directory") {
        throw new ArchiveFault("tree", `it lies below '${toUnicode(names.slice(0, i + 1).join("/"))}', which is ${kindOf(next)}`, path)
      }
      folder = next
    }
    return folder
  }

  /** Takes the next member. It replaces an earlier one of the same path, but never a directory. */
  add(path: ByteString, item: Item): void {
    const names = this.names(path)
    const last = names.length - 1
    if (last < 0) {
      if (item._tag === "Directory") return
      throw new ArchiveFault("tree", "it has no name", path)
    }
    const folder = this.folder(names, last, path)
    const name = names[last]!
    const before = folder.children.get(name)
    if (before?._tag === "Directory") {
      if (item._tag === "Directory") return
      throw new ArchiveFault("tree", `it is ${kindOf(item)}, but was a directory before`, path)
    }
    folder.children.set(name, item)
    if (item._tag === "HardLink") this.links.push({ folder, name, link: item })
  }

  /**
   * The entries, children before parents, once all members are known. `strip`: where the top level is exactly one directory, that directory is the tree,
   * as `fetchTarball` does. Throws `ArchiveFault` before the first entry.
   */
  entries(strip: boolean): Iterable<IngestEntry> {
    this.resolveLinks()
    const { children } = this.root
    const [only] = children.values()
    return this.below(strip && children.size === 1 && only?._tag === "Directory" ? only : this.root, "")
  }

  /** Puts in the place of each hard link what it stands for now that all members are known. */
  private resolveLinks(): void {
    for (const { folder, name, link } of this.links) {
      if (folder.children.get(name) === link) folder.children.set(name, this.resolve(link))
    }
  }

  /** What a hard link stands for, through further ones. */
  private resolve(link: HardLink): Item {
    const seen = new Set<Item>()
    let item: Item = link
    while (item._tag === "HardLink") {
      if (seen.has(item)) throw new ArchiveFault("tree", "it is a hard link to itself", link.path)
      seen.add(item)
      let found: Item | undefined = this.root
      for (const name of this.names(item.target, link.path)) found = found?._tag === "Directory" ? found.children.get(name) : undefined
      if (found === undefined)
        throw new ArchiveFault("tree", `it is a hard link to '${toUnicode(link.target)}', which is not in the archive`, link.path)
      if (found._tag === "Directory")
        throw new ArchiveFault("tree", `it is a hard link to the directory '${toUnicode(link.target)}'`, link.path)
      item = found
    }
    return item
  }

  /** Entries of a directory, it itself last, hard links resolved before. Recursive: the depth is limited. */
  private *below(folder: Folder, path: ByteString): Generator<IngestEntry, void> {
    for (const [name, child] of folder.children) {
      const childPath = path === "" ? name : `${path}/${name}`
      if (child._tag === "Directory") yield* this.below(child, childPath)
      else if (child._tag === "Symlink") yield { _tag: "Symlink", path: childPath, target: child.target }
      else if (child._tag === "File") yield { _tag: "File", path: childPath, executable: child.executable, contents: child.blob! }
    }
    yield { _tag: "Directory", path }
  }
}

/** Small files that wait to be stored together. */
export class FileGroup {
  private files: Array<ArchiveFile> = []
  private contents: Array<Uint8Array> = []
  private bytes = 0

  /** Takes a file; whether it is time to store. The contents must not change before. */
  add(file: ArchiveFile, contents: Uint8Array): boolean {
    this.files.push(file)
    this.contents.push(contents)
    this.bytes += contents.length
    return this.bytes >= groupBytes || this.files.length >= groupEntries
  }

  /** Stores what waits and tells the files their blobs. */
  store(blobs: BlobService["Service"]): Effect.Effect<void, CastoreError> {
    const { files, contents } = this
    if (files.length === 0) return Effect.void
    this.files = []
    this.contents = []
    this.bytes = 0
    return Effect.map(blobs.putMany(contents), (digests) => {
      files.forEach((file, i) => {
        file.blob = { digest: digests[i]!, size: contents[i]!.length }
      })
    })
  }
}
