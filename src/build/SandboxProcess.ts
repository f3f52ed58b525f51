/**
 * Running a prepared sandbox: starts its processes, passes on the log, watches time, and does not come back before every process is dead.
 *
 * Standard output and error of the builder are one named pipe (a real pipe, since builders open /dev/stderr, which fails for the sockets that Node calls pipes), so their order is kept.
 * Reading it is paused by nothing but the reader itself: the builder waits while we are busy, and nothing piles up here.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { closeSync, constants, openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { constants as osConstants } from "node:os"
import { join } from "node:path"
import { Socket } from "node:net"
import { getSystemErrorMap } from "node:util"
import * as Effect from "effect/Effect"
import { type BuildError, BuilderFailed, BuilderNotExecutable, BuildTimedOut, LogTooLarge, SandboxFailed } from "./BuildError.ts"
import { LogTail } from "./LogTail.ts"
import type { Launch } from "./SandboxLaunch.ts"
import { type Architecture, compile, failureStatus, parseReport, reportSize } from "./SyscallProgram.ts"

export interface RunOptions {
  /** Seconds; 0 is no limit. */
  readonly timeout: number
  /** Seconds without output; 0 is no limit. */
  readonly maxSilent: number
  /** Bytes; 0 is no limit. */
  readonly maxLog: number
  readonly onLog: (bytes: Uint8Array) => void
}

/** Milliseconds that processes get to be gone after SIGKILL before we stop asking nicely in order. */
const killGrace = 300
/** Milliseconds to wait for the end of the log once all processes are dead. */
const drainLimit = 2000

const errorName = (errno: number): string => getSystemErrorMap().get(-errno)?.[0] ?? `error ${errno}`

const signalName = (number: number): string | undefined => Object.entries(osConstants.signals).find(([, value]) => value === number)?.[0]

/** Anyone may open it, since the builder, which is somebody else when we are root, opens /dev/stderr; its directory lets nobody near it. */
const makePipe = (path: string): Promise<boolean> =>
  new Promise((resolve) => execFile("mkfifo", ["-m", "666", path], (error) => resolve(error === null)))

/** Children of a process; empty where the kernel does not tell. */
const childrenOf = (pid: number): ReadonlyArray<number> => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ").filter(Boolean).map(Number)
  } catch {
    return []
  }
}

const sigkill = (pid: number): void => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // Gone already.
  }
}

/** What came through descriptor 3. */
class StatusChannel {
  #parts: Array<Buffer> = []

