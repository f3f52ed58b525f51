/**
 * Runs several programs in turns and compares how long they take: one warm-up each, then rounds in which everyone runs once, the order rotated from round to
 * round, so that a machine that gets slower or busier meanwhile does so for all. Tells medians, extremes and ratios.
 *
 * Every run is checked: a program that ends with another status or prints something else than expected stops the benchmark.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

/** The checkout. */
export const project = fileURLToPath(new URL("..", import.meta.url))

export interface Contender {
  readonly name: string
  readonly command: ReadonlyArray<string>
  readonly environment: NodeJS.ProcessEnv
  /** Before every run, not timed: for instance a fresh store. */
  readonly prepare?: () => void
  /** Standard output has to match. */
  readonly prints: RegExp
}

/** A Nix to compare with. */
export interface Nix {
  readonly name: string
  /** Full path of `nix-instantiate`, `nix-build`, … */
  readonly program: (name: string) => string
  /** Environment for this Nix with a store of its own in a folder (not under /nix/store, so that it needs neither root nor a sandbox). */
  readonly environmentOf: (folder: string) => NodeJS.ProcessEnv
}

/**
 * The Nix on the PATH, and the one in the folder that the environment variable NIX_NEW names (programs there may end in `-new`). `building`: those that can
 * build here; says what keeps them from it.
 */
export const nixes = async (options: { readonly building: boolean }): Promise<ReadonlyArray<Nix>> => {
  // Without a sandbox, Nix takes this folder for a sign of a builder that wrote into its home.
  if (options.building && fs.existsSync("/homeless-shelter")) {
    process.stderr.write("No Nix takes part: it builds nothing while there is a folder /homeless-shelter. Remove that to compare.\n")
    return []
  }
  const folders = [...(process.env["PATH"] ?? "").split(":"), process.env["NIX_NEW"] ?? ""]
  const found: Array<Nix> = []
  for (const folder of [folders.find((candidate) => fs.existsSync(path.join(candidate, "nix-instantiate"))), folders.at(-1)]) {
    if (folder === undefined || folder === "") continue
    const suffix = fs.existsSync(path.join(folder, "nix-instantiate")) ? "" : "-new"
    const program = (name: string) => path.join(folder, `${name}${suffix}`)
    if (!fs.existsSync(program("nix-instantiate"))) throw new Error(`NIX_NEW: there is no nix-instantiate in ${folder}`)
    const { stdout } = await timed([program("nix-instantiate"), "--version"], process.env)
    const version = stdout.trim().replace(/^.*\(Nix\) /, "")
    found.push({ name: `Nix ${version}`, program, environmentOf: nixEnvironmentOf(version) })
  }
  return found
}

/** The temporary folder of a benchmark, removed at its end; homes and stores lie in it. */
export class Scratch implements Disposable {
  readonly directory = fs.mkdtempSync(path.join(os.tmpdir(), "yix-bench-"))

  /** An empty folder of that name, whatever was there. */
  fresh(name: string): string {
    const folder = path.join(this.directory, name)
    Scratch.#remove(folder)
    fs.mkdirSync(folder, { recursive: true })
    return folder
  }

  [Symbol.dispose](): void {
    Scratch.#remove(this.directory)
  }

  // Stores hold read-only folders.
  static #remove(folder: string): void {
    const open = (directory: string) => {
      fs.chmodSync(directory, 0o700)
      for (const entry of fs.readdirSync(directory, { withFileTypes: true }))
        if (entry.isDirectory()) open(path.join(directory, entry.name))
    }
    if (!fs.existsSync(folder)) return
    open(folder)
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** An environment with a home and nothing of the user's. */
export const environmentOf = (home: string): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"],
  HOME: home,
  XDG_DATA_HOME: path.join(home, "data"),
  XDG_CACHE_HOME: path.join(home, "cache"),
  XDG_STATE_HOME: path.join(home, "state"),
  XDG_CONFIG_HOME: path.join(home, "config")
})

const nixEnvironmentOf =
  (version: string) =>
  (folder: string): NodeJS.ProcessEnv => ({
    ...environmentOf(folder),
    NIX_STORE_DIR: path.join(folder, "store"),
    NIX_STATE_DIR: path.join(folder, "state"),
    NIX_LOG_DIR: path.join(folder, "log"),
    NIX_CONF_DIR: folder,
    // Asking a build hook for each build costs time and is of no use here; old versions start it even when its name is empty.
    NIX_CONFIG: `sandbox = false\nbuild-users-group =\nsubstituters =\nbuilders =${/^2\.\d\./.test(version) ? "" : "\nbuild-hook ="}`,
    NIX_PATH: ""
  })

