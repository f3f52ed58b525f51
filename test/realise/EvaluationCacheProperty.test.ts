/**
 * Evaluation with the cache against evaluation without it: small worlds of files, programs that look at them in all ways there are, and changes in between. What comes out must
 * be the same, be it a value or an error, and so must the lines that are printed and what is in the store afterwards; and where nothing was changed, nothing may be evaluated.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it, vi } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { EvaluationJob } from "../../src/realise/Evaluation.ts"
import { Evaluator } from "../../src/realise/Evaluation.ts"
import * as EvaluatorInThread from "../../src/realise/EvaluatorInThread.ts"
import { expression, job as makeJob } from "../../src/realise/Jobs.ts"
import { PathInfoService } from "../../src/store/PathInfoService.ts"
import type { StorePath } from "../../src/nix/StorePath.ts"
import type { Event } from "../../src/wire/Events.ts"
import { EventSink } from "../../src/wire/Events.ts"
import { Random } from "../fuzz/Random.ts"
import { type FakeBuild, world } from "./world.ts"

const slow = process.env["YIX_SLOW"] !== undefined
const cases = Number(process.env["YIX_CACHE_CASES"] ?? (slow ? 2000 : 40))
const steps = 6

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-evaluation-cache-"))
const environment = { ...process.env }
afterAll(() => {
  process.env = environment
  fs.rmSync(scratch, { recursive: true, force: true })
})

/** What a derivation builds: its text, and `code` of it is Nix. */
const build: FakeBuild = (request) => {
  const text = request.environmentVars.find(({ key }) => key === "text")
  return Effect.succeed(request.outputs.map(() => (text === undefined ? "1" : Buffer.from(text.value).toString("utf8"))))
}

const files = ["a.nix", "b.nix", "t", "u", "d/x", "d/y", "d/c.nix", "d/s/z", "s1/foo.nix", "s2/foo.nix", "e/default.nix"]
const directories = ["d", "d/s", "s1", "s2", "e", "."]
const links = ["l", "m"]
const anything = [...files, ...directories, ...links, "l/x", "m/s/z", "none", "d/none"]
const variables = ["YIX_CACHE_A", "YIX_CACHE_B"]

/** A world of files, and what can happen to it. */
class World {
  readonly root: string
  readonly #random: Random

  constructor(root: string, random: Random) {
    this.root = root
    this.#random = random
    fs.mkdirSync(root, { recursive: true })
    for (const directory of directories) fs.mkdirSync(path.join(root, directory), { recursive: true })
    for (const file of files) if (random.chance(0.8)) this.#write(file)
    for (const link of links) this.#link(link)
    for (const variable of variables) process.env[variable] = String(random.below(3))
    process.env["HOME"] = root
  }

