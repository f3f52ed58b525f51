/**
 * Moving paths between stores as `nix-store --export` writes and `nix-store --import` reads them.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { BlobService } from "../castore/blob/BlobService.ts"
import { type CastoreError, CorruptData, MissingData } from "../castore/CastoreError.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import { ingest } from "../castore/ingest/Ingest.ts"
import { NarEntries } from "../castore/ingest/NarEntries.ts"
import type { Node } from "../castore/Node.ts"
import * as Crypto from "../nix/Crypto.ts"
import {
  type ExportedPath,
  exportEnd,
  ExportError,
  type ExportHandler,
  exportPathEnd,
  exportPathStart,
  ExportReader
} from "../nix/Export.ts"
import { NarError } from "../nix/Nar.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { render } from "./Nar.ts"
import type { PathInfo } from "./PathInfo.ts"
import { PathInfoService } from "./PathInfoService.ts"

const sameBytes = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && left.every((byte, i) => byte === right[i])

/** One path: its NAR, compared with what the store says of it, then what it is. */
const exportPath = (info: PathInfo): Stream.Stream<Uint8Array, CastoreError, BlobService | DirectoryService> =>
  Stream.suspend(() => {
    const hasher = Crypto.hasher("sha256")
    const nar = Stream.map(render(info.node), (piece) => {
      hasher.update(piece)
      return piece
    })
    const end = Stream.suspend(() =>
      sameBytes(hasher.digest(), info.narHash)
        ? Stream.succeed(exportPathEnd(info))
        : Stream.fail(
            new CorruptData({ store: "the store", digest: info.path, detail: "its tree has another NAR hash than its path info says" })
          )
    )
    return Stream.succeed(exportPathStart()).pipe(Stream.concat(nar), Stream.concat(end))
  })

/** The export stream of these paths, in the order given: references before referrers, as `closure` gives them, or the receiver will refuse. */
export const exportPaths = (infos: ReadonlyArray<PathInfo>): Stream.Stream<Uint8Array, CastoreError, BlobService | DirectoryService> =>
  Stream.fromIterable(infos).pipe(Stream.flatMap(exportPath), Stream.concat(Stream.suspend(() => Stream.succeed(exportEnd()))))

interface Arrived {
  readonly info: ExportedPath
  readonly narHash: Uint8Array
  readonly narSize: number
}

/** Listens to an export: parts of NARs go to the entries, hashes are computed per path. */
class Arrivals extends NarEntries implements ExportHandler {
  readonly arrived: Array<Arrived> = []
  #hasher = Crypto.hasher("sha256")
  #size = 0

  narBytes(bytes: Uint8Array): void {
    this.#hasher.update(bytes)
    this.#size += bytes.length
  }

  pathEnd(info: ExportedPath): void {
    this.arrived.push({ info, narHash: Uint8Array.from(this.#hasher.digest()), narSize: this.#size })
    this.#hasher = Crypto.hasher("sha256")
    this.#size = 0
  }
}

const reading = (run: () => void): Effect.Effect<void, NarError | ExportError> =>
  Effect.suspend(() => {
    try {
      run()
      return Effect.void
    } catch (cause) {
      return cause instanceof NarError || cause instanceof ExportError ? Effect.fail(cause) : Effect.die(cause)
    }
  })

/**
 * Takes in an export stream and gives the infos of its paths. All of them are committed at the end, so a stream that is cut or malformed adds nothing. Paths
 * that the store has already stay as they are. A reference that is neither in the store nor earlier in the stream fails with `MissingData`.
 */
export const importPaths = Effect.fn("store.import")(function* <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>
): Effect.fn.Return<
  ReadonlyArray<PathInfo>,
  CastoreError | NarError | ExportError | E,
  BlobService | DirectoryService | PathInfoService | R
> {
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const service = yield* PathInfoService
      const arrivals = new Arrivals()
      const reader = new ExportReader(arrivals)
      const pull = yield* Stream.toPull(bytes)
      const input = { ended: false }
      const more = Pull.catchDone(
        Effect.flatMap(pull, (pieces) => reading(() => pieces.forEach((piece) => reader.push(piece)))),
        () =>
          reading(() => {
            reader.end()
            input.ended = true
          })
      )
      const registrationTime = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const imported = new Map<StorePath, PathInfo>()

      const accept = Effect.fnUntraced(function* (node: Node, { info, narHash, narSize }: Arrived) {
        const present = yield* service.get(info.path)
        if (Option.isSome(present)) return present.value
        for (const reference of info.references) {
          if (reference === info.path || imported.has(reference) || Option.isSome(yield* service.get(reference))) continue
          return yield* new MissingData({ store: "the store", kind: "path info", digest: reference })
        }
        const references = [...new Set(info.references)].sort()
        const { path, deriver } = info
        return { path, node, references, narHash, narSize, signatures: [], deriver, ca: undefined, registrationTime } satisfies PathInfo
      })

      while (true) {
        // The stream says what comes next: another NAR, or its end.
        while (!reader.done && !arrivals.begun) yield* more
        if (!arrivals.begun) break
        const node = yield* ingest(arrivals.entries(blobs, more))
        while (arrivals.arrived.length === 0) yield* more
        const info = yield* accept(node, arrivals.arrived.shift()!)
        imported.set(info.path, info)
      }
      while (!input.ended) yield* more
      return yield* Effect.forEach([...imported.values()], (info) => service.put(info), { concurrency: 256 })
    })
  )
})
