import { assert, describe, it } from "@effect/vitest"
import * as path from "node:path"
import { fillMirror, helloExample, serve } from "./HelloMirror.ts"
import { importsInto } from "./NixImport.ts"
import { closure, pathInfo } from "./PathInfos.ts"
import { programOnPath, startedWork, World } from "./World.ts"

// From Nix 2.8.0, by a mirror on loopback. The port is no part of it: a fixed-output derivation is known by its hash, not by its URL.
const pathFromNix = "/nix/store/090sx4r9nfa5lnk3aswb1yq2m2x5zppj-hello-2.10"
const narHashFromNix = "sha256-D4lpAUixc02eU0v9X8wRw59/hqEPlhxt+bC7BYGyy7U="

describe("examples/hello", { timeout: 600_000 }, () => {
  it("compiles GNU hello from source with a toolchain of Debian packages; it runs, and refers to its C library and nothing else", async (context) => {
    const mirror = await fillMirror()
    if ("missing" in mirror) return context.skip(mirror.missing)
    using world = new World()
    await using server = await serve(mirror.directory)
    const common = ["-f", helloExample, "--argstr", "mirror", server.url]

    const build = await world.yix(["build", "--no-out-link", "--log-format", "json", ...common, "-A", "hello"], { limit: 500_000 })
    assert.strictEqual(build.code, 0, build.stderr.slice(-4000))
    const hello = build.stdout.trim()
    assert.match(hello, /^\/nix\/store\/[0-9a-z]{32}-hello-2\.10$/)
    if (process.arch === "x64") assert.strictEqual(hello, pathFromNix)
    // Each file of the mirror once, and at least the four derivations glibc, tools, toolchain, hello.
    assert.strictEqual(new Set(server.requests).size, server.requests.length)
    assert.isAtLeast(startedWork(build).length, 4 + server.requests.length)

    const said = await world.yix(["run", `${hello}/bin/hello`])
    assert.strictEqual(said.stdout, "Hello, world!\n", said.stderr)
    assert.strictEqual(said.code, 0)
    const asked = await world.yix(["run", `${hello}/bin/hello`, "--", "--greeting=from the store"])
    assert.strictEqual(asked.stdout, "from the store\n", asked.stderr)

    const info = await pathInfo(world, hello)
    const names = info.references.map((reference) => path.basename(reference).slice(33)).sort()
    assert.deepStrictEqual(names, ["glibc", "hello-2.10"])
    const glibc = await world.ok(["build", "--no-out-link", ...common, "-A", "parts.glibc"])
    assert.deepStrictEqual([...info.references].sort(), [glibc, hello].sort())
    assert.deepStrictEqual((await pathInfo(world, glibc)).references, [])
    if (process.arch === "x64") assert.strictEqual(info.narHash, narHashFromNix)

    const nixStore = programOnPath("nix-store")
    if (nixStore === undefined) context.annotate("there is no Nix on the PATH that could import the result")
    else await importsInto(world, nixStore, await closure(world, hello), hello)

    const before = server.requests.length
    const again = await world.yix(["build", "--no-out-link", "--log-format", "json", ...common, "-A", "hello"])
    assert.strictEqual(again.stdout, build.stdout, again.stderr)
    assert.deepStrictEqual(startedWork(again), [])
    assert.strictEqual(server.requests.length, before)

    const greeting = await world.ok(["build", "--no-out-link", ...common, "-A", "greeting"])
    assert.strictEqual(await world.ok(["store", "cat", greeting]), "Hello, world!\nhello (GNU Hello) 2.10")
    assert.deepStrictEqual(await world.leftovers(), [])
  })

  it("takes its files from a folder as well as from a server", async (context) => {
    const mirror = await fillMirror()
    if ("missing" in mirror) return context.skip(mirror.missing)
    using world = new World()
    const tools = await world.ok([
      "build",
      "--no-out-link",
      "-f",
      helloExample,
      "--argstr",
      "mirror",
      `file://${mirror.directory}`,
      "-A",
      "parts.tools"
    ])
    assert.match(tools, /^\/nix\/store\/[0-9a-z]{32}-tools$/)
  })

  it("says which file is missing when the mirror is not complete", async () => {
    using world = new World()
    await using server = await serve(world.temporary)
    const run = await world.yix(["build", "--no-out-link", "-f", helloExample, "--argstr", "mirror", server.url, "-A", "parts.busybox"])
    assert.include([1, 100], run.code, run.stderr)
    assert.match(run.stderr, /http:\/\/127\.0\.0\.1:\d+\/busybox_[^ ]*\.nar/)
    assert.match(run.stderr, /404/)
    assert.strictEqual(run.stdout, "")
    assert.deepStrictEqual(await world.leftovers(), [])
  })
})
