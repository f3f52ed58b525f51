/**
 * The quick door reads a command line only where it gives the job that the commands themselves give. Command lines are made at random from the flags that there are, right
 * and wrong, in all the ways in which they can be written.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { rewrite } from "../../../src/cli/Argv.ts"
import { buildFlags } from "../../../src/cli/commands/Build.ts"
import { evalFlags } from "../../../src/cli/commands/Eval.ts"
import { instantiateFlags } from "../../../src/cli/commands/Instantiate.ts"
import { parseProgram, settingsIn, withCommon } from "../../../src/cli/compat/Common.ts"
import { evaluationJobs, instantiateTable } from "../../../src/cli/compat/NixInstantiate.ts"
import { sourcesOf } from "../../../src/cli/compat/Sources.ts"
import { commonFlags } from "../../../src/cli/CommonFlags.ts"
import { jobOf, printModeFrom } from "../../../src/cli/EvaluationFlags.ts"
import { type EvaluationInput, sourceOf } from "../../../src/cli/EvaluationInput.ts"
import * as Platform from "../../../src/cli/Platform.ts"
import { begun } from "../../../src/cli/quick/Words.ts"
import type { EvaluationJob } from "../../../src/realise/Evaluation.ts"

const before = { directory: process.cwd(), environment: { ...process.env } }
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-words-"))
beforeAll(() => {
  process.chdir(scratch)
  fs.writeFileSync("default.nix", "{ }")
  for (const name of Object.keys(process.env)) if (/^(?:OTEL_|YIX_|NIX_|XDG_)/.test(name)) delete process.env[name]
  process.env["XDG_CONFIG_HOME"] = path.join(scratch, "config")
})
afterAll(() => {
  process.chdir(before.directory)
  process.env = before.environment
  fs.rmSync(scratch, { recursive: true, force: true })
})

const silent = Layer.mergeAll(
  CliOutput.layerPresenter({ present: () => Effect.void }),
  CliConfig.layer({ builtIns: [GlobalFlag.Help] }),
  Platform.layer
)

/** The job that the commands make of the words; `undefined` where they make none. */
const jobOfCommands = async (words: ReadonlyArray<string>): Promise<EvaluationJob | undefined> => {
  let made: EvaluationJob | undefined
  const keep = (job: EvaluationJob): void => void (made = job)
  const derivations = Effect.fnUntraced(function* (input: EvaluationInput) {
    // Nobody writes to it here.
    if (sourceOf(input) !== "standard input") keep(yield* jobOf(input, { kind: "derivations" }, { readOnly: false }))
  })
  const yix = Command.make("yix").pipe(
    Command.withSubcommands([
      Command.make(
        "eval",
        evalFlags,
        Effect.fnUntraced(function* (input) {
          if (sourceOf(input) === "standard input") return
          keep(yield* jobOf(input, yield* printModeFrom(input), { readOnly: input.readOnly }))
        })
      ),
      Command.make("instantiate", instantiateFlags, derivations),
      Command.make("build", buildFlags, derivations)
    ]),
    Command.withGlobalFlags(commonFlags)
  )
  const exit = await Effect.runPromiseExit(Effect.provide(Command.runWith(yix, { version: "0" })(rewrite(words)), silent))
  return Exit.isSuccess(exit) ? made : undefined
}

const seeds = Number(process.env["YIX_WORDS_SEEDS"] ?? 600)

const random = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const switches = [
  ...["--strict", "--json", "--raw", "--xml", "--no-location", "--read-only", "--pure-eval", "--restrict-eval", "--show-trace", "--quiet"],
  ...[
    "--no-import-from-derivation",
    "--abort-on-warn",
    "--trace-verbose",
    "--no-syntax-cache",
    "--no-eval-cache",
    "--offline",
    "-q",
    "--write"
  ],
  ...[
    "--verbose",
    "-v",
    "-vv",
    "--debug",
    "--check",
    "--no-out-link",
    "--keep-going",
    "-k",
    "--no-check-sigs",
    "--help",
    "-h",
    "--otlp",
    "--nope",
    "-z"
  ]
]
const values: ReadonlyArray<readonly [names: ReadonlyArray<string>, values: ReadonlyArray<string>]> = [
  [
    ["--expr", "-E"],
    ["1", "-1", "", "a: b", "./x", "é", "x=y", "--strict", "-", "\n"]
  ],
  [
    ["--file", "-f"],
    ["f.nix", "<nixpkgs>", "channel:x", "https://x.org/a.tar.gz", "-", ".", "", "/a/b", "-f"]
  ],
  [
    ["--attr", "-A"],
    ["a", "a.b", '"x y".z', "", "é"]
  ],
  [
    ["--include", "-I"],
    ["/a", "n=/b", "x=https://y.org/z", ""]
  ],
  [["--system"], ["i686-linux", ""]],
  [["--allowed-uris"], ["https://a.org  https://b.org", ""]],
  [["--max-call-depth"], ["100", "0", "-5", "1e3", "x", "007", "9999999999", ""]],
  [["--feature"], ["pipe-operators", "flakes", "nope", ""]],
  [
    ["--lint-url-literals", "--lint-short-path-literals", "--lint-absolute-path-literals"],
    ["ignore", "warn", "fatal", "loud", ""]
  ],
  [["--error-format"], ["text", "json", "xml"]],
  [["--color"], ["auto", "always", "never", "sometimes"]],
  [["--log-format"], ["auto", "tree", "plain", "json", "other"]],
  [
    ["--store", "--config"],
    ["/a", "b", ""]
  ],
  [
    ["--substituter", "--trusted-public-key", "--log-level", "--trace-out"],
    ["https://x.org", "warn", ""]
  ],
  [
    ["--max-jobs", "-j", "--timeout", "--out-link", "-o"],
    ["4", "x", "0"]
  ]
]
const pairs = ["--arg", "--argstr"]
const names = ["a", "x.y", "", "é"]

