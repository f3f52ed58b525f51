/**
 * The contract suites over the gRPC drivers, which talk to a server over memory: what holds of a store holds of one in another process.
 */
import { rmSync } from "node:fs"
import { afterAll, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BlobService } from "../../../src/castore/blob/BlobService.ts"
import * as MemoryBlobs from "../../../src/castore/blob/Memory.ts"
import type * as Digest from "../../../src/castore/Digest.ts"
import { DirectoryService } from "../../../src/castore/directory/DirectoryService.ts"
import * as MemoryDirectories from "../../../src/castore/directory/Memory.ts"
import { blobContract } from "../../castore/blob.contract.ts"
import { directoryContract } from "../../castore/directory.contract.ts"
import { pathInfoContract } from "../../store/pathinfo.contract.ts"
import { clients, memory, root, transports } from "./world.ts"

afterAll(() => rmSync(root, { recursive: true }))

for (const transport of transports) {
  describe(`blobs over gRPC on ${transport}`, () => {
    let held = new Map<Digest.Digest, Uint8Array>()
    blobContract({
      layer: () =>
        clients(
          transport,
          Layer.merge(
            memory(),
            Layer.sync(BlobService, () => MemoryBlobs.make((held = new Map())))
          )
        ),
      damage: (digest, how) =>
        Effect.sync(() => {
          const copy = held.get(digest)!.slice()
          copy[copy.length >> 1]! ^= 4
          held.set(digest, how === "cut" ? copy.subarray(0, copy.length - 1) : copy)
        })
    })
  })

  describe(`directories over gRPC on ${transport}`, () => {
    let held = new Map<Digest.Digest, Uint8Array>()
    directoryContract({
      layer: () =>
        clients(
          transport,
          Layer.merge(
            memory(),
            Layer.sync(DirectoryService, () => MemoryDirectories.make((held = new Map())))
          )
        ),
      damage: (digest) =>
        Effect.sync(() => {
          const copy = held.get(digest)!.slice()
          copy[copy.length >> 1]! ^= 4
          held.set(digest, copy)
        }),
      forget: (digest) => Effect.sync(() => void held.delete(digest))
    })
  })

  describe(`path infos over gRPC on ${transport}`, () => {
    pathInfoContract({ layer: () => clients(transport) })
  })
}
