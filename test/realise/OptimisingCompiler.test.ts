import { MessageChannel } from "node:worker_threads"
import { assert, describe, it } from "@effect/vitest"
import { OptimisingCompiler } from "../../src/realise/OptimisingCompiler.ts"
import { WorkerHost } from "../../src/realise/WorkerHost.ts"

const resting = ["--force-emit-interrupt-budget-checks", "--no-opt"]
const resumed = ["--no-force-emit-interrupt-budget-checks", "--opt"]

const record = () => {
  const flags: Array<string> = []
  const main = { alone: true }
  const compiler = new OptimisingCompiler(
    () => main.alone,
    (flag) => flags.push(flag)
  )
  const read = (count: number) => {
    for (let i = 0; i < count; i++) compiler.fileRead()
  }
  return { flags, main, compiler, read }
}

describe("the optimising compiler", () => {
  it("is let alone in programs that are not yix", () => {
    const settings = { pure: false, restrict: false, allowedUris: [], searchPath: [], readOnly: true }
    const { port1, port2 } = new MessageChannel()
    const hostIn = (ours: boolean) =>
      new WorkerHost(port1, new Int32Array(4), settings, { hash: undefined, timed: false, syntax: undefined, ours })
    assert.isUndefined(hostIn(false).compiler)
    assert.instanceOf(hostIn(true).compiler, OptimisingCompiler)
    port2.close()
  })

  it("works on for an evaluation that reads few files", () => {
    const { flags, compiler, read } = record()
    read(15)
    compiler.release()
    assert.deepStrictEqual(flags, [])
  })

  it("rests from the sixteenth file on, and goes on to rest for the next evaluation while the main thread loads nothing", () => {
    const { flags, compiler, read } = record()
    read(100)
    compiler.release()
    read(1)
    assert.deepStrictEqual(flags, resting)
  })

  it("works on while the main thread may load code, which is when it has not answered anything yet", () => {
    const { flags, main, compiler, read } = record()
    main.alone = false
    read(100)
    assert.deepStrictEqual(flags, [])
    compiler.answered()
    read(1)
    assert.deepStrictEqual(flags, resting)
  })

  it("is set as it was at the end where the main thread goes on, and rests again with the next new file", () => {
    const { flags, main, compiler, read } = record()
    main.alone = false
    compiler.answered()
    read(16)
    compiler.release()
    compiler.release()
    assert.deepStrictEqual(flags, [...resting, ...resumed])
    read(1)
    assert.deepStrictEqual(flags.slice(4), resting)
  })
})
