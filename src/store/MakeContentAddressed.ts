/**
 * A closure under names that its contents alone decide: every path is hashed with what it refers to already renamed and its own hash part left out, then its old hash parts
 * are replaced in its bytes (`nix store make-content-addressed` in the Nix manual). The hashes are those of recursive SHA-256 content addresses.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { BlobService } from "../castore/blob/BlobService.ts"
import { type CastoreError, InvalidData } from "../castore/CastoreError.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import { ingestNar } from "../castore/ingest/Nar.ts"
import { printContentAddress } from "../nix/ContentAddress.ts"
import type { SelfHashForm } from "../nix/Rewrite.ts"
import { hashPart, makeSource, nameOf, type StorePath } from "../nix/StorePath.ts"
import type { PathInfo } from "./PathInfo.ts"
import { renderRewritten, selfHashes } from "./SelfHash.ts"

/** What a path is called anew, and the hash that its new name is made of. */
interface Named {
  readonly path: StorePath
  readonly digest: Uint8Array
}

export type Renaming = ReadonlyMap<StorePath, Named>

/** Paths so that each comes after all that it refers to. Fails where references lead in a circle, or out of `infos`. */
export const inOrder = (infos: ReadonlyMap<StorePath, PathInfo>, root: StorePath): Effect.Effect<ReadonlyArray<PathInfo>, InvalidData> =>
  Effect.suspend(() => {
    const ordered = new Set<PathInfo>()
    const open = new Set<StorePath>()
    const waiting: Array<{ readonly path: StorePath; readonly done: boolean }> = [{ path: root, done: false }]
    for (let step = waiting.pop(); step !== undefined; step = waiting.pop()) {
      const { path, done } = step
      const info = infos.get(path)
      const bad = (detail: string) => Effect.fail(new InvalidData({ what: `path info of '${path}'`, detail }))
      if (info === undefined) return bad("it is not in the closure that refers to it")
      if (done) {
        open.delete(path)
        ordered.add(info)
        continue
      }
      if (ordered.has(info)) continue
      if (open.has(path)) return bad("it refers to paths that refer back to it, as nothing that was built can")
      open.add(path)
      waiting.push({ path, done: true })
      for (const reference of info.references) if (reference !== path) waiting.push({ path: reference, done: false })
    }
    return Effect.succeed([...ordered])
  })

const partsOf = (info: PathInfo, renaming: Renaming, own: StorePath | undefined): ReadonlyMap<string, string> =>
  new Map(
    info.references.flatMap((reference) => {
      const to = reference === info.path ? own : renaming.get(reference)!.path
      return to === undefined || hashPart(to) === hashPart(reference) ? [] : [[hashPart(reference), hashPart(to)] as const]
    })
  )

const othersOf = (info: PathInfo, renaming: Renaming): ReadonlyArray<StorePath> =>
  info.references.flatMap((reference) => (reference === info.path ? [] : [renaming.get(reference)!.path])).sort((a, b) => (a < b ? -1 : 1))

/** The new names of paths that `inOrder` has put in order. */
export const rename = Effect.fn("store.rename")(function* (
  ordered: ReadonlyArray<PathInfo>,
  form: SelfHashForm
): Effect.fn.Return<Renaming, CastoreError, BlobService | DirectoryService> {
  const renaming = new Map<StorePath, Named>()
  for (const info of ordered) {
    const [digest] = yield* selfHashes(info.node, hashPart(info.path), [form], partsOf(info, renaming, undefined))
    const self = info.references.includes(info.path)
    renaming.set(info.path, { digest: digest!, path: makeSource(nameOf(info.path), digest!, othersOf(info, renaming), self) })
  }
  return renaming
})

/** A path under its new name, with its contents rewritten into the castore; not committed. */
export const renamed = Effect.fn("store.renamed")(function* (
  info: PathInfo,
  renaming: Renaming
): Effect.fn.Return<PathInfo, CastoreError, BlobService | DirectoryService> {
  const { path, digest } = renaming.get(info.path)!
  const content = yield* ingestNar(renderRewritten(info.node, partsOf(info, renaming, path))).pipe(
    Effect.catchTag("NarError", (error) =>
      Effect.fail(new InvalidData({ what: `'${info.path}', rewritten to '${path}'`, detail: error.message }))
    )
  )
  const others = othersOf(info, renaming)
  const references = info.references.includes(info.path) ? [...others, path].sort((a, b) => (a < b ? -1 : 1)) : others
  const ca = printContentAddress({ method: "recursive", hash: { algorithm: "sha256", digest } })
  const registrationTime = Math.floor((yield* Clock.currentTimeMillis) / 1000)
  return { ...content, path, references, ca, signatures: [], deriver: undefined, registrationTime }
})
