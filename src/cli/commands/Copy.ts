/**
 * `yix copy`: brings paths with all that they refer to from a binary cache, or to one.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { BlobService } from "../../castore/blob/BlobService.ts"
import { DirectoryService } from "../../castore/directory/DirectoryService.ts"
import type { StorePath } from "../../nix/StorePath.ts"
import { copyClosure } from "../../store/Copy.ts"
import { PathInfoService } from "../../store/PathInfoService.ts"
import { trustFlags, type TrustInput, trustedKeysOf } from "../Caches.ts"
import { printLine } from "../Output.ts"
import { parsePath } from "../StoreQueries.ts"
import { UsageError } from "../Usage.ts"
import { withStore } from "../World.ts"

export interface CopyInput extends TrustInput {
  /** Of the cache. */
  readonly url: string
  readonly direction: "from" | "to"
}

/** Copies paths with all that they refer to between the store and a cache; gives what was copied. */
export const copyPaths = Effect.fnUntraced(function* (paths: ReadonlyArray<StorePath>, { url, direction, ...trust }: CopyInput) {
  const trustedKeys = yield* trustedKeysOf(trust)
  const [NixCache, Moving, Http] = yield* Effect.promise(() =>
    Promise.all([import("../../store/pathinfo/NixCache.ts"), import("../../realise/Moving.ts"), import("../../wire/Http.ts")])
  )
  return yield* Effect.gen(function* () {
    const castore = { blobs: yield* BlobService, directories: yield* DirectoryService }
    const store = { pathInfos: yield* PathInfoService, ...castore }
    // Whether the destination has a path is no question of trust.
    const uploads = Moving.makeUploads()
    const cache = yield* NixCache.make({
      url,
      trustedKeys: direction === "from" ? trustedKeys : undefined,
      onWritten: uploads.onWritten
    })
    return yield* direction === "from"
      ? copyClosure(paths, { pathInfos: Moving.announcingFetches(cache, { always: true }), ...castore }, store)
      : copyClosure(paths, store, { pathInfos: uploads.announcing(cache), ...castore })
  }).pipe(Effect.provide(Http.layer()))
})

export const copyCommand = Command.make(
  "copy",
  {
    paths: Argument.String("PATH").pipe(
      Argument.atLeast(1),
      Argument.withDescription("Store paths; all that they refer to is copied, too")
    ),
    from: Flag.String("from").pipe(
      Flag.optional,
      Flag.withMetavar("URL"),
      Flag.withDescription("The binary cache to copy from: http://, https:// or file:///")
    ),
    to: Flag.String("to").pipe(
      Flag.optional,
      Flag.withMetavar("URL"),
      Flag.withDescription(
        "The binary cache to copy to; takes parameters as Nix does, such as file:///cache?compression=zstd&secret-key=/key"
      )
    ),
    ...trustFlags
  },
  Effect.fn("yix copy")(function* (input) {
    const { from, to } = input
    const url = Option.orElse(from, () => to)
    if (Option.isNone(url) || (Option.isSome(from) && Option.isSome(to))) {
      return yield* new UsageError({ detail: "name one cache, by --from URL or by --to URL" })
    }
    const paths = yield* Effect.forEach(input.paths, parsePath)
    const copied = yield* withStore(copyPaths(paths, { url: url.value, direction: Option.isSome(from) ? "from" : "to", ...input }))
    for (const info of copied) yield* printLine(info.path)
  })
).pipe(Command.withDescription("Copy paths with all that they refer to from or to a binary cache; prints what was copied"))
