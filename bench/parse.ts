/**
 * Parse throughput over a tree of .nix files.
 *
 *     node bench/parse.ts /path/to/nixpkgs [passes]
 *
 * Reads everything into memory first, then parses all of it, pass by pass (the first shows V8 warming up), and prints MB/s (10^6 bytes).
 * With pkgs/top-level/all-packages.nix present, that file alone is timed too, and beside it `nix-instantiate --parse` when that is on
 * PATH (start-up taken off; it prints the tree as well).
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { parse } from "../src/lang/Parser.ts"
import { print } from "../src/lang/Printer.ts"
import { checkScopes } from "../src/lang/Scope.ts"
import type { Origin, Syntax } from "../src/lang/Syntax.ts"

const [root, passesText] = process.argv.slice(2)
if (root === undefined) {
  console.error("usage: node bench/parse.ts DIRECTORY [PASSES]")
  process.exit(2)
}

interface Source {
  readonly origin: Origin
  readonly text: string
}

const sources: Array<Source> = []
const walk = (directory: string): void => {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name)
    if (entry.isDirectory()) walk(file)
    else if (entry.isFile() && entry.name.endsWith(".nix")) {
      sources.push({ origin: { _tag: "File", path: file }, text: fs.readFileSync(file).toString("latin1") })
    }
  }
}
walk(root)
const bytes = sources.reduce((sum, source) => sum + source.text.length, 0)
console.log(`${sources.length} files, ${(bytes / 1e6).toFixed(1)} MB`)

/** Wall time and this thread's processor time; the second says more on a busy machine. */
interface Time {
  readonly wall: number
  readonly cpu: number
}

const cpuNow = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
const measure = (work: () => void): Time => {
  const wall = performance.now()
  const cpu = cpuNow()
  work()
  return { wall: performance.now() - wall, cpu: cpuNow() - cpu }
}
const report = (what: string, size: number, { wall, cpu }: Time): void =>
  console.log(
    `${what.padEnd(42)} ${wall.toFixed(1).padStart(8)} ms ${(size / 1e3 / wall).toFixed(1).padStart(6)} MB/s` +
      (cpu > 0 ? `   cpu ${cpu.toFixed(1).padStart(8)} ms ${(size / 1e3 / cpu).toFixed(1).padStart(6)} MB/s` : "")
  )

let trees: Array<Syntax> = []
let refused: Array<string> = []
for (let pass = 1; pass <= Number(passesText ?? 4); pass++) {
  trees = []
  refused = []
  const time = measure(() => {
    for (const { origin, text } of sources) {
      try {
        trees.push(parse(text, origin, "/"))
      } catch (error) {
        refused.push(`${(origin as { path: string }).path}: ${(error as Error).message}`)
      }
    }
  })
  report(`parse, pass ${pass}`, bytes, time)
}
for (const line of refused) console.log(`refused: ${line}`)
console.log(`${(trees.reduce((sum, tree) => sum + tree.nodes.byteLength, 0) / 1e6).toFixed(1)} MB of nodes`)

const isGlobal = (): boolean => true
for (let pass = 1; pass <= 2; pass++) {
  report(
    `check scopes, pass ${pass}`,
    bytes,
    measure(() => trees.forEach((tree) => checkScopes(tree, isGlobal)))
  )
}
report(
  "print",
  bytes,
  measure(() => trees.forEach((tree) => print(tree)))
)

const packages = sources.find(({ origin }) => (origin as { path: string }).path.endsWith("pkgs/top-level/all-packages.nix"))
if (packages !== undefined) {
  const file = (packages.origin as { path: string }).path
  const best = (work: () => void): Time => {
    const times = Array.from({ length: 9 }, () => measure(work))
    return { wall: Math.min(...times.map((time) => time.wall)), cpu: Math.min(...times.map((time) => time.cpu)) }
  }
  report(
    "all-packages.nix, warm, best of 9",
    packages.text.length,
    best(() => parse(packages.text, packages.origin, "/"))
  )
  const nix = (args: ReadonlyArray<string>): number => best(() => spawnSync("nix-instantiate", args, { stdio: "ignore" })).wall
  if (spawnSync("nix-instantiate", ["--version"]).status === 0) {
    report("all-packages.nix, nix-instantiate --parse", packages.text.length, {
      wall: nix(["--parse", file]) - nix(["--parse", "-E", "1"]),
      cpu: 0
    })
  }
}
