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

const milliseconds = (work: () => void): number => {
  const start = performance.now()
  work()
  return performance.now() - start
}
const report = (what: string, size: number, time: number): void =>
  console.log(`${what.padEnd(44)} ${time.toFixed(1).padStart(9)} ms ${(size / 1e3 / time).toFixed(1).padStart(7)} MB/s`)

let trees: Array<Syntax> = []
let refused: Array<string> = []
for (let pass = 1; pass <= Number(passesText ?? 4); pass++) {
  trees = []
  refused = []
  const time = milliseconds(() => {
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
    milliseconds(() => trees.forEach((tree) => checkScopes(tree, isGlobal)))
  )
}
report(
  "print",
  bytes,
  milliseconds(() => trees.forEach((tree) => print(tree)))
)

const packages = sources.find(({ origin }) => (origin as { path: string }).path.endsWith("pkgs/top-level/all-packages.nix"))
if (packages !== undefined) {
  const file = (packages.origin as { path: string }).path
  const best = (times: ReadonlyArray<number>): number => Math.min(...times)
  const repeat = (work: () => void): number => best(Array.from({ length: 9 }, () => milliseconds(work)))
  report(
    "all-packages.nix, warm, best of 9",
    packages.text.length,
    repeat(() => parse(packages.text, packages.origin, "/"))
  )
  const nix = (args: ReadonlyArray<string>): number => repeat(() => spawnSync("nix-instantiate", args, { stdio: "ignore" }))
  if (spawnSync("nix-instantiate", ["--version"]).status === 0) {
    report("all-packages.nix, nix-instantiate --parse", packages.text.length, nix(["--parse", file]) - nix(["--parse", "-E", "1"]))
  }
}
