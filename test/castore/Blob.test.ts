import "./crypto.ts"
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync, chmodSync, existsSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LocalBlobs from "../../src/castore/blob/Local.ts"
import * as MemoryBlobs from "../../src/castore/blob/Memory.ts"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import * as Digest from "../../src/castore/Digest.ts"
import * as LocalDatabase from "../../src/castore/local/LocalDatabase.ts"
import { blobContract } from "./blob.contract.ts"

const root = mkdtempSync(join(tmpdir(), "yix-blob-"))
afterAll(() => rmSync(root, { recursive: true }))
let counter = 0

const damaged = (bytes: Uint8Array, how: "flip" | "cut") => {
  const copy = how === "cut" ? bytes.slice(0, bytes.length - 1) : bytes.slice()
  if (how === "flip") copy[copy.length >> 1]! ^= 4
  return copy
}

describe("blobs in memory", () => {
  let held = new Map<Digest.Digest, Uint8Array>()
  blobContract({
    layer: () => Layer.sync(BlobService, () => MemoryBlobs.make((held = new Map()))),
    damage: (digest, how) => Effect.sync(() => held.set(digest, damaged(held.get(digest)!, how)))
  })
})

for (const fsync of ["always", "never"] as const) {
  describe(`blobs of a local store, fsync ${fsync}`, () => {
    let directory = ""
    blobContract({
      layer: () =>
        Layer.suspend(() => {
          directory = join(root, String(++counter))
          return Layer.provide(LocalBlobs.layer({ fsync }), LocalDatabase.layer(directory))
        }),
      damage: (digest, how) =>
        Effect.sync(() => {
          const file = join(directory, "blobs", digest.slice(0, 2), digest)
          if (existsSync(file)) {
            chmodSync(file, 0o644)
            if (how === "cut") truncateSync(file, 60_000)
            else writeFileSync(file, damaged(readFileSync(file), how))
            return
          }
          const database = new LocalDatabase.Connection(new DatabaseSync(join(directory, "yix.sqlite")))
          const [data] = database.get<[Uint8Array]>("SELECT data FROM blobs WHERE digest = ?", Digest.toBytes(digest))!
          database.run("UPDATE blobs SET data = ? WHERE digest = ?", damaged(data, how), Digest.toBytes(digest))
          database.database.close()
        })
    })
  })
}
