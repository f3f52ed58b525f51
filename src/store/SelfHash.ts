/**
 * The hash of a tree's NAR as if its own hash part were not in it: what the content address of a path that refers to itself is made of (`nix/Rewrite.ts`).
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { BlobService } from "../castore/blob/BlobService.ts"
import type { CastoreError } from "../castore/CastoreError.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { Node } from "../castore/Node.ts"
import { HashRewriter, type SelfHashForm, SelfHasher } from "../nix/Rewrite.ts"
import { render } from "./Nar.ts"

/** The NAR of a tree with some hash parts replaced by others. */
export const renderRewritten = (
  node: Node,
  parts: ReadonlyMap<string, string>
): Stream.Stream<Uint8Array, CastoreError, BlobService | DirectoryService> => {
  if (parts.size === 0) return render(node)
  return Stream.suspend(() => {
    let chunks: Array<Uint8Array> = []
    const rewriter = new HashRewriter(parts, (chunk) => chunks.push(chunk))
    const taken = () => {
      const ready = chunks
      chunks = []
      return ready
    }
    return render(node).pipe(
      Stream.map((piece) => {
        rewriter.update(piece)
        return taken()
      }),
      Stream.concat(
        Stream.sync(() => {
          rewriter.end()
          return taken()
        })
      ),
      Stream.flattenIterable
    )
  })
}

/** SHA-256 of that NAR, its own hash part `own` left out, in each of the forms. */
export const selfHashes = Effect.fnUntraced(function* (
  node: Node,
  own: string,
  forms: ReadonlyArray<SelfHashForm>,
  parts: ReadonlyMap<string, string> = new Map()
): Effect.fn.Return<ReadonlyArray<Uint8Array>, CastoreError, BlobService | DirectoryService> {
  const hashers = forms.map((form) => new SelfHasher(own, form))
  yield* Stream.runForEach(renderRewritten(node, parts), (piece) =>
    Effect.sync(() => {
      for (const hasher of hashers) hasher.update(piece)
    })
  )
  return hashers.map((hasher) => Uint8Array.from(hasher.digest().digest))
})
