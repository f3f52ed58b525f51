/**
 * Looking at what is in a store: a path inside a store path, what a directory holds, what a file says.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { BlobService } from "../castore/blob/BlobService.ts"
import { type CastoreError, MissingData } from "../castore/CastoreError.ts"
import * as Digest from "../castore/Digest.ts"
import { lookup } from "../castore/Directory.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { Directory, DirectoryNode, Node } from "../castore/Node.ts"
import { type ByteString, toUnicode } from "../nix/Bytes.ts"
import { splitStorePath, storeDir, StorePathError } from "../nix/StorePath.ts"
import type { PathInfo } from "./PathInfo.ts"
import { PathInfoService } from "./PathInfoService.ts"

/** A path is none of a store, or the store does not have it. */
export class NotInStore extends Schema.TaggedError<NotInStore>()("NotInStore", {
  /** As Unicode. */
  path: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `'${this.path}' ${this.detail}`
  }
}

export interface Located {
  /** Of the store path that it lies in. */
  readonly info: PathInfo
  readonly node: Node
  /** Relative to the store path, "" for itself. */
  readonly inside: ByteString
}

const directoryOf = Effect.fnUntraced(function* (node: DirectoryNode): Effect.fn.Return<Directory, CastoreError, DirectoryService> {
  const directories = yield* DirectoryService
  const found = yield* directories.get(node.digest)
  if (Option.isSome(found)) return found.value
  return yield* new MissingData({ store: "the directory service", kind: "directory", digest: Digest.toText(node.digest) })
})

/**
 * What lies at a path: a store path, or something inside one. Accepts `/nix/store/<base name>…` and `<base name>…`. Symlinks are not followed.
 */
export const locate = Effect.fn("store.locate")(function* (
  path: ByteString
): Effect.fn.Return<Located, NotInStore | CastoreError, DirectoryService | PathInfoService> {
  const service = yield* PathInfoService
  const { storePath, rest } = yield* Effect.try({
    try: () => splitStorePath(path.startsWith("/") ? path : `${storeDir}/${path}`),
    catch: (cause) =>
      new NotInStore({
        path: toUnicode(path),
        detail: cause instanceof StorePathError ? `is no store path: ${cause.message}` : String(cause)
      })
  })
  const info = yield* service.get(storePath)
  if (Option.isNone(info)) return yield* new NotInStore({ path: toUnicode(storePath), detail: "is not in the store" })
  const names = rest.split("/").filter((name) => name !== "")
  let node: Node = info.value.node
  for (let i = 0; i < names.length; i++) {
    const inside = `${storePath}${names
      .slice(0, i)
      .map((name) => `/${name}`)
      .join("")}`
    if (node._tag !== "Directory") {
      return yield* new NotInStore({
        path: toUnicode(path),
        detail: `is not in the store: '${toUnicode(inside)}' is a ${node._tag.toLowerCase()}`
      })
    }
    const next: Node | undefined = lookup(yield* directoryOf(node), names[i]!)
    if (next === undefined) {
      return yield* new NotInStore({
        path: toUnicode(path),
        detail: `is not in the store: '${toUnicode(inside)}' has no entry '${toUnicode(names[i]!)}'`
      })
    }
    node = next
  }
  return { info: info.value, node, inside: names.join("/") }
})

export interface ListedEntry {
  /** Relative to the node listed; "" for that itself. */
  readonly path: ByteString
  readonly node: Node
}

/** A file or symlink itself; the entries of a directory, by name; with `recursive`, of those below as well, each after the directory it lies in. */
export const list = (
  root: Node,
  options: { readonly recursive?: boolean | undefined } = {}
): Stream.Stream<ListedEntry, CastoreError, DirectoryService> => {
  if (root._tag !== "Directory") return Stream.succeed({ path: "", node: root })
  return Stream.paginate([{ path: "", node: root as Node }], (stack) =>
    Effect.gen(function* () {
      const top = stack.pop()
      if (top === undefined) return [[], Option.none()] as const
      const listed: Array<ListedEntry> = top.path === "" ? [] : [top]
      if (top.node._tag === "Directory" && (top.path === "" || options.recursive === true)) {
        const { entries } = yield* directoryOf(top.node)
        const below = entries.map(({ name, node }) => ({ path: top.path === "" ? name : `${top.path}/${name}`, node }))
        if (options.recursive === true) stack.push(...below.reverse())
        else listed.push(...below)
      }
      return [listed, Option.some(stack)] as const
    })
  )
}

/** What was to be read as a file is none. */
export class NotAFile extends Schema.TaggedError<NotAFile>()("NotAFile", { path: Schema.String, kind: Schema.String }) {
  override get message(): string {
    return `'${this.path}' is a ${this.kind}, not a file`
  }
}

/** The contents of a file in the store. */
export const cat = (
  path: ByteString
): Stream.Stream<Uint8Array, NotInStore | NotAFile | CastoreError, BlobService | DirectoryService | PathInfoService> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { node } = yield* locate(path)
      if (node._tag !== "File") return yield* new NotAFile({ path: toUnicode(path), kind: node._tag.toLowerCase() })
      return (yield* BlobService).read(node.digest)
    })
  )
