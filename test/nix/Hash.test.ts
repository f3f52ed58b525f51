import { assert, describe, it } from "@effect/vitest"
import * as Base16 from "../../src/nix/Base16.ts"
import * as Hash from "../../src/nix/Hash.ts"
import type { NixHashAlgorithm } from "../../src/nix/Hash.ts"
import { describeVectors, random, thrown, vectorLines } from "./vectors.ts"

const zeros80 = "0000000000000000000000000000000000000000000000000000000000000080"
const sri80 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA="

const toHex = (text: string, known?: NixHashAlgorithm) => Hash.printHash(Hash.parseHash(text, known), "base16")
const failure = (text: string, known?: NixHashAlgorithm): string => {
  const error = thrown(() => Hash.parseHash(text, known))
  assert.strictEqual(error._tag, "HashError")
  return error.message
}

describeVectors("hash vectors", () => {
  const cases = vectorLines("store/hash-formats.jsonl")

  it("prints and parses every form of every digest", () => {
    const digests = cases.filter((one) => one.parse === undefined)
    assert.isAbove(digests.length, 10)
    for (const one of digests) {
      const algorithm = Hash.parseAlgorithm(one.algo)
      const hash = { algorithm, digest: Base16.decode(one.base16)! }
      assert.strictEqual(Hash.printHash(hash, "base16"), one.base16)
      assert.strictEqual(Hash.printHash(hash, "nix32"), one.base32)
      assert.strictEqual(Hash.printHash(hash, "base64"), one.base64)
      assert.strictEqual(Hash.printHash(hash, "sri"), one.sri)
      for (const bare of [one.base16, one.base32, one.base64]) {
        assert.strictEqual(toHex(bare, algorithm), one.base16)
        assert.strictEqual(toHex(`${algorithm}:${bare}`), one.base16)
        assert.strictEqual(toHex(`${algorithm}:${bare}`, algorithm), one.base16)
      }
      assert.isTrue(Hash.sameHash(Hash.parseHash(one.sri), hash))
      assert.isTrue(Hash.sameHash(Hash.parseSri(one.sri), hash))
      assert.isTrue(Hash.sameHash(Hash.parsePrefixed(one.sri), hash))
    }
  })

  it("accepts and refuses what Nix 2.34.8 does, in its words", () => {
    const parses = cases.filter((one) => one.parse !== undefined)
    assert.isAbove(parses.length, 5)
    for (const one of parses) {
      const algorithm = Hash.parseAlgorithm(one.algo)
      if (one.nix234.rc === 0) assert.strictEqual(toHex(one.parse, algorithm), one.nix234.out)
      else assert.strictEqual(`error: ${failure(one.parse, algorithm)}`, one.nix234.err)
    }
  })
})

