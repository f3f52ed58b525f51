import { assert, describe, it } from "@effect/vitest"
import * as Base16 from "../../src/nix/Base16.ts"
import * as Base64 from "../../src/nix/Base64.ts"
import { fromUnicode, toBytes } from "../../src/nix/Bytes.ts"
import { hash } from "../../src/nix/Crypto.ts"
import { narDirectorySize, narMagicSize } from "../../src/nix/Nar.ts"
import type { NarHandler } from "../../src/nix/Nar.ts"
import { NarReader } from "../../src/nix/NarReader.ts"
import { narSize, NarTreeBuilder, parseNar, renderNar, walkTree } from "../../src/nix/NarTree.ts"
import type { NarTree } from "../../src/nix/NarTree.ts"
import { NarWriter } from "../../src/nix/NarWriter.ts"
import { describeVectors, random, thrown, vectorLines } from "./vectors.ts"

/** The strings of a NAR, framed; a number stands for a bare 64-bit length, an array for raw bytes. */
const nar = (...parts: ReadonlyArray<string | bigint | Uint8Array>): Uint8Array => {
  const bytes: Array<number> = []
  const length = (value: bigint) => {
    for (let i = 0n; i < 8n; i++) bytes.push(Number((value >> (8n * i)) & 255n))
  }
  for (const part of parts) {
    if (typeof part === "bigint") length(part)
    else if (typeof part === "string") {
      length(BigInt(part.length))
      bytes.push(...toBytes(part))
      while (bytes.length % 8 !== 0) bytes.push(0)
    } else bytes.push(...part)
  }
  return Uint8Array.from(bytes)
}

const magic = "nix-archive-1"
const file = (contents = "") => ["(", "type", "regular", "contents", contents, ")"]
const link = (target: string) => ["(", "type", "symlink", "target", target, ")"]
const entry = (name: string, node: ReadonlyArray<string>) => ["entry", "(", "name", name, "node", ...node, ")"]
const directory = (...entries: ReadonlyArray<ReadonlyArray<string>>) => ["(", "type", "directory", ...entries.flat(), ")"]

const fail = (bytes: Uint8Array) => {
  const error = thrown(() => parseNar(bytes))
  assert.strictEqual(error._tag, "NarError", String(error))
  assert.isAtLeast(error.offset, 0)
  assert.isAtMost(error.offset, bytes.length)
  // The same, fed byte by byte.
  const slowly = thrown(() => {
    const reader = new NarReader(new NarTreeBuilder())
    for (const byte of bytes) reader.push(Uint8Array.of(byte))
    reader.end()
  })
  assert.deepStrictEqual([slowly.offset, slowly.problem], [error.offset, error.problem])
  return error
}
const failKind = (bytes: Uint8Array): string => fail(bytes).problem.kind

const pass = (bytes: Uint8Array): NarTree => {
  const tree = parseNar(bytes)
  assert.deepStrictEqual(renderNar(tree), bytes)
  return tree
}

const treeOfVector = (tree: any): NarTree => {
  switch (tree.type) {
    case "regular":
      return { _tag: "File", executable: tree.executable, contents: Base64.decode(tree.contents)! }
    case "symlink":
      return { _tag: "Symlink", target: fromUnicode(tree.target) }
    default: {
      const entries = Object.entries(tree.entries).map(([name, node]) => ({ name: fromUnicode(name), node: treeOfVector(node) }))
      return { _tag: "Directory", entries: entries.sort((left, right) => (left.name < right.name ? -1 : 1)) }
    }
  }
}

const corpus = (): ReadonlyArray<Uint8Array> => [
  nar(magic, ...file("")),
  nar(magic, ...file("12345678")),
  nar(magic, "(", "type", "regular", "executable", "", "contents", "#!/bin/sh\n", ")"),
  nar(magic, ...link("target")),
  nar(magic, ...directory()),
  nar(
    magic,
    ...directory(entry("a", file("x")), entry("b", directory(entry("\xff\xfe", link("/nix/store")), entry("\xff\xff", file("yy")))))
  )
]

