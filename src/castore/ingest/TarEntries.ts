/**
 * A tar archive as ingestion entries.
 *
 * Members come in any order, replace earlier ones of the same path, and may be names of members that come later. So contents are stored as they
 * come, the tree is kept as names and digests only, and the entries follow when the archive has ended: children before parents, the root last.
 * A member below something that is not a directory is refused: nothing is ever written through a symlink.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type ByteString, toUnicode } from "../../nix/Bytes.ts"
import { Input } from "../../wire/decompress/Input.ts"
import { BlobService, type StoredBlob } from "../blob/BlobService.ts"
import type { CastoreError } from "../CastoreError.ts"
import { nameProblem, targetProblem } from "../Directory.ts"
import { groupBytes, groupEntries, type IngestEntry, smallFileLimit } from "./Ingest.ts"
import { memberNames, readTar, TarFault, type TarEvent, type TarProblem } from "./Tar.ts"

/** Levels of directories, as in a NAR. */
export const depthLimit = 63

const problems = [
  "not-tar",
  "checksum",
  "number",
  "record",
  "name",
  "type",
  "sparse",
  "truncated",
  "tree"
] as const satisfies ReadonlyArray<TarProblem>

/** An archive that cannot be unpacked. */
export class BadArchive extends Schema.TaggedError<BadArchive>()("BadArchive", {
  /** The archive: an address or a path. */
  source: Schema.String,
  problem: Schema.Literals(problems),
  /** Path of the member concerned, as text for people; undefined where it is the archive as a whole. */
  member: Schema.UndefinedOr(Schema.String),
  detail: Schema.String
}) {
  override get message(): string {
    const where = this.member === undefined ? "" : `member '${this.member}': `
    const hint =
      this.problem === "not-tar"
        ? "; check that the address leads to the archive and not to a page about it"
        : this.problem === "truncated"
          ? "; fetch it again"
          : ""
    return `cannot unpack '${this.source}': ${where}${this.detail}${hint}`
  }
}

interface File {
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

type Item = File | Folder | { readonly _tag: "Symlink"; readonly target: ByteString } | HardLink

const kindOf = (item: Item): string => (item._tag === "Directory" ? "a directory" : item._tag === "Symlink" ? "a symlink" : "a file")

/** The tree that the members make. Synchronous; throws `TarFault`. */
class Tree {
  readonly root: Folder = { _tag: "Directory", children: new Map() }
  private readonly links: Array<{ readonly folder: Folder; readonly name: ByteString; readonly link: HardLink }> = []

  private names(path: ByteString, member: ByteString = path): ReadonlyArray<ByteString> {
    const names = memberNames(path, nameProblem, member)
    if (names.length > depthLimit) throw new TarFault("tree", `it lies more than ${depthLimit} directories deep`, member)
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
        throw new TarFault("tree", `it lies below '${toUnicode(names.slice(0, i + 1).join("/"))}', which is ${kindOf(next)}`, path)
      }
      folder = next
    }
    return folder
  }

  add(path: ByteString, item: Item): void {
    const names = this.names(path)
    const last = names.length - 1
    if (last < 0) {
      if (item._tag === "Directory") return
      throw new TarFault("tree", "it has no name", path)
    }
    const folder = this.folder(names, last, path)
    const name = names[last]!
    const before = folder.children.get(name)
    if (before?._tag === "Directory") {
      if (item._tag === "Directory") return
      throw new TarFault("tree", `it is ${kindOf(item)}, but was a directory before`, path)
    }
    folder.children.set(name, item)
    if (item._tag === "HardLink") this.links.push({ folder, name, link: item })
  }

  /** Puts in the place of each hard link what it stands for now that all members are known. */
  resolveLinks(): void {
    for (const { folder, name, link } of this.links) {
      if (folder.children.get(name) === link) folder.children.set(name, this.resolve(link))
    }
  }

  /** What a hard link stands for, through further ones. */
  private resolve(link: HardLink): Item {
    const seen = new Set<Item>()
    let item: Item = link
    while (item._tag === "HardLink") {
      if (seen.has(item)) throw new TarFault("tree", "it is a hard link to itself", link.path)
      seen.add(item)
      let found: Item | undefined = this.root
      for (const name of this.names(item.target, link.path)) found = found?._tag === "Directory" ? found.children.get(name) : undefined
      if (found === undefined)
        throw new TarFault("tree", `it is a hard link to '${toUnicode(link.target)}', which is not in the archive`, link.path)
      if (found._tag === "Directory")
        throw new TarFault("tree", `it is a hard link to the directory '${toUnicode(link.target)}'`, link.path)
      item = found
    }
    return item
  }

  /** Entries of a directory, it itself last, hard links resolved before. Recursive: the depth is limited. */
  *entries(folder: Folder, path: ByteString): Generator<IngestEntry, void> {
    for (const [name, child] of folder.children) {
      const childPath = path === "" ? name : `${path}/${name}`
      if (child._tag === "Directory") yield* this.entries(child, childPath)
      else if (child._tag === "Symlink") yield { _tag: "Symlink", path: childPath, target: child.target }
      else if (child._tag === "File") yield { _tag: "File", path: childPath, executable: child.executable, contents: child.blob! }
    }
    yield { _tag: "Directory", path }
  }
}

