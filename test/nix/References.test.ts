import { assert, describe, it } from "@effect/vitest"
import { alphabet } from "../../src/nix/Base32.ts"
import { fromBytes, toBytes } from "../../src/nix/Bytes.ts"
import { ReferenceScanner } from "../../src/nix/References.ts"
import { random, thrown } from "./vectors.ts"

const { below, bytes, pick } = random(13)
const digits = [...alphabet]
const hashPart = () => Array.from({ length: 32 }, () => pick(digits)).join("")

/** The definition: a needle is found where the bytes contain it. */
const expected = (needles: ReadonlyArray<string>, texts: ReadonlyArray<string>): ReadonlyArray<number> =>
  needles.flatMap((needle, index) => (texts.some((text) => text.includes(needle)) ? [index] : []))

describe("the reference scan", () => {
  const needles = Array.from({ length: 50 }, hashPart)

  it("finds a needle at every offset and across every cut", () => {
    for (let offset = 0; offset < 70; offset++) {
      const text = "x".repeat(offset) + needles[7] + "/".repeat(40)
      const whole = toBytes(text)
      for (let cut = 0; cut <= text.length; cut++) {
        const scanner = new ReferenceScanner(needles)
        scanner.update(whole.subarray(0, cut))
        scanner.update(whole.subarray(cut))
        assert.deepStrictEqual(scanner.found(), [7], `${offset} ${cut}`)
      }
    }
  })

  it("finds needles in chunks of 1 to 40 bytes", () => {
    const text = `..${needles[3]}${needles[4]}--${needles[5]!.slice(1)}..${needles[6]}`
    const whole = toBytes(text)
    for (let size = 1; size <= 40; size++) {
      const scanner = new ReferenceScanner(needles)
      for (let at = 0; at < whole.length; at += size) scanner.update(whole.slice(at, at + size))
      assert.deepStrictEqual(scanner.found(), [3, 4, 6], String(size))
    }
  })

  it("finds matches that overlap", () => {
    const long = Array.from({ length: 50 }, () => pick(digits)).join("")
    const overlapping = Array.from({ length: 19 }, (_, at) => long.slice(at, at + 32))
    const scanner = new ReferenceScanner(overlapping)
    scanner.update(toBytes(long))
    assert.strictEqual(scanner.found().length, 19)
    assert.isTrue(scanner.complete)
    const same = new ReferenceScanner(["0".repeat(32), "0".repeat(32)])
    same.update(toBytes("0".repeat(33)))
    assert.deepStrictEqual(same.found(), [0, 1])
  })

  it("finds nothing across a boundary, nor between a text and the stream", () => {
    const [left, right] = [needles[0]!.slice(0, 16), needles[0]!.slice(16)]
    const scanner = new ReferenceScanner(needles)
    scanner.update(toBytes(left))
    scanner.boundary()
    scanner.update(toBytes(right))
    scanner.scanText(left)
    scanner.scanText(right)
    scanner.boundary()
    scanner.update(toBytes(left))
    scanner.scanText(right)
    assert.deepStrictEqual(scanner.found(), [])
    scanner.update(toBytes(right))
    assert.deepStrictEqual(scanner.found(), [0])
    scanner.scanText(`/nix/store/${needles[1]}-x`)
    assert.deepStrictEqual(scanner.found(), [0, 1])
  })

  it("does not keep the bytes it was given", () => {
    const scanner = new ReferenceScanner(needles)
    const buffer = toBytes(needles[0]!)
    scanner.update(buffer.subarray(0, 20))
    const copy = buffer.slice(20)
    buffer.fill(0)
    scanner.update(copy)
    assert.deepStrictEqual(scanner.found(), [0])
  })

  it("agrees with the definition on random data of every density", () => {
    for (let i = 0; i < 400; i++) {
      const few = Array.from({ length: 1 + below(20) }, hashPart)
      const parts: Array<string> = []
      const fill = pick([digits, ["0", "1", "a", "b", "e"], ["e", "o"], [...digits, "/"]])
      for (let part = below(30); part > 0; part--) {
        const kind = below(4)
        if (kind === 0) parts.push(pick(few))
        else if (kind === 1) parts.push(pick(few).slice(below(4)))
        else if (kind === 2) parts.push(fromBytes(bytes(below(20))))
        else parts.push(Array.from({ length: below(60) }, () => pick(fill)).join(""))
      }
      const text = parts.join("")
      const whole = toBytes(text)
      const scanner = new ReferenceScanner(few)
      for (let at = 0; at < whole.length;) {
        const size = 1 + below(pick([5, 40, 1000]))
        scanner.update(whole.subarray(at, at + size))
        at += size
      }
      assert.deepStrictEqual(scanner.found(), expected(few, [text]))
    }
  })

  it("takes thousands of needles, and none", () => {
    const many = Array.from({ length: 5000 }, hashPart)
    const scanner = new ReferenceScanner(many)
    scanner.update(toBytes(many.filter((_, index) => index % 7 === 0).join("-")))
    assert.deepStrictEqual(
      scanner.found(),
      many.flatMap((_, index) => (index % 7 === 0 ? [index] : []))
    )
    const none = new ReferenceScanner([])
    none.update(toBytes(many[0]!))
    assert.isTrue(none.complete)
    assert.deepStrictEqual(none.found(), [])
  })

  it("refuses needles that are no hash parts", () => {
    for (const needle of ["", "0".repeat(31), "0".repeat(33), "e".repeat(32), `${"0".repeat(31)}é`]) {
      assert.instanceOf(
        thrown(() => new ReferenceScanner([needle])),
        RangeError
      )
    }
  })
})
