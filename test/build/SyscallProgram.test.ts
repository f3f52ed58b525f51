import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { type Architecture, compile, failureStatus, parseReport, startedReport, type Syscall } from "../../src/build/SyscallProgram.ts"

const directory = mkdtempSync(join(tmpdir(), "yix-program-"))
afterAll(() => rmSync(directory, { recursive: true }))
let counter = 0

/** This machine's own kind first; the other one where an emulator for it is installed. */
const runners: ReadonlyArray<{ architecture: Architecture; command: ReadonlyArray<string> }> = [
  { architecture: process.arch as Architecture, command: [] },
  ...(process.arch === "x64" && existsSync("/usr/bin/qemu-aarch64-static")
    ? [{ architecture: "arm64" as const, command: ["/usr/bin/qemu-aarch64-static"] }]
    : [])
]

describe.each(runners)("a program of system calls for $architecture", ({ architecture, command }) => {
  const run = (calls: ReadonlyArray<Syscall>, firstNumber?: number) => {
    const path = join(directory, String(++counter))
    writeFileSync(path, compile(architecture, calls, firstNumber), { mode: 0o755 })
    const [program, ...args] = [...command, path]
    const { status, output } = spawnSync(program!, args, { stdio: ["ignore", "pipe", "pipe", "pipe"], env: {} })
    return { status, out: output[1]!.toString("latin1"), report: output[3]! as Buffer }
  }
  const write = (text: string): Syscall => ({ name: "write", arguments: [1, text, text.length], purpose: "writing" })

  it("makes its calls in order and becomes the last one's program, with exactly the arguments and environment given", () => {
    const environment = ["A=1", "odd-name=x\ny", "bytes=\xff\xfe", "empty="]
    const { status, out } = run([
      write("one "),
      write("two "),
      { name: "execve", arguments: ["/usr/bin/env", { strings: ["whatever", "-0"] }, { strings: environment }], purpose: "executing" }
    ])
    assert.strictEqual(status, 0)
    assert.strictEqual(out, `one two ${environment.map((one) => `${one}\0`).join("")}`)
  })

  it("stops at the first call that fails and reports its number and error", () => {
    const { status, out, report } = run(
      [write("before"), { name: "chdir", arguments: ["/nonexistent"], purpose: "failing" }, write("after")],
      40
    )
    assert.strictEqual(status, failureStatus)
    assert.strictEqual(out, "before")
    assert.deepStrictEqual(parseReport(report), { _tag: "Failed", call: 41, errno: 2 })
  })

  it("goes on when a call may fail, and stops when a result is not the one expected", () => {
    const { out, report } = run([
      { name: "chdir", arguments: ["/nonexistent"], purpose: "failing", mayFail: true },
      write("went on"),
      { name: "umask", arguments: [0o22], purpose: "setting" },
      { name: "umask", arguments: [0o22], purpose: "asking", expect: 0o22 },
      { name: "umask", arguments: [0o22], purpose: "asking", expect: 0o77 },
      write("never")
    ])
    assert.strictEqual(out, "went on")
    assert.strictEqual(parseReport(report)._tag, "Failed")
    assert.strictEqual((parseReport(report) as { call: number }).call, 4)
  })

  it("hands a kept descriptor to later calls", () => {
    const path = join(directory, `written-${architecture}`)
    writeFileSync(path, "")
    const { status } = run([
      { name: "openat", arguments: [-100, path, 1, 0], keep: true, purpose: "opening" },
      { name: "write", arguments: ["kept result", "hello", 5], purpose: "writing" },
      { name: "close", arguments: ["kept result"], purpose: "closing" },
      { name: "execve", arguments: ["/bin/cat", { strings: ["cat", path] }, { strings: [] }], purpose: "executing" }
    ])
    assert.strictEqual(status, 0)
  })

  it("may have thousands of calls", () => {
    const calls = Array.from({ length: 3000 }, (_, index) => write(String.fromCharCode(97 + (index % 26))))
    const { out, report, status } = run([...calls, { name: "chdir", arguments: ["/nonexistent"], purpose: "failing" }])
    assert.strictEqual(status, failureStatus)
    assert.strictEqual(out.length, 3000)
    assert.strictEqual((parseReport(report) as { call: number }).call, 3000)
  })
})

describe("reports", () => {
  it("tell a start from a failure", () => {
    assert.deepStrictEqual(parseReport(startedReport()), { _tag: "Started" })
  })
})
