import { assert, describe, it } from "@effect/vitest"
import { formatFixed, formatFloat, formatJsonFloat } from "../../src/lang/Floats.ts"

// [value, as it prints, by toString, in JSON]: recorded from Nix 2.34.8.
const recorded: ReadonlyArray<readonly [number, string, string, string]> = [
  [1, "1", "1.000000", "1.0"],
  [1.5, "1.5", "1.500000", "1.5"],
  [0.1 + 0.2, "0.3", "0.300000", "0.30000000000000004"],
  [1e15, "1e+15", "1000000000000000.000000", "1e+15"],
  [123456789012345, "1.23457e+14", "123456789012345.000000", "123456789012345.0"],
  [1e-5, "1e-05", "0.000010", "1e-05"],
  [1e-4, "0.0001", "0.000100", "0.0001"],
  [5e-324, "4.94066e-324", "0.000000", "5e-324"],
  [1e23, "1e+23", "99999999999999991611392.000000", "9.999999999999999e+22"],
  [-0, "-0", "-0.000000", "-0.0"],
  [-1e-7, "-1e-07", "-0.000000", "-1e-07"],
  [999999.5, "1e+06", "999999.500000", "999999.5"]
]

describe("floats as text", () => {
  it("read as Nix writes them", () => {
    for (const [value, printed, fixed, json] of recorded) {
      assert.deepStrictEqual([formatFloat(value), formatFixed(value), formatJsonFloat(value)], [printed, fixed, json])
    }
  })

  it("round ties to even, as C does and JavaScript does not", () => {
    assert.strictEqual(formatFloat(1234565), "1.23456e+06")
    assert.strictEqual(formatFloat(1234575), "1.23458e+06")
    assert.strictEqual(formatFixed(0.0078125), "0.007812")
    assert.strictEqual(formatFixed(0.0234375), "0.023438")
  })

  it("name what is no number", () => {
    assert.deepStrictEqual([NaN, Infinity, -Infinity].map(formatFloat), ["nan", "inf", "-inf"])
    assert.strictEqual(formatJsonFloat(NaN), "null")
  })

  it("keep their value through JSON", () => {
    let state = 1
    const bits = new DataView(new ArrayBuffer(8))
    for (let i = 0; i < 2_000; i++) {
      for (const at of [0, 4]) bits.setUint32(at, (state = (Math.imul(state, 1664525) + 1013904223) >>> 0))
      const value = bits.getFloat64(0)
      if (Number.isFinite(value)) assert.strictEqual(Number(formatJsonFloat(value)), value)
    }
  })
})
