import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import { withShell } from "./Expressions.ts"
import { events, programOnPath, startedWork, World } from "./World.ts"

/** Six derivations of 0.3 s each, one of them imported; every builder leaves files in its build folder and a process running. */
const expression = (world: World): string =>
  world.write(
    "slow.nix",
    withShell(
      world.mark,
      `let
        slow = name: attributes: script: shell name attributes "
          echo 'ran \${name}'
          : > ${world.mark}-scratch
          ( pause 9000 ) &
          pause 30
          \${script}
        ";
        generated = slow "generated.nix" { } "echo '[ 1 2 3 ]' > $out";
        parts = map (n: slow "part-\${toString n}" { } "echo \${toString n} > $out") (import "\${generated}");
        folder = slow "folder" { inherit parts; } "for part in $parts; do read -r line < $part; echo $line; done > $out";
      in slow "whole" { inherit folder; } "while read -r line; do echo \\"<$line>\\"; done < $folder > $out"`
    )
  )

// The machine's own Node starts yix in another way when it is older than the one yix wants: both have to die cleanly.
const nodes = [...new Set([process.execPath, programOnPath("node") ?? process.execPath].map((node) => fs.realpathSync(node)))]

describe("yix build, killed at a random moment", { timeout: 300_000 }, () => {
  for (const node of nodes)
    it(`leaves nothing behind and gives the right result the second time (kill -9, started by ${node})`, async () => {
      using world = new World()
      const file = expression(world)
      for (let round = 0; round < 6; round++) {
        const moment = 50 + Math.random() * 2000
        const { child, run } = world.start(["build", "--no-out-link", "-f", file], { node })
        const timer = setTimeout(() => child.kill("SIGKILL"), moment)
        await run
        clearTimeout(timer)
        assert.deepStrictEqual(
          (await world.leftovers(5000)).filter((line) => line.startsWith("process") || line.startsWith("mount")),
          [],
          `killed after ${moment} ms`
        )
      }
      const second = await world.yix(["build", "--no-out-link", "-f", file], { node })
      assert.strictEqual(second.code, 0, second.stderr)
      assert.strictEqual(await world.ok(["store", "cat", second.stdout.trim()]), "<1>\n<2>\n<3>")
      assert.deepStrictEqual(await world.leftovers(), [])
      assert.strictEqual((await world.yix(["store", "verify"])).code, 0)
    })

  it("keeps what was finished before it was killed", async () => {
    using world = new World()
    const file = expression(world)
    const { child, run } = world.start(["build", "--no-out-link", "--log-format", "json", "-f", file])
    let text = ""
    child.stderr!.on("data", (bytes: Buffer) => {
      text += bytes.toString()
      if (/"started".*"folder"/.test(text)) child.kill("SIGKILL")
    })
    assert.strictEqual((await run).signal, "SIGKILL")
    const second = await world.yix(["build", "--no-out-link", "--log-format", "json", "-f", file])
    assert.strictEqual(second.code, 0, second.stderr)
    assert.deepStrictEqual(startedWork(second), ["build folder", "build whole"])
  })

  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143]
  ] as const)
    // prettier-ignore
    it(`stops at once, with nothing left behind, at ${signal}`, async () => {
      using world = new World()
      const file = expression(world)
      for (const moment of [0, 200, 700]) {
        const { child, run } = world.start(["build", "--no-out-link", "-f", file])
        // From the first sign of life on; a signal before that ends the process as it ends any.
        await Promise.race([new Promise((resolve) => child.stderr!.once("data", resolve)), run])
        await new Promise((resolve) => setTimeout(resolve, moment))
        const asked = performance.now()
        child.kill(signal)
        const ended = await run
        assert.isBelow(performance.now() - asked, 3000)
        assert.strictEqual(ended.code, code, ended.stderr)
        assert.strictEqual(ended.stdout, "")
        assert.deepStrictEqual(await world.leftovers(), [], `${signal} after ${moment} ms`)
      }
      const second = await world.yix(["build", "--no-out-link", "-f", file])
      assert.strictEqual(second.code, 0, second.stderr)
      assert.deepStrictEqual(await world.leftovers(), [])
    })

  it("lets a second yix wait for a running build instead of repeating it", async () => {
    using world = new World()
    const file = expression(world)
    const args = ["build", "--no-out-link", "--log-format", "json", "-f", file]
    const runs = await Promise.all([world.yix(args), world.yix(args)])
    for (const run of runs) assert.strictEqual(run.code, 0, run.stderr)
    assert.strictEqual(runs[0]!.stdout, runs[1]!.stdout)
    assert.deepStrictEqual(await world.leftovers(), [])
    const ran = runs.flatMap(events).filter((event) => event["event"] === "logline").map((event) => String(event["line"])) // prettier-ignore
    assert.deepStrictEqual(ran.sort(), ["ran folder", "ran generated.nix", "ran part-1", "ran part-2", "ran part-3", "ran whole"])
  })
})
