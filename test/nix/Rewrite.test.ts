import { assert, describe, it } from "@effect/vitest"
import { alphabet } from "../../src/nix/Base32.ts"
import { fromBytes, toBytes } from "../../src/nix/Bytes.ts"
import { hash } from "../../src/nix/Crypto.ts"
import { renderNar } from "../../src/nix/NarTree.ts"
import { HashRewriter, SelfHasher } from "../../src/nix/Rewrite.ts"
import type { SelfHashForm } from "../../src/nix/Rewrite.ts"
import { hashPart, makeSource, parseStorePath } from "../../src/nix/StorePath.ts"
import { random, thrown } from "./vectors.ts"

const { below, pick } = random(15)
const part = () => Array.from({ length: 32 }, () => pick([...alphabet])).join("")

const rewrite = (rewrites: ReadonlyMap<string, string>, text: string, step: number) => {
  let result = ""
  const rewriter = new HashRewriter(rewrites, (chunk) => {
    result += fromBytes(chunk)
  })
  const bytes = toBytes(text)
  for (let at = 0; at < bytes.length; at += step) rewriter.update(bytes.subarray(at, at + step))
  rewriter.end()
  return { result, positions: rewriter.positions }
}

describe("rewriting hash parts", () => {
  it("replaces every one however the stream is cut, and says where", () => {
    const [a, b, c] = [part(), part(), part()]
    const rewrites = new Map([
      [a, b],
      [b, c]
    ])
    const text = `..${a}-x ${b}${a} é ${a.slice(0, 31)} ${"x".repeat(100)}${b}`
    const expected = `..${b}-x ${c}${b} é ${a.slice(0, 31)} ${"x".repeat(100)}${c}`
    for (let step = 1; step <= text.length; step++) {
      const { positions, result } = rewrite(rewrites, text, step)
      assert.strictEqual(result, expected, String(step))
      assert.deepStrictEqual(positions, [2, 37, 69, text.length - 32])
    }
  })

  it("lets the first of overlapping matches count, in every cut alike", () => {
    const long = part() + part()
    const rewrites = new Map([
      [long.slice(0, 32), "\0".repeat(32)],
      [long.slice(10, 42), "\x01".repeat(32)],
      [long.slice(32), "\x02".repeat(32)]
    ])
    for (const step of [1, 5, 31, 32, 33, 64]) {
      const { positions, result } = rewrite(rewrites, `-${long}`, step)
      assert.strictEqual(result, `-${"\0".repeat(32)}${"\x02".repeat(32)}`, String(step))
      assert.deepStrictEqual(positions, [1, 33])
    }
  })

  it("agrees with plain replacement on random streams", () => {
    for (let i = 0; i < 200; i++) {
      const from = part()
      const to = part()
      const text = Array.from({ length: below(20) }, () => pick([from, from.slice(1), from.slice(0, 31), "/", "é", part()])).join("")
      const { result } = rewrite(new Map([[from, to]]), text, 1 + below(70))
      assert.strictEqual(result, text.replaceAll(from, to))
    }
  })

  it("refuses what is not 32 characters long", () => {
    assert.instanceOf(
      thrown(() => new HashRewriter(new Map([["x", part()]]), () => {})),
      RangeError
    )
    assert.instanceOf(
      thrown(() => new HashRewriter(new Map([[part(), "x"]]), () => {})),
      RangeError
    )
  })
})

describe("hashing a NAR that refers to itself", () => {
  const path = parseStorePath("/nix/store/w1df9ykc1v6mks4lch40xmxm7y0rpz5y-self")
  const nar = renderNar({
    _tag: "Directory",
    entries: [
      { name: "a", node: { _tag: "File", executable: false, contents: toBytes(`x ${path} y ${path}/b${"z".repeat(100)}`) } },
      { name: "l", node: { _tag: "Symlink", target: `${path}/a` } }
    ]
  })
  const address = (form: SelfHashForm, step: number) => {
    const hasher = new SelfHasher(hashPart(path), form)
    for (let at = 0; at < nar.length; at += step) hasher.update(nar.subarray(at, at + step))
    const { digest, self } = hasher.digest()
    assert.isTrue(self)
    return makeSource("self", digest, [], self)
  }

  it("gives the path that `nix store make-content-addressed` gives it", () => {
    for (const step of [1, 7, 50, 10_000]) {
      assert.strictEqual(address("2.34", step), "/nix/store/vsln30pinx60nzw571vbmhd5yizhcd05-self")
      assert.strictEqual(address("with-positions", step), "/nix/store/5f870cn7ricd3acrx94mnklfhqapnq06-self")
    }
  })

  it("is the plain hash where it does not", () => {
    for (const form of ["2.34", "with-positions"] as const) {
      const hasher = new SelfHasher("0".repeat(32), form)
      hasher.update(nar)
      assert.deepStrictEqual(hasher.digest(), { digest: hash("sha256", nar), self: false })
    }
  })
})
