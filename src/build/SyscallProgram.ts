/**
 * A list of system calls as an executable of its own: Node cannot call mount(2) or pivot_root(2), so we write a program that does.
 *
 * The program is straight-line machine code without libraries, memory or branches other than "stop at the first call that failed"; every argument is a constant
 * that was known when it was written. Compared with a shell script over mount(8), env(1) and chroot(1):
 * - arguments and environment of the builder are exactly ours, never seen by a dynamic linker or a shell that runs outside the sandbox (a derivation may set
 *   LD_PRELOAD) nor by `ps`;
 * - five hundred mounts take milliseconds;
 * - the call that failed is reported with its error number instead of a tool's prose;
 * - nothing needs to be installed to raise the loopback interface or to set the host name.
 *
 * Formats: ELF64 (System V gABI), system call tables and conventions of Linux on x86-64 and arm64. Pure: gives bytes.
 */
import { type ByteString, toBytes } from "../nix/Bytes.ts"

export type Architecture = "x64" | "arm64"

const numbers = {
  x64: {
    write: 1,
    close: 3,
    ioctl: 16,
    socket: 41,
    execve: 59,
    fcntl: 72,
    chdir: 80,
    umask: 95,
    getppid: 110,
    setsid: 112,
    setgroups: 116,
    setresuid: 117,
    setresgid: 119,
    personality: 135,
    pivot_root: 155,
    prctl: 157,
    setrlimit: 160,
    mount: 165,
    umount2: 166,
    sethostname: 170,
    setdomainname: 171,
    exit_group: 231,
    close_range: 436,
    keyctl: 250,
    openat: 257,
    unshare: 272
  },
  arm64: {
    write: 64,
    close: 57,
    ioctl: 29,
    socket: 198,
    execve: 221,
    fcntl: 25,
    chdir: 49,
    umask: 166,
    getppid: 173,
    setsid: 157,
    setgroups: 159,
    setresuid: 147,
    setresgid: 149,
    personality: 92,
    pivot_root: 41,
    prctl: 167,
    setrlimit: 164,
    mount: 40,
    umount2: 39,
    sethostname: 161,
    setdomainname: 162,
    exit_group: 94,
    close_range: 436,
    keyctl: 219,
    openat: 56,
    unshare: 97
  }
} as const

export type SyscallName = keyof (typeof numbers)["x64"]

/** A constant to pass: a number, a byte string (passed as address of it and a NUL), bytes, a list of strings (argv, envp), or what the last `keep` call gave. */
export type Argument =
  | number
  | bigint
  | ByteString
  | Uint8Array
  | { readonly strings: ReadonlyArray<ByteString> }
  /** Only as first argument. */
  | "kept result"

export interface Syscall {
  readonly name: SyscallName
  readonly arguments: ReadonlyArray<Argument>
  /** What the call is for, in the words that an error message uses: `mount /proc`. */
  readonly purpose: string
  /** Remembers the result (a descriptor) for `"kept result"`. */
  readonly keep?: boolean
  /** An error is ignored. */
  readonly mayFail?: boolean
  /** Any other result counts as failure. */
  readonly expect?: number
}

/** Where a program reports, if it reports: descriptor 3. */
export const statusDescriptor = 3
/** What a program exits with when a call failed. */
export const failureStatus = 126
/** Bytes of one report: number of the call and its negated error number, both 64 bits, little-endian. */
export const reportSize = 16

/** The report that says "everything is ready, the builder starts now": call number 2^32-1. */
export const startedReport = (): Uint8Array => {
  const report = new DataView(new ArrayBuffer(reportSize))
  report.setBigUint64(0, startedCall, true)
  return new Uint8Array(report.buffer)
}
const startedCall = 0xffff_ffffn

export type Report = { readonly _tag: "Started" } | { readonly _tag: "Failed"; readonly call: number; readonly errno: number }

/** Reads one report. */
export const parseReport = (bytes: Uint8Array): Report => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const call = view.getBigUint64(0, true)
  return call === startedCall ? { _tag: "Started" } : { _tag: "Failed", call: Number(call), errno: Number(-view.getBigInt64(8, true)) }
}

const baseAddress = 0x400000
const headerSize = 64 + 56
/** Where strings are put; addresses in the code are 64 bits wide whatever their value, so the size of the code does not depend on them. */
const alignment = 16

/** Collects constant data and hands out addresses. */
class Data {
  readonly #parts: Array<Uint8Array> = []
  readonly #strings = new Map<ByteString, number>()
  #next: number

