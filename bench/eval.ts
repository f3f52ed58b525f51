/**
 * Evaluation, whole processes: yix and every Nix in turns, on the expressions of `Expressions.ts`.
 *
 *   NIXPKGS=… COREPKGS=… NIX_NEW=… node bench/eval.ts [--rows hello,firefox] [--runs N] [--nix 'CMD' …] [--yix 'CMD' …]
 *
 * yix runs in three ways: with no cache at all, with syntax trees of earlier runs, and with nothing changed since an earlier run, where the result was kept. `CMD` is
 * given a file as its last argument and prints the value: `--yix` compares other builds of yix (or other flags), `--nix` other commands than the `nix-instantiate` that are
 * found. Prints one row an expression: for each command wall clock, processor time (user and system, all threads) and peak memory, medians; then, figure by figure, the ratio
 * of each way of yix to the best Nix, or, where there is no Nix, to the first way. All commands have to print the same.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { parseArgs } from "node:util"
import { environmentOf, nixes, Scratch, tellMachine, yixCommand } from "./Compare.ts"
import { expressions } from "./Expressions.ts"

interface Command {
  readonly name: string
  readonly words: ReadonlyArray<string>
  readonly environment: NodeJS.ProcessEnv
}

/** Of one process: seconds of wall clock and of processor, MiB resident at most. */
interface Cost {
  readonly wall: number
  readonly cpu: number
  readonly memory: number
}

const figures = ["wall", "cpu", "memory"] as const

const { values } = parseArgs({
  options: {
    rows: { type: "string" },
    runs: { type: "string", default: "5" },
    nix: { type: "string", multiple: true },
    yix: { type: "string", multiple: true }
  }
})
const runs = Number(values.runs)
if (!Number.isInteger(runs) || runs < 1) throw new Error("--runs takes a number of at least 1")
const wanted = values.rows?.split(",")
for (const name of wanted ?? []) {
  if (!expressions.some((expression) => expression.name === name)) {
    throw new Error(`--rows: there is no row '${name}'; there are ${expressions.map((expression) => expression.name).join(", ")}`)
  }
}

using scratch = new Scratch()

const measure = (command: Command, file: string): Promise<{ readonly cost: Cost; readonly printed: string }> =>
  new Promise((resolve, reject) => {
    const usage = path.join(scratch.directory, "usage")
    // Node tells what itself used, not what its children did.
    const words = ["-f", "%U %S %M", "-o", usage, ...command.words, file]
    const begin = performance.now()
    const child = spawn("time", words, { env: command.environment, stdio: ["ignore", "pipe", "pipe"] })
    let printed = ""
    let complaint = ""
    child.stdout.on("data", (bytes: Buffer) => (printed += bytes.toString("latin1")))
    child.stderr.on("data", (bytes: Buffer) => (complaint += bytes.toString()))
    child.on("error", (error) => reject(new Error(`GNU time is needed: ${error.message}`)))
    child.on("close", (code, signal) => {
      const wall = (performance.now() - begin) / 1000
      if (code !== 0) return reject(new Error(`${command.name}: exit ${code ?? signal}\n${complaint}`))
      const [user, system, kibibytes] = fs.readFileSync(usage, "utf8").trim().split(" ").map(Number)
      resolve({ cost: { wall, cpu: user! + system!, memory: kibibytes! / 1024 }, printed: printed.trim() })
    })
  })

const median = (numbers: ReadonlyArray<number>): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const commandsOf = (lines: ReadonlyArray<string>, environment: NodeJS.ProcessEnv): ReadonlyArray<Command> =>
  lines.map((line) => ({ name: line, words: line.split(" "), environment }))

const yixFlags = ["eval", "--read-only", "--strict", "--store", scratch.fresh("yix-store")]
const ways: ReadonlyArray<readonly [name: string, ...flags: ReadonlyArray<string>]> = [
  ["yix, no cache", "--no-syntax-cache", "--no-eval-cache"],
  ["yix, syntax kept", "--no-eval-cache"],
  ["yix, nothing changed"]
]
const yixEnvironment = environmentOf(scratch.fresh("yix"))
const nixEnvironment = { ...environmentOf(scratch.fresh("nix")), NIX_REMOTE: "dummy://", NIX_PATH: "" }
const nixFlags = ["--readonly-mode", "--eval", "--strict"]
const yixes: ReadonlyArray<Command> =
  values.yix === undefined
    ? ways.map(([name, ...flags]) => ({ name, words: yixCommand(...yixFlags, ...flags, "--file"), environment: yixEnvironment }))
    : commandsOf(values.yix, yixEnvironment)
const peers: ReadonlyArray<Command> =
  values.nix === undefined
    ? (await nixes({ building: false })).map((nix) => ({
        name: nix.name,
        words: [nix.program("nix-instantiate"), ...nixFlags],
        environment: nixEnvironment
      }))
    : commandsOf(values.nix, nixEnvironment)
const commands = [...yixes, ...peers]

tellMachine(runs)
const head = [
  "",
  ...commands.map((command) => `${command.name}: s, CPU s, MiB`),
  ...(commands.length > 1 ? yixes.map((command) => `${command.name}, ratios: wall, CPU, memory`) : [])
]
process.stdout.write(`| ${head.join(" | ")} |\n|---|${"--:|".repeat(head.length - 1)}\n`)

for (const expression of expressions) {
  if (wanted !== undefined && !wanted.includes(expression.name)) continue
  const text = expression.text()
  if (text === undefined) {
    process.stderr.write(`${expression.name}: left out, its checkout is not named (NIXPKGS, COREPKGS)\n`)
    continue
  }
  const file = path.join(scratch.directory, "expression.nix")
  fs.writeFileSync(file, text)
  const costs = commands.map((): Array<Cost> => [])
  let agreed: string | undefined
  // One round before those that count; each round begins with another command.
  for (let round = -1; round < runs; round++) {
    for (let i = 0; i < commands.length; i++) {
      const at = (i + Math.max(round, 0)) % commands.length
      const { cost, printed } = await measure(commands[at]!, file)
      agreed ??= printed
      if (printed !== agreed) throw new Error(`${expression.name}: ${commands[at]!.name} printed ${printed}, another one ${agreed}`)
      if (round >= 0) costs[at]!.push(cost)
    }
  }
  const medians = costs.map((all) => figures.map((figure) => median(all.map((cost) => cost[figure]))))
  const cells = medians.map(([wall, cpu, memory]) => `${wall!.toFixed(3)} ${cpu!.toFixed(2)} ${memory!.toFixed(0)}`)
  const others = peers.length > 0 ? medians.slice(yixes.length) : medians.slice(0, 1)
  // Memory is held against the larger Nix, time against the faster one.
  const bests = figures.map((figure, i) => (figure === "memory" ? Math.max : Math.min)(...others.map((row) => row[i]!)))
  const ratios = yixes.map((_, at) => medians[at]!.map((value, i) => (value / bests[i]!).toFixed(2)).join(" "))
  process.stdout.write(`| ${[expression.name, ...cells, ...(commands.length > 1 ? ratios : [])].join(" | ")} |\n`)
}
