import "../castore/crypto.ts"
import { mkdtempSync, rmSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LocalDatabase from "../../src/castore/local/LocalDatabase.ts"
import { baseName } from "../../src/nix/StorePath.ts"
import * as LocalPathInfos from "../../src/store/pathinfo/Local.ts"
import * as MemoryPathInfos from "../../src/store/pathinfo/Memory.ts"
import { PathInfoService } from "../../src/store/PathInfoService.ts"
import { pathInfoContract } from "./pathinfo.contract.ts"

const root = mkdtempSync(join(tmpdir(), "yix-pathinfo-"))
afterAll(() => rmSync(root, { recursive: true }))
let counter = 0

describe("path infos in memory", () => {
  pathInfoContract({ layer: () => Layer.sync(PathInfoService, () => MemoryPathInfos.make()) })
})

describe("path infos of a local store", () => {
  let directory = ""
  const columns = ["nar_size = nar_size + 1", "refs = ''", "deriver = NULL", "nar_hash = x'00'", "registered = 7", "signatures = 'a:b'"]
  let next = 0
  pathInfoContract({
    layer: () =>
      Layer.suspend(() => {
        directory = join(root, String(++counter))
        return Layer.provide(LocalPathInfos.layer, LocalDatabase.layer(directory))
      }),
    damages: columns.length,
    damage: (info) =>
      Effect.sync(() => {
        const connection = new LocalDatabase.Connection(new DatabaseSync(join(directory, "yix.sqlite")))
        connection.run(`UPDATE path_infos SET ${columns[next++ % columns.length]!} WHERE name = ?`, baseName(info.path))
        connection.database.close()
      })
  })
})
