/**
 * The system calls that a builder is refused, as a program for the kernel's seccomp: those whose traces a store cannot hold.
 *
 * As in Nix, changing a mode to setuid or setgid fails with EPERM, and setting extended attributes (access control lists are some) with ENOTSUP, which `cp -a` and `tar` take calmly. Everything else
 * is allowed: the filter keeps outputs clean; it is the namespaces that keep the host safe. What gets by (a mode given to open(2), say) is refused when outputs are inspected.
 *
 * Formats: `struct sock_filter` and `struct seccomp_data` of Linux (seccomp(2)), system call tables of each kind of program that a processor runs. Pure: gives bytes.
 */
import type { Architecture } from "./SyscallProgram.ts"

/** Numbers of the calls in one kind of program. */
interface Table {
  /** AUDIT_ARCH_* of <linux/audit.h>. */
  readonly kind: number
  /** Bits of the number that do not tell calls apart. */
  readonly ignored: number
  /** Calls with the mode as second argument, and as third. */
  readonly modeSecond: ReadonlyArray<number>
  readonly modeThird: ReadonlyArray<number>
  readonly attributes: ReadonlyArray<number>
}

// From Linux 6.6 and 6.13 on, with the same numbers everywhere.
const fchmodat2 = 452
const setxattrat = 463

const tables: Readonly<Record<Architecture, ReadonlyArray<Table>>> = {
  x64: [
    // The ignored bit is that of x32 programs.
    {
      kind: 0xc000003e,
      ignored: 0x40000000,
      modeSecond: [90, 91],
      modeThird: [268, fchmodat2],
      attributes: [188, 189, 190, setxattrat]
    },
    { kind: 0x40000003, ignored: 0, modeSecond: [15, 94], modeThird: [306, fchmodat2], attributes: [226, 227, 228, setxattrat] }
  ],
  arm64: [
    { kind: 0xc00000b7, ignored: 0, modeSecond: [52], modeThird: [53, fchmodat2], attributes: [5, 6, 7, setxattrat] },
    { kind: 0x40000028, ignored: 0, modeSecond: [15, 94], modeThird: [333, fchmodat2], attributes: [226, 227, 228, setxattrat] }
  ]
}

const notPermitted = 1
const notSupported = 95
const setuidAndSetgid = 0o6000

interface Instruction {
  readonly code: number
  readonly constant: number
  /** Instructions to skip when the condition holds, and when it does not. */
  readonly then?: number
  readonly else?: number
}

// Offsets in `struct seccomp_data`.
const callNumber = 0
const programKind = 4
const argument = (index: number) => 16 + 8 * index // its low half: all our processors are little-endian

const load = (offset: number): Instruction => ({ code: 0x20, constant: offset })
const keepBits = (mask: number): Instruction => ({ code: 0x54, constant: mask })
/** Goes on when the loaded value is this, else skips. */
const unlessEqual = (constant: number, skip: number): Instruction => ({ code: 0x15, constant, else: skip })
const unlessAnyBit = (constant: number, skip: number): Instruction => ({ code: 0x45, constant, else: skip })
const allow: Instruction = { code: 0x06, constant: 0x7fff0000 }
const refuse = (errno: number): Instruction => ({ code: 0x06, constant: 0x00050000 | errno })

const refuseCall = (number: number): ReadonlyArray<Instruction> => [unlessEqual(number, 1), refuse(notSupported)]
const refuseModes = (number: number, index: number): ReadonlyArray<Instruction> => [
  unlessEqual(number, 4),
  load(argument(index)),
  unlessAnyBit(setuidAndSetgid, 1),
  refuse(notPermitted),
  allow
]

const forTable = ({ kind, ignored, modeSecond, modeThird, attributes }: Table): ReadonlyArray<Instruction> => {
  const calls = [
    load(callNumber),
    ...(ignored === 0 ? [] : [keepBits(~ignored)]),
    ...modeSecond.flatMap((number) => refuseModes(number, 1)),
    ...modeThird.flatMap((number) => refuseModes(number, 2)),
    ...attributes.flatMap(refuseCall),
    allow
  ]
  return [unlessEqual(kind, calls.length), ...calls]
}

/** Bytes of an instruction. */
export const instructionSize = 8

/** The filter: `struct sock_filter` after `struct sock_filter`. */
export const syscallFilter = (architecture: Architecture): Uint8Array => {
  const instructions = [load(programKind), ...tables[architecture].flatMap(forTable), allow]
  const view = new DataView(new ArrayBuffer(instructions.length * instructionSize))
  instructions.forEach((instruction, index) => {
    const at = index * instructionSize
    view.setUint16(at, instruction.code, true)
    view.setUint8(at + 2, instruction.then ?? 0)
    view.setUint8(at + 3, instruction.else ?? 0)
    view.setUint32(at + 4, instruction.constant >>> 0, true)
  })
  return new Uint8Array(view.buffer)
}
