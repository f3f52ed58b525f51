/**
 * `yix serve --http` under load: many clients that ask for narinfos and NARs as fast as they get them, and some that hang up in mid-NAR. Every answer is
 * checked; the server's memory and open files are watched from outside.
 *
 *   node bench/serve-load.ts [--clients 200] [--seconds 60] [--hang-ups 0.02] [--serve "COMMAND"]
 *
 * Ends with status 1 after any wrong answer, when the server has more memory at the end than it had after 10 seconds (a quarter and 32 MiB more), or when it keeps files
 * open that clients left. Clients and server share the machine: rates are what both can do together. Linux only.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as http from "node:http"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { environmentOf, Scratch, tellMachine, timed, yixCommand } from "./Compare.ts"

export interface LoadOptions {
  readonly clients: number
  readonly seconds: number
  /** How many of the NAR requests hang up in the middle: 0 to 1. */
  readonly hangUps: number
  /** Hears of each second. */
  readonly onSample?: (sample: Sample) => void
}

export interface Sample {
  readonly second: number
  /** Resident memory of the server, MiB. */
  readonly memory: number
  readonly openFiles: number
}

export interface LoadReport {
  readonly narInfos: number
  readonly nars: number
  readonly bytes: number
  readonly hungUp: number
  /** Milliseconds until a narinfo was there: half of them, 99 of 100, the slowest. */
  readonly latency: { readonly median: number; readonly slow: number; readonly slowest: number }
  /** Answers that were wrong, the first few. */
  readonly errors: ReadonlyArray<string>
  readonly samples: ReadonlyArray<Sample>
  /** Open files before the first client came, and after the last had gone. */
  readonly openFilesBefore: number
  readonly openFilesAfter: number
}

/** A path that is asked for, as its narinfo has it. */
interface Known {
  readonly part: string
  readonly url: string
  readonly narSize: number
  readonly narHash: string
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

const memoryOf = (pid: number): number =>
  Number(/^VmRSS:\s*(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN) / 1024
const openFilesOf = (pid: number): number => fs.readdirSync(`/proc/${pid}/fd`).length

/** The process that serves: `child` itself, or the one that a starter has started. */
const serverOf = (child: ChildProcess): number => {
  for (let pid = child.pid!; ;) {
    const below = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0]!
    if (below === "") return pid
    pid = Number(below)
  }
}

/** Small files, trees of files, and two large files: what a closure looks like. */
const makeContents = (directory: string): ReadonlyArray<string> => {
  const made: Array<string> = []
  const file = (name: string, size: number) => {
    fs.mkdirSync(path.dirname(path.join(directory, name)), { recursive: true })
    fs.writeFileSync(path.join(directory, name), randomBytes(size))
  }
  for (let i = 0; i < 40; i++) {
    file(`small-${i}`, 200 + i * 97)
    made.push(`small-${i}`)
  }
  for (let i = 0; i < 12; i++) {
    for (let j = 0; j < 40; j++) file(`tree-${i}/share/doc/file-${j}`, 500 + j * 311)
    file(`tree-${i}/lib/library.so`, 400_000)
    made.push(`tree-${i}`)
  }
  for (let i = 0; i < 2; i++) {
    file(`large-${i}`, 8 * 1024 * 1024)
    made.push(`large-${i}`)
  }
  return made.map((name) => path.join(directory, name))
}

const fetched = (
  agent: http.Agent,
  url: string
): Promise<{ readonly status: number; readonly bytes: number; readonly body: Buffer | string }> =>
  new Promise((resolve, reject) => {
    const request = http.get(url, { agent }, (response) => {
      const text = url.endsWith(".narinfo")
      const hasher = createHash("sha256")
      const pieces: Array<Buffer> = []
      let bytes = 0
      response.on("data", (piece: Buffer) => {
        bytes += piece.length
        if (text) pieces.push(piece)
        else hasher.update(piece)
      })
      response.on("error", reject)
      response.on("end", () =>
        response.complete
          ? resolve({ status: response.statusCode!, bytes, body: text ? Buffer.concat(pieces) : hasher.digest("hex") })
          : reject(new Error("the answer was cut off"))
      )
    })
    request.on("error", reject)
  })

/** Takes the first piece and goes away. */
const hungUp = (agent: http.Agent, url: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const request = http.get(url, { agent }, (response) => {
      response.once("data", () => {
        request.destroy()
        resolve()
      })
      response.on("error", () => {})
    })
    request.on("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? resolve() : reject(error)))
  })

const knownOf = async (base: string, storePath: string): Promise<Known> => {
  const part = path.basename(storePath).slice(0, 32)
  const { status, body } = await fetched(http.globalAgent, `${base}/${part}.narinfo`)
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(body.toString())?.[1] ?? ""
  if (status !== 200) throw new Error(`narinfo of ${storePath}: status ${status}`)
  const nar = await fetched(http.globalAgent, `${base}/${field("URL")}`)
  return { part, url: field("URL"), narSize: Number(field("NarSize")), narHash: nar.body.toString() }
}

/** Starts a server over a fresh store, loads it, and ends it. */
export const load = async (serve: ReadonlyArray<string>, options: LoadOptions): Promise<LoadReport> => {
  using scratch = new Scratch()
  const environment = environmentOf(scratch.fresh("home"))
  const { stdout } = await timed([...serve, "store", "add", ...makeContents(scratch.fresh("contents"))], environment)
  const child = spawn(serve[0]!, [...serve.slice(1), "serve", "--http", ":0", "--read-only"], {
    env: environment,
    stdio: ["ignore", "ignore", "pipe"]
  })
  try {
    const base = await new Promise<string>((resolve, reject) => {
      let text = ""
      child.stderr.on("data", (piece: Buffer) => {
        text += piece.toString()
        const found = /http:\/\/127\.0\.0\.1:\d+/.exec(text)
        if (found !== null) resolve(found[0])
      })
      child.on("exit", () => reject(new Error(`the server ended:\n${text}`)))
    })
    const known: Array<Known> = []
    for (const storePath of stdout.trim().split("\n")) known.push(await knownOf(base, storePath))
    http.globalAgent.destroy()
    await pause(200)
    return await drive(base, known, serverOf(child), options)
  } finally {
    const ended = new Promise((resolve) => child.on("exit", resolve))
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM")
      await ended
    }
  }
}

