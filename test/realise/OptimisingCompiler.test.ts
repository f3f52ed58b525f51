import { assert, describe, it } from "@effect/vitest"
import { OptimisingCompiler } from "../../src/realise/OptimisingCompiler.ts"

const record = () => {
  const flags: Array<string> = []
  const compiler = new OptimisingCompiler((flag) => flags.push(flag))
  const read = (count: number) => {
    for (let i = 0; i < count; i++) compiler.fileRead()
  }
  return { flags, compiler, read }
}

describe("the optimising compiler", () => {
  it("works on for an evaluation that reads few files", () => {
    const { flags, compiler, read } = record()
    read(15)
    compiler.release()
    assert.deepStrictEqual(flags, [])
  })

  it("rests from the sixteenth file to the end, and code made meanwhile can be optimised afterwards", () => {
    const { flags, compiler, read } = record()
    read(100)
    assert.deepStrictEqual(flags, ["--force-emit-interrupt-budget-checks", "--no-opt"])
    compiler.release()
    compiler.release()
    assert.deepStrictEqual(flags.slice(2), ["--opt"])
  })

  it("rests again when the evaluation goes on with new files", () => {
    const { flags, compiler, read } = record()
    read(16)
    compiler.release()
    read(1)
    assert.strictEqual(flags.at(-1), "--no-opt")
    compiler.release()
    assert.strictEqual(flags.at(-1), "--opt")
  })
})
