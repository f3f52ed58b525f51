/** A store in memory behind an HTTP server, and another store that asks it. */
import "../../castore/crypto.ts"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BlobService } from "../../../src/castore/blob/BlobService.ts"
import { make as memoryBlobs } from "../../../src/castore/blob/Memory.ts"
import { DirectoryService } from "../../../src/castore/directory/DirectoryService.ts"
import { make as memoryDirectories } from "../../../src/castore/directory/Memory.ts"
import { ingestNar } from "../../../src/castore/ingest/Nar.ts"
import { contentAddressedPath, printContentAddress } from "../../../src/nix/ContentAddress.ts"
import { toBytes } from "../../../src/nix/Bytes.ts"
import { NarWriter } from "../../../src/nix/NarWriter.ts"
import type { StorePath } from "../../../src/nix/StorePath.ts"
import * as BinaryCache from "../../../src/serve/http/BinaryCache.ts"
import * as HttpServer from "../../../src/serve/http/HttpServer.ts"
import type { CopySide } from "../../../src/store/Copy.ts"
import type { PathInfo } from "../../../src/store/PathInfo.ts"
import { make as memoryPathInfos } from "../../../src/store/pathinfo/Memory.ts"
import { PathInfoService } from "../../../src/store/PathInfoService.ts"
import * as Http from "../../../src/wire/Http.ts"
import * as Stream from "effect/Stream"

/** Bytes of a NAR that a teller writes. */
export const narOf = (write: (writer: NarWriter) => void): Uint8Array => {
  const chunks: Array<Uint8Array> = []
  const writer = new NarWriter((chunk) => chunks.push(Uint8Array.from(chunk)))
  write(writer)
  writer.end()
  return Buffer.concat(chunks)
}

export const fileNar = (contents: string): Uint8Array => narOf((writer) => writer.file("", toBytes(contents), false))

/** A tree with every kind of node, and a file too large to be loaded with others. */
export const treeNar = (seed: string): Uint8Array =>
  narOf((writer) => {
    writer.directoryStart("")
    writer.file("a", toBytes(`a ${seed}`), false)
    writer.directoryStart("bin")
    writer.file("tool", toBytes(`#!/bin/sh\necho ${seed}\n`), true)
    writer.directoryEnd()
    writer.directoryStart("empty")
    writer.directoryEnd()
    writer.file("large", toBytes(seed.repeat(Math.ceil(1_500_000 / seed.length))), false)
    writer.symlink("link", "a/../bin")
    writer.file("z", toBytes(""), false)
    writer.directoryEnd()
  })

export const memorySide = (): CopySide => ({ blobs: memoryBlobs(), directories: memoryDirectories(), pathInfos: memoryPathInfos() })

export const inside = <A, E, R>(side: CopySide, effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    Effect.provideService(BlobService, side.blobs),
    Effect.provideService(DirectoryService, side.directories),
    Effect.provideService(PathInfoService, side.pathInfos)
  )

/** Adds a content-addressed path with that NAR. */
export const add = (
  side: CopySide,
  name: string,
  nar: Uint8Array,
  references: ReadonlyArray<StorePath> = [],
  change: Partial<PathInfo> = {}
) =>
  inside(
    side,
    Effect.gen(function* () {
      const { node, narHash, narSize } = yield* ingestNar(Stream.succeed(nar))
      const address = { method: "recursive", hash: { algorithm: "sha256", digest: narHash } } as const
      const sorted = [...references].sort()
      const path = contentAddressedPath(name, address, sorted)
      const info: PathInfo = {
        ...{ path, node, narHash, narSize, references: sorted, signatures: [], deriver: undefined, ca: printContentAddress(address) },
        registrationTime: 1_700_000_000,
        ...change
      }
      return yield* side.pathInfos.put(info)
    })
  )

/** Serves a side; the address without a slash. */
export const serving = (side: CopySide, options: BinaryCache.BinaryCacheOptions = {}, stallMillis?: number) =>
  inside(
    side,
    Effect.gen(function* () {
      const routes = yield* BinaryCache.make(options)
      const { host, port } = yield* HttpServer.listen(routes, { host: "127.0.0.1", port: 0, stallMillis })
      return `http://${host}:${port}`
    })
  )

export const http: Layer.Layer<Http.Http> = Http.layer({ retries: 0 })
