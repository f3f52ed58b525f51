/** A few seconds of `bench/serve-load.ts`: the whole minute is for a quiet machine. */
import { assert, describe, it } from "vitest"
import { load, problemsOf } from "../../bench/serve-load.ts"
import { yixCommand } from "../../bench/Compare.ts"

describe("yix serve under load", () => {
  it("answers two hundred clients at the same time, each rightly, and keeps nothing of those who hang up in mid-NAR", async () => {
    const report = await load(yixCommand(), { clients: 200, seconds: 5, hangUps: 0.2 })
    assert.deepStrictEqual(problemsOf(report), [])
    assert.isAbove(report.nars, 50)
    assert.isAbove(report.hungUp, 5)
    assert.isAbove(Math.max(...report.samples.map(({ openFiles }) => openFiles)), report.openFilesBefore + 100)
  }, 120_000)
})
