import { assert, describe, it } from "@effect/vitest"
import { withShell } from "./Expressions.ts"
import { startedWork, World } from "./World.ts"

describe("independent builds that one expression reads", () => {
  it("run at the same time: 1, 2 and 3 seconds take under four", { retry: 2 }, async () => {
    using world = new World()
    const sleeper = (seconds: number) => `shell "sleep-${seconds}" { } "pause ${seconds}00; echo ${seconds} > $out"`
    const file = world.write(
      "sleeps.nix",
      withShell(
        world.mark,
        `let a = ${sleeper(1)}; b = ${sleeper(2)}; c = ${sleeper(3)}; in builtins.readFile a + builtins.readFile b + builtins.readFile c`
      )
    )
    const run = await world.yix(["eval", "--log-format", "json", "-f", file])
    assert.strictEqual(run.code, 0, run.stderr)
    assert.strictEqual(run.stdout, '"1\\n2\\n3\\n"\n')
    assert.deepStrictEqual([...startedWork(run)].sort(), ["build sleep-1", "build sleep-2", "build sleep-3"])
    assert.isAtLeast(run.milliseconds, 3000)
    assert.isBelow(run.milliseconds, 4000)
    assert.deepStrictEqual(await world.leftovers(), [])
  })

  it("run at the same time when they are inputs of one derivation", { retry: 2 }, async () => {
    using world = new World()
    const file = world.write(
      "inputs.nix",
      withShell(
        world.mark,
        `shell "joined" { parts = map (n: shell "part-\${toString n}" { } "pause 200; echo \${toString n} > $out") [ 1 2 3 ]; }
           "for part in $parts; do read -r line < $part; echo $line; done > $out"`
      )
    )
    const run = await world.yix(["build", "--no-out-link", "-f", file])
    assert.strictEqual(run.code, 0, run.stderr)
    assert.isBelow(run.milliseconds, 4000)
    assert.strictEqual(await world.ok(["store", "cat", run.stdout.trim()]), "1\n2\n3")
  })
})