/** A command line. */
const wordsFor = (seed: number): ReadonlyArray<string> => {
  const below = random(seed)
  const one = <A>(list: ReadonlyArray<A>): A => list[below(list.length)]!
  const flag = (): ReadonlyArray<string> => {
    const kind = below(10)
    if (kind < 4) return [one(switches) + (below(12) === 0 ? one(["=true", "=false", "=yes", "="]) : "")]
    if (kind < 5) return below(8) === 0 ? [one(pairs), one(names)] : [one(pairs), one(names), one(["1", "-x", ""])]
    const [flags, possible] = one(values)
    const name = one(flags)
    const value = one(possible)
    const form = below(6)
    if (form === 0) return [`${name}=${value}`]
    if (form === 1 && !name.startsWith("--")) return [name + value]
    return form === 2 && below(4) === 0 ? [name] : [name, value]
  }
  const words: Array<string> = []
  const add = (flags: number): void => {
    for (let i = 0; i < flags; i++) words.push(...flag())
  }
  if (below(6) === 0) add(1 + below(2))
  words.push(one(["eval", "eval", "eval", "build", "instantiate"]))
  // Mostly something to evaluate, and only one.
  if (below(4) > 0) words.push(...one([["-E", "1"], ["f.nix"], ["-f", "f.nix"], ["--expr", "x: x"], ["/nix/store/x"], [".", "extra"]]))
  add(below(6))
  if (below(10) === 0) words.push(one(["g.nix", "--", "-", "true", "-A"]))
  return words
}

const same = async (words: ReadonlyArray<string>): Promise<"same" | "left" | "refused"> => {
  const quick = begun(words)
  const job = await jobOfCommands(words)
  const told = JSON.stringify(words)
  if (quick === undefined) return job === undefined ? "refused" : "left"
  // What comes of an evaluation that only begins early is used by the command, if that gets so far.
  if (quick.alone !== undefined) assert.isDefined(job, told)
  if (job !== undefined) assert.deepStrictEqual(quick.job, job, told)
  return "same"
}

/** The same of `yix compat nix-instantiate`. */
const jobOfNix = async (words: ReadonlyArray<string>): Promise<EvaluationJob | undefined> => {
  const read = Effect.gen(function* () {
    const line = yield* parseProgram("nix-instantiate", instantiateTable, words)
    if (line.has("version") || line.has("help") || line.has("repair") || !line.has("eval") || line.has("parse") || line.has("findFile"))
      return []
    if (line.words.includes("-") || line.has("argStdin")) return []
    const settings = settingsIn(line)
    return (yield* withCommon(line, settings, evaluationJobs(line, settings, yield* sourcesOf(line.words, line.has("expr"))))).jobs
  })
  // The common flags have their defaults here.
  const yix = Command.make("yix", {}, () => Effect.flatMap(read, (found) => Effect.sync(() => void (jobs = found)))).pipe(
    Command.withGlobalFlags(commonFlags)
  )
  let jobs: ReadonlyArray<EvaluationJob> = []
  await Effect.runPromiseExit(Effect.provide(Command.runWith(yix, { version: "0" })([]), silent))
  return jobs.length === 1 ? jobs[0] : undefined
}

/** Words of `nix-instantiate`. */
const nixWordsFor = (seed: number): ReadonlyArray<string> => {
  const below = random(seed)
  const one = <A>(list: ReadonlyArray<A>): A => list[below(list.length)]!
  const flags: ReadonlyArray<ReadonlyArray<string>> = [
    ...["--eval", "--eval-only", "-E", "--expr", "--strict", "--json", "--xml", "--raw", "--no-location", "--show-trace"].map((word) => [
      word
    ]),
    ...["--readonly-mode", "--read-write-mode", "--parse", "-v", "-Q", "-", "--", "--pure-eval", "--no-show-trace", "--nope"].map(
      (word) => [word]
    ),
    ...[["-A", "a.b"], ["--attr", ""], ["-I", "n=/x"], ["--include", "/y"], ["-A"], ["-Ax"], ["--arg", "x", "1"], ["--argstr", "y", "-z"]],
    ...[["--option", "eval-system", "i686-linux"], ["--arg", "x"], ["1"], ["a/b.nix"], ["<nixpkgs>"], ["--max-call-depth", "7"], ["é"]]
  ]
  return [...(below(5) > 0 ? ["--eval"] : []), ...Array.from({ length: below(6) }, () => one(flags)).flat()]
}