export interface TarOptions {
  /** The archive's address or path, for error messages. */
  readonly source: string
  /** As `fetchTarball` does: where the archive's top level is exactly one directory, that directory is the tree. */
  readonly strip: boolean
}

/** What the synchronous part stopped for. */
type Pause = "input" | "group" | "end" | { readonly file: File; readonly path: ByteString }

const concat = (pieces: ReadonlyArray<Uint8Array>, size: number): Uint8Array => {
  if (pieces.length === 1) return pieces[0]!.slice()
  const whole = new Uint8Array(size)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/**
 * The entries of a tar archive (not compressed). Stores the files' contents while reading; the whole input is read, also what follows the archive's end.
 */
export const tarEntries =
  ({ source, strip }: TarOptions) =>
  <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<IngestEntry, E | BadArchive | CastoreError, R | BlobService> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const blobs = yield* BlobService
        const pull = yield* Stream.toPull(bytes)
        const input = new Input()
        const events = readTar(input)
        const tree = new Tree()
        const group: { files: Array<File>; contents: Array<Uint8Array>; bytes: number } = { files: [], contents: [], bytes: 0 }
        let open: { file: File; size: number; left: number; pieces: Array<Uint8Array> } | undefined

        const fault = (error: unknown): BadArchive => {
          if (!(error instanceof TarFault)) throw error
          const member = error.member === undefined ? undefined : toUnicode(error.member)
          return new BadArchive({ source, problem: error.problem, member, detail: error.message })
        }

        const pullInput: Effect.Effect<boolean, E, R> = pull.pipe(
          Effect.map((pieces) => {
            for (const piece of pieces) input.push(piece)
            return true
          }),
          Effect.catch((error) => {
            if (!Cause.isDone(error)) return Effect.fail(error as E)
            input.end()
            return Effect.succeed(false)
          })
        )

        const finishSmall = (): void => {
          const { file, size, pieces } = open!
          group.files.push(file)
          group.contents.push(concat(pieces, size))
          group.bytes += size
          open = undefined
        }

        /** Takes events until something is needed that only an effect can give. */
        const advance = (): Pause => {
          for (;;) {
            const { done, value: event } = events.next()
            if (done === true) return "end"
            if (event === undefined) return "input"
            switch (event._tag) {
              case "Data":
                open!.pieces.push(event.bytes)
                open!.left -= event.bytes.length
                if (open!.left > 0) break
                finishSmall()
                if (group.bytes >= groupBytes || group.files.length >= groupEntries) return "group"
                break
              case "Directory":
                tree.add(event.path, { _tag: "Directory", children: new Map() })
                break
              case "Symlink": {
                const problem = targetProblem(event.target)
                if (problem !== undefined) throw new TarFault("name", `it has ${problem}`, event.path)
                tree.add(event.path, event)
                break
              }
              case "HardLink":
                tree.add(event.path, event)
                break
              case "File": {
                const file: File = { _tag: "File", executable: event.executable, blob: undefined }
                tree.add(event.path, file)
                open = { file, size: event.size, left: event.size, pieces: [] }
                if (event.size > smallFileLimit) return { file, path: event.path }
                if (event.size === 0) finishSmall()
              }
            }
          }
        }

        const storeGroup = Effect.suspend(() => {
          const { files, contents } = group
          group.files = []
          group.contents = []
          group.bytes = 0
          if (files.length === 0) return Effect.void
          return Effect.map(blobs.putMany(contents), (digests) => {
            files.forEach((file, i) => {
              file.blob = { digest: digests[i]!, size: contents[i]!.length }
            })
          })
        })

        /** The contents of the file that was just begun. */
        const contentsOf = (file: File): Stream.Stream<Uint8Array, E | BadArchive, R> => {
          const step: Effect.Effect<readonly [Uint8Array], E | BadArchive | Cause.Done, R> = Effect.suspend(() => {
            if (open === undefined || open.file !== file) return Cause.done()
            return Effect.flatMap(Effect.try({ try: () => events.next().value as TarEvent | undefined, catch: fault }), (event) => {
              if (event === undefined) return Effect.andThen(pullInput, step)
              const { bytes } = event as TarEvent & { readonly _tag: "Data" }
              open!.left -= bytes.length
              if (open!.left === 0) open = undefined
              return Effect.succeed([bytes] as const)
            })
          })
          return Stream.fromPull(Effect.succeed(step))
        }

        for (;;) {
          const pause = yield* Effect.try({ try: advance, catch: fault })
          if (pause === "end") break
          if (pause === "input") yield* pullInput
          else if (pause === "group") yield* storeGroup
          else pause.file.blob = yield* blobs.putStream(contentsOf(pause.file))
        }
        yield* storeGroup
        // What follows the archive's end is padding; reading it shows whether the input itself was sound to its end.
        while (yield* pullInput) while (input.available > 0) input.pullSome(input.available)

        yield* Effect.try({ try: () => tree.resolveLinks(), catch: fault })
        const { children } = tree.root
        const [only] = children.values()
        const root = strip && children.size === 1 && only?._tag === "Directory" ? only : tree.root
        return Stream.fromIterable(tree.entries(root, ""))
      })
    )