  constructor(start: number) {
    this.#next = start
  }

  bytes(bytes: Uint8Array): number {
    const address = this.#next
    const padded = new Uint8Array(Math.ceil(bytes.length / alignment) * alignment)
    padded.set(bytes)
    this.#parts.push(padded)
    this.#next += padded.length
    return address
  }

  string(text: ByteString): number {
    const known = this.#strings.get(text)
    if (known !== undefined) return known
    const bytes = new Uint8Array(text.length + 1)
    bytes.set(toBytes(text))
    const address = this.bytes(bytes)
    this.#strings.set(text, address)
    return address
  }

  /** A table of addresses that ends with a zero, as argv and envp are. */
  table(texts: ReadonlyArray<ByteString>): number {
    const view = new DataView(new ArrayBuffer((texts.length + 1) * 8))
    texts.forEach((text, index) => view.setBigUint64(index * 8, BigInt(this.string(text)), true))
    return this.bytes(new Uint8Array(view.buffer))
  }

  address(argument: Exclude<Argument, "kept result">): bigint {
    if (typeof argument === "bigint") return BigInt.asUintN(64, argument)
    if (typeof argument === "number") return BigInt.asUintN(64, BigInt(argument))
    if (typeof argument === "string") return BigInt(this.string(argument))
    if (argument instanceof Uint8Array) return BigInt(this.bytes(argument))
    return BigInt(this.table(argument.strings))
  }

  parts(): ReadonlyArray<Uint8Array> {
    return this.#parts
  }
}

interface Emitter {
  readonly code: Array<number>
  call(number: number, args: ReadonlyArray<bigint | "kept result">): void
  keep(): void
  /** Goes on when the last result is no error (with `expected`, when it is that); else reports call `index` and exits. */
  check(index: number, expected: number | undefined): void
  /** Puts the reporting code at the end and makes the checks jump there. */
  finish(): void
}

const littleEndian = (value: bigint, bytes: number): Array<number> =>
  Array.from({ length: bytes }, (_, index) => Number((BigInt.asUintN(64, value) >> BigInt(8 * index)) & 0xffn))

const x64 = (): Emitter => {
  const code: Array<number> = []
  const jumps: Array<number> = []
  // mov r64, imm64 for rdi rsi rdx r10 r8 r9
  const registers = [
    [0x48, 0xbf],
    [0x48, 0xbe],
    [0x48, 0xba],
    [0x49, 0xba],
    [0x49, 0xb8],
    [0x49, 0xb9]
  ] as const
  const syscall = [0x0f, 0x05]
  const call = (number: number, args: ReadonlyArray<bigint | "kept result">) => {
    args.forEach((arg, index) => {
      if (arg === "kept result") code.push(0x4c, 0x89, 0xe7) // mov rdi, r12
      else code.push(...registers[index]!, ...littleEndian(arg, 8))
    })
    code.push(0xb8, ...littleEndian(BigInt(number), 4), ...syscall) // mov eax, number; syscall
  }
  return {
    code,
    call,
    keep: () => code.push(0x49, 0x89, 0xc4), // mov r12, rax
    check: (index, expected) => {
      if (expected === undefined) code.push(0x48, 0x85, 0xc0, 0x79, 10) // test rax, rax; jns over
      else code.push(0x48, 0x3d, ...littleEndian(BigInt(expected), 4), 0x74, 10) // cmp rax, expected; je over
      code.push(0xbf, ...littleEndian(BigInt(index), 4)) // mov edi, index
      code.push(0xe9, 0, 0, 0, 0) // jmp report
      jumps.push(code.length)
    },
    finish: () => {
      for (const from of jumps) code.splice(from - 4, 4, ...littleEndian(BigInt(code.length - from), 4))
      code.push(0x50, 0x57, 0x48, 0x89, 0xe6) // push rax; push rdi; mov rsi, rsp
      code.push(0xbf, ...littleEndian(BigInt(statusDescriptor), 4), 0xba, ...littleEndian(BigInt(reportSize), 4)) // mov edi; mov edx
      code.push(0xb8, ...littleEndian(BigInt(numbers.x64.write), 4), ...syscall)
      call(numbers.x64.exit_group, [BigInt(failureStatus)])
    }
  }
}

