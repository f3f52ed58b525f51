/**
 * The package as others install it: packed, unpacked into an empty folder, and used by `examples/embedding` from there, so by what its `exports` name.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { project } from "./World.ts"

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "yix-package-"))
const modules = path.join(folder, "node_modules")
const installed = path.join(modules, "yix")

const run = (command: string, ...args: ReadonlyArray<string>) => {
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    cwd: folder,
    encoding: "utf8",
    timeout: 60_000,
    env: { PATH: process.env["PATH"], HOME: folder, TMPDIR: folder, NO_COLOR: "1" }
  })
  assert.strictEqual(status, 0, `${command} ${args.join(" ")}: ${signal ?? status}\n${stdout}\n${stderr}`)
  return stdout
}
const node = (...args: ReadonlyArray<string>) => run(process.execPath, ...args)

beforeAll(() => {
  if (!fs.existsSync(path.join(project, "dist/lib/testing.js")))
    throw new Error("dist/lib is missing: these tests install the built package; make it with 'npm run build'")
  fs.mkdirSync(installed, { recursive: true })
  const packed = run("npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", folder, project).trim()
  run("tar", "-xzf", packed, "-C", installed, "--strip-components=1")
  fs.rmSync(path.join(folder, packed))
  // What the package depends on would come from the registry.
  const { dependencies } = JSON.parse(fs.readFileSync(path.join(installed, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>
  }
  for (const name of [...Object.keys(dependencies), "@types/node"]) {
    fs.mkdirSync(path.dirname(path.join(modules, name)), { recursive: true })
    fs.symlinkSync(path.join(project, "node_modules", name), path.join(modules, name))
  }
  fs.cpSync(path.join(project, "examples/embedding"), folder, { recursive: true })
  fs.writeFileSync(path.join(folder, "package.json"), '{ "type": "module", "private": true }\n')
})
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

describe("the package, installed in an empty folder", () => {
  it("has a module and its types for every module of the rooms that are exported", () => {
    const { exports } = JSON.parse(fs.readFileSync(path.join(installed, "package.json"), "utf8")) as {
      readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string } | string>>
    }
    let found = 0
    for (const [name, target] of Object.entries(exports)) {
      if (typeof target === "string") continue
      const sources = fs.globSync(`${name.slice(2).replace("*", "**/*")}.ts`, { cwd: path.join(project, "src"), exclude: ["**/*.d.ts"] })
      assert.isNotEmpty(sources, name)
      for (const source of sources) {
        const inner = name.endsWith("*") ? source.slice(name.length - 3, -3) : ""
        for (const file of [target.types, target.default]) {
          assert.isTrue(fs.existsSync(path.join(installed, file.replace("*", inner))), `${file.replace("*", inner)} of ${source}`)
          found++
        }
      }
    }
    assert.isAbove(found, 400)
  })

  it("passes the example's own tests", () => {
    assert.match(node("--test", "--test-reporter=tap", "compose.test.ts"), /^# pass 4$/m)
  })

  it("composes stores in code and builds in them, and again from a file with a driver of its own", () => {
    fs.mkdirSync(path.join(folder, "cache"))
    const composed = node("compose.ts", "store", `file://${folder}/cache`)
    assert.match(composed, /^\/nix\/store\/[0-9a-z]{32}-greeting\n$/)
    assert.strictEqual(node("toml.ts", "yix.toml", "other-store"), composed)
    assert.isNotEmpty(fs.readdirSync(path.join(folder, "blobs")))
  })

  it("evaluates in a thread of its own", () => {
    fs.writeFileSync(
      path.join(folder, "evaluate.ts"),
      `import { startAhead } from "yix/realise/EvaluatorThread"
import { expression, job } from "yix/realise/Jobs"
const thread = startAhead(job(expression("1 + 1", "/"), { kind: "print", strict: true, format: "nix" }, {}))
const tell = (text: string) => {
  console.log(text)
  process.exit(0)
}
setTimeout(() => tell("nothing"), 20_000)
thread.listen({ received: (message) => tell(JSON.stringify(message)), ended: tell })
`
    )
    assert.match(node("evaluate.ts"), /"texts":\["2"\]/)
  })

  it("type-checks the example against its declarations", () => {
    const compilerOptions = {
      ...(JSON.parse(fs.readFileSync(path.join(project, "tsconfig.json"), "utf8")) as any).compilerOptions,
      paths: {},
      plugins: []
    }
    fs.writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }))
    node(path.join(project, "node_modules/typescript/bin/tsc"), "-p", ".")
  })
})
