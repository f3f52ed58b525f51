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
import { instructionSize } from "./SyscallFilter.ts"

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
    unshare: 272,
    dup3: 292
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
    unshare: 97,
    dup3: 24
  }
} as const

export type SyscallName = keyof (typeof numbers)["x64"]

/**
 * A constant to pass: a number, a byte string (passed as address of it and a NUL), bytes, a list of strings (argv, envp), a filter of system calls (`struct sock_fprog`), or what
 * the last `keep` call gave.
 */
export type Argument =
  | number
  | ByteString
  | Uint8Array
  | { readonly strings: ReadonlyArray<ByteString> }
  | { readonly filter: Uint8Array }
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
const alignment = 16

/** Bytes that grow. */
class Buffering {
  #bytes = new Uint8Array(4096)
  length = 0

  #reserve(count: number): void {
    if (this.length + count <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + count))
    larger.set(this.#bytes)
    this.#bytes = larger
  }

  byte(...values: ReadonlyArray<number>): void {
    this.#reserve(values.length)
    for (const value of values) this.#bytes[this.length++] = value
  }

  word(value: number): void {
    this.#reserve(4)
    this.putWord(this.length, value)
    this.length += 4
  }

  /** A whole number, also a negative one, in 64 bits. */
  long(value: number): void {
    this.word((value % 0x1_0000_0000) | 0)
    this.word(Math.floor(value / 0x1_0000_0000) | 0)
  }

  putWord(at: number, value: number): void {
    for (let i = 0; i < 4; i++) this.#bytes[at + i] = value >>> (8 * i)
  }

  bytes(values: Uint8Array): void {
    this.#reserve(values.length)
    this.#bytes.set(values, this.length)
    this.length += values.length
  }

  align(): void {
    while (this.length % alignment !== 0) this.byte(0)
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }
}

/** Collects constant data and hands out addresses. */
class Data {
  readonly #bytes = new Buffering()
  readonly #strings = new Map<ByteString, number>()

  get #address(): number {
    return baseAddress + headerSize + this.#bytes.length
  }

  string(text: ByteString): number {
    const known = this.#strings.get(text)
    if (known !== undefined) return known
    const address = this.#address
    this.#bytes.bytes(toBytes(text))
    this.#bytes.byte(0)
    this.#strings.set(text, address)
    return address
  }

  /** What to load into a register for an argument. */
  value(argument: Exclude<Argument, "kept result">): number {
    if (typeof argument === "number") return argument
    if (typeof argument === "string") return this.string(argument)
    if (argument instanceof Uint8Array) {
      this.#bytes.align()
      const address = this.#address
      this.#bytes.bytes(argument)
      return address
    }
    if ("filter" in argument) {
      // How many instructions, and where.
      const instructions = this.value(argument.filter)
      this.#bytes.align()
      const address = this.#address
      this.#bytes.long(argument.filter.length / instructionSize)
      this.#bytes.long(instructions)
      return address
    }
    // A table of addresses that ends with a zero, as argv and envp are.
    const addresses = argument.strings.map((text) => this.string(text))
    this.#bytes.align()
    const address = this.#address
    for (const one of addresses) this.#bytes.long(one)
    this.#bytes.long(0)
    return address
  }

  done(): Uint8Array {
    this.#bytes.align()
    return this.#bytes.done()
  }
}

interface Emitter {
  call(number: number, args: ReadonlyArray<number | "kept result">): void
  keep(): void
  /** Goes on when the last result is no error (with `expected`, when it is that); else reports call `index` and exits. */
  check(index: number, expected: number | undefined): void
  /** Puts the reporting code at the end and makes the checks jump there. */
  finish(): void
}

const x64 = (code: Buffering): Emitter => {
  const jumps: Array<number> = []
  // mov r64, imm64 for rdi rsi rdx r10 r8 r9
  const registers = [0x48bf, 0x48be, 0x48ba, 0x49ba, 0x49b8, 0x49b9]
  const call = (number: number, args: ReadonlyArray<number | "kept result">) => {
    args.forEach((arg, index) => {
      if (arg === "kept result") code.byte(0x4c, 0x89, 0xe7) // mov rdi, r12
      else {
        code.byte(registers[index]! >> 8, registers[index]! & 0xff)
        code.long(arg)
      }
    })
    code.byte(0xb8) // mov eax, number
    code.word(number)
    code.byte(0x0f, 0x05) // syscall
  }
  return {
    call,
    keep: () => code.byte(0x49, 0x89, 0xc4), // mov r12, rax
    check: (index, expected) => {
      if (expected === undefined) code.byte(0x48, 0x85, 0xc0, 0x79, 10) // test rax, rax; jns over
      else {
        code.byte(0x48, 0x3d) // cmp rax, expected
        code.word(expected)
        code.byte(0x74, 10) // je over
      }
      code.byte(0xbf) // mov edi, index
      code.word(index)
      code.byte(0xe9) // jmp report
      code.word(0)
      jumps.push(code.length)
    },
    finish: () => {
      for (const from of jumps) code.putWord(from - 4, code.length - from)
      code.byte(0x50, 0x57, 0x48, 0x89, 0xe6) // push rax; push rdi; mov rsi, rsp
      code.byte(0xbf) // mov edi
      code.word(statusDescriptor)
      code.byte(0xba) // mov edx
      code.word(reportSize)
      code.byte(0xb8) // mov eax
      code.word(numbers.x64.write)
      code.byte(0x0f, 0x05)
      call(numbers.x64.exit_group, [failureStatus])
    }
  }
}

