import "./crypto.ts"
import { assert, describe, it } from "@effect/vitest"
import { InvalidData } from "../../src/castore/CastoreError.ts"
import * as Digest from "../../src/castore/Digest.ts"
import * as Directory from "../../src/castore/Directory.ts"
import type { Directory as DirectoryData, DirectoryEntry, Node } from "../../src/castore/Node.ts"
import * as Base16 from "../../src/nix/Base16.ts"
import * as Base64 from "../../src/nix/Base64.ts"
import { randomBytes, text } from "./bytes.ts"

const hex = (bytes: Uint8Array) => Base16.encode(bytes)
const unhex = (digits: string) => Base16.decode(digits)!

const emptyFile: Node = { _tag: "File", digest: Digest.empty, size: 0, executable: false }
const of = (entries: Record<string, Node>): DirectoryData => ({
  entries: Object.entries(entries)
    .map(([name, node]): DirectoryEntry => ({ name, node }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
})
const E = of({})
const K = of({ ".keep": emptyFile })
const C = of({ keep: Directory.nodeOf(K), ".keep": emptyFile, aa: { _tag: "Symlink", target: "/nix/store/somewhereelse" } })
const B = of({ a: Directory.nodeOf(E) })
const D = of({ a: Directory.nodeOf(E), b: Directory.nodeOf(B) })

describe("golden vectors (two independent encoders agree on them)", () => {
  it("blobs", () => {
    assert.strictEqual(Digest.toText(Digest.ofBytes(new Uint8Array(0))), "blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=")
    assert.strictEqual(Digest.ofBytes(new Uint8Array(0)), Digest.empty)
    assert.strictEqual(Digest.ofBytes(text("Hello World")), "41f8394111eb713a22165c46c90ab8f0fd9399c92028fd6d288944b23ff5bf76")
    assert.strictEqual(Digest.toText(Digest.ofBytes(text("Hello World!"))), "blake3-XKeBWty0hOmhNsEe/mnB1TAXbVSbXRjQOOtSgLSzRww=")
    assert.strictEqual(Digest.toText(Digest.ofBytes(new Uint8Array([0, 1]))), "blake3-e3AVu5LPCzGAN3AqbN2B3uQSJPc0aEwsEizWNZyx7mM=")
  })
  it("directories, their encoding and their sizes (rule R1)", () => {
    assert.strictEqual(Directory.encode(E).length, 0)
    assert.strictEqual(Directory.digest(E), Digest.empty)
    assert.strictEqual(hex(Directory.encode(K)), "12290a052e6b6565701220af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
    assert.strictEqual(Digest.toText(Directory.digest(K)), "blake3-i1tdZCtka7jtUEsIYsOUE+h+V0kUl9570HWVP3uDgQ4=")
    assert.strictEqual(Digest.toText(Directory.digest(C)), "blake3-P5UaFa/VhvsxIe9NE9WC6BHODlp/IcBJf9h0kOniNVo=")
    assert.strictEqual(Digest.toText(Directory.digest(B)), "blake3-hwH0ci2Nrn8sQPoAMzG4Q3o4Jfnhv9OneZjGTMImucw=")
    assert.strictEqual(Digest.toText(Directory.digest(D)), "blake3-mZIqXBgBgFKHpkevc7yg7XNSpffzc+VJknlbzEojUhM=")
    assert.deepStrictEqual([E, K, C, B, D].map(Directory.size), [0, 1, 4, 1, 3])
  })
  it("with the sizes of another rule the digest is the one of that rule", () => {
    const withSize = (size: number) =>
      of({ ...Object.fromEntries(C.entries.map((e) => [e.name, e.node])), keep: { ...Directory.nodeOf(K), size } })
    assert.strictEqual(Digest.toText(Directory.digest(withSize(2))), "blake3-Qkp/bOCNgF0VtCgGL6rpYpmhZ11wjDo5Jhr+OM3QT+s=")
  })
  it("a root without a name", () => {
    const entry = Directory.encodeEntry({ name: "", node: Directory.nodeOf(C) })
    const expected = "CiQSID-VGhWv1Yb7MSHvTRPVgugRzg5afyHASX_YdJDp4jVaGAQ"
    assert.strictEqual(Base64.encode(entry).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, ""), expected)
    assert.deepStrictEqual(Directory.decodeEntry(entry), { name: "", node: Directory.nodeOf(C) })
  })
})

describe("digests as text", () => {
  it("both forms are read, one is written", () => {
    const digest = Digest.ofBytes(text("x"))
    assert.strictEqual(Digest.fromText(Digest.toText(digest)), digest)
    assert.strictEqual(Digest.fromText(digest), digest)
    assert.strictEqual(Digest.fromBytes(Digest.toBytes(digest)), digest)
  })
  it("anything else is refused", () => {
    const good = "blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI="
    for (const bad of [
      "",
      good.slice(0, -1),
      `${good}=`,
      good.replace("blake3", "sha256"),
      good.replace("mmI=", "mmJ="),
      good.replaceAll("A", "_"),
      "AF1349B9F5F9A1A6A0404DEA36DCC9499BCB25C9ADC112B7CC9A93CAE41F3262",
      "af13"
    ]) {
      if (bad !== good) assert.throws(() => Digest.fromText(bad), InvalidData)
    }
    for (const length of [0, 2, 31, 33]) assert.throws(() => Digest.fromBytes(new Uint8Array(length)), InvalidData)
  })
})

/** Pieces of hand-made messages: a tag, a length, bytes. */
const field = (number: number, body: string) => `${hex(new Uint8Array([number * 8 + 2]))}${hex(new Uint8Array([body.length / 2]))}${body}`
const name = (bytes: string) => field(1, hex(Uint8Array.from(bytes, (c) => c.charCodeAt(0))))
const digest32 = field(2, Digest.empty)
const fileEntry = (fileName: string, tail = "") => field(2, name(fileName) + digest32 + tail)
const linkEntry = (linkName: string, target: string) => field(3, name(linkName) + field(2, hex(text(target))))
const dirEntry = (dirName: string, tail = "") => field(1, name(dirName) + digest32 + tail)

describe("only the canonical encoding is accepted", () => {
  const refused = (title: string, digits: string) =>
    it(title, () => {
      const error = (() => {
        try {
          return Directory.decode(unhex(digits)) as unknown
        } catch (cause) {
          return cause
        }
      })()
      assert.instanceOf(error, InvalidData)
    })
  it("the hand-made messages are right where they should be", () => {
    const decoded = Directory.decode(unhex(dirEntry("d", "1801") + fileEntry("f", "18052001") + linkEntry("a", "t")))
    assert.deepStrictEqual(
      decoded.entries.map((entry) => entry.name),
      ["a", "d", "f"]
    )
  })
  refused("unsorted files", fileEntry("b") + fileEntry("a"))
  refused("a name twice in one list", fileEntry("a") + fileEntry("a"))
  refused("a name as directory and file", dirEntry("a") + fileEntry("a"))
  refused("a name as file and symlink", fileEntry("a") + linkEntry("a", "t"))
  refused("a name as directory and symlink", dirEntry("a") + linkEntry("a", "t"))
  refused("files before directories", fileEntry("a") + dirEntry("b"))
  refused("an empty name spelled out", fileEntry(""))
  refused("no name", field(2, digest32))
  refused("the name '.'", fileEntry("."))
  refused("the name '..'", dirEntry(".."))
  refused("a slash in a name", linkEntry("a/b", "t"))
  refused("a NUL in a name", fileEntry("a\0b"))
  refused("no digest", field(2, name("a")))
  for (const length of [0, 2, 31, 33]) {
    refused(`a digest of ${length} bytes`, field(2, name("a") + field(2, "00".repeat(length))))
  }
  refused("an empty symlink target", field(3, name("a") + "1200"))
  refused("no symlink target", field(3, name("a")))
  refused("a NUL in a symlink target", linkEntry("a", "t\0"))
  refused("an unknown field in the directory", fileEntry("a") + "2200")
  refused("an unknown field in an entry", fileEntry("a", "2801"))
  refused("an executable directory", dirEntry("a", "2001"))
  refused("field 0", "0200")
  refused("a wrong wire type", field(2, name("a") + "1001"))
  refused("a size of zero spelled out", fileEntry("a", "1800"))
  refused("false spelled out", fileEntry("a", "2000"))
  refused("a boolean of 2", fileEntry("a", "2002"))
  refused("a varint longer than needed", fileEntry("a", "188100"))
  refused("a varint of eleven bytes", fileEntry("a", "18ffffffffffffffffffff01"))
  refused("a size of 2^64 - 1", fileEntry("a", "18ffffffffffffffffff01"))
  refused("a size above 2^53", fileEntry("a", "188080808080808020"))
  refused("fields of an entry in another order", field(2, digest32 + name("a")))
  refused("a field twice", field(2, name("a") + name("a") + digest32))
  refused("trailing bytes in the middle of a tag", `${fileEntry("a")}12`)
  refused("a length beyond the end", "12ff01")
  refused("a message cut short", fileEntry("a").slice(0, -2))
  refused("sizes whose sum is too large", dirEntry("a", "18ffffffffffffff0f") + dirEntry("b", "18ffffffffffffff0f"))
  refused("a name of 256 bytes", `12a602${"0a8002"}${"61".repeat(256)}${digest32}`)

  it("names of 255 bytes and targets of 4095 bytes are allowed, one more is not", () => {
    const round = (directory: DirectoryData) => assert.deepStrictEqual(Directory.decode(Directory.encode(directory)), directory)
    round(of({ ["n".repeat(255)]: emptyFile, l: { _tag: "Symlink", target: "t".repeat(4095) } }))
    assert.throws(() => Directory.encode(of({ ["n".repeat(256)]: emptyFile })), InvalidData)
    assert.throws(() => Directory.encode(of({ l: { _tag: "Symlink", target: "t".repeat(4096) } })), InvalidData)
  })

  it("a mutated encoding is refused or decodes to something that encodes to exactly those bytes", () => {
    const seedBytes = Directory.encode(
      of({
        ...Object.fromEntries(C.entries.map((e) => [e.name, e.node])),
        exe: { _tag: "File", digest: Digest.ofBytes(text("x")), size: 300, executable: true },
        "\xff\x80": emptyFile
      })
    )
    let accepted = 0
    for (let seed = 0; seed < 20_000; seed++) {
      const random = randomBytes(seed + 1, 8)
      const bytes = Array.from(seedBytes)
      const at = (random[0]! * 256 + random[1]!) % bytes.length
      if (random[2]! % 3 === 0) bytes.splice(at, 1)
      else if (random[2]! % 3 === 1) bytes.splice(at, 0, random[3]!)
      else bytes[at] = random[3]!
      const mutated = Uint8Array.from(bytes)
      let decoded: DirectoryData
      try {
        decoded = Directory.decode(mutated)
      } catch (cause) {
        assert.instanceOf(cause, InvalidData)
        continue
      }
      accepted++
      assert.strictEqual(hex(Directory.encode(decoded)), hex(mutated))
    }
    assert.isAbove(accepted, 100)
  })

  it("an entry is read back, and nothing after it is accepted", () => {
    for (const node of [Directory.nodeOf(C), emptyFile, { _tag: "Symlink", target: "\xff" } as const]) {
      for (const entryName of ["", "name"]) {
        const bytes = Directory.encodeEntry({ name: entryName, node })
        assert.deepStrictEqual(Directory.decodeEntry(bytes), { name: entryName, node })
        assert.throws(() => Directory.decodeEntry(Uint8Array.from([...bytes, 0x0a, 0])), InvalidData)
        for (let cut = 0; cut < bytes.length; cut++) assert.throws(() => Directory.decodeEntry(bytes.subarray(0, cut)), InvalidData)
      }
    }
  })

  it("lookup finds every entry and nothing else", () => {
    const many = of(Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`n${i * 2}`, emptyFile])))
    for (const entry of many.entries) assert.strictEqual(Directory.lookup(many, entry.name), entry.node)
    assert.strictEqual(Directory.lookup(many, "n1"), undefined)
    assert.strictEqual(Directory.lookup(E, "x"), undefined)
  })
})
