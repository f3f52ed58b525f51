import "../castore/crypto.ts"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LocalDatabase from "../../src/castore/local/LocalDatabase.ts"
import { baseName } from "../../src/nix/StorePath.ts"
import { withLocalStamps } from "../../src/store/LocalStamps.ts"
import * as LocalPathInfos from "../../src/store/pathinfo/Local.ts"
import { PathInfoService } from "../../src/store/PathInfoService.ts"
import { stampOf } from "../../src/store/Stamp.ts"
import { samplePathInfo } from "./pathinfo.contract.ts"

const root = mkdtempSync(join(tmpdir(), "yix-stamps-"))
afterAll(() => rmSync(root, { recursive: true }))

const there = [samplePathInfo(1), samplePathInfo(2, { references: [] })]
const missing = samplePathInfo(3)

/** A store with `there`. */
const store = (name: string) =>
  Effect.gen(function* () {
    const service = yield* PathInfoService
    yield* Effect.forEach(there, (info) => service.put(info))
    return join(root, name)
  }).pipe(Effect.provide(Layer.provide(LocalPathInfos.layer, LocalDatabase.layer(join(root, name)))))

describe("stamps of a local store", () => {
  it.live("are those of its path infos", () =>
    Effect.gen(function* () {
      const directory = yield* store("plain")
      const [first, second] = there.map(({ path }) => path)
      const told = withLocalStamps(directory, (stamps) => ({
        stamps: there.map(({ path }) => stamps.stamp(path)),
        missing: stamps.stamp(missing.path),
        has: [[], [first!], [first!, second!], [first!, missing.path]].map(stamps.hasAll)
      }))
      assert.deepStrictEqual(told, {
        stamps: there.map(({ narHash, references }) => stampOf(narHash, references.map(baseName))),
        missing: undefined,
        has: [true, true, true, false]
      })
    })
  )

  it.live("are not told where no store is, where it cannot be read, and where it is of another format", () =>
    Effect.gen(function* () {
      assert.isUndefined(withLocalStamps(join(root, "none"), () => 1))
      const directory = yield* store("damaged")
      const file = join(directory, "yix.sqlite")
      const change = (sql: string): void => {
        const database = new DatabaseSync(file)
        database.exec(sql)
        database.close()
      }
      change("ALTER TABLE path_infos RENAME TO elsewhere")
      assert.strictEqual(
        withLocalStamps(directory, () => 1),
        1
      )
      assert.isUndefined(withLocalStamps(directory, (stamps) => stamps.stamp(missing.path) ?? "none"))
      assert.isUndefined(withLocalStamps(directory, (stamps) => stamps.hasAll([missing.path])))
      change("PRAGMA user_version = 9999")
      assert.isUndefined(withLocalStamps(directory, () => 1))
      writeFileSync(file, "no database")
      assert.isUndefined(withLocalStamps(directory, () => 1))
    })
  )

  it.live("do not hide what fails in whoever asks for them", () =>
    Effect.gen(function* () {
      const directory = yield* store("failing")
      assert.throws(() => withLocalStamps(directory, () => assert.fail("a mistake")), "a mistake")
    })
  )
})
