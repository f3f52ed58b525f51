import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { print } from "../../src/lang/Printer.ts"
import { decode, decodeIntact, encode, version } from "../../src/lang/Serialise.ts"
import type { Origin, Syntax } from "../../src/lang/Syntax.ts"
import { accepted } from "./GrammarTable.ts"
import { makeProgram, numbers, parseText } from "./Trees.ts"

const origin: Origin = { _tag: "File", path: "/a/b.nix" }
const contents = ({ nodes, symbols, strings, root }: Syntax): unknown => ({ nodes: Array.from(nodes), symbols, strings, root })
const program = '{ a, b ? "\xff\xe9", ... }@c: rec { x.y = a; x."q u" = 1.5; inherit (c) z; ${b} = [ ./p 2 ]; }'

/** A program with a node of every kind. */
const everyKind = `{ a, b ? [ 1 2.5 "s" ''
    t \${a}
'' ./p ~/h <n/l> ./q\${b} __curPos ], ... }@c: with c; let x.y = a.b or 1; inherit (c) z; in assert c ? d -> !((-1 == 2) != 3); rec {
  e = if 1 < 2 && 1 <= 2 || 1 > 2 || 1 >= 2 then f x (g: g) or h else { } // { }; i = [ ] ++ [ ]; j = 1 + 2 - 3 * 4 / 5; k.l = true; "q\${b}" = 1; k.m = f; }`

describe("trees as bytes", () => {
  it("come back as they were", () => {
    const next = numbers(3)
    const sources = Object.values(accepted).flatMap((cases) => cases.map(([source]) => source))
    for (let i = 0; i < 100; i++) sources.push(makeProgram(next, 4))
    for (const source of [...sources, program]) {
      const syntax = parseText(source)
      const back = decode(encode(syntax), source, origin, "/a")
      assert.isDefined(back, source)
      assert.deepStrictEqual(contents(back!), contents(syntax), source)
      assert.deepStrictEqual([back!.origin, back!.baseDirectory, back!.source], [origin, "/a", source])
      assert.deepStrictEqual(contents(decodeIntact(encode(syntax), source, origin, "/a")!), contents(syntax), source)
    }
  })

  it("are those that their version promises: who changes trees or bytes counts the version up, so that no cache gives old ones", () => {
    const syntax = parseText(everyKind)
    assert.deepStrictEqual(
      [
        version,
        createHash("sha256")
          .update(encode(syntax, [syntax.symbols.indexOf("true"), syntax.symbols.indexOf("f")]))
          .digest("hex")
      ],
      [4, "d49a342cef6bb4b9e7becba926c4220eb889810db16185e8ddbe9a68767c310b"]
    )
  })

  it("that are intact are still refused for a source of another length, and of another version", () => {
    const bytes = encode(parseText(program))
    assert.isUndefined(decodeIntact(bytes, `${program} `, origin, "/a"))
    const other = bytes.slice()
    other[4]! ^= 1
    assert.isUndefined(decodeIntact(other, program, origin, "/a"))
  })

  it("are the same bytes for the same source", () => {
    assert.deepStrictEqual(encode(parseText(program)), encode(parseText(program)))
  })

  it("are read from any place in a buffer, and not referred to afterwards", () => {
    const bytes = encode(parseText(program))
    const shifted = new Uint8Array(bytes.length + 3)
    shifted.set(bytes, 3)
    const back = decode(shifted.subarray(3), program, origin, "/a")!
    shifted.fill(0)
    assert.strictEqual(print(back), print({ ...parseText(program), baseDirectory: "/a" }))
    const aligned = encode(parseText(program))
    const again = decode(aligned, program, origin, "/a")!
    aligned.fill(0)
    assert.strictEqual(print(again), print(back))
  })

  it("are refused with any one bit flipped, and with any length but their own", () => {
    const bytes = encode(parseText(program))
    for (let i = 0; i < bytes.length; i++) {
      for (const bit of [1, 16, 128]) {
        bytes[i]! ^= bit
        assert.isUndefined(decode(bytes, program, origin, "/a"), `byte ${i}`)
        bytes[i]! ^= bit
      }
      assert.isUndefined(decode(bytes.subarray(0, i), program, origin, "/a"), `length ${i}`)
    }
    assert.isUndefined(decode(new Uint8Array([...bytes, 0, 0, 0, 0]), program, origin, "/a"))
    assert.isDefined(decode(bytes, program, origin, "/a"))
  })

  it("are refused for a source of another length", () => {
    assert.isUndefined(decode(encode(parseText(program)), `${program} `, origin, "/a"))
  })

  it("are refused when their cells make no tree, even with the right checksum", () => {
    // `encode` sums up whatever it is given: damaged trees with honest checksums.
    const next = numbers(11)
    const whole = parseText(program)
    let refused = 0
    for (let i = 0; i < 6000; i++) {
      const nodes = whole.nodes.slice()
      const at = next(nodes.length)
      nodes[at] = [next(64), -1 - next(64), next(2 ** 31), -(2 ** 31), nodes[at]! + 1, next(nodes.length)][next(6)]!
      const syntax = { ...whole, nodes, root: next(10) === 0 ? next(nodes.length) - 5 : whole.root }
      const back = decode(encode(syntax), program, origin, "/a")
      if (back === undefined) refused++
      else assert.isAbove(print(back).length, 0)
    }
    assert.isAbove(refused, 1500)
  })

  it("hold the root of a tree that stands before cells nobody refers to", () => {
    const source = "{ a = { b = 1; }; a.c = 2; }"
    assert.strictEqual(print(decode(encode(parseText(source)), source, origin, "/")!), "{ a = { b = 1; c = 2; }; }")
  })
})