describe("a NAR", () => {
  it("is read into its tree and rendered the same again", () => {
    for (const bytes of corpus()) assert.strictEqual(narSize(pass(bytes)), bytes.length)
    assert.deepStrictEqual(pass(nar(magic, ...directory())), { _tag: "Directory", entries: [] })
    assert.strictEqual(narMagicSize + narDirectorySize, nar(magic, ...directory()).length)
  })

  it("refuses '.' as a name (N1)", () => assert.strictEqual(failKind(nar(magic, ...directory(entry(".", file())))), "name"))
  it("refuses '..' as a name (N2)", () => assert.strictEqual(failKind(nar(magic, ...directory(entry("..", file())))), "name"))
  it("refuses a slash in a name (N3)", () => assert.strictEqual(failKind(nar(magic, ...directory(entry("a/b", file())))), "name"))
  it("refuses an empty name (N4)", () => assert.strictEqual(failKind(nar(magic, ...directory(entry("", file())))), "name"))
  it("refuses NUL in a name (N5)", () => assert.strictEqual(failKind(nar(magic, ...directory(entry("a\0b", file())))), "name"))
  it("refuses the executable marker after the contents (N6)", () => {
    assert.strictEqual(failKind(nar(magic, "(", "type", "regular", "contents", "x", "executable", "", ")")), "unexpected")
  })
  it("refuses a name after its node (N7)", () => {
    assert.strictEqual(failKind(nar(magic, "(", "type", "directory", "entry", "(", "node", ...file(), "name", "a", ")", ")")), "unexpected")
  })
  it("refuses an unknown tag or type (N8)", () => {
    assert.strictEqual(failKind(nar(magic, "(", "type", "fifo", ")")), "unexpected")
    assert.strictEqual(failKind(nar(magic, "(", "typo", "regular", ")")), "unexpected")
    assert.strictEqual(failKind(nar(magic, "(", "type", "regular", ")")), "unexpected")
    assert.strictEqual(failKind(nar(magic, "(", "type", "regular", "target", "x", ")")), "unexpected")
    assert.strictEqual(failKind(nar(magic, "(", "type", "symlink", "target", "x", "target")), "unexpected")
    assert.strictEqual(failKind(nar(magic, "(", "type", "directory", "entries")), "unexpected")
    assert.include(fail(nar(magic, "(", "type", "fifo", ")")).message, "got 'fifo'")
  })
  it("refuses padding that is not zero, of strings and of contents, and names the byte (N9)", () => {
    for (const bytes of corpus()) {
      const copy = bytes.slice()
      copy[23] = 1
      const error = fail(copy)
      assert.strictEqual(error.problem.kind, "padding")
      assert.strictEqual(error.offset, 23)
    }
    const contents = nar(magic, ...file("x"))
    const at = contents.length - 16 - 7
    contents[at + 3] = 1
    assert.strictEqual(fail(contents).offset, at + 3)
  })
  it("refuses large contents that are cut off (N10)", () => {
    const bytes = nar(magic, "(", "type", "regular", "contents", 1n << 40n, new Uint8Array(1000))
    const error = fail(bytes)
    assert.strictEqual(error.problem.kind, "truncated")
    assert.strictEqual(error.offset, bytes.length)
  })
  it("refuses to end anywhere but at its end (N11)", () => {
    for (const bytes of corpus()) {
      for (let cut = 0; cut < bytes.length; cut++) assert.strictEqual(failKind(bytes.subarray(0, cut)), "truncated")
    }
  })
  it("refuses the same name twice (N12)", () => {
    assert.strictEqual(
      failKind(nar(magic, ...directory(entry("a", link("/etc")), entry("a", directory(entry("passwd", file())))))),
      "duplicate"
    )
  })
  it("refuses names out of order (N13)", () => {
    const error = fail(nar(magic, ...directory(entry("b", file()), entry("a", file()))))
    assert.deepStrictEqual(error.problem, { kind: "unsorted", name: "a", previous: "b" })
  })
  it("orders by bytes, capital letters first (N14)", () => {
    pass(nar(magic, ...directory(entry("B", file()), entry("a", file()))))
    assert.strictEqual(failKind(nar(magic, ...directory(entry("a", file()), entry("B", file())))), "unsorted")
  })
  it("keeps names that differ only in case apart (N15)", () => {
    const tree = pass(nar(magic, ...directory(entry("A", file("1")), entry("a", file("2")))))
    assert.strictEqual(tree._tag === "Directory" && tree.entries.length, 2)
  })
  it("keeps names that Unicode calls the same apart (N16)", () => {
    const [composed, decomposed] = [fromUnicode("\u00e9"), fromUnicode("e\u0301")]
    const tree = pass(nar(magic, ...directory(entry(decomposed, file("1")), entry(composed, file("2")))))
    assert.strictEqual(tree._tag === "Directory" && tree.entries.length, 2)
  })
  it("refuses another magic (N17)", () => {
    for (const other of ["nix-archive-2", "nix-archive-", "", "\x7fELF", "nix-archive-1 "])
      assert.strictEqual(failKind(nar(other, ...file())), "magic")
    assert.strictEqual(failKind(toBytes("<!DOCTYPE html><html>")), "magic")
    assert.strictEqual(fail(toBytes("<!DOCTYPE html><html>")).offset, 0)
  })
  it("refuses a magic longer than 2^32 without waiting for it (N18)", () => {
    assert.strictEqual(failKind(nar((1n << 32n) + 13n, toBytes(magic))), "magic")
    assert.strictEqual(failKind(nar((1n << 63n) + 13n)), "magic")
  })
  it("refuses lengths of 2^63, 2^64-1, 2^64-8 wherever a length stands, allocating nothing (N19)", () => {
    const before = process.memoryUsage().arrayBuffers
    for (const length of [1n << 63n, (1n << 64n) - 1n, (1n << 64n) - 8n, (1n << 32n) + 4n, 1n << 53n]) {
      const places: ReadonlyArray<readonly [string, Uint8Array]> = [
        ["tag", nar(magic, "(", "type", length)],
        ["contents", nar(magic, "(", "type", "regular", "contents", length)],
        ["target", nar(magic, "(", "type", "symlink", "target", length)],
        ["name", nar(magic, "(", "type", "directory", "entry", "(", "name", length)],
        ["executable marker", nar(magic, "(", "type", "regular", "executable", length)]
      ]
      for (const [field, bytes] of places) {
        if (field === "contents" && length === (1n << 32n) + 4n) continue
        const error = fail(bytes)
        assert.strictEqual(error.problem.kind, "too-long", field)
        assert.strictEqual(error.problem.field, field)
        assert.strictEqual(error.problem.length, length)
        assert.strictEqual(error.offset, bytes.length - 8)
      }
    }
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 16 * 1024 * 1024)
  })
  it("refuses contents one longer or shorter than announced (N20)", () => {
    const open = ["(", "type", "regular", "contents"]
    failKind(nar(magic, ...open, 9n, toBytes("12345678"), ")"))
    failKind(nar(magic, ...open, 7n, toBytes("12345678"), ")"))
    assert.strictEqual(failKind(nar(magic, ...open, 7n, toBytes("12345678"), ")")), "padding")
  })
  it("refuses bytes after its end (N21)", () => {
    for (const bytes of corpus()) {
      for (const rest of [Uint8Array.of(0), new Uint8Array(8), bytes]) {
        const error = fail(nar(bytes, rest))
        assert.strictEqual(error.problem.kind, "trailing")
        assert.strictEqual(error.offset, bytes.length)
      }
    }
  })
  it("may be 63 directories deep, not 64, and a million cost no stack (N22)", () => {
    const nested = (depth: number) => {
      let node: ReadonlyArray<string> = file("x")
      for (let i = 0; i < depth; i++) node = directory(entry("a", node))
      return nar(magic, ...node)
    }
    pass(nested(62))
    pass(nested(63))
    assert.strictEqual(failKind(nested(64)), "depth")
    const level = nar("(", "type", "directory", "entry", "(", "name", "a", "node")
    const reader = new NarReader(new NarTreeBuilder())
    reader.push(nar(magic))
    const error = thrown(() => {
      for (let i = 0; i < 1_000_000; i++) reader.push(level)
    })
    assert.strictEqual(error.problem.kind, "depth")
    let deep: NarTree = { _tag: "Symlink", target: "x" }
    for (let i = 0; i < 100_000; i++) deep = { _tag: "Directory", entries: [{ name: "a", node: deep }] }
    assert.strictEqual(thrown(() => renderNar(deep)).problem.kind, "depth")
  })
  it("allows names of 255 and targets of 1 to 4095 bytes without NUL (N23)", () => {
    pass(nar(magic, ...directory(entry("a".repeat(255), file()))))
    assert.strictEqual(failKind(nar(magic, ...directory(entry("a".repeat(256), file())))), "too-long")
    pass(nar(magic, ...link("a".repeat(4095))))
    assert.strictEqual(failKind(nar(magic, ...link("a".repeat(4096)))), "too-long")
    assert.strictEqual(failKind(nar(magic, ...link(""))), "target")
    assert.strictEqual(failKind(nar(magic, ...link("a\0"))), "target")
  })
  it("carries names that are not UTF-8 byte for byte (N24)", () => {
    const names = ["\x01", "\x80", "\xc3", "\xc3\x28", "\xff"]
    const tree = pass(nar(magic, ...directory(...names.map((name) => entry(name, link(name))))))
    assert.deepStrictEqual(tree._tag === "Directory" && tree.entries.map((one) => one.name), names)
  })
  it("refuses an executable marker with a value (N25)", () => {
    assert.strictEqual(failKind(nar(magic, "(", "type", "regular", "executable", "1", "contents", "x", ")")), "executable-value")
  })
  it("streams a directory of a million entries in constant memory (N26)", () => {
    const count = 1_000_000
    let seen = 0
    const nothing = () => {}
    const handler: NarHandler = {
      directoryStart: nothing,
      directoryEnd: nothing,
      fileStart: nothing,
      fileData: nothing,
      fileEnd: () => void seen++,
      symlink: nothing
    }
    const reader = new NarReader(handler)
    const writer = new NarWriter((chunk) => reader.push(chunk), { reuse: true })
    const before = process.memoryUsage().arrayBuffers
    writer.directoryStart("")
    for (let i = 0; i < count; i++) writer.file(i.toString().padStart(7, "0"), new Uint8Array(0), false)
    writer.directoryEnd()
    writer.end()
    reader.end()
    assert.strictEqual(seen, count)
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 200 * 1024 * 1024)
  })
  it("refuses a tag of 33 bytes by its length alone (N27)", () => {
    const error = fail(nar(magic, "(", "type", 33n))
    assert.deepStrictEqual(error.problem, { kind: "too-long", field: "tag", length: 33n, limit: 32 })
    assert.strictEqual(failKind(nar(magic, "(", "type", "x".repeat(32))), "unexpected")
  })
  it("is read the same however it is cut (N28)", () => {
    for (const bytes of corpus()) {
      const whole = parseNar(bytes)
      for (let size = 1; size <= 17; size++) {
        const builder = new NarTreeBuilder()
        const reader = new NarReader(builder)
        for (let at = 0; at < bytes.length; at += size) {
          reader.push(bytes.subarray(at, at + size))
          assert.strictEqual(reader.offset, Math.min(bytes.length, at + size))
          reader.push(new Uint8Array(0))
        }
        reader.end()
        assert.deepStrictEqual(builder.tree, whole)
      }
      for (let cut = 0; cut <= bytes.length; cut++) {
        const builder = new NarTreeBuilder()
        const reader = new NarReader(builder)
        reader.push(bytes.subarray(0, cut))
        reader.push(bytes.subarray(cut))
        reader.end()
        assert.deepStrictEqual(builder.tree, whole)
      }
    }
  })
  it("orders by bytes and not by UTF-16: U+FFFF comes before U+10000 (N29)", () => {
    const [low, high] = [fromUnicode("\uffff"), fromUnicode("\u{10000}")]
    pass(nar(magic, ...directory(entry(low, file()), entry(high, file()))))
    assert.strictEqual(failKind(nar(magic, ...directory(entry(high, file()), entry(low, file())))), "unsorted")
  })
  it("under random changes is an error of ours or a NAR that renders to the same bytes (N30)", () => {
    const { below, pick } = random(7)
    const cases = corpus()
    let accepted = 0
    for (let i = 0; i < 60_000; i++) {
      const bytes = pick(cases).slice()
      for (let changes = 1 + below(2); changes > 0; changes--) {
        const at = below(bytes.length)
        bytes[at] = below(3) === 0 ? below(256) : bytes[at]! ^ (1 << below(8))
      }
      let tree: NarTree
      try {
        tree = parseNar(bytes)
      } catch (error) {
        assert.strictEqual((error as { _tag?: string })._tag, "NarError")
        continue
      }
      accepted++
      assert.deepStrictEqual(renderNar(tree), bytes)
    }
    assert.isAbove(accepted, 100)
  })

  it("of a random tree is read back as that tree", () => {
    const { below, bytes, text } = random(8)
    const make = (depth: number): NarTree => {
      const kind = depth > 4 ? below(2) : below(3)
      if (kind === 0) return { _tag: "File", executable: below(2) === 0, contents: bytes(below(40)) }
      if (kind === 1) return { _tag: "Symlink", target: text(1 + below(20)).replaceAll("\0", "/") }
      const names = [...new Set(Array.from({ length: below(5) }, () => text(1 + below(4)).replaceAll(/[/\0.]/g, "x")))].sort()
      return { _tag: "Directory", entries: names.map((name) => ({ name, node: make(depth + 1) })) }
    }
    for (let i = 0; i < 300; i++) {
      const tree = make(0)
      assert.deepStrictEqual(parseNar(renderNar(tree)), tree)
    }
  })

  it("longer than announced is refused as soon as it is", () => {
    const bytes = nar(magic, ...file("12345678"))
    const reader = new NarReader(new NarTreeBuilder(), bytes.length - 1)
    assert.strictEqual(thrown(() => reader.push(bytes)).problem.kind, "beyond-size")
    const exact = new NarReader(new NarTreeBuilder(), bytes.length)
    exact.push(bytes)
    exact.end()
    const contents = new NarReader(new NarTreeBuilder(), 1000)
    assert.strictEqual(thrown(() => contents.push(nar(magic, "(", "type", "regular", "contents", 2000n))).problem.kind, "too-long")
  })
})

