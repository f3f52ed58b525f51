/**
 * The floors of the house: a file imports only from its own floor or below, and the pure floors import neither Effect nor Node.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"

const root = path.join(import.meta.dirname, "..")
const floors = [
  ["nix"],
  ["lang"],
  ["eval"],
  ["wire"],
  ["castore"],
  ["store"],
  ["fetch", "build"],
  ["realise"],
  ["telemetry"],
  ["config"],
  ["serve"],
  // The entry point for users' tests is no room: it sees all of them, and none sees it.
  ["cli", "web", "testing.ts"]
]
const pure = new Set(["nix", "lang", "eval"])
/** Effect modules are for lifetimes and wiring; these rooms must run in a browser. */
const floorOf = new Map(floors.flatMap((rooms, level) => rooms.map((room) => [room, level] as const)))

interface Import {
  readonly file: string
  readonly room: string
  readonly target: string
}

const imports = (): Array<Import> => {
  const found: Array<Import> = []
  for (const file of fs.globSync("src/**/*.ts", { cwd: root })) {
    const room = file.split("/")[1] as string
    const text = fs.readFileSync(path.join(root, file), "utf8")
    for (const match of text.matchAll(
      /(?:^|\n)\s*(?:import|export)\s[^;'"]*?from\s+"([^"]+)"|import\(\s*"([^"]+)"\s*\)|(?:^|\n)import\s+"([^"]+)"/g
    )) {
      found.push({ file, room, target: (match[1] ?? match[2] ?? match[3]) as string })
    }
  }
  return found
}

describe("floors", () => {
  const all = imports()

  it("has a floor for every room", () => {
    assert.deepStrictEqual([...new Set(all.map((i) => i.room).filter((room) => !floorOf.has(room)))], [])
    assert.isAbove(all.length, 100)
  })

  it("has them in docs/architecture.md as they are", () => {
    const rows = fs
      .readFileSync(path.join(root, "docs/architecture.md"), "utf8")
      .split("\n")
      .flatMap((line) => /^\| (\d+) \| ((?:`[\w.]+` ?)+) \|/.exec(line)?.slice(1) ?? [])
    const documented = rows.flatMap((cell, i) => (i % 2 === 1 ? [[...cell.matchAll(/`([\w.]+)`/g)].map(([, room]) => room)] : []))
    assert.deepStrictEqual(documented, floors)
  })

  it("imports nothing upward", () => {
    const upward = all.filter(({ file, room, target }) => {
      if (!target.startsWith(".")) return false
      const other = path.relative(path.join(root, "src"), path.resolve(root, path.dirname(file), target)).split("/")[0] as string
      return other !== room && (floorOf.get(other) ?? -1) >= (floorOf.get(room) ?? 99)
    })
    assert.deepStrictEqual(
      upward.map((i) => `${i.file} imports ${i.target}`),
      []
    )
  })

  it("keeps Effect and Node out of the pure floors", () => {
    const impure = all.filter(({ room, target }) => pure.has(room) && !target.startsWith("."))
    const allowed = new Set(["smol-toml"])
    assert.deepStrictEqual(
      impure.filter((i) => !allowed.has(i.target)).map((i) => `${i.file} imports ${i.target}`),
      []
    )
  })

  it("imports Effect by module, never by its barrel", () => {
    const barrels = all.filter(({ target }) => target === "effect" || target === "@effect/platform-node")
    assert.deepStrictEqual(
      barrels.map((i) => `${i.file} imports ${i.target}`),
      []
    )
  })
})
