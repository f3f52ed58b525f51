import { assert, describe, it } from "@effect/vitest"
import { bytesOfText, bytesText, durationText, elapsedText } from "../../src/telemetry/Quantities.ts"

describe("amounts", () => {
  it("of bytes are in the unit that gives one to four digits", () => {
    assert.deepStrictEqual([0, 999, 1000, 1024, 1_048_524, 1_048_576, 5.5 * 1024 ** 3, 3 * 1024 ** 5].map(bytesText), [
      "0 B",
      "999 B",
      "1.0 KiB",
      "1.0 KiB",
      "1.0 MiB",
      "1.0 MiB",
      "5.5 GiB",
      "3072.0 TiB"
    ])
    assert.strictEqual(bytesOfText(1024, 12 * 1024 ** 2), "0.0/12.0 MiB")
    assert.strictEqual(bytesOfText(10, 20), "10/20 B")
  })

  it("of time are in whole seconds while they run, with tenths when they are short and over", () => {
    assert.deepStrictEqual([-5, 999, 1000, 59_999, 60_000, 3_599_999, 3_600_000, 90_000_000].map(elapsedText), [
      "0 s",
      "0 s",
      "1 s",
      "59 s",
      "1 min 00 s",
      "59 min 59 s",
      "1 h 00 min",
      "25 h 00 min"
    ])
    assert.deepStrictEqual([0, 1234, 9949, 9950, 61_000].map(durationText), ["0.0 s", "1.2 s", "9.9 s", "9 s", "1 min 01 s"])
  })
})