describe("writing a NAR", () => {
  const collect = (options?: { readonly bufferSize?: number; readonly reuse?: boolean }) => {
    const chunks: Array<Uint8Array> = []
    return {
      writer: new NarWriter((chunk) => void chunks.push(options?.reuse === true ? chunk.slice() : chunk), options),
      bytes: () => nar(...chunks)
    }
  }

  it("gives the same bytes whatever the size of its buffer and of the parts", () => {
    const contents = random(9).bytes(50_000)
    const tree: NarTree = {
      _tag: "Directory",
      entries: [
        { name: "a", node: { _tag: "File", executable: true, contents } },
        { name: "b", node: { _tag: "Symlink", target: "t".repeat(4000) } },
        { name: "c", node: { _tag: "File", executable: false, contents: contents.subarray(0, 12_345) } }
      ]
    }
    const expected = renderNar(tree)
    for (const reuse of [true, false]) {
      for (const bufferSize of [0, 10_000, 1_000_000]) {
        const { bytes, writer } = collect({ bufferSize, reuse })
        walkTree(tree, writer)
        assert.strictEqual(writer.end(), expected.length)
        assert.deepStrictEqual(bytes(), expected)
      }
    }
    const { bytes, writer } = collect()
    writer.directoryStart("")
    writer.fileStart("a", contents.length, true)
    for (let at = 0; at < contents.length; at += 777) writer.fileData(contents.subarray(at, at + 777))
    writer.fileEnd()
    writer.symlink("b", "t".repeat(4000))
    writer.file("c", contents.subarray(0, 12_345), false)
    writer.directoryEnd()
    writer.end()
    assert.deepStrictEqual(bytes(), expected)
  })

  it("does not touch what it gave away, unless asked to reuse", () => {
    const chunks: Array<Uint8Array> = []
    const writer = new NarWriter((chunk) => void chunks.push(chunk), { bufferSize: 0 })
    writer.directoryStart("")
    for (let i = 0; i < 200; i++) writer.symlink(String(i).padStart(4, "0"), "x".repeat(500))
    writer.directoryEnd()
    writer.end()
    assert.isAbove(chunks.length, 5)
    assert.strictEqual(
      narSize(parseNar(nar(...chunks))),
      chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    )
  })

  it("refuses what would make no NAR", () => {
    const refuse = (problem: string, action: (writer: NarWriter) => void) => {
      const error = thrown(() => action(collect().writer))
      assert.strictEqual(error._tag, "NarError")
      assert.strictEqual(error.problem.kind, problem)
    }
    const empty = new Uint8Array(0)
    const inDirectory = (action: (writer: NarWriter) => void) => (writer: NarWriter) => {
      writer.directoryStart("")
      action(writer)
    }
    refuse("truncated", (writer) => writer.end())
    refuse(
      "truncated",
      inDirectory((writer) => writer.end())
    )
    refuse("misuse", (writer) => writer.file("a", empty, false))
    refuse("misuse", (writer) => {
      writer.file("", empty, false)
      writer.file("", empty, false)
    })
    refuse("misuse", (writer) => writer.directoryEnd())
    refuse("misuse", (writer) => writer.fileData(empty))
    refuse("misuse", (writer) => writer.fileEnd())
    refuse("misuse", (writer) => writer.fileStart("", -1, false))
    refuse("misuse", (writer) => writer.fileStart("", 2 ** 53, false))
    refuse(
      "misuse",
      inDirectory((writer) => {
        writer.fileStart("a", 1, false)
        writer.symlink("b", "x")
      })
    )
    refuse("contents-size", (writer) => {
      writer.fileStart("", 2, false)
      writer.fileData(Uint8Array.of(1))
      writer.fileEnd()
    })
    refuse("contents-size", (writer) => {
      writer.fileStart("", 2, false)
      writer.fileData(Uint8Array.of(1, 2, 3))
    })
    for (const name of ["", ".", "..", "a/b", "a\0", "a".repeat(256)])
      refuse(
        "name",
        inDirectory((writer) => writer.file(name, empty, false))
      )
    refuse(
      "duplicate",
      inDirectory((writer) => {
        writer.symlink("a", "x")
        writer.directoryStart("a")
      })
    )
    refuse(
      "unsorted",
      inDirectory((writer) => {
        writer.symlink("b", "x")
        writer.symlink("a", "x")
      })
    )
    for (const target of ["", "\0", "a".repeat(4096)]) refuse("target", (writer) => writer.symlink("", target))
    refuse("depth", (writer) => {
      writer.directoryStart("")
      for (let i = 0; i < 64; i++) writer.directoryStart("a")
    })
  })
})