const drive = async (base: string, known: ReadonlyArray<Known>, pid: number, options: LoadOptions): Promise<LoadReport> => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: options.clients })
  const openFilesBefore = openFilesOf(pid)
  const errors: Array<string> = []
  const latencies: Array<number> = []
  const samples: Array<Sample> = []
  const count = { narInfos: 0, nars: 0, bytes: 0, hungUp: 0 }
  const begin = performance.now()
  const end = begin + options.seconds * 1000

  const client = async (seed: number) => {
    // A small generator of its own, so that clients differ and runs are alike.
    let state = (seed * 2_654_435_761 + 1) >>> 0
    const random = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32
    while (performance.now() < end) {
      const { part, url, narSize, narHash } = known[Math.floor(random() * known.length)]!
      try {
        const asked = performance.now()
        const narInfo = await fetched(agent, `${base}/${part}.narinfo`)
        latencies.push(performance.now() - asked)
        count.narInfos++
        if (narInfo.status !== 200 || !narInfo.body.includes(`URL: ${url}\n`)) throw new Error(`narinfo: status ${narInfo.status}`)
        if (narSize > 100_000 && random() < options.hangUps) {
          await hungUp(agent, `${base}/${url}`)
          count.hungUp++
          continue
        }
        const nar = await fetched(agent, `${base}/${url}`)
        count.nars++
        count.bytes += nar.bytes
        if (nar.status !== 200 || nar.body !== narHash) throw new Error(`NAR: status ${nar.status}, ${nar.bytes} bytes of ${narSize}`)
      } catch (error) {
        errors.push(`${part}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }

  const sampling = setInterval(() => {
    const sample = { second: Math.round((performance.now() - begin) / 1000), memory: memoryOf(pid), openFiles: openFilesOf(pid) }
    samples.push(sample)
    options.onSample?.(sample)
  }, 1000)
  await Promise.all(Array.from({ length: options.clients }, (_, seed) => client(seed)))
  clearInterval(sampling)
  agent.destroy()
  let openFilesAfter = openFilesOf(pid)
  for (let i = 0; i < 50 && openFilesAfter > openFilesBefore; i++) {
    await pause(100)
    openFilesAfter = openFilesOf(pid)
  }
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN
  const latency = { median: at(0.5), slow: at(0.99), slowest: at(1) }
  return { ...count, latency, errors: errors.slice(0, 10), samples, openFilesBefore, openFilesAfter }
}

/** What speaks against the server, in words. */
export const problemsOf = (report: LoadReport): ReadonlyArray<string> => {
  const problems = report.errors.map((error) => `wrong answer: ${error}`)
  const early = report.samples.find(({ second }) => second >= 10)
  const late = report.samples.at(-1)
  if (early !== undefined && late !== undefined && late.memory > early.memory * 1.25 + 32) {
    problems.push(`memory grew from ${early.memory.toFixed(0)} to ${late.memory.toFixed(0)} MiB`)
  }
  if (report.openFilesAfter > report.openFilesBefore)
    problems.push(`${report.openFilesAfter - report.openFilesBefore} files are still open`)
  return problems
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      clients: { type: "string", default: "200" },
      seconds: { type: "string", default: "60" },
      "hang-ups": { type: "string", default: "0.02" },
      serve: { type: "string" }
    }
  })
  tellMachine(1)
  const report = await load(values.serve?.split(" ") ?? yixCommand(), {
    clients: Number(values.clients),
    seconds: Number(values.seconds),
    hangUps: Number(values["hang-ups"]),
    onSample: ({ second, memory, openFiles }) => {
      if (second % 10 === 0)
        process.stdout.write(`${String(second).padStart(4)} s  ${memory.toFixed(0).padStart(5)} MiB  ${openFiles} open files\n`)
    }
  })
  const seconds = Number(values.seconds)
  const { narInfos, nars, bytes, latency } = report
  process.stdout.write(
    `${narInfos} narinfos (${(narInfos / seconds).toFixed(0)} a second), ${nars} NARs, ${(bytes / 2 ** 20 / seconds).toFixed(0)} MiB a second, ` +
      `${report.hungUp} clients hung up\n` +
      `a narinfo takes ${latency.median.toFixed(0)} ms, 1 of 100 longer than ${latency.slow.toFixed(0)} ms, the slowest ${latency.slowest.toFixed(0)} ms\n` +
      `open files: ${report.openFilesBefore} before, ${report.openFilesAfter} after\n`
  )
  const problems = problemsOf(report)
  for (const problem of problems) process.stdout.write(`${problem}\n`)
  process.exitCode = problems.length === 0 ? 0 : 1
}
