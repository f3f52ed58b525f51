import { assert, describe, it } from "@effect/vitest"
import { instructionSize, syscallFilter } from "../../src/build/SyscallFilter.ts"

interface Call {
  /** AUDIT_ARCH_* */
  readonly kind: number
  readonly number: number
  readonly arguments?: ReadonlyArray<number>
}

/** What the kernel would do, by the rules of its packet filters: the value returned. Only instructions that the filter may have; anything else throws. */
const decide = (filter: Uint8Array, call: Call): number => {
  const data = new DataView(new ArrayBuffer(64))
  data.setUint32(0, call.number, true)
  data.setUint32(4, call.kind, true)
  // The high halves hold what a caller left in the register.
  ;[0, 1, 2, 3, 4, 5].forEach((index) =>
    data.setBigUint64(16 + 8 * index, 0xdead_0000_0000_0000n | BigInt(call.arguments?.[index] ?? 0), true)
  )
  const view = new DataView(filter.buffer, filter.byteOffset, filter.byteLength)
  let value = 0
  for (let at = 0, steps = 0; steps < 1000; steps++) {
    const constant = view.getUint32(at + 4, true)
    const jump = (holds: boolean) => (at += instructionSize * (1 + view.getUint8(holds ? at + 2 : at + 3)))
    switch (view.getUint16(at, true)) {
      case 0x20:
        value = data.getUint32(constant, true)
        at += instructionSize
        break
      case 0x54:
        value = (value & constant) >>> 0
        at += instructionSize
        break
      case 0x15:
        jump(value === constant)
        break
      case 0x45:
        jump((value & constant) !== 0)
        break
      case 0x06:
        return constant
      default:
        throw new Error(`no such instruction at ${at}`)
    }
  }
  throw new Error("no end")
}

const allowed = 0x7fff0000
const eperm = 0x00050001
const enotsup = 0x0005005f

// Numbers from the system call tables of Linux, by kind of program.
const kinds = [
  {
    name: "x86-64",
    on: "x64",
    kind: 0xc000003e,
    second: [90, 91],
    third: [268, 452],
    attributes: [188, 189, 190, 463],
    others: [0, 1, 2, 59, 83, 257, 435]
  },
  {
    name: "x32",
    on: "x64",
    kind: 0xc000003e,
    second: [0x40000000 + 90, 0x40000000 + 91],
    third: [0x40000000 + 268, 0x40000000 + 452],
    attributes: [188, 189, 190, 463].map((number) => 0x40000000 + number),
    others: [0x40000000, 0x40000000 + 520]
  },
  {
    name: "i386",
    on: "x64",
    kind: 0x40000003,
    second: [15, 94],
    third: [306, 452],
    attributes: [226, 227, 228, 463],
    others: [4, 11, 90, 91, 188, 268]
  },
  { name: "arm64", on: "arm64", kind: 0xc00000b7, second: [52], third: [53, 452], attributes: [5, 6, 7, 463], others: [56, 221, 90, 226] },
  {
    name: "32-bit ARM",
    on: "arm64",
    kind: 0x40000028,
    second: [15, 94],
    third: [333, 452],
    attributes: [226, 227, 228, 463],
    others: [5, 6, 7, 52, 53]
  }
] as const

describe.each(kinds)("the filter for programs of kind $name", ({ on, kind, second, third, attributes, others }) => {
  const filter = syscallFilter(on)
  const modes = (number: number, index: number, mode: number) => decide(filter, { kind, number, arguments: [7, 7, 7].with(index, mode) })

  it("refuses to make anything setuid or setgid, and lets other modes be", () => {
    for (const [numbers, index] of [
      [second, 1],
      [third, 2]
    ] as const)
      for (const number of numbers) {
        for (const mode of [0o4755, 0o2755, 0o6000, 0o104000, 0xffff]) assert.strictEqual(modes(number, index, mode), eperm)
        for (const mode of [0, 0o755, 0o1777, 0o101777]) assert.strictEqual(modes(number, index, mode), allowed)
      }
  })

  it("says that extended attributes are not supported", () => {
    for (const number of attributes) assert.strictEqual(decide(filter, { kind, number }), enotsup)
  })

  it("allows every other call, whatever its arguments", () => {
    for (const number of others) assert.strictEqual(decide(filter, { kind, number, arguments: Array(6).fill(0o6755) }), allowed)
    assert.strictEqual(decide(filter, { kind: 0x12345678, number: second[0]!, arguments: Array(6).fill(0o6755) }), allowed)
  })
})