describe("parsing a hash", () => {
  // All recorded from `builtins.convertHash` of Nix 2.34.8.
  it("finds the algorithm in the text or takes the known one", () => {
    assert.strictEqual(toHex(`sha256-${sri80}`), zeros80)
    assert.strictEqual(toHex(sri80, "sha256"), zeros80)
    assert.strictEqual(toHex(`blake3-${sri80}`), zeros80)
    assert.strictEqual(toHex(zeros80.toUpperCase(), "sha256"), zeros80)
    assert.strictEqual(toHex("1000000000000000000000000000000000000000000000000000", "sha256"), zeros80)
  })

  it("reads base64 without padding, with too much, and with anything after it in SRI", () => {
    assert.strictEqual(toHex(`sha256-${sri80.slice(0, -1)}`), zeros80)
    assert.strictEqual(toHex(`sha256-${sri80}=`), zeros80)
    assert.strictEqual(toHex(`sha256-${sri80}?x`), zeros80)
    assert.strictEqual(toHex(`sha256-${sri80.replace("IA=", "IB=")}`), zeros80)
    assert.strictEqual(toHex("md5-AAAAAAAAAAAAAAAAAAAAAA"), "0".repeat(32))
  })

  it("says what is wrong in Nix's words", () => {
    assert.strictEqual(failure("zz", "sha256"), "hash 'zz' has wrong length for hash algorithm 'sha256'")
    assert.strictEqual(failure("zz"), "hash 'zz' does not include a type, nor is the type otherwise known from context")
    assert.strictEqual(failure("sha256:zz"), "hash 'zz' has wrong length for hash algorithm 'sha256'")
    assert.strictEqual(failure("sha256-zz"), "invalid SRI hash 'zz', length 1 != expected length 32")
    assert.strictEqual(failure("sha256-"), "invalid SRI hash '', length 0 != expected length 32")
    assert.strictEqual(failure(""), "hash '' does not include a type, nor is the type otherwise known from context")
    assert.strictEqual(failure(`sha256-${sri80}`, "sha1"), `hash 'sha256-${sri80}' should have type 'sha1'`)
    assert.strictEqual(failure(`sha256:${sri80}`, "sha1"), `hash 'sha256:${sri80}' should have type 'sha1'`)
    const bad = sri80.replace("A=", "!=")
    assert.strictEqual(failure(bad, "sha256"), `invalid Base64 hash '${bad}', length 0 != expected length 32`)
    assert.strictEqual(failure(`sha256-=A${sri80.slice(2)}`), `invalid SRI hash '=A${sri80.slice(2)}', length 0 != expected length 32`)
    assert.strictEqual(failure(`sha256-sha256-${sri80}`), `invalid SRI hash 'sha256-${sri80}', length 0 != expected length 32`)
    assert.strictEqual(failure(`sha256:sha256-${sri80}`), `hash 'sha256-${sri80}' has wrong length for hash algorithm 'sha256'`)
    const unknown = (name: string) => `unknown hash algorithm '${name}', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'`
    assert.strictEqual(failure(`foo-${sri80}`), unknown("foo"))
    assert.strictEqual(failure(`foo:${sri80}`, "sha256"), unknown("foo"))
    assert.strictEqual(failure(`SHA256-${sri80}`), unknown("SHA256"))
    assert.strictEqual(failure(":"), unknown(""))
    assert.strictEqual(failure("constructor:x"), unknown("constructor"))
    assert.strictEqual(failure(`${"1".repeat(63)}g`, "sha256"), `invalid base16 hash '${"1".repeat(63)}g', length 0 != expected length 32`)
    const format = thrown(() => Hash.parseFormat("SRI"))
    assert.strictEqual(format.message, "unknown hash format 'SRI', expect 'base16', 'base32', 'base64', or 'sri'")
    assert.strictEqual(thrown(() => Hash.parsePrefixed("zz")).message, "hash 'zz' does not include a type")
    assert.strictEqual(thrown(() => Hash.parseSri("zz")).message, "hash 'zz' is not SRI")
  })

  it("takes the empty text for zeros only where the caller allows it", () => {
    const { empty, hash } = Hash.parseHashOrEmpty("", "sha256")
    assert.isTrue(empty)
    assert.strictEqual(Hash.printHash(hash, "base16"), "0".repeat(64))
    assert.strictEqual(thrown(() => Hash.parseHashOrEmpty("")).message, "empty hash requires explicit hash algorithm")
    assert.isFalse(Hash.parseHashOrEmpty(zeros80, "sha256").empty)
  })

  it("reads back what it prints, for all algorithms and forms", () => {
    const { bytes } = random(5)
    for (const [name, length] of Object.entries(Hash.digestLength)) {
      const algorithm = name as NixHashAlgorithm
      for (let i = 0; i < 50; i++) {
        const hash = { algorithm, digest: bytes(length) }
        for (const format of ["base16", "nix32", "base64", "sri"] as const) {
          assert.isTrue(Hash.sameHash(Hash.parseHash(Hash.printPrefixed(hash, format)), hash))
          assert.isTrue(Hash.sameHash(Hash.parseHash(Hash.printHash(hash, format), algorithm), hash))
        }
      }
    }
  })
})
