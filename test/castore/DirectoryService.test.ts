import "./crypto.ts"
import { mkdtempSync, rmSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Digest from "../../src/castore/Digest.ts"
import { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import * as LocalDirectories from "../../src/castore/directory/Local.ts"
import * as MemoryDirectories from "../../src/castore/directory/Memory.ts"
import * as LocalDatabase from "../../src/castore/local/LocalDatabase.ts"
import { directoryContract } from "./directory.contract.ts"

const root = mkdtempSync(join(tmpdir(), "yix-directory-"))
afterAll(() => rmSync(root, { recursive: true }))
let counter = 0

const damaged = (bytes: Uint8Array) => {
  const copy = bytes.slice()
  copy[copy.length >> 1]! ^= 4
  return copy
}

describe("directories in memory", () => {
  let held = new Map<Digest.Digest, Uint8Array>()
  directoryContract({
    layer: () => Layer.sync(DirectoryService, () => MemoryDirectories.make((held = new Map()))),
    damage: (digest) => Effect.sync(() => held.set(digest, damaged(held.get(digest)!))),
    forget: (digest) => Effect.sync(() => held.delete(digest))
  })
})

describe("directories of a local store", () => {
  let directory = ""
  const change = (body: (connection: LocalDatabase.Connection) => void) =>
    Effect.sync(() => {
      const connection = new LocalDatabase.Connection(new DatabaseSync(join(directory, "yix.sqlite")))
      body(connection)
      connection.database.close()
    })
  directoryContract({
    layer: () =>
      Layer.suspend(() => {
        directory = join(root, String(++counter))
        return Layer.provide(LocalDirectories.layer, LocalDatabase.layer(directory))
      }),
    damage: (digest) =>
      change((connection) => {
        const [data] = connection.get<[Uint8Array]>("SELECT data FROM directories WHERE digest = ?", Digest.toBytes(digest))!
        connection.run("UPDATE directories SET data = ? WHERE digest = ?", damaged(data), Digest.toBytes(digest))
      }),
    forget: (digest) => change((connection) => connection.run("DELETE FROM directories WHERE digest = ?", Digest.toBytes(digest)))
  })
})
