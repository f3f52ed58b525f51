import { assert, describe, it } from "@effect/vitest"
import { LogTail } from "../../src/build/LogTail.ts"

describe("the end of a log", () => {
  it("keeps what it was given, though the buffer is used again", () => {
    const tail = new LogTail()
    const buffer = Buffer.from("first\n")
    tail.push(buffer)
    buffer.write("xxxxx\n")
    tail.push(buffer)
    assert.deepStrictEqual(tail.lines(), ["first", "xxxxx"])
  })

  it("keeps the last lines of a long log, none of them cut", () => {
    const tail = new LogTail()
    for (let i = 0; i < 10_000; i++) tail.push(Buffer.from(`line number ${i}\n`))
    const lines = tail.lines()
    assert.strictEqual(lines.length, 25)
    assert.strictEqual(lines[0], "line number 9975")
    assert.strictEqual(lines[24], "line number 9999")
  })
})