describeVectors("NAR vectors", () => {
  it("renders every tree to the NAR that Nix gives, and reads it back", () => {
    const cases = vectorLines("store/nar.jsonl")
    assert.isAbove(cases.length, 10)
    for (const one of cases) {
      const tree = treeOfVector(one.tree)
      const bytes = renderNar(tree)
      assert.strictEqual(bytes.length, one.narSize, one.name)
      assert.strictEqual(narSize(tree), one.narSize)
      assert.strictEqual(Base16.encode(hash("sha256", bytes)), one.narSha256, one.name)
      if (one.nar !== undefined) assert.deepStrictEqual(bytes, Base64.decode(one.nar))
      assert.deepStrictEqual(parseNar(bytes), tree)
    }
  })

  it("refuses what Nix refuses, and bytes after the end besides", () => {
    const cases = vectorLines("store/nar-malformed.jsonl")
    assert.isAbove(cases.length, 8)
    for (const one of cases) {
      const bytes = Base64.decode(one.nar)!
      if (one.nix234.rc === 0 && one.name !== "trailing") pass(bytes)
      else fail(bytes)
    }
  })

  it("gives the golden archive of the shared reference", () => {
    const empty: NarTree = { _tag: "File", executable: false, contents: new Uint8Array(0) }
    const bytes = renderNar({
      _tag: "Directory",
      entries: [
        { name: ".keep", node: empty },
        { name: "aa", node: { _tag: "Symlink", target: "/nix/store/somewhereelse" } },
        { name: "keep", node: { _tag: "Directory", entries: [{ name: ".keep", node: empty }] } }
      ]
    })
    assert.strictEqual(bytes.length, 840)
    assert.strictEqual(Base16.encode(hash("sha256", bytes)), "ebd52279a8df024c9fd5718de4103bf5e760dc7f2cf49044ee7dea87ab16911a")
  })
})
