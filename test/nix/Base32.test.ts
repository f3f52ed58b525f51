import { assert, describe, it } from "@effect/vitest"
import * as Base16 from "../../src/nix/Base16.ts"
import * as Base32 from "../../src/nix/Base32.ts"
import * as Base64 from "../../src/nix/Base64.ts"
import { random, thrown } from "./vectors.ts"

describe("nix32", () => {
  it("writes and reads back bytes of every length up to 80", () => {
    const { bytes } = random(1)
    for (let length = 0; length <= 80; length++) {
      const value = bytes(length)
      const text = Base32.encode(value)
      assert.strictEqual(text.length, Base32.encodedLength(length))
      assert.deepStrictEqual(Base32.decode(text), value)
    }
  })

  it("agrees with the definition as one little-endian number", () => {
    const { bytes } = random(2)
    for (let length = 1; length < 70; length++) {
      const value = bytes(length)
      let number = 0n
      for (let i = length - 1; i >= 0; i--) number = (number << 8n) | BigInt(value[i]!)
      let text = ""
      for (let i = 0; i < Base32.encodedLength(length); i++) {
        text = Base32.alphabet[Number(number & 31n)]! + text
        number >>= 5n
      }
      assert.strictEqual(Base32.encode(value), text)
    }
  })

  it("names the first foreign character", () => {
    const error = thrown(() => Base32.decode("0000e000"))
    assert.strictEqual(error._tag, "Base32Error")
    assert.strictEqual(error.reason, "character")
    assert.strictEqual(error.position, 4)
    assert.strictEqual(thrown(() => Base32.decode("0000é000")).reason, "character")
    assert.strictEqual(thrown(() => Base32.decode("000A0000")).position, 3)
  })

  it("refuses bits beyond the last byte", () => {
    for (const length of [1, 2, 3, 4, 16, 32, 64]) {
      const largest = Base32.encode(new Uint8Array(length).fill(255))
      const next = Base32.alphabet[Base32.alphabet.indexOf(largest[0]!) + 1]
      assert.isDefined(next)
      assert.strictEqual(thrown(() => Base32.decode(next + largest.slice(1))).reason, "bits")
    }
  })

  it("refuses lengths that no number of bytes has", () => {
    for (const length of [1, 3, 6, 9, 11]) assert.strictEqual(thrown(() => Base32.decode("0".repeat(length))).reason, "length")
  })

  it("differs from text to text: decoding is injective", () => {
    const { pick } = random(3)
    for (let i = 0; i < 2000; i++) {
      const text = Array.from({ length: 52 }, () => pick([...Base32.alphabet])).join("")
      let bytes: Uint8Array
      try {
        bytes = Base32.decode(text)
      } catch {
        continue
      }
      assert.strictEqual(Base32.encode(bytes), text)
    }
  })
})

describe("hex and base64", () => {
  it("write and read back bytes of every length up to 80", () => {
    const { bytes } = random(4)
    for (let length = 0; length <= 80; length++) {
      const value = bytes(length)
      assert.strictEqual(Base16.encode(value), Buffer.from(value).toString("hex"))
      assert.deepStrictEqual(Base16.decode(Base16.encode(value)), value)
      assert.deepStrictEqual(Base16.decode(Base16.encode(value).toUpperCase()), value)
      assert.strictEqual(Base64.encode(value), Buffer.from(value).toString("base64"))
      assert.deepStrictEqual(Base64.decode(Base64.encode(value)), value)
      assert.deepStrictEqual(Base64.decodeStrict(Base64.encode(value)), value)
    }
  })

  it("refuse foreign characters", () => {
    for (const text of ["0", "0g", "0x", " 0", "é0"]) assert.isUndefined(Base16.decode(text))
    for (const text of ["AA_A", "AA A", "AA\tA", "AAé=", "A-AA"]) assert.isUndefined(Base64.decode(text))
  })

  it("read base64 as loosely as Nix, and strictly where asked", () => {
    assert.deepStrictEqual(Base64.decode("AAE"), Uint8Array.of(0, 1))
    assert.deepStrictEqual(Base64.decode("AAE==?x"), Uint8Array.of(0, 1))
    assert.deepStrictEqual(Base64.decode("AA\nE="), Uint8Array.of(0, 1))
    assert.deepStrictEqual(Base64.decode("AAF="), Uint8Array.of(0, 1))
    for (const text of ["AAE", "AAE==", "AA\nE=", "AAF=", "AAE=AAE="]) assert.isUndefined(Base64.decodeStrict(text))
  })
})
