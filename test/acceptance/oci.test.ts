import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { withShell } from "./Expressions.ts"
import { programOnPath, project, World } from "./World.ts"

const quickstart = path.join(project, "examples/quickstart.nix")
const runtime = programOnPath("runc") ?? programOnPath("crun")

const configure = (world: World, type: string, keys = ""): string =>
  world.write(`${type}.toml`, `[builders.root]\ntype = "${type}"\n${keys}`)

/** Directories of cgroups whose name ends like that of a scratch directory of builds, which is the name of a container too. */
const cgroups = (): ReadonlyArray<string> => {
  const found: Array<string> = []
  const walk = (directory: string, depth: number) => {
    let entries: ReadonlyArray<fs.Dirent>
    try {
      entries = fs.readdirSync(directory, { withFileTypes: true })
    } catch {
      return
    }
    for (const entry of entries) {
      if (!entry.isDirectory()) continue
      if (/^build-[0-9a-z]+-\d+-\d+-/.test(entry.name)) found.push(path.join(directory, entry.name))
      else if (depth < 6) walk(path.join(directory, entry.name), depth + 1)
    }
  }
  walk("/sys/fs/cgroup", 0)
  return found
}

describe.skipIf(runtime === undefined)("a configuration with the OCI builder", { timeout: 300_000 }, () => {
  it("builds the quickstart to the same path and the same bytes as the sandbox, and leaves no container", async () => {
    const results = []
    for (const type of ["sandbox", "oci"]) {
      using world = new World()
      const config = configure(world, type)
      const built = await world.ok(["build", "--config", config, "--no-out-link", "-f", quickstart])
      const [info] = Object.values(JSON.parse(await world.ok(["store", "path-info", "--json", built]))) as Array<{ narHash: string }>
      results.push([built, info?.narHash])
      assert.deepStrictEqual(await world.leftovers(), [])
      assert.deepStrictEqual(cgroups(), [])
    }
    assert.match(String(results[0]![1]), /^sha256/)
    assert.deepStrictEqual(results[0], results[1])
  })

  it("leaves no process, mount, cgroup or container when yix is killed, and builds the same the next time", async () => {
    using world = new World()
    const config = configure(world, "oci")
    const file = world.write(
      "slow.nix",
      withShell(
        world.mark,
        `let
          slow = name: attributes: shell name attributes ": > ${world.mark}-scratch; ( pause 9000 ) & pause 100; echo \${name} > $out";
        in shell "whole" { parts = map (n: slow "part-\${toString n}" { }) [ 1 2 3 4 ]; } "echo made > $out"`
      )
    )
    for (let round = 0; round < 4; round++) {
      const moment = Math.random() * 600
      const { child, run } = world.start(["build", "--config", config, "--no-out-link", "-f", file])
      // From the start of the first build on.
      await new Promise<void>((resolve) => child.stderr!.on("data", (bytes: Buffer) => bytes.includes("part-") && resolve()))
      const timer = setTimeout(() => child.kill("SIGKILL"), moment)
      await run
      clearTimeout(timer)
      const left = (await world.leftovers(5000)).filter((line) => line.startsWith("process") || line.startsWith("mount"))
      assert.deepStrictEqual(left, [], `killed after ${moment} ms`)
      assert.deepStrictEqual(cgroups(), [], `killed after ${moment} ms`)
    }
    const built = await world.ok(["build", "--config", config, "--no-out-link", "-f", file])
    assert.strictEqual(await world.ok(["store", "cat", built]), "made")
    assert.deepStrictEqual(await world.leftovers(), [])
  })

  it("says what to do where the runtime is not there, or is something else", async () => {
    using world = new World()
    const absent = await world.yix(["build", "--config", configure(world, "oci", 'runtime = "no-such-runtime"\n'), "-f", quickstart])
    assert.strictEqual(absent.code, 1, absent.stderr)
    assert.include(absent.stderr, "there is no program 'no-such-runtime'")
    assert.include(absent.stderr, "install runc")
    const wrong = await world.yix(["build", "--config", configure(world, "oci", 'runtime = "/bin/true"\n'), "-f", quickstart])
    assert.strictEqual(wrong.code, 1, wrong.stderr)
    assert.include(wrong.stderr, "entering the sandbox")
    assert.deepStrictEqual(await world.leftovers(), [])
  })
})