  /** Nix code for `.nix`, for others a short text of one of few lengths. */
  #contents(file: string): string {
    if (!file.endsWith(".nix")) return this.#random.pick(["x", "y", "z", "12", "34", ""])
    // Looks at nothing outside of its directory, which may be one in the store.
    if (file === "d/c.nix")
      return this.#random.pick(['"${./x}"', "builtins.readFile ./x", "builtins.pathExists ./y", "[ ./s ]", "import ./x"])
    const prefix = "../".repeat(file.split("/").length - 1) || "./"
    return this.#random.pick([
      "1",
      "2",
      `"text"`,
      `builtins.readFile ${prefix}t`,
      `builtins.pathExists ${prefix}u`,
      `builtins.attrNames (builtins.readDir ${prefix}d)`,
      `builtins.getEnv "${this.#random.pick(variables)}"`,
      `throw "no"`,
      "{ }: 1"
    ])
  }

  #quietly(act: () => void): void {
    try {
      act()
    } catch {
      // What is in the way was put there by another change.
    }
  }

  #write(file: string): void {
    this.#quietly(() => fs.writeFileSync(path.join(this.root, file), this.#contents(file)))
  }

  #link(link: string): void {
    const target = this.#random.pick(["d", "d/s", "t", "u", "e", "nowhere", "./a.nix"])
    this.#quietly(() => {
      fs.rmSync(path.join(this.root, link), { recursive: true, force: true })
      fs.symlinkSync(target, path.join(this.root, link))
    })
  }

  /** Changes nothing that an evaluation can see. */
  touch(): void {
    for (const name of [...files, ...directories]) {
      const seconds = 1_600_000_000 + this.#random.below(1000)
      if (this.#random.chance(0.3)) this.#quietly(() => fs.utimesSync(path.join(this.root, name), seconds, seconds))
    }
    const file = path.join(this.root, this.#random.pick(files))
    // The same content in another file.
    this.#quietly(() => {
      fs.copyFileSync(file, `${file}.new`)
      fs.chmodSync(`${file}.new`, fs.statSync(file).mode)
      fs.renameSync(`${file}.new`, file)
    })
  }

  change(): void {
    const random = this.#random
    const at = (name: string): string => path.join(this.root, name)
    switch (random.below(11)) {
      case 0:
      case 1:
        return this.#write(random.pick(files))
      case 2: {
        // The same length and the same time of change of the content.
        const file = at(random.pick(["t", "u", "d/x"]))
        return this.#quietly(() => {
          const { size, atime, mtime } = fs.statSync(file)
          fs.writeFileSync(file, "abcdefgh".slice(random.below(4)).slice(0, size))
          fs.utimesSync(file, atime, mtime)
        })
      }
      case 3:
        return fs.rmSync(at(random.pick(files)), { recursive: true, force: true })
      case 4:
        return this.#link(random.pick(links))
      case 5: {
        // Two directories, or files, take each other's place.
        const [a, b] = random.pick([
          ["s1", "s2"],
          ["d", "e"],
          ["t", "u"],
          ["a.nix", "b.nix"],
          ["d/x", "d/y"]
        ] as const)
        return this.#quietly(() => {
          fs.renameSync(at(a), at("swap"))
          this.#quietly(() => fs.renameSync(at(b), at(a)))
          fs.renameSync(at("swap"), at(b))
        })
      }
      case 6:
        return this.#quietly(() => fs.chmodSync(at(random.pick(files)), random.pick([0o644, 0o755, 0o600])))
      case 7:
        process.env[random.pick(variables)] = String(random.below(3))
        return
      case 8:
        return this.#quietly(() => fs.writeFileSync(at(`d/new${random.below(3)}`), "new"))
      case 9:
        process.env["HOME"] = random.pick([this.root, at("d"), at("nowhere")])
        return
      default: {
        // A file becomes a directory, or the other way round.
        const name = at(random.pick(["t", "d/s", "u", "e"]))
        return this.#quietly(() => {
          const wasDirectory = fs.lstatSync(name).isDirectory()
          fs.rmSync(name, { recursive: true })
          if (wasDirectory) fs.writeFileSync(name, "was a directory")
          else fs.mkdirSync(name)
        })
      }
    }
  }
}

/** A program that looks at the world. */
const program = (random: Random, depth = 2): string => {
  const at = (name: string): string => `./${name === "." ? "d/.." : name}`
  const some = (): string => at(random.pick(anything))
  const file = (): string => at(random.pick(["t", "u", "d/x", "d/s/z", "l", "m/s/z", "a.nix"]))
  const more = (): string => (depth === 0 ? "1" : program(random, depth - 1))
  const drv = (text: string): string => `(derivation { name = "n"; system = "x86_64-linux"; builder = "/bin/sh"; text = ${text}; })`
  switch (random.below(24)) {
    case 0:
    case 1:
      return `builtins.readFile ${file()}`
    case 2:
      return `builtins.readDir ${some()}`
    case 3:
      return `builtins.pathExists ${some()}`
    case 4:
      return `import ${at(random.pick(["a.nix", "b.nix", "e", "l", "s1/foo.nix"]))}`
    case 5:
      return `builtins.getEnv "${random.pick([...variables, "HOME"])}"`
    case 6:
      return `"\${${some()}}"`
    case 7:
      return `builtins.filterSource (p: t: t != "symlink" && builtins.match ".*[xz].*" (baseNameOf p) != null || t == "directory") ${at(random.pick(["d", "l", "e", "."]))}`
    case 8:
      return `builtins.path { path = ${file()}; name = "flat"; recursive = false; }`
    case 9:
      return `builtins.toFile "made" (builtins.readFile ${file()})`
    case 10:
      return `builtins.readFile ${drv(`builtins.readFile ${file()}`)}`
    case 11:
      return `builtins.readFile "\${${at("d")}}/x"`
    case 12:
      return `builtins.readFileType ${some()}`
    case 13:
      return `import <foo.nix>`
    case 14:
      return `(if builtins.pathExists ${some()} then ${more()} else ${more()})`
    case 15:
      return `(builtins.tryEval (assert builtins.pathExists ${some()}; 1)).success`
    case 16:
      return `builtins.trace "looked at ${random.below(3)}" (${more()})`
    case 17:
      return `import ${drv(`"builtins.readFile ${"$"}{toString ${at("t")}}"`)}`
    case 18:
      return `builtins.pathExists ~/x`
    case 19:
      return `builtins.hashFile "sha256" ${file()}`
    case 20:
      return `builtins.mapAttrs (n: t: if t == "regular" then builtins.readFile (${at("d")} + "/\${n}") else t) (builtins.readDir ${at("d")})`
    case 21:
      // A source in what was copied into the store, next to a file that was imported from there.
      return `import "\${${at("d")}}/c.nix"`
    case 22:
      return `builtins.path { path = "\${${at("d")}}/x"; name = "part"; }`
    default:
      return `[ (${more()}) (${more()}) ]`
  }
}

