import { assert, describe, it } from "@effect/vitest"
import * as os from "node:os"
import * as path from "node:path"
import { project, startedWork, World } from "./World.ts"

const quickstart = path.join(project, "examples/quickstart.nix")

// From Nix 2.8.0 (`nix-build examples/quickstart.nix`); another text in the example gives another hash here.
const pathFromNix = "/nix/store/mrbjrl5rcn7dsbgzkhjn697c5dz01vp4-quickstart"

describe("examples/quickstart.nix", () => {
  it("prints the store path that Nix gives, and its text names its inputs", async () => {
    using world = new World()
    const run = await world.yix(["build", "--no-out-link", "-f", quickstart])
    assert.strictEqual(run.code, 0, run.stderr)
    assert.match(run.stdout, /^\/nix\/store\/[0-9a-z]{32}-quickstart\n$/)
    if (process.arch === "x64") assert.strictEqual(run.stdout.trim(), pathFromNix)

    const text = await world.ok(["store", "cat", run.stdout.trim()])
    const lines = text.split("\n")
    assert.deepStrictEqual(lines.slice(0, 5), ["Hello, Ada!", "Hello, Grace!", "Hello, Barbara!", "", "Made from:"])
    assert.deepStrictEqual(
      lines.slice(5).map((line) => line.replace(/^ {2}\/nix\/store\/[0-9a-z]{32}-/, "")),
      ["greeting-Ada", "greeting-Grace", "greeting-Barbara", "generated.nix"]
    )
    assert.deepStrictEqual(await world.leftovers(), [])
  })

  it("builds six derivations at first and nothing at all the second time", async () => {
    using world = new World()
    const args = ["build", "--log-format", "json", "--no-out-link", "-f", quickstart]
    const first = await world.yix(args)
    assert.strictEqual(first.code, 0, first.stderr)
    assert.deepStrictEqual([...startedWork(first)].sort(), [
      "build generated.nix",
      "build greeting-Ada",
      "build greeting-Barbara",
      "build greeting-Grace",
      "build names.txt",
      "build quickstart"
    ])

    const second = await world.yix(args)
    assert.strictEqual(second.code, 0, second.stderr)
    assert.deepStrictEqual(startedWork(second), [])
    assert.strictEqual(second.stdout, first.stdout)
  })

  it("says so in under 300 ms when there is nothing to do", async (context) => {
    using world = new World()
    const args = ["build", "--no-out-link", "-f", quickstart]
    await world.ok(args)
    const times: Array<number> = []
    for (let i = 0; i < 7; i++) {
      const run = await world.yix(args)
      assert.strictEqual(run.code, 0, run.stderr)
      times.push(Math.round(run.milliseconds))
    }
    if (Math.min(...times) >= 300 && os.loadavg()[0]! > os.availableParallelism())
      return context.skip(`the machine is too busy to tell: ${times.join(", ")} ms at a load of ${os.loadavg()[0]}`)
    assert.isBelow(Math.min(...times), 300, times.join(", "))
  })

  it("makes a result link that leads to the contents", async () => {
    using world = new World()
    const link = path.join(world.directory, "mine")
    const printed = await world.ok(["build", "--out-link", link, "-f", quickstart])
    const { readFileSync } = await import("node:fs")
    assert.strictEqual(readFileSync(link, "utf8"), `${await world.ok(["store", "cat", printed])}\n`)
  })

  it("gives its results to standard output and everything else to standard error", async () => {
    using world = new World()
    const run = await world.yix(["build", "--no-out-link", "-f", quickstart])
    assert.strictEqual(run.stdout.split("\n").length, 2)
    assert.match(run.stderr, /quickstart/)
  })

  it("runs as an ordinary user, too", async (context) => {
    if (process.getuid?.() !== 0) return context.skip("this test runs as an ordinary user already")
    using world = new World()
    const fs = await import("node:fs")
    const { spawnSync } = await import("node:child_process")
    // A user that nobody uses, who owns a home and can read the checkout.
    const user = 54321
    for (const directory of [world.directory, world.home, world.temporary]) fs.chownSync(directory, user, user)
    const run = spawnSync(process.execPath, [path.join(project, "bin/yix.js"), "build", "--no-out-link", "-f", quickstart], {
      uid: user,
      gid: user,
      cwd: world.home,
      env: world.environment,
      encoding: "utf8"
    })
    if (run.status !== 0 && /user namespaces/i.test(run.stderr)) {
      assert.match(run.stderr, /not allowed|disabled|permit/i)
      return context.skip("this machine allows ordinary users no user namespaces; yix said so")
    }
    assert.strictEqual(run.status, 0, run.stderr)
    if (process.arch === "x64") assert.strictEqual(run.stdout.trim(), pathFromNix)
    assert.deepStrictEqual(await world.leftovers(), [])
  })
})
