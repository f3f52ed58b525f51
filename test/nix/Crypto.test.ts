import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import * as NodeCrypto from "node:crypto"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import { blake3Implementation, nodeCrypto, prepareNode } from "../../src/castore/crypto/Node.ts"
import { loadWasm } from "../../src/castore/crypto/Wasm.ts"
import * as Base16 from "../../src/nix/Base16.ts"
import { toBytes } from "../../src/nix/Bytes.ts"
import type { HashAlgorithm, Hasher } from "../../src/nix/Crypto.ts"
import { random } from "./vectors.ts"

// This file runs twice (vitest.config.ts): with the native BLAKE3 where it is installed, and with it hidden.
await prepareNode()
const wasm = await loadWasm()

const native = (() => {
  try {
    createRequire(import.meta.url)("@napi-rs/blake-hash")
    return true
  } catch {
    return false
  }
})()

const digest = (hasher: Hasher, ...parts: ReadonlyArray<Uint8Array>): string => {
  for (const part of parts) hasher.update(part)
  return Base16.encode(hasher.digest())
}

const algorithms: ReadonlyArray<HashAlgorithm> = ["md5", "sha1", "sha256", "sha512", "blake3"]

describe("hashing", () => {
  it("gives published digests", () => {
    const known: Record<HashAlgorithm, string> = {
      md5: "900150983cd24fb0d6963f7d28e17f72",
      sha1: "a9993e364706816aba3e25717850c26c9cd0d89d",
      sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      sha512:
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
      blake3: "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
    }
    for (const provider of [nodeCrypto, wasm]) {
      for (const algorithm of algorithms) {
        assert.strictEqual(Base16.encode(provider.hash(algorithm, toBytes("abc"))), known[algorithm])
        assert.strictEqual(digest(provider.hasher(algorithm), toBytes("a"), toBytes("bc")), known[algorithm])
      }
    }
    for (const provider of [nodeCrypto, wasm]) {
      assert.strictEqual(digest(provider.hasher("blake3")), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
    }
  })

  it("uses the native BLAKE3 where it is installed, else WebAssembly", () => {
    // Hidden must be hidden, or the second run would be the first again.
    if (process.execArgv.some((flag) => flag.endsWith("withoutNative.ts"))) assert.isFalse(native)
    assert.strictEqual(blake3Implementation(), native ? "native" : "wasm")
  })

  it("says what to do where BLAKE3 is needed before it was loaded, and has the rest at once", () => {
    const script = `import { blake3Implementation, installNode, loadBlake3, nodeCrypto } from "./src/castore/crypto/Node.ts"
      installNode()
      const show = (algorithm) => {
        try { return Buffer.from(nodeCrypto.hash(algorithm, Buffer.from("abc"))).toString("hex") } catch (error) { return error.message }
      }
      console.log(show("md5")); console.log(blake3Implementation(), show("blake3"))
      await Promise.all([loadBlake3(), loadBlake3()])
      console.log(blake3Implementation(), show("blake3"))`
    const args = ["--import", "./test/withoutNative.ts", "--input-type=module", "-e", script]
    const root = fileURLToPath(new URL("../..", import.meta.url))
    const lines = execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" }).split("\n")
    assert.strictEqual(lines[0], "900150983cd24fb0d6963f7d28e17f72")
    assert.match(lines[1]!, /^undefined BLAKE3 is not loaded: .*await prepareNode\(\)/)
    assert.strictEqual(lines[2], "wasm 6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85")
  })

  it("gives the same BLAKE3 by all ways, at every size around blocks, chunks and subtrees", () => {
    const bytes = random(10).bytes(70_000)
    const sizes = [
      0, 1, 63, 64, 65, 127, 128, 1023, 1024, 1025, 2047, 2048, 2049, 3072, 3073, 4096, 4097, 5120, 7168, 8192, 8193, 16_384, 31_744,
      32_767, 32_768, 32_769, 65_536, 70_000
    ]
    for (const size of sizes) {
      const part = bytes.subarray(0, size)
      const expected = Base16.encode(wasm.hash("blake3", part))
      assert.strictEqual(Base16.encode(nodeCrypto.hash("blake3", part)), expected)
      for (const provider of [nodeCrypto, wasm]) {
        assert.strictEqual(digest(provider.hasher("blake3"), part), expected, String(size))
        for (const step of [1, 100, 1024, 33_000]) {
          if (step === 1 && size > 5000) continue
          const hasher = provider.hasher("blake3")
          for (let at = 0; at < size; at += step) hasher.update(part.subarray(at, Math.min(size, at + step)))
          assert.strictEqual(Base16.encode(hasher.digest()), expected, `${size} by ${step}`)
        }
      }
    }
  })

  it("does not keep the bytes it was given", () => {
    for (const provider of [nodeCrypto, wasm]) {
      const buffer = toBytes("abc")
      const hasher = provider.hasher("blake3")
      hasher.update(buffer)
      buffer.fill(0)
      assert.strictEqual(Base16.encode(hasher.digest()), "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85")
    }
  })

  it("lets several hashes of one algorithm go on at the same time", () => {
    const { below, bytes } = random(11)
    for (const algorithm of algorithms) {
      const inputs = Array.from({ length: 5 }, () => Array.from({ length: 20 }, () => bytes(below(300))))
      for (const provider of [nodeCrypto, wasm]) {
        const hashers = inputs.map(() => provider.hasher(algorithm))
        for (let round = 0; round < 20; round++) hashers.forEach((hasher, i) => hasher.update(inputs[i]![round]!))
        hashers.forEach((hasher, i) => {
          const whole = new Uint8Array(inputs[i]!.flatMap((part) => [...part]))
          assert.strictEqual(Base16.encode(hasher.digest()), Base16.encode(nodeCrypto.hash(algorithm, whole)))
        })
      }
    }
  })
})

describe("ed25519", () => {
  // RFC 8032 §7.1, tests 1 to 3: seed, public key, message, signature.
  const published: ReadonlyArray<readonly [string, string, string, string]> = [
    [
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
      "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    ],
    [
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
      "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    ],
    [
      "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
      "af82",
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    ]
  ]
  const bytes = (hex: string) => Base16.decode(hex)!

  it("gives and accepts published signatures, on Node and in browsers", () => {
    for (const [seed, key, message, signature] of published) {
      for (const provider of [nodeCrypto, wasm]) {
        assert.strictEqual(Base16.encode(provider.sign(bytes(seed + key), bytes(message))), signature)
        assert.isTrue(provider.verify(bytes(key), bytes(message), bytes(signature)))
      }
    }
  })

  it("refuses every signature that differs, without throwing", () => {
    const [seed, key, ,] = published[1]!
    const message = toBytes("hello")
    const signature = nodeCrypto.sign(bytes(seed + key), message)
    for (const provider of [nodeCrypto, wasm]) {
      assert.isTrue(provider.verify(bytes(key), message, signature))
      for (const at of [0, 31, 32, 63]) {
        const changed = signature.slice()
        changed[at] = changed[at]! ^ 1
        assert.isFalse(provider.verify(bytes(key), message, changed), String(at))
      }
      assert.isFalse(provider.verify(bytes(published[0]![1]), message, signature))
      assert.isFalse(provider.verify(bytes(key), toBytes("hellp"), signature))
      for (const length of [0, 63, 65]) assert.isFalse(provider.verify(bytes(key), message, new Uint8Array(length)))
      for (const length of [0, 31, 33]) assert.isFalse(provider.verify(new Uint8Array(length), message, signature))
      assert.isFalse(provider.verify(new Uint8Array(32).fill(255), message, signature))
      assert.isFalse(provider.verify(bytes(key), message, new Uint8Array(64).fill(255)))
    }
  })

  it("of the browser agrees with Node's for random keys", () => {
    for (let i = 0; i < 5; i++) {
      const { privateKey, publicKey } = NodeCrypto.generateKeyPairSync("ed25519")
      const seed = new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32))
      const key = new Uint8Array(publicKey.export({ format: "der", type: "spki" }).subarray(-32))
      const secret = Uint8Array.of(...seed, ...key)
      const message = random(i).bytes(100)
      const signature = wasm.sign(secret, message)
      assert.deepStrictEqual(Base16.encode(nodeCrypto.sign(secret, message)), Base16.encode(signature))
      assert.isTrue(nodeCrypto.verify(key, message, signature))
    }
  })
})