describe("the quick door", () => {
  it("makes the job that the commands make, or none", { timeout: 600_000 }, async () => {
    const counts = { same: 0, left: 0, refused: 0 }
    for (let seed = 1; seed <= seeds; seed++) counts[await same(wordsFor(seed))]++
    assert.isAbove(counts.same, seeds / 8, JSON.stringify(counts))
    assert.isAbove(counts.refused, seeds / 8, JSON.stringify(counts))
  })

  it("makes the job that nix-instantiate --eval makes, or none", { timeout: 600_000 }, async () => {
    let read = 0
    for (let seed = 1; seed <= seeds; seed++) {
      const words = nixWordsFor(seed)
      const quick = begun(["compat", "nix-instantiate", ...words])
      if (quick === undefined) continue
      read++
      assert.isDefined(quick.alone, words.join(" "))
      assert.deepStrictEqual(quick.job, await jobOfNix(words), JSON.stringify(words))
    }
    assert.isAbove(read, seeds / 10)
    for (const name of ["NIX_REMOTE", "NIX_CONFIG"]) {
      const words = ["compat", "nix-instantiate", "--eval", "-E", "1"]
      assert.isDefined(begun(words))
      process.env[name] = "x"
      assert.isUndefined(begun(words), name)
      delete process.env[name]
    }
  })

  it("reads what people write", async () => {
    for (const words of [
      ["eval", "-E", "1 + 1"],
      ["eval", "--expr=1 + 1", "--json"],
      ["eval"],
      ["eval", "f.nix", "-A", "a", "-A", "b.c", "--strict"],
      ["eval", "-f", "<nixpkgs>", "-I", "nixpkgs=/x", "-A", "hello.name", "--raw"],
      ["eval", "--arg", "x", "{ }", "--argstr", "y", "z", "-E", "{ x, y }: y"],
      ["--store", "s", "--color", "always", "eval", "--read-only", "--xml", "--no-location", "-E", "1"],
      ["eval", "--max-call-depth", "50", "--feature", "pipe-operators", "--error-format", "json", "--show-trace", "-q", "-E", "1"]
    ]) {
      const quick = begun(words)
      assert.isDefined(quick?.alone, words.join(" "))
      assert.strictEqual(await same(words), "same")
    }
    for (const words of [
      ["build", "-A", "x", "-j4", "-o", "out"],
      ["instantiate", "f.nix", "--write"],
      ["eval", "-v", "-E", "1"],
      ["eval", "--debug", "-E", "1"],
      ["eval", "--log-format", "json", "-E", "1"],
      ["eval", "--substituter", "https://x.org", "-E", "1"]
    ]) {
      const quick = begun(words)
      assert.isDefined(quick, words.join(" "))
      assert.isUndefined(quick!.alone)
      assert.strictEqual(await same(words), "same")
    }
  })

  it("leaves to the rest of the program what it does not know, and what is wrong", () => {
    for (const words of [
      [],
      ["eval", "--help"],
      ["--version"],
      ["eval", "-"],
      ["eval", "-f", "-"],
      ["eval", "-E"],
      ["eval", "-E", "1", "f.nix"],
      ["eval", "-E", "1", "--json", "--raw"],
      ["eval", "-E", "1", "--nope"],
      ["eval", "-E", "1", "--otlp"],
      ["eval", "-E", "1", "--trace-out", "t.json"],
      ["eval", "-E", "1", "--", "x"],
      ["repl"],
      ["build", "/nix/store/0c8wvvzsi7xa5mfvhwlkgrq2p0a3vj0y-x"],
      ["compat", "nix-build"]
    ]) {
      assert.isUndefined(begun(words), words.join(" "))
    }
  })

  it("is not taken by runs that may be traced, and waits for nothing alone where caches are named", () => {
    const words = ["eval", "-E", "1"]
    process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://localhost:1"
    assert.isUndefined(begun(words))
    delete process.env["OTEL_EXPORTER_OTLP_ENDPOINT"]
    fs.writeFileSync("traced.toml", "[tracers.root]\n")
    fs.writeFileSync("plain.toml", "[blobservices.root]\n")
    assert.isUndefined(begun(["--config", "traced.toml", ...words]))
    assert.isDefined(begun(["--config", "plain.toml", ...words])?.alone)
    for (const name of ["YIX_SUBSTITUTERS", "YIX_TRUSTED_PUBLIC_KEYS", "YIX_PARENT_FD"]) {
      process.env[name] = "3"
      assert.isUndefined(begun(words)!.alone, name)
      delete process.env[name]
    }
    assert.isDefined(begun(words)?.alone)
  })

  it("is not taken where the working directory is gone", () => {
    const gone = path.join(scratch, "gone")
    fs.mkdirSync(gone)
    process.chdir(gone)
    fs.rmdirSync(gone)
    try {
      assert.isUndefined(begun(["eval", "-E", "1"]))
    } finally {
      process.chdir(scratch)
    }
  })
})
