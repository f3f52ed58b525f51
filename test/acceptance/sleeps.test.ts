import { assert, describe, it } from "@effect/vitest"
import { withShell } from "./Expressions.ts"
import * as os from "node:os"
import { events, type Run, startedWork, World } from "./World.ts"

/** The first `count` builds had all begun before one of them was done. */
const allAtOnce = (run: Run, count: number): void => {
  const seen = events(run)
  const started = seen.filter((event) => event["event"] === "started" && event["kind"] === "build").slice(0, count)
  const ids = new Set(started.map((event) => event["id"]))
  const firstDone = seen.findIndex((event) => event["event"] === "done" && ids.has(event["id"]))
  assert.strictEqual(started.length, count)
  assert.isBelow(seen.indexOf(started.at(-1)!), firstDone)
}

/** Under four seconds in all. With twice as many busy processes as processors, start-up alone takes a second: then at least faster than one after the other. */
const inTime = (run: Run): void => assert.isBelow(run.milliseconds, os.loadavg()[0]! > 2 * os.availableParallelism() ? 6000 : 4000)

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
    allAtOnce(run, 3)
    assert.isAtLeast(run.milliseconds, 3000)
    inTime(run)
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
    const run = await world.yix(["build", "--no-out-link", "--log-format", "json", "-f", file])
    assert.strictEqual(run.code, 0, run.stderr)
    allAtOnce(run, 3)
    inTime(run)
    assert.strictEqual(await world.ok(["store", "cat", run.stdout.trim()]), "1\n2\n3")
  })
})