  push(bytes: Buffer): void {
    // A start and a failure are all there is to say.
    if (this.#parts.length < 64) this.#parts.push(bytes)
  }

  read(): { readonly started: boolean; readonly failure: { readonly call: number; readonly errno: number } | undefined } {
    const bytes = Buffer.concat(this.#parts)
    let started = false
    let failure: { readonly call: number; readonly errno: number } | undefined
    for (let offset = 0; offset + reportSize <= bytes.length; offset += reportSize) {
      const report = parseReport(bytes.subarray(offset, offset + reportSize))
      if (report._tag === "Started") started = true
      else failure = report
    }
    return { started, failure }
  }
}

type Stop = "timeout" | "silence" | "log" | "interrupted"

class Running {
  readonly #launch: Launch
  readonly #options: RunOptions
  readonly #child: ChildProcess
  readonly #status = new StatusChannel()
  readonly #tail = new LogTail()
  readonly #builder: string
  #stop: Stop | undefined
  #timer: NodeJS.Timeout | undefined
  #silence: NodeJS.Timeout | undefined
  #ended = false
  /** Resolves when every process is dead and the log was read to its end. Never rejects. */
  readonly done: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly error: Error | undefined }>

  constructor(launch: Launch, builder: string, scratch: string, pipe: string | undefined, options: RunOptions) {
    this.#launch = launch
    this.#options = options
    this.#builder = builder
    const open: Array<number> = []
    const keep = (fd: number) => (open.push(fd), fd)
    const last = launch.programs[launch.programs.length - 1]!.name
    let reader: number | undefined
    try {
      // Opened for reading first, without waiting: then a writer may be opened.
      if (pipe !== undefined) reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
      const writer = pipe === undefined ? ("pipe" as const) : keep(openSync(pipe, constants.O_WRONLY))
      const input = launch.input === undefined ? ("ignore" as const) : keep(this.#inputFile(scratch, launch.input))
      const held = launch.holdsLast ? keep(openSync(join(scratch, last), constants.O_RDONLY)) : ("ignore" as const)
      this.#child = spawn(join(scratch, launch.programs[0]!.name), [], {
        cwd: "/",
        detached: true,
        env: {},
        stdio: ["ignore", writer, writer, "pipe", input, held]
      })
      const log: NodeJS.ReadableStream =
        reader === undefined ? this.#child.stdout! : new Socket({ fd: reader, readable: true, writable: false })
      this.#child.stderr?.on("data", (bytes: Buffer) => this.#onLog(bytes))
      const status = this.#child.stdio[3] as NodeJS.ReadableStream | null | undefined
      status?.on("data", (bytes: Buffer) => this.#status.push(bytes))
      status?.on("error", () => {})
      log.on("data", (bytes: Buffer) => this.#onLog(bytes))
      reader = undefined
      this.done = this.#finish(log, status)
    } finally {
      if (reader !== undefined) closeSync(reader)
      for (const fd of open) closeSync(fd)
    }
    if (options.timeout > 0) this.#timer = setTimeout(() => void this.stop("timeout"), options.timeout * 1000)
    this.#hear()
  }

  #inputFile(scratch: string, contents: Uint8Array): number {
    const path = join(scratch, "input")
    writeFileSync(path, contents, { mode: 0o600 })
    return openSync(path, constants.O_RDONLY)
  }

  #onLog(bytes: Buffer): void {
    this.#hear()
    // What comes after we stopped it is of no interest.
    if (this.#stop !== undefined) return
    this.#tail.push(bytes)
    this.#options.onLog(bytes)
    if (this.#options.maxLog > 0 && this.#tail.total > this.#options.maxLog) void this.stop("log")
  }

  /** Something was heard of the builder: the time of silence begins anew. */
  #hear(): void {
    if (this.#options.maxSilent <= 0 || this.#ended) return
    if (this.#silence === undefined) this.#silence = setTimeout(() => void this.stop("silence"), this.#options.maxSilent * 1000)
    else this.#silence.refresh()
  }

  async #finish(log: NodeJS.ReadableStream, status: NodeJS.ReadableStream | null | undefined) {
    const ended = (stream: NodeJS.ReadableStream | null | undefined) =>
      new Promise<void>((resolve) => {
        if (stream === undefined || stream === null) return resolve()
        for (const event of ["end", "close", "error"]) stream.once(event, () => resolve())
      })
    const drained = Promise.all([ended(log), ended(status)])
    const exit = await new Promise<{ code: number | null; signal: NodeJS.Signals | null; error: Error | undefined }>((resolve) => {
      this.#child.once("error", (error) => resolve({ code: null, signal: null, error }))
      this.#child.once("exit", (code, signal) => resolve({ code, signal, error: undefined }))
    })
    this.#ended = true
    clearTimeout(this.#timer)
    clearTimeout(this.#silence)
    // The log ends when the last process that holds it is dead.
    let limit: NodeJS.Timeout | undefined
    await Promise.race([drained, new Promise((resolve) => (limit = setTimeout(resolve, exit.error === undefined ? drainLimit : 0)))])
    clearTimeout(limit)
    for (const stream of [log, status]) (stream as { destroy?: () => void } | null | undefined)?.destroy?.()
    return exit
  }

  /**
   * Kills everything. First the child of the process that we started, which is the first process of the build's pid namespace (or will be): its parent returns only after all
   * processes of the namespace are dead. Then the parent, should it not return.
   */
  async stop(reason: Stop): Promise<void> {
    this.#stop ??= reason
    const pid = this.#child.pid
    if (pid === undefined) return
    const deadline = performance.now() + killGrace
    while (!this.#ended) {
      const children = childrenOf(pid)
      for (const child of children) sigkill(child)
      if (children.length === 0 || performance.now() > deadline) sigkill(pid)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await this.done
  }

  /** The outcome, once everything is done. */
  async outcome(): Promise<BuildError | undefined> {
    const { code, signal, error } = await this.done
    const lastLines = this.#tail.lines()
    const { driver } = this.#launch
    switch (this.#stop) {
      case "timeout":
        return new BuildTimedOut({ kind: "timeout", seconds: this.#options.timeout, lastLines })
      case "silence":
        return new BuildTimedOut({ kind: "silence", seconds: this.#options.maxSilent, lastLines })
      case "log":
        return new LogTooLarge({ limit: this.#options.maxLog, lastLines })
    }
    if (error !== undefined) return new SandboxFailed({ driver, step: "starting", reason: error.message })
    const { started, failure } = this.#status.read()
    if (failure !== undefined) {
      const calls = this.#launch.programs.flatMap((program) => program.calls)
      const call = calls[failure.call]
      // The last call of all is that of the builder, where it is ours to make.
      if (started && failure.call === calls.length - 1) {
        return new BuilderNotExecutable({ path: this.#builder, reason: errorName(failure.errno) })
      }
      return new SandboxFailed({ driver, step: call?.purpose ?? "starting", reason: errorName(failure.errno) })
    }
    if (!started) {
      const said = lastLines.join("; ")
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`
      return new SandboxFailed({ driver, step: "entering the sandbox", reason: said === "" ? how : said })
    }
    if (code === 0) return undefined
    // bwrap and OCI runtimes tell of a signal by 128 + its number; unshare dies of the same signal.
    const bySignal = code !== null && code > 128 && driver !== "util-linux" ? signalName(code - 128) : undefined
    return new BuilderFailed({ status: (signal ?? bySignal) ? undefined : (code ?? failureStatus), signal: signal ?? bySignal, lastLines })
  }

  get lastLines(): ReadonlyArray<string> {
    return this.#tail.lines()
  }
}

/**
 * Runs a launch. `scratch` is the directory for its programs. Succeeds with the last lines of the log when the builder exited with 0. When it is interrupted it
 * ends only after every process is dead.
 */
export const run = (
  launch: Launch,
  architecture: Architecture,
  builder: string,
  scratch: string,
  options: RunOptions
): Effect.Effect<ReadonlyArray<string>, BuildError> =>
  Effect.callback((resume) => {
    let running: Running | undefined
    let cancelled = false
    const start = async (): Promise<Effect.Effect<ReadonlyArray<string>, BuildError>> => {
      let numbered = 0
      for (const { name, calls } of launch.programs) {
        writeFileSync(join(scratch, name), compile(architecture, calls, numbered), { mode: 0o755 })
        numbered += calls.length
      }
      for (const { name, contents } of launch.files ?? []) writeFileSync(join(scratch, name), contents, { mode: 0o600 })
      const pipe = join(scratch, "log")
      const hasPipe = await makePipe(pipe)
      if (cancelled) return Effect.interrupt
      running = new Running(launch, builder, scratch, hasPipe ? pipe : undefined, options)
      if (hasPipe) rmSync(pipe)
      const outcome = await running.outcome()
      return outcome === undefined ? Effect.succeed(running.lastLines) : Effect.fail(outcome)
    }
    const failed = (cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause)
      return Effect.fail(new SandboxFailed({ driver: launch.driver, step: "starting", reason }))
    }
    start().then(resume, (cause) => resume(failed(cause)))
    return Effect.promise(async () => {
      cancelled = true
      await running?.stop("interrupted")
    })
  })
