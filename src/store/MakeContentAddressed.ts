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
import { compareBytes } from "../nix/Bytes.ts"
import { printContentAddress } from "../nix/ContentAddress.ts"
import type { SelfHashForm } from "../nix/Rewrite.ts"
import { hashPart, makeSource, nameOf, type StorePath } from "../nix/StorePath.ts"
import { inOrder } from "./Closure.ts"
import type { PathInfo } from "./PathInfo.ts"
import { renderRewritten, selfHashes } from "./SelfHash.ts"

/** What a path is called anew, and the hash that its new name is made of. */
interface Named {
  readonly path: StorePath
  readonly digest: Uint8Array
}

export type Renaming = ReadonlyMap<StorePath, Named>

/** Paths so that each comes after all that it refers to. Fails where references lead in a circle, or out of `infos`. */
export const inStrictOrder = (infos: ReadonlyMap<StorePath, PathInfo>): Effect.Effect<ReadonlyArray<PathInfo>, InvalidData> =>
  Effect.suspend(() => {
    const ordered = inOrder(infos)
    const before = new Set<StorePath>()
    for (const info of ordered) {
      before.add(info.path)
      const path = info.references.find((reference) => !before.has(reference))
      if (path === undefined) continue
      const detail = infos.has(path)
        ? "it refers to paths that refer back to it, as nothing that was built can"
        : "it is not in the closure that refers to it"
      return Effect.fail(new InvalidData({ what: `path info of '${path}'`, detail }))
    }
    return Effect.succeed(ordered)
  })

const partsOf = (info: PathInfo, renaming: Renaming, own: StorePath | undefined): ReadonlyMap<string, string> =>
  new Map(
    info.references.flatMap((reference) => {
      const to = reference === info.path ? own : renaming.get(reference)!.path
      return to === undefined || hashPart(to) === hashPart(reference) ? [] : [[hashPart(reference), hashPart(to)] as const]
    })
  )

const othersOf = (info: PathInfo, renaming: Renaming): ReadonlyArray<StorePath> =>
  info.references.flatMap((reference) => (reference === info.path ? [] : [renaming.get(reference)!.path])).sort(compareBytes)

/** The new names of paths that `inStrictOrder` has put in order. */
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
  const references = info.references.includes(info.path) ? [...others, path].sort(compareBytes) : others
  const ca = printContentAddress({ method: "recursive", hash: { algorithm: "sha256", digest } })
  const registrationTime = Math.floor((yield* Clock.currentTimeMillis) / 1000)
  return { ...content, path, references, ca, signatures: [], deriver: undefined, registrationTime }
})
