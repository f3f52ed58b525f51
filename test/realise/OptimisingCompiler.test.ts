import { assert, describe, it } from "@effect/vitest"
import { OptimisingCompiler } from "../../src/realise/OptimisingCompiler.ts"

const resting = ["--force-emit-interrupt-budget-checks", "--no-opt"]
const resumed = ["--no-force-emit-interrupt-budget-checks", "--opt"]

const record = (alone: boolean) => {
  const flags: Array<string> = []
  const compiler = new OptimisingCompiler(
    () => alone,
    (flag) => flags.push(flag)
  )
  const read = (count: number) => {
    for (let i = 0; i < count; i++) compiler.fileRead()
  }
  return { flags, compiler, read }
}

describe("the optimising compiler", () => {
  it("works on for an evaluation that reads few files", () => {
    const { flags, compiler, read } = record(true)
    read(15)
    compiler.release()
    assert.deepStrictEqual(flags, [])
  })

  it("rests from the sixteenth file to the end, and then all is set as it was", () => {
    const { flags, compiler, read } = record(true)
    read(100)
    assert.deepStrictEqual(flags, resting)
    compiler.release()
    compiler.release()
    assert.deepStrictEqual(flags, [...resting, ...resumed])
  })

  it("rests again when the evaluation goes on with new files", () => {
    const { flags, compiler, read } = record(true)
    read(16)
    compiler.release()
    read(1)
    assert.deepStrictEqual(flags, [...resting, ...resumed, ...resting])
  })

  it("works on while the main thread may load code, which is when it has not answered anything yet", () => {
    const { flags, compiler, read } = record(false)
    read(100)
    assert.deepStrictEqual(flags, [])
    compiler.answered()
    read(1)
    assert.deepStrictEqual(flags, resting)
  })
})