/** `yix …` as a user runs it. */
export const yixCommand = (...args: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (!fs.existsSync(path.join(project, "dist/yix.js"))) throw new Error("dist/yix.js is missing: make it with 'npm run build'")
  return [path.join(project, "bin/yix"), ...args]
}

/** Runs a program to its end; milliseconds of wall clock. Fails when its exit status is not 0. */
export const timed = (
  command: ReadonlyArray<string>,
  environment: NodeJS.ProcessEnv
): Promise<{ readonly milliseconds: number; readonly stdout: string }> =>
  new Promise((resolve, reject) => {
    const begin = performance.now()
    const child = spawn(command[0]!, command.slice(1), { env: environment, stdio: ["ignore", "pipe", "pipe"] })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (bytes: Buffer) => (stdout += bytes.toString()))
    child.stderr.on("data", (bytes: Buffer) => (stderr += bytes.toString()))
    child.on("error", reject)
    child.on("close", (code, signal) => {
      const milliseconds = performance.now() - begin
      if (code === 0) resolve({ milliseconds, stdout })
      else reject(new Error(`${command.join(" ")}: exit ${code ?? signal}\n${stderr}`))
    })
  })

const median = (numbers: ReadonlyArray<number>): number => {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The number of rounds: `--rounds N` on the command line, else the default. */
export const roundsWanted = (otherwise: number): number => {
  const { values } = parseArgs({ options: { rounds: { type: "string", short: "n" } } })
  const rounds = values.rounds === undefined ? otherwise : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds takes a number of at least 1")
  return rounds
}

/** Something that tells how long it took. */
export interface Timed {
  readonly name: string
  readonly milliseconds: () => Promise<number>
}

/** Runs programs in turns and prints a table. */
export const compare = (title: string, contenders: ReadonlyArray<Contender>, rounds: number): Promise<void> =>
  compareTimes(
    title,
    contenders.map(({ name, command, environment, prepare, prints }) => ({
      name,
      milliseconds: async () => {
        prepare?.()
        const { milliseconds, stdout } = await timed(command, environment)
        if (!prints.test(stdout)) throw new Error(`${name} printed ${JSON.stringify(stdout)}, expected ${prints}`)
        return milliseconds
      }
    })),
    rounds
  )

/** Runs all contenders and prints a table; ratios are to each of the others, so that below 1 is faster. */
export const compareTimes = async (title: string, contenders: ReadonlyArray<Timed>, rounds: number): Promise<void> => {
  const times = new Map<Timed, Array<number>>(contenders.map((contender) => [contender, []]))
  for (let round = -1; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(i + Math.max(round, 0)) % contenders.length]!
      const milliseconds = await contender.milliseconds()
      if (round >= 0) times.get(contender)!.push(milliseconds)
    }
  }
  const first = contenders[0]!
  const rows = contenders.map((contender) => {
    const all = times.get(contender)!
    const ratio = median(times.get(first)!) / median(all)
    return [
      contender.name,
      ...[median(all), Math.min(...all), Math.max(...all)].map((milliseconds) => milliseconds.toFixed(0)),
      contender === first ? "" : ratio.toFixed(2)
    ]
  })
  const head = [title, "median ms", "min", "max", `${first.name} / it`]
  const widths = head.map((text, column) => Math.max(text.length, ...rows.map((row) => row[column]!.length)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(" | ")} |`
  const rule = `|${widths.map((width, i) => (i === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`
  process.stdout.write(`${[line(head), rule, ...rows.map(line)].join("\n")}\n\n`)
}

/** One line about the machine, to go with every figure. */
export const tellMachine = (rounds: number): void => {
  const cpus = os.cpus()
  const load = os.loadavg()[0]!.toFixed(1)
  process.stdout.write(
    `${cpus.length} × ${cpus[0]?.model.trim() ?? "?"}, load ${load}, Linux ${os.release()}, Node ${process.versions.node}; ${rounds} rounds in turns\n\n`
  )
}
