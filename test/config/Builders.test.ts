import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { parse, toToml } from "../../src/config/Composition.ts"
import { drawText } from "../../src/config/Drawing.ts"
import { standardDrivers } from "../../src/config/Drivers.ts"

const read = (table: string) =>
  parse("yix.toml", `[builders.root]\n${table}`, { drivers: standardDrivers, place: { directory: "/etc/yix", stateDirectory: "/state" } })

const table = (toml: string): string => /\[builders\.root\]\n(?:.+\n?)*/.exec(toml)![0].trim()

describe("a builder of type oci", () => {
  it.effect("needs no keys: the runtime is looked for, scratch directories are in the store's directory", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        table(toToml(yield* read('type = "oci"'))),
        '[builders.root]\ntype = "oci"\nscratch = "/state/scratch"\nmax_log = 0'
      )
    })
  )

  it.effect("takes paths relative to the file, but a runtime's bare name as a name; what is shown reads as the same", () =>
    Effect.gen(function* () {
      const keys = 'type = "oci"\nscratch = "builds"\nshell = "bin/sh"\nslots = 3\nsystems = ["x86_64-linux"]\nmax_log = 1000\n'
      const shown = toToml(yield* read(`${keys}runtime = "bin/runc"`))
      assert.strictEqual(
        table(shown),
        '[builders.root]\ntype = "oci"\nruntime = "/etc/yix/bin/runc"\nscratch = "/etc/yix/builds"\nslots = 3\nshell = "/etc/yix/bin/sh"\nsystems = [ "x86_64-linux" ]\nmax_log = 1000'
      )
      assert.strictEqual(table(toToml(yield* read(table(shown).replace("[builders.root]\n", "")))), table(shown))
      assert.include(toToml(yield* read(`${keys}runtime = "crun"`)), 'runtime = "crun"')
    })
  )

  it.effect("is drawn with its keys", () =>
    Effect.gen(function* () {
      assert.include(
        drawText(yield* read('type = "oci"\nruntime = "crun"')),
        "builders.root (oci) runtime=crun scratch=/state/scratch max_log=0"
      )
    })
  )

  it.effect("refuses the sandbox's choice of drivers and empty values, with line and fix", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read('type = "oci"\ndriver = "bubblewrap"\nruntime = ""\nslots = 0\nruntme = "runc"'))
      assert.include(error.message, "yix.toml:3: builders.root.driver: unknown key for type 'oci'")
      assert.include(error.message, 'yix.toml:4: builders.root.runtime: wrong value ""')
      assert.include(error.message, "yix.toml:5: builders.root.slots: wrong value 0")
      assert.include(error.message, "yix.toml:6: builders.root.runtme: unknown key for type 'oci'; did you mean 'runtime'?")
    })
  )
})
