/**
 * A user of yix with nothing but an empty home: runs the bundled command line as a program of its own and tells what it left behind.
 *
 * Every world lies in one temporary folder whose random name serves as a mark: a process, a mount or a file that bears it belongs to this world and to no other,
 * so that tests may run beside each other and beside a yix of the developer's.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

/** The checkout. */
export const project = fileURLToPath(new URL("../..", import.meta.url))

/** Where the program under test lies, built: the checkout, or the one that `$YIX_BUNDLE` names. */
export const bundle = process.env["YIX_BUNDLE"] ?? project

export interface Run {
  /** Exit status; null when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stdoutBytes: Buffer
  readonly stderr: string
  readonly milliseconds: number
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly input?: Uint8Array
  /** Milliseconds until the test gives up on the program (default: two minutes). */
  readonly limit?: number
  /** The Node that starts `bin/yix.js` (default: the one that runs the tests). */
  readonly node?: string
}

export class World implements Disposable {
  /** Random text, in the name of the world's folder and nowhere else on the machine. */
  readonly mark: string
  readonly directory: string
  readonly home: string
  readonly temporary: string
  readonly environment: NodeJS.ProcessEnv

  constructor() {
    if (!fs.existsSync(path.join(bundle, "dist/yix.js")))
      throw new Error("dist/yix.js is missing: these tests run the bundled command line; make it with 'npm run build'")
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), "yix-acceptance-"))
    this.mark = path.basename(this.directory)
    this.home = path.join(this.directory, "home")
    this.temporary = path.join(this.directory, "tmp")
    for (const made of [this.home, this.temporary]) fs.mkdirSync(made)
    this.environment = {
      PATH: process.env["PATH"],
      HOME: this.home,
      TMPDIR: this.temporary,
      XDG_DATA_HOME: path.join(this.home, ".local/share"),
      XDG_CACHE_HOME: path.join(this.home, ".cache"),
      XDG_STATE_HOME: path.join(this.home, ".local/state"),
      XDG_CONFIG_HOME: path.join(this.home, ".config")
    }
  }

  /** Writes a file of the user's; its absolute path. */
  write(name: string, contents: string | Uint8Array): string {
    const file = path.join(this.directory, "work", name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, contents)
    return file
  }

  /** Starts `yix …` and does not wait. Its output is in `run`, once it has ended. */
  start(args: ReadonlyArray<string>, options: RunOptions = {}): { readonly child: ChildProcess; readonly run: Promise<Run> } {
    const begin = performance.now()
    const child = spawn(options.node ?? process.execPath, [path.join(bundle, "bin/yix.js"), ...args], {
      cwd: options.cwd ?? this.directory,
      env: { ...this.environment, ...options.env },
      stdio: ["pipe", "pipe", "pipe"]
    })
    // A program that ends before it has read its input is judged by its exit status.
    child.stdin.on("error", () => {})
    child.stdin.end(options.input)
    const out: Array<Buffer> = []
    const err: Array<Buffer> = []
    child.stdout.on("data", (bytes: Buffer) => out.push(bytes))
    child.stderr.on("data", (bytes: Buffer) => err.push(bytes))
    const limit = options.limit ?? 120_000
    const run = new Promise<Run>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill("SIGKILL")
        reject(new Error(`yix ${args.join(" ")}: no end after ${limit} ms; it said:\n${Buffer.concat(err)}`))
      }, limit)
      child.on("error", (error) => {
        clearTimeout(timer)
        reject(error)
      })
      child.on("close", (code, signal) => {
        clearTimeout(timer)
        const bytes = Buffer.concat(out)
        const milliseconds = performance.now() - begin
        resolve({ code, signal, stdout: bytes.toString(), stdoutBytes: bytes, stderr: Buffer.concat(err).toString(), milliseconds })
      })
    })
    // The rejection reaches whoever awaits `run`; nobody may.
    run.catch(() => {})
    return { child, run }
  }

  /** Runs `yix …` to its end. */
  yix(args: ReadonlyArray<string>, options: RunOptions = {}): Promise<Run> {
    return this.start(args, options).run
  }

  /** Runs `yix …`, which has to succeed, and gives its standard output without the last line end. */
  async ok(args: ReadonlyArray<string>, options: RunOptions = {}): Promise<string> {
    const run = await this.yix(args, options)
    if (run.code !== 0) throw new Error(`yix ${args.join(" ")}: exit ${run.code ?? run.signal}\n${run.stderr}`)
    return run.stdout.replace(/\n$/, "")
  }

  /**
   * What is still there and should not be, in words; empty when all is clean. Processes get `patience` milliseconds to go, which only a killed program needs.
   */
  async leftovers(patience = 0): Promise<ReadonlyArray<string>> {
    const end = performance.now() + patience
    let processes = this.#processes()
    while (processes.length > 0 && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      processes = this.#processes()
    }
    return [...processes, ...this.#mounts(), ...this.#files()]
  }

  /** Processes with the mark in their command line, environment or working directory. Builders of these tests bear it in a comment. */
  #processes(): Array<string> {
    const found: Array<string> = []
    for (const pid of fs.readdirSync("/proc")) {
      if (!/^\d+$/.test(pid) || pid === String(process.pid)) continue
      const read = (name: string) => {
        try {
          return name === "cwd" ? fs.readlinkSync(`/proc/${pid}/cwd`) : fs.readFileSync(`/proc/${pid}/${name}`, "latin1")
        } catch {
          return "" // ended meanwhile, or another user's
        }
      }
      const commandLine = read("cmdline")
      const zombie = /^State:\tZ/m.test(read("status"))
      if (!zombie && [commandLine, read("environ"), read("cwd")].some((text) => text.includes(this.mark)))
        found.push(`process ${pid}: ${commandLine.replaceAll("\0", " ").slice(0, 300)}`)
    }
    return found
  }

  #mounts(): Array<string> {
    const table = fs.readFileSync("/proc/self/mountinfo", "latin1")
    return table.split("\n").filter((line) => line.includes(this.mark)).map((line) => `mount: ${line}`) // prettier-ignore
  }

  /** Anything in the temporary folder, scratch directories, and what a builder made outside of the store: builders of these tests put the mark into names. */
  #files(): Array<string> {
    const found = fs.readdirSync(this.temporary).map((name) => `temporary file: ${name}`)
    const walk = (directory: string) => {
      for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
        const file = path.join(directory, entry.name)
        if (/^build-[0-9a-z]+-\d+-\d+-/.test(entry.name)) found.push(`scratch directory: ${file}`)
        else if (entry.name.includes(this.mark)) found.push(`file of a builder: ${file}`)
        else if (entry.isDirectory()) walk(file)
      }
    }
    walk(this.home)
    return found
  }

  [Symbol.dispose](): void {
    for (const line of this.#processes()) {
      const pid = Number(/^process (\d+)/.exec(line)?.[1])
      try {
        process.kill(pid, "SIGKILL")
      } catch {
        // Gone already.
      }
    }
    // Checkouts are read-only folders, and a builder may have left some that not even their owner can enter.
    spawnSync("chmod", ["-R", "u+rwX", this.directory])
    fs.rmSync(this.directory, { recursive: true, force: true })
  }
}

/** The events that `--log-format json` wrote, one a line of standard error. */
export const events = (run: Run): ReadonlyArray<Record<string, unknown>> =>
  run.stderr
    .split("\n")
    .filter((line) => line.startsWith('{"'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)

const realising = new Set<unknown>(["build", "fetch", "substitute"])

/** What was built, fetched or substituted, such as "build quickstart", out of a run with `--log-format json`. */
export const startedWork = (run: Run): ReadonlyArray<string> =>
  events(run)
    .filter((event) => event["event"] === "started" && realising.has(event["kind"]))
    .map((event) => `${String(event["kind"])} ${String(event["name"])}`)

/** A program on the PATH, outside of node_modules. */
export const programOnPath = (name: string): string | undefined =>
  (process.env["PATH"] ?? "")
    .split(":")
    .filter((directory) => directory !== "" && !directory.includes("node_modules"))
    .map((directory) => path.join(directory, name))
    .find((file) => fs.existsSync(file))
