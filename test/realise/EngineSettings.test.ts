import { MessageChannel } from "node:worker_threads"
import { cachedDataVersionTag } from "node:v8"
import { assert, describe, it } from "@effect/vitest"
import { EngineSettings } from "../../src/realise/EngineSettings.ts"
import { WorkerHost } from "../../src/realise/WorkerHost.ts"

const forPackages = ["--force-emit-interrupt-budget-checks", "--no-opt", "--scavenger-chaos-mode-threshold=100", "--scavenger-chaos-mode"]
const usual = ["--no-force-emit-interrupt-budget-checks", "--opt", "--scavenger-chaos-mode-threshold=50", "--no-scavenger-chaos-mode"]

const record = () => {
  const flags: Array<string> = []
  const main = { alone: true }
  const engine = new EngineSettings(
    () => main.alone,
    (flag) => flags.push(flag)
  )
  const read = (count: number) => {
    for (let i = 0; i < count; i++) engine.fileRead()
  }
  return { flags, main, engine, read }
}

describe("the engine's settings", () => {
  it("are let alone in programs that are not yix", () => {
    const settings = { pure: false, restrict: false, allowedUris: [], searchPath: [], readOnly: true }
    const { port1, port2 } = new MessageChannel()
    const hostIn = (ours: boolean) =>
      new WorkerHost(port1, new Int32Array(4), settings, { hash: undefined, timed: false, syntax: undefined, ours })
    assert.isUndefined(hostIn(false).engine)
    assert.instanceOf(hostIn(true).engine, EngineSettings)
    port2.close()
  })

  it("are in the end those under which code is kept", () => {
    const tag = cachedDataVersionTag()
    const engine = new EngineSettings(() => true)
    for (let i = 0; i < 16; i++) engine.fileRead()
    try {
      assert.notStrictEqual(cachedDataVersionTag(), tag)
    } finally {
      engine.end()
    }
    assert.strictEqual(cachedDataVersionTag(), tag)
  })

  it("stay for an evaluation that reads few files", () => {
    const { flags, engine, read } = record()
    read(15)
    engine.release()
    assert.deepStrictEqual(flags, [])
  })

  it("change with the sixteenth file, and stay so for the next evaluation while the main thread loads nothing", () => {
    const { flags, engine, read } = record()
    read(100)
    engine.release()
    read(1)
    assert.deepStrictEqual(flags, forPackages)
  })

  it("stay while the main thread may load code, which is when it has not answered anything yet", () => {
    const { flags, main, engine, read } = record()
    main.alone = false
    read(100)
    assert.deepStrictEqual(flags, [])
    engine.answered()
    read(1)
    assert.deepStrictEqual(flags, forPackages)
  })

  it("are as they were at the end where the main thread goes on, and change again with the next new file", () => {
    const { flags, main, engine, read } = record()
    main.alone = false
    engine.answered()
    read(16)
    engine.release()
    engine.release()
    assert.deepStrictEqual(flags, [...forPackages, ...usual])
    read(1)
    assert.deepStrictEqual(flags.slice(forPackages.length + usual.length), forPackages)
  })
})
