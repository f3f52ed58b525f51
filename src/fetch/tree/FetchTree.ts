/**
 * Fetching an input (`fetchTree`, flakes) by its type: what lies behind the attributes, as a tree in the castore with what is known of it.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { BlobService } from "../../castore/blob/BlobService.ts"
import { ingestPath } from "../../castore/ingest/FileSystem.ts"
import { hostPath } from "../../castore/ingest/HostTree.ts"
import type { SourceError } from "../../castore/ingest/SourceError.ts"
import type { Node } from "../../castore/Node.ts"
import { type ByteString, toUnicode } from "../../nix/Bytes.ts"
import { FlakeRefError, isKnowledge, printUrl, showInput, textOf as text, type TreeInput } from "../../nix/FlakeRef.ts"
import type { Source } from "../Content.ts"
import { unpack } from "../Tarball.ts"
import type { FetchedTree } from "./FetchedTree.ts"
import { archiveUrl, type RefUnresolved, resolveRef } from "./Forge.ts"
import { fetchGit } from "./Git.ts"
import type { GitFailed } from "./GitProcess.ts"
import type { Mirrors } from "./GitRepository.ts"
import { type NotRegistered, resolve } from "./Registry.ts"

/** An input of a kind that cannot be fetched here. */
export class InputUnsupported extends Schema.TaggedError<InputUnsupported>()("InputUnsupported", {
  url: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot fetch '${this.url}': ${this.detail}`
  }
}

/** What fetching inputs can fail with, beyond what reading addresses can. */
export type TreeError = InputUnsupported | NotRegistered | RefUnresolved | GitFailed | SourceError

export interface TreeSources {
  /** The bytes at an address. */
  readonly open: (url: ByteString) => Source
  /** Where git's mirrors are; `undefined` where the fetcher reads neither repositories nor directories of this machine. */
  readonly mirrors: Mirrors | undefined
}

/** The input as messages call it. What a registry made of it may have no address. */
const called = (input: TreeInput): string => {
  try {
    return toUnicode(printUrl(input))
  } catch (error) {
    if (error instanceof FlakeRefError) return toUnicode(showInput(input))
    throw error
  }
}

/** The latest change in a tree of this machine, Unix seconds; links are not followed. */
const newest = (root: ByteString): number => {
  let latest = 0
  const waiting = [root]
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    const stat = fs.lstatSync(hostPath(at))
    latest = Math.max(latest, Math.floor(stat.mtimeMs / 1000))
    if (!stat.isDirectory()) continue
    for (const name of fs.readdirSync(hostPath(at), { encoding: "latin1" })) waiting.push(path.posix.join(at, name))
  }
  return latest
}

const fetchPath = Effect.fnUntraced(function* (input: TreeInput) {
  const where = text(input, "path")
  const shown = called(input)
  if (!where.startsWith("/")) return yield* new InputUnsupported({ url: shown, detail: "its path is relative; give an absolute one" })
  const root = where.length > 1 ? where.replace(/\/+$/, "") : where
  const { node, ...nar } = yield* ingestPath(root)
  const lastModified = yield* Effect.try({
    try: () => newest(root),
    catch: (error) => new InputUnsupported({ url: shown, detail: (error as Error).message })
  })
  return { node, nar, attributes: new Map([["lastModified", lastModified]]) } satisfies FetchedTree
})

const fetchArchive = Effect.fnUntraced(function* (source: Source) {
  let lastModified = 0
  const node = yield* unpack(source, (seconds) => {
    lastModified = Math.max(lastModified, seconds)
  })
  return { node, attributes: new Map([["lastModified", lastModified]]) } satisfies FetchedTree
})

const fetchFile = Effect.fnUntraced(function* (source: Source) {
  const { digest, size } = yield* (yield* BlobService).putStream(source.bytes)
  const node: Node = { _tag: "File", digest, size, executable: false }
  return { node, attributes: new Map() } satisfies FetchedTree
})

/**
 * The tree of an input. Attributes that the input gives (`lastModified`, `rev`, `revCount`) are taken as they are where the source itself does not know better; the hash is the
 * caller's to check.
 */
export const fetchTree = Effect.fnUntraced(function* (input: TreeInput, { open, mirrors }: TreeSources) {
  let wanted = input
  if (wanted.get("type") === "indirect") {
    const { input: found, dir } = yield* resolve(wanted)
    if (dir !== undefined) {
      return yield* new InputUnsupported({
        url: called(input),
        detail: `it stands for the directory '${String(dir)}' of a tree`
      })
    }
    wanted = found
  }
  const shown = called(wanted)
  const given = new Map([...wanted].filter(([name]) => isKnowledge(name)))
  const fetched: FetchedTree = yield* Effect.gen(function* () {
    switch (wanted.get("type")) {
      case "path":
      case "git": {
        if (mirrors === undefined) {
          const detail = "this fetcher reads neither repositories nor directories of this machine"
          return yield* new InputUnsupported({ url: shown, detail })
        }
        return yield* wanted.get("type") === "git" ? fetchGit(wanted, mirrors) : fetchPath(wanted)
      }
      case "tarball":
        return yield* fetchArchive(open(text(wanted, "url")))
      case "file":
        return yield* fetchFile(open(text(wanted, "url")))
      case "github":
      case "gitlab":
      case "sourcehut": {
        const rev = text(wanted, "rev") === "" ? yield* resolveRef(wanted) : text(wanted, "rev")
        const tree = yield* fetchArchive(open(archiveUrl(wanted, rev)))
        return { node: tree.node, attributes: new Map<string, string | number>([["rev", rev], ...tree.attributes]) }
      }
      default:
        return yield* new InputUnsupported({
          url: shown,
          detail: "Mercurial repositories are not supported; use git, or an archive of the commit"
        })
    }
  })
  return { ...fetched, attributes: new Map([...fetched.attributes, ...given]) } satisfies FetchedTree
})