interface Outcome {
  readonly text: string
  readonly succeeded: boolean
  readonly lines: ReadonlyArray<string>
  /** Nothing was evaluated. */
  readonly kept: boolean
}

type Services = Context.Context<Evaluator | PathInfoService>

const services = Effect.flatMap(Effect.scope, (scope) =>
  Layer.buildWithScope(Layer.fresh(EvaluatorInThread.layer.pipe(Layer.provideMerge(world({ build })))), scope)
)

const evaluated = Effect.fnUntraced(function* (within: Services, job: EvaluationJob) {
  const events: Array<Event> = []
  const exit = yield* Effect.exit(Context.get(within, Evaluator).run(job)).pipe(
    Effect.provideService(EventSink, (event) => void events.push(event))
  )
  const messages = events.filter((event) => event._tag === "Message")
  const text = Exit.isSuccess(exit) ? JSON.stringify(exit.value) : String(exit)
  return {
    text,
    succeeded: Exit.isSuccess(exit),
    lines: messages.filter(({ level }) => level !== "debug").map(({ text }) => text),
    kept: messages.some(({ level, text }) => level === "debug" && text.includes("the one that was kept"))
  } satisfies Outcome as Outcome
})

const storedPaths = Effect.fnUntraced(function* (within: Services, text: string) {
  const paths = [...new Set(text.match(/\/nix\/store\/[0-9a-z]{32}-[\w.-]+/g) ?? [])] as Array<StorePath>
  const there: Array<string> = []
  for (const path of paths) if (Option.isSome(yield* Context.get(within, PathInfoService).get(path))) there.push(path)
  return there
})

const modes: ReadonlyArray<EvaluationJob["mode"]> = [
  { kind: "print", strict: true, format: "nix" },
  { kind: "print", strict: true, format: "json" },
  { kind: "print", strict: false, format: "nix" }
]

/** One world, one program, a few changes. How often a result was kept. */
const check = Effect.fnUntraced(function* (seed: string) {
  const random = new Random(seed)
  const root = path.join(scratch, "world")
  fs.rmSync(root, { recursive: true, force: true })
  const files = new World(root, random)
  // Half of the cases believe at once that files are settled; those must let the clock of the file system go on before each change.
  const settled = random.chance(0.5)
  const real = Date.now.bind(Date)
  const clock = settled ? vi.spyOn(Date, "now").mockImplementation(() => real() + 10_000) : undefined
  const folder = path.join(scratch, "cache")
  fs.rmSync(folder, { recursive: true, force: true })
  const text = program(random)
  const plain = makeJob(expression(text, root), random.pick(modes), {
    system: "x86_64-linux",
    readOnly: random.chance(0.3),
    restrict: random.chance(0.15),
    searchPath: [path.join(root, "s1"), path.join(root, "s2"), ...(random.chance(0.5) ? [root] : [])]
  })
  const job: EvaluationJob = { ...plain, evaluationCache: { folder, world: "test", database: undefined } }
  let within: Services = yield* services
  let kept = 0
  try {
    for (let step = 0; step < steps; step++) {
      const where = `${seed}, step ${step}: ${text} in ${root}`
      const cached = yield* evaluated(within, job)
      const other = yield* services
      const bare = yield* evaluated(other, plain)
      assert.strictEqual(cached.text, bare.text, where)
      assert.deepStrictEqual(cached.lines, bare.lines, where)
      if (bare.succeeded) assert.includeMembers(yield* storedPaths(within, bare.text), yield* storedPaths(other, bare.text), where)
      if (settled) yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 12)))
      if (cached.kept) kept++
      if (cached.succeeded) {
        if (random.chance(0.5)) files.touch()
        const again = yield* evaluated(within, job)
        assert.isTrue(again.kept, `kept: ${where}`)
        assert.strictEqual(again.text, cached.text, where)
        assert.deepStrictEqual(again.lines, cached.lines, where)
        if (settled) yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 12)))
      }
      if (random.chance(0.1)) within = yield* services
      for (let i = random.below(3); i > 0; i--) files.change()
    }
  } finally {
    clock?.mockRestore()
  }
  return kept
}, Effect.scoped)

describe("evaluation with a cache", () => {
  it.live(
    "gives what evaluation without it gives, whatever happens to the files, and evaluates nothing where nothing has changed",
    () =>
      Effect.gen(function* () {
        const from = Number(process.env["YIX_CACHE_FROM"] ?? 0)
        let kept = 0
        for (let i = from; i < from + cases; i++) kept += yield* check(`evaluation cache ${i}`)
        assert.isAbove(kept, cases / 4, "changes elsewhere do not matter")
      }),
    slow ? 3_600_000 : 120_000
  )
})