const arm64 = (code: Buffering): Emitter => {
  const jumps: Array<number> = []
  const move = (register: number, value: number) => {
    const low = (value % 0x1_0000_0000) | 0
    const high = Math.floor(value / 0x1_0000_0000) | 0
    code.word(0xd2800000 | ((low & 0xffff) << 5) | register) // movz
    code.word(0xf2a00000 | ((low >>> 16) << 5) | register) // movk, lsl 16
    code.word(0xf2c00000 | ((high & 0xffff) << 5) | register)
    code.word(0xf2e00000 | ((high >>> 16) << 5) | register)
  }
  const call = (number: number, args: ReadonlyArray<number | "kept result">) => {
    args.forEach((arg, index) => {
      if (arg === "kept result") code.word(0xaa1303e0) // mov x0, x19
      else move(index, arg)
    })
    move(8, number)
    code.word(0xd4000001) // svc #0
  }
  return {
    call,
    keep: () => code.word(0xaa0003f3), // mov x19, x0
    check: (index, expected) => {
      const skip = 6 // instructions: this branch, four of move, b report
      if (expected === undefined) code.word(0xb6f80000 | (skip << 5)) // tbz x0, #63, over
      else {
        move(9, expected)
        code.word(0xeb09001f) // cmp x0, x9
        code.word(0x54000000 | (skip << 5)) // b.eq over
      }
      move(1, index)
      jumps.push(code.length)
      code.word(0) // b report
    },
    finish: () => {
      for (const from of jumps) code.putWord(from, 0x14000000 | ((code.length - from) / 4))
      code.word(0xa9bf03e1) // stp x1, x0, [sp, #-16]!
      code.word(0x910003e1) // mov x1, sp
      move(0, statusDescriptor)
      move(2, reportSize)
      move(8, numbers.arm64.write)
      code.word(0xd4000001)
      call(numbers.arm64.exit_group, [failureStatus])
    }
  }
}

const emitters = { x64, arm64 }
const machines = { x64: 62, arm64: 183 }

/**
 * The executable. It makes the calls in order (they are numbered from `firstNumber`); at the first that fails it writes a report to descriptor 3 and exits with
 * status 126. The last call should be one that does not return.
 */
export const compile = (architecture: Architecture, calls: ReadonlyArray<Syscall>, firstNumber = 0): Uint8Array => {
  const data = new Data()
  const values = calls.map(({ arguments: args }) => args.map((argument) => (argument === "kept result" ? argument : data.value(argument))))
  const constants = data.done()
  const code = new Buffering()
  const emitter = emitters[architecture](code)
  calls.forEach((syscall, index) => {
    emitter.call(numbers[architecture][syscall.name], values[index]!)
    if (syscall.keep === true) emitter.keep()
    if (syscall.mayFail !== true) emitter.check(firstNumber + index, syscall.expect)
  })
  emitter.finish()

  // One segment, readable and executable: header, constants, code.
  const entry = headerSize + constants.length
  const size = entry + code.length
  const file = new Uint8Array(size)
  const view = new DataView(file.buffer)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]) // ELF, 64 bits, little-endian, version 1
  view.setUint16(16, 2, true) // executable
  view.setUint16(18, machines[architecture], true)
  view.setUint32(20, 1, true)
  view.setUint32(24, baseAddress + entry, true)
  view.setUint32(32, 64, true) // program headers
  view.setUint16(52, 64, true)
  view.setUint16(54, 56, true)
  view.setUint16(56, 1, true) // one of them
  view.setUint32(64, 1, true) // load
  view.setUint32(68, 5, true) // readable, executable
  view.setUint32(80, baseAddress, true) // virtual
  view.setUint32(88, baseAddress, true) // physical
  view.setUint32(96, size, true)
  view.setUint32(104, size, true)
  view.setUint32(112, 0x10000, true) // pages may have 64 KiB
  file.set(constants, headerSize)
  file.set(code.done(), entry)
  return file
}
