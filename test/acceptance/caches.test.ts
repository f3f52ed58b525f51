/** A cache made by one user and used by others: every command that needs a path takes it from there, and only what it needs. */
import * as fs from "node:fs"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { World } from "./World.ts"

const secret = "t-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA=="
const trusted = "t-1:A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="

/** `middle` needs `tool` to be built, and `library` to be used. Whoever builds instead of substituting needs a second for each. */
const expression = `
  let mk = name: script: derivation { inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ]; };
  in rec {
    library = mk "library" "echo library > $out";
    tool = mk "tool" "echo tool > $out";
    middle = mk "middle" "read x < \${tool}; echo middle \${library} > $out";
    value = builtins.substring 0 6 (builtins.readFile middle);
    top = mk "top-\${builtins.unsafeDiscardStringContext value}" "read x < \${middle}; echo top > $out";
  }`

interface Told {
  readonly kind?: string
  readonly name?: string
  readonly _tag?: string
}

/** What was done, as the JSON log tells it: `build top`. */
const doneIn = (stderr: string): ReadonlyArray<string> =>
  stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Told)
    .flatMap(({ kind, name }) => (kind === "build" || kind === "substitute" ? [`${kind} ${name}`] : []))
    .sort()

describe("a cache in a directory", () => {
  let maker: World
  let cache = ""
  let file = ""
  const paths = new Map<string, string>()
  const users: Array<World> = []
  /** Somebody with an empty store. */
  const user = (): World => {
    const made = new World()
    users.push(made)
    return made
  }

  beforeAll(async () => {
    maker = new World()
    file = maker.write("caches.nix", expression)
    cache = `file://${path.dirname(file)}/cache`
    for (const name of ["library", "middle"]) paths.set(name, await maker.ok(["build", file, "-A", name, "--no-out-link"]))
    const copied = await maker.ok(["copy", "--to", `${cache}?secret-key=${maker.write("key", secret)}`, paths.get("middle")!])
    assert.deepStrictEqual(copied.split("\n"), [paths.get("library"), paths.get("middle")])
  })

  afterAll(() => {
    for (const world of [maker, ...users]) world[Symbol.dispose]()
  })

  it("says what it is, and is added to without writing again what it has", async () => {
    const directory = cache.slice("file://".length)
    assert.strictEqual(fs.readFileSync(path.join(directory, "nix-cache-info"), "utf8"), "StoreDir: /nix/store\n")
    assert.strictEqual(fs.readdirSync(path.join(directory, "nar")).filter((name) => name.endsWith(".nar.zst")).length, 2)
    assert.strictEqual(await maker.ok(["copy", "--to", cache, paths.get("middle")!]), "")
    const told = await maker.yix(["copy", "--to", `${cache}-2`, paths.get("library")!, "--log-format", "json"])
    assert.match(told.stderr, /"done":(\d+),"total":\1\D/)
  })

  it("may have a key of one's own, which is made once, and signs what it has not signed", async () => {
    const world = user()
    const key = path.join(world.directory, "own-key")
    const own = await world.ok(["store", "generate-key", "mine-1", key])
    assert.match(own, /^mine-1:[A-Za-z0-9+/]{43}=$/)
    assert.strictEqual(fs.statSync(key).mode & 0o777, 0o600)
    const again = await world.yix(["store", "generate-key", "mine-1", key])
    assert.deepStrictEqual([again.code, /there is such a file already/.test(again.stderr)], [1, true])
    const both = [paths.get("library")!, paths.get("middle")!]
    assert.deepStrictEqual((await maker.ok(["store", "sign", "--key-file", key, "--closure", both[1]!])).split("\n"), both)
    assert.strictEqual(await maker.ok(["store", "sign", "--key-file", key, ...both]), "")
    assert.match(await maker.ok(["store", "sign", "--key-file", key, "--all"]), /-tool$/)
    await maker.ok(["copy", "--to", `${cache}-3`, both[1]!])
    const taken = await world.ok(["copy", "--from", `${cache}-3`, "--trusted-public-key", own, both[1]!])
    assert.deepStrictEqual(taken.split("\n"), both)
    assert.strictEqual((await maker.yix(["store", "sign", "--key-file", key])).code, 2)
  })

  const flags = () => ["--substituter", cache, "--trusted-public-key", trusted, "--log-format", "json"]

  it("is asked by evaluations that import from a derivation", async () => {
    const world = user()
    const evaluated = await world.yix(["eval", file, "-A", "value", ...flags()])
    assert.deepStrictEqual([evaluated.code, evaluated.stdout], [0, '"middle"\n'], evaluated.stderr)
    assert.deepStrictEqual(doneIn(evaluated.stderr), ["substitute library", "substitute middle"])
    assert.match(evaluated.stderr, /"done":\d+,"total":\d+/)
    const instantiated = await user().yix(["instantiate", file, "-A", "top", ...flags()])
    assert.match(instantiated.stdout, /-top-middle\.drv\n$/)
    assert.deepStrictEqual(doneIn(instantiated.stderr), ["substitute library", "substitute middle"])
  })

  it("is named in the environment as well, for all commands", async () => {
    const env = { YIX_SUBSTITUTERS: cache, YIX_TRUSTED_PUBLIC_KEYS: trusted }
    const built = await user().yix(["build", file, "-A", "top", "--no-out-link", "--log-format", "json"], { env })
    assert.strictEqual(built.code, 0, built.stderr)
    assert.deepStrictEqual(doneIn(built.stderr), ["build top-middle", "substitute library", "substitute middle"])
    const wrong = await user().yix(["build", file, "-A", "top"], { env: { ...env, YIX_TRUSTED_PUBLIC_KEYS: "nonsense" } })
    assert.deepStrictEqual([wrong.code, /YIX_TRUSTED_PUBLIC_KEYS/.test(wrong.stderr)], [2, true], wrong.stderr)
  })

  it("is no help where its signer is not trusted: then everything is built, with a warning", async () => {
    const built = await user().yix(["build", file, "-A", "middle", "--no-out-link", "--log-format", "json", "--substituter", cache])
    assert.deepStrictEqual([built.code, built.stdout.trim()], [0, paths.get("middle")])
    assert.deepStrictEqual(doneIn(built.stderr), ["build library", "build middle", "build tool"])
    assert.match(built.stderr, /not signed by a trusted key/)
  })

  it("composed by yix.toml gives what is needed when it is needed, with what that refers to where the user asked for it", async () => {
    const world = user()
    const config = world.write(
      "yix.toml",
      `[pathinfoservices.root]\ntype = "cache"\nnear = "here"\nfar = "there"\nwrite = "near"\n[pathinfoservices.here]\ntype = "local"\n` +
        `[pathinfoservices.there]\ntype = "nix"\nbase_url = "${cache}"\npublic_keys = ["${trusted}"]\n`
    )
    const told = await world.ok(["store", "path-info", "--json", "--config", config, paths.get("middle")!])
    assert.match(told, /"downloadSize":\d+/)
    const evaluated = await world.yix(["eval", file, "-A", "value", "--config", config, "--log-format", "json"])
    assert.deepStrictEqual(doneIn(evaluated.stderr), ["substitute middle"])
    const built = await world.yix(["build", file, "-A", "middle", "--no-out-link", "--config", config, "--log-format", "json"])
    assert.deepStrictEqual([built.stdout.trim(), doneIn(built.stderr)], [paths.get("middle"), ["substitute library"]])
    // It is here now, whatever becomes of the cache.
    const here = JSON.parse(await world.ok(["store", "path-info", "--json", "--closure", paths.get("middle")!])) as Record<string, unknown>
    assert.deepStrictEqual(Object.keys(here), [paths.get("library"), paths.get("middle")])
  })

  it("composed by yix.toml is passed over where its signer is not trusted, or its NARs are gone", async () => {
    const directory = cache.slice("file://".length)
    fs.cpSync(directory, `${directory}-damaged`, { recursive: true })
    fs.rmSync(`${directory}-damaged/nar`, { recursive: true })
    for (const [key, address, why] of [
      ["t-1:Y5NF+iqX/RhzaxBJjeyKXvUFS0FDnsu1CODLpAG46e4=", cache, /-middle' is not taken from a cache: .*not signed by a trusted key/],
      [trusted, `${cache}-damaged`, /-middle' is not taken from a cache: .*there is nothing at/]
    ] as const) {
      const world = user()
      const config = world.write(
        "yix.toml",
        `[pathinfoservices.root]\ntype = "cache"\nnear = "here"\nfar = "there"\nwrite = "near"\n[pathinfoservices.here]\ntype = "local"\n` +
          `[pathinfoservices.there]\ntype = "nix"\nbase_url = "${address}"\npublic_keys = ["${key}"]\n`
      )
      const built = await world.yix(["build", file, "-A", "middle", "--no-out-link", "--config", config])
      assert.deepStrictEqual([built.code, built.stdout.trim()], [0, paths.get("middle")], built.stderr)
      assert.match(built.stderr, why)
    }
  })

  it("on the network is not asked offline, however it is named", async () => {
    const world = user()
    // Whoever asks there gets an error, and warns.
    const nowhere = "http://127.0.0.1:9"
    const config = world.write(
      "yix.toml",
      `[pathinfoservices.root]\ntype = "cache"\nnear = "here"\nfar = "there"\nwrite = "near"\n[pathinfoservices.here]\ntype = "local"\n` +
        `[pathinfoservices.there]\ntype = "nix"\nbase_url = "${nowhere}"\n`
    )
    const built = await world.yix([
      "build",
      file,
      "-A",
      "middle",
      "--no-out-link",
      "--offline",
      "--config",
      config,
      "--substituter",
      nowhere
    ])
    assert.deepStrictEqual([built.code, built.stdout.trim()], [0, paths.get("middle")], built.stderr)
    assert.notMatch(built.stderr, /taken from|127\.0\.0\.1/)
  })
})
