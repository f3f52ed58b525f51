import { assert, describe, it } from "@effect/vitest"
import { toBytes } from "../../src/nix/Bytes.ts"
import { exportEnd, exportPathEnd, exportPathStart, ExportReader } from "../../src/nix/Export.ts"
import type { ExportedPath } from "../../src/nix/Export.ts"
import { parseNar, NarTreeBuilder, renderNar } from "../../src/nix/NarTree.ts"
import type { NarTree } from "../../src/nix/NarTree.ts"
import { parseStorePath } from "../../src/nix/StorePath.ts"
import { describeVectors, random, thrown, vectorBytes } from "./vectors.ts"

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(parts.flatMap((part) => [...part]))

interface Item {
  readonly info: ExportedPath
  readonly nar: Uint8Array
  readonly tree: NarTree
}

class Collector extends NarTreeBuilder {
  readonly items: Array<Item> = []
  private bytes: Array<Uint8Array> = []

  narBytes(bytes: Uint8Array): void {
    this.bytes.push(bytes.slice())
  }

  pathEnd(info: ExportedPath): void {
    this.items.push({ info, nar: concat(...this.bytes), tree: this.tree! })
    this.bytes = []
  }
}

const read = (bytes: Uint8Array, step = bytes.length || 1): ReadonlyArray<Item> => {
  const collector = new Collector()
  const reader = new ExportReader(collector)
  for (let at = 0; at < bytes.length; at += step) {
    reader.push(bytes.subarray(at, at + step))
    assert.strictEqual(reader.offset, Math.min(bytes.length, at + step))
  }
  reader.end()
  return collector.items
}

const write = (items: ReadonlyArray<Pick<Item, "info" | "nar">>): Uint8Array =>
  concat(...items.flatMap(({ info, nar }) => [exportPathStart(), nar, exportPathEnd(info)]), exportEnd())

const fail = (bytes: Uint8Array) => {
  const error = thrown(() => read(bytes))
  const slowly = thrown(() => read(bytes, 1))
  assert.deepStrictEqual([slowly._tag, slowly.offset, slowly.problem], [error._tag, error.offset, error.problem])
  return error
}

const path = parseStorePath("/nix/store/w1df9ykc1v6mks4lch40xmxm7y0rpz5y-corpus-user")
const other = parseStorePath("/nix/store/6wh9j82s22yr0hks920n9m1pbjvahmy2-corpus-fixed")
const drv = parseStorePath("/nix/store/hdvc36c3ykyr0hmna9bmnrdz6f68aj17-corpus-user.drv")
const nar = renderNar({ _tag: "File", executable: false, contents: toBytes("hello") })
const full: ExportedPath = { path, references: [other, path], deriver: drv }
const stream = write([
  { info: full, nar },
  { info: { path: other, references: [], deriver: undefined }, nar }
])

describe("an export", () => {
  it("is written and read however it is cut", () => {
    for (let step = 1; step <= 40; step++) {
      const items = read(stream, step)
      assert.deepStrictEqual(
        items.map((item) => item.info),
        [full, { path: other, references: [], deriver: undefined }]
      )
      assert.deepStrictEqual(write(items), stream)
      assert.deepStrictEqual(
        items.map((item) => item.tree),
        [parseNar(nar), parseNar(nar)]
      )
    }
    assert.deepStrictEqual(read(exportEnd()), [])
  })

  it("passes over an old signature", () => {
    const end = exportPathEnd(full)
    const signed = concat(
      exportPathStart(),
      nar,
      end.subarray(0, -8),
      Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 97, 98, 99, 0, 0, 0, 0, 0),
      exportEnd()
    )
    for (const step of [1, 7, signed.length]) assert.deepStrictEqual(read(signed, step)[0]!.info, full)
  })

  it("is refused where it is cut off, anywhere", () => {
    for (let cut = 0; cut < stream.length; cut++) {
      const error = fail(stream.subarray(0, cut))
      assert.include(["ExportError", "NarError"], error._tag)
      assert.strictEqual(error.problem.kind, "truncated", String(cut))
    }
  })

  it("is refused with the offset of what is wrong", () => {
    const change = (at: number, ...values: ReadonlyArray<number>) => {
      const copy = stream.slice()
      copy.set(values, at)
      return fail(copy)
    }
    const magicAt = 8 + nar.length
    assert.strictEqual(change(0, 2).problem.kind, "not-export")
    assert.strictEqual(change(8, 1)._tag, "NarError")
    assert.deepStrictEqual([change(magicAt, 0).problem.kind, change(magicAt, 0).offset], ["magic", magicAt])
    assert.strictEqual(change(magicAt + 8, 255, 255, 255, 255, 255, 255, 255, 255).problem.kind, "too-long")
    assert.strictEqual(change(magicAt + 8 + 6, 1).problem.kind, "too-long")
    assert.strictEqual(change(magicAt + 16, 65).problem.kind, "store-path")
    assert.strictEqual(change(magicAt + 16 + path.length, 1).problem.kind, "padding")
    assert.strictEqual(change(8 + nar.length + exportPathEnd(full).length - 8, 2).problem.kind, "signature-flag")
    const trailing = fail(concat(stream, Uint8Array.of(0)))
    assert.deepStrictEqual([trailing.problem.kind, trailing.offset], ["trailing", stream.length])
    for (const text of ["", "#!/bin/sh\n", "nix-archive-1\0\0\0\0\0\0\0\0"])
      assert.include(["truncated", "not-export"], fail(toBytes(text)).problem.kind)
  })

  it("believes no count of references before they come", () => {
    const end = exportPathEnd({ path, references: [], deriver: undefined })
    const bytes = concat(exportPathStart(), nar, end)
    const countAt = 8 + nar.length + 8 + 8 + 56
    bytes.set([255, 255, 255, 255, 255, 255, 255, 127], countAt)
    assert.include(["truncated", "store-path"], fail(bytes).problem.kind)
  })

  it("survives random changes of a byte", () => {
    const { below } = random(14)
    for (let i = 0; i < 3000; i++) {
      const copy = stream.slice()
      copy[below(copy.length)] = below(256)
      try {
        assert.deepStrictEqual(write(read(copy)), copy)
      } catch (error) {
        assert.include(["ExportError", "NarError"], (error as { _tag?: string })._tag, String(error))
      }
    }
  })
})

describeVectors("the export vector", () => {
  it("is read and written again byte for byte", () => {
    const bytes = vectorBytes("store/closure.export")
    const items = read(bytes, 100)
    assert.deepStrictEqual(
      items.map((item) => item.info.path.slice(44)),
      ["corpus-fixed", "corpus-src", "corpus-user"]
    )
    assert.deepStrictEqual(write(items), bytes)
  })
})