const arm64 = (): Emitter => {
  const code: Array<number> = []
  const jumps: Array<number> = []
  const word = (value: number) => code.push(...littleEndian(BigInt(value >>> 0), 4))
  const move = (register: number, value: bigint) => {
    for (let part = 0; part < 4; part++) {
      const bits = Number((BigInt.asUintN(64, value) >> BigInt(16 * part)) & 0xffffn)
      // movz, then movk for every further part, also where it is zero: code of one size whatever the value
      word(((part === 0 ? 0xd2800000 : 0xf2800000) | (part << 21) | (bits << 5) | register) >>> 0)
    }
  }
  const call = (number: number, args: ReadonlyArray<bigint | "kept result">) => {
    args.forEach((arg, index) => {
      if (arg === "kept result") word(0xaa1303e0) // mov x0, x19
      else move(index, arg)
    })
    move(8, BigInt(number))
    word(0xd4000001) // svc #0
  }
  return {
    code,
    call,
    keep: () => word(0xaa0003f3), // mov x19, x0
    check: (index, expected) => {
      const skip = 6 // instructions: this branch, four of move, b report
      if (expected === undefined) word((0xb6f80000 | (skip << 5)) >>> 0) // tbz x0, #63, over
      else {
        move(9, BigInt(expected))
        word(0xeb09001f) // cmp x0, x9
        word((0x54000000 | (skip << 5)) >>> 0) // b.eq over
      }
      move(1, BigInt(index))
      word(0x14000000) // b report
      jumps.push(code.length - 4)
    },
    finish: () => {
      for (const from of jumps) code.splice(from, 4, ...littleEndian(BigInt(0x14000000 | ((code.length - from) / 4)), 4))
      word(0xa9bf03e1) // stp x1, x0, [sp, #-16]!
      word(0x910003e1) // mov x1, sp
      move(0, BigInt(statusDescriptor))
      move(2, BigInt(reportSize))
      move(8, BigInt(numbers.arm64.write))
      word(0xd4000001)
      call(numbers.arm64.exit_group, [BigInt(failureStatus)])
    }
  }
}

const emitters = { x64, arm64 }
const machines = { x64: 62, arm64: 183 }

const assemble = (architecture: Architecture, calls: ReadonlyArray<Syscall>, firstNumber: number, data: Data): Array<number> => {
  const emitter = emitters[architecture]()
  calls.forEach((syscall, index) => {
    const args = syscall.arguments.map((argument) => (argument === "kept result" ? argument : data.address(argument)))
    emitter.call(numbers[architecture][syscall.name], args)
    if (syscall.keep === true) emitter.keep()
    if (syscall.mayFail !== true) emitter.check(firstNumber + index, syscall.expect)
  })
  emitter.finish()
  return emitter.code
}

/**
 * The executable. It makes the calls in order (they are numbered from `firstNumber`); at the first that fails it writes a report to descriptor 3 and exits with status 126. The last call should
 * be one that does not return.
 */
export const compile = (architecture: Architecture, calls: ReadonlyArray<Syscall>, firstNumber = 0): Uint8Array => {
  // The length of the code is known only after it was written once; the data begins behind it.
  const length = assemble(architecture, calls, firstNumber, new Data(0)).length
  const dataOffset = Math.ceil((headerSize + length) / alignment) * alignment
  const data = new Data(baseAddress + dataOffset)
  const code = assemble(architecture, calls, firstNumber, data)
  const size = data.parts().reduce((sum, part) => sum + part.length, dataOffset)
  const file = new Uint8Array(size)
  const view = new DataView(file.buffer)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]) // ELF, 64 bits, little-endian, version 1
  view.setUint16(16, 2, true) // executable
  view.setUint16(18, machines[architecture], true)
  view.setUint32(20, 1, true)
  view.setBigUint64(24, BigInt(baseAddress + headerSize), true) // entry
  view.setBigUint64(32, 64n, true) // program headers
  view.setUint16(52, 64, true)
  view.setUint16(54, 56, true)
  view.setUint16(56, 1, true) // one program header
  view.setUint32(64, 1, true) // load
  view.setUint32(68, 5, true) // readable, executable
  view.setBigUint64(80, BigInt(baseAddress), true) // virtual
  view.setBigUint64(88, BigInt(baseAddress), true) // physical
  view.setBigUint64(96, BigInt(size), true)
  view.setBigUint64(104, BigInt(size), true)
  view.setBigUint64(112, 0x10000n, true) // pages may have 64 KiB
  file.set(code, headerSize)
  let offset = dataOffset
  for (const part of data.parts()) {
    file.set(part, offset)
    offset += part.length
  }
  return file
}
