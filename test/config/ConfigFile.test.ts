import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { findConfig } from "../../src/config/ConfigFile.ts"
import { load } from "../../src/config/LoadConfig.ts"

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-config-file-"))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))

const write = (name: string, content: string | Uint8Array = ""): string => {
  const file = path.join(scratch, name)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, content)
  return file
}

describe("the configuration is found", () => {
  const system = write("etc/yix.toml")
  const user = write("home/.config/yix/yix.toml")
  const xdg = write("xdg/yix/yix.toml")
  const HOME = path.join(scratch, "home")

  it("where the flag says, then the environment, then the user, then the system", () => {
    const environment = { HOME, YIX_CONFIG: "/e.toml", XDG_CONFIG_HOME: path.join(scratch, "xdg") }
    assert.deepStrictEqual(findConfig("/f.toml", environment, system), { file: "/f.toml", origin: "--config" })
    assert.deepStrictEqual(findConfig(undefined, environment, system), { file: "/e.toml", origin: "$YIX_CONFIG" })
    assert.strictEqual(findConfig(undefined, { ...environment, YIX_CONFIG: "" }, system)?.file, xdg)
    assert.strictEqual(findConfig(undefined, { HOME, XDG_CONFIG_HOME: "relative" }, system)?.file, user)
    assert.strictEqual(findConfig(undefined, { HOME: path.join(scratch, "nobody") }, system)?.file, system)
  })

  it("nowhere when there is none", () => {
    assert.isUndefined(findConfig(undefined, { HOME: path.join(scratch, "nobody") }, path.join(scratch, "absent.toml")))
  })
})

describe("a configuration that cannot be read", () => {
  const refused = (name: string, file: string, detail: string) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(load({ file, origin: "--config" }, { stateDirectory: "/state" }))
        assert.strictEqual(
          error.message,
          `cannot read the configuration '${file}' (from --config): ${detail}; name a file that can be read`
        )
      })
    )
  refused("is told that it is not there", path.join(scratch, "absent.toml"), "there is no such file")
  refused("is told that it is a directory", scratch, "it is not a file")
  refused("is told that it is not text", write("binary.toml", Uint8Array.of(0x61, 0xff)), "it is not UTF-8")
  refused("is told that it is too large to be one", write("large.toml", new Uint8Array(2 ** 20 + 1)), "it is larger than 1048576 bytes")
})
