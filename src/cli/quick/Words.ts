/**
 * The quick door's reading of a command line: the evaluation job that it will come to, known before anything else is loaded. Only plain cases are read here: flags of this
 * table, each with a value that it can have. For all else the answer is `undefined`, and `effect/cli` reads the words, which tells what is wrong with them, too. What
 * is read here gives the job that it would give there (test/cli/quick).
 */
import type { Severity } from "../../lang/Lints.ts"
import type { EvaluationJob, EvaluationMode } from "../../realise/Evaluation.ts"
import { rewrite } from "../Argv.ts"
import { configMayTrace, findConfig } from "../../config/ConfigFile.ts"
import { defaultCallDepth, type EvaluationInput, jobFrom, printModeOf, sourceOf } from "../EvaluationInput.ts"
import { type ColorChoice, colorFor, isTerminal, runsForNobody } from "../StandardStreams.ts"
import { nixEvalWords } from "./NixWords.ts"
import type { Signs } from "./SignOfLife.ts"

type PrintMode = Extract<EvaluationMode, { readonly kind: "print" }>

/** How the quick door prints by itself. */
export interface Alone {
  readonly mode: PrintMode
  /** Failures as `--error-format json` has them. */
  readonly jsonErrors: boolean
  readonly color: boolean
  readonly signs: Signs
}

/** An evaluation that may begin. `alone`: what comes of it may be all that there is to do. */
export interface Begun {
  readonly job: EvaluationJob
  /** What comes of it is printed, and that is all that there is to do, once it is known. */
  readonly shown: { readonly color: boolean } | undefined
  readonly alone: Alone | undefined
}

const severity = /^(?:ignore|warn|fatal)$/
const any = /^/
const on = /^true$/

type Table = ReadonlyMap<string, RegExp>

/** Flags of the job, with the values that they can have here. */
const evaluation: Table = new Map([
  ["expr", any],
  ["file", any],
  ["attr", any],
  ["arg", any],
  ["argstr", any],
  ["include", any],
  ["pure-eval", on],
  ["restrict-eval", on],
  ["allowed-uris", any],
  ["no-import-from-derivation", on],
  ["system", any],
  ["max-call-depth", /^[1-9]\d{0,8}$/],
  ["feature", any],
  ["abort-on-warn", on],
  ["trace-verbose", on],
  ["lint-url-literals", severity],
  ["lint-short-path-literals", severity],
  ["lint-absolute-path-literals", severity],
  ["no-syntax-cache", on],
  ["no-eval-cache", on],
  ["error-format", /^(?:text|json)$/],
  ["show-trace", on]
])

/** Those that may be given more than once. */
const repeated = new Set(["attr", "arg", "argstr", "include", "feature"])

/** Flags of `eval` alone. */
const printing: Table = new Map(["strict", "json", "raw", "xml", "no-location", "read-only"].map((name) => [name, on]))

/** Flags that may stand before the name of a command, too. */
const common: Table = new Map([
  ["store", any],
  ["config", any],
  ["log-format", /^(?:auto|tree|plain)$/],
  ["color", /^(?:auto|always|never)$/],
  ["quiet", on],
  ["offline", on]
])

/** Flags that are for the rest of the program, whatever they say: it is needed in any case, and meanwhile the evaluation goes on. */
const commonBeside = new Set(["log-format", "log-level", "verbose", "debug"])
const caches = ["substituter", "trusted-public-key", "no-check-sigs"]

/** The commands, with the flags of theirs that are such. */
const commands: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["eval", new Set(caches)],
  ["instantiate", new Set([...caches, "write", "json"])],
  ["build", new Set([...caches, "keep-going", "max-jobs", "timeout", "max-silent-time", "check", "out-link", "no-out-link", "json"])]
])

/** Begins a store path, which those who build do not evaluate. */
const stored = /^\/nix\/store\//

/** What a command line says, sorted. */
class Given {
  readonly #values = new Map<string, Array<string>>()
  /** The command's name first. */
  readonly plain: Array<string> = []
  /** Something was said that only the rest of the program understands. */
  beside = false

  /** False where it is not for the quick door. The words are rewritten ones. */
  read(words: ReadonlyArray<string>): boolean {
    for (const word of words) {
      if (!word.startsWith("-")) this.plain.push(word)
      else if (!this.#take(word)) return false
    }
    return this.plain.length > 0 && this.plain.length <= 2
  }

  #take(word: string): boolean {
    const cut = word.indexOf("=")
    if (!word.startsWith("--") || cut === -1) return false
    const name = word.slice(2, cut)
    const value = word.slice(cut + 1)
    const [command] = this.plain
    const ofCommand = command === undefined ? undefined : (evaluation.get(name) ?? (command === "eval" ? printing.get(name) : undefined))
    if ((common.get(name) ?? ofCommand)?.test(value) === true) {
      const values = this.#values.get(name)
      if (values === undefined) this.#values.set(name, [value])
      else values.push(value)
      return values === undefined || repeated.has(name)
    }
    this.beside = true
    return commonBeside.has(name) || (command !== undefined && commands.get(command)?.has(name) === true)
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  one(name: string): string | undefined {
    return this.#values.get(name)?.[0]
  }

  all(name: string): ReadonlyArray<string> {
    return this.#values.get(name) ?? []
  }
}

const inputOf = (given: Given): EvaluationInput => ({
  input: given.plain[1],
  expr: given.one("expr"),
  file: given.one("file"),
  attrs: given.all("attr"),
  args: given.all("arg"),
  argstrs: given.all("argstr"),
  include: given.all("include"),
  pure: given.has("pure-eval"),
  restrict: given.has("restrict-eval"),
  allowedUris: given.one("allowed-uris"),
  noImportFromDerivation: given.has("no-import-from-derivation"),
  system: given.one("system"),
  maxCallDepth: Number(given.one("max-call-depth") ?? defaultCallDepth),
  features: given.all("feature"),
  abortOnWarn: given.has("abort-on-warn"),
  traceVerbose: given.has("trace-verbose"),
  lintUrlLiterals: (given.one("lint-url-literals") ?? "ignore") as Severity,
  lintShortPathLiterals: (given.one("lint-short-path-literals") ?? "ignore") as Severity,
  lintAbsolutePathLiterals: (given.one("lint-absolute-path-literals") ?? "ignore") as Severity,
  noSyntaxCache: given.has("no-syntax-cache"),
  noEvalCache: given.has("no-eval-cache"),
  choice: { store: given.one("store"), config: given.one("config") },
  errorFormat: (given.one("error-format") ?? "text") as "text" | "json",
  showTrace: given.has("show-trace")
})

/** `nix`: as `nix-instantiate --eval` does it. */
const modeOf = (given: Given, nix: boolean): EvaluationMode | undefined => {
  if (given.plain[0] !== "eval") return { kind: "derivations" }
  const mode = printModeOf({
    strict: given.has("strict"),
    json: given.has("json"),
    raw: given.has("raw"),
    xml: given.has("xml"),
    noLocation: given.has("no-location")
  })
  return "wrong" in mode ? undefined : nix ? { ...mode, lazy: true } : mode
}

const isSet = (variable: string): boolean => (process.env[variable] ?? "").trim() !== ""

/** Whether the run may be traced; then times are taken from the beginning. */
const mayBeTraced = (config: string | undefined): boolean =>
  Object.keys(process.env).some((name) => name.startsWith("OTEL_")) || configMayTrace(findConfig(config, process.env))

const isPlain = (given: Given): boolean => !given.beside && !["YIX_SUBSTITUTERS", "YIX_TRUSTED_PUBLIC_KEYS", "YIX_PARENT_FD"].some(isSet)

const aloneOf = (given: Given, mode: PrintMode, color: boolean): Alone => {
  const format = given.one("log-format") ?? "auto"
  const isLive = (format === "tree" || (format === "auto" && !runsForNobody())) && process.env["TERM"] !== "dumb" && isTerminal(2)
  return { mode, jsonErrors: given.one("error-format") === "json", color, signs: given.has("quiet") ? "none" : isLive ? "live" : "lines" }
}

const read = (words: ReadonlyArray<string>): Begun | undefined => {
  const given = new Given()
  const nix = nixEvalWords(words)
  if (!given.read(nix ?? rewrite(words)) || !commands.has(given.plain[0]!)) return undefined
  const input = inputOf(given)
  const mode = modeOf(given, nix !== undefined)
  if (mode === undefined || (mode.kind === "derivations" && stored.test(input.input ?? ""))) return undefined
  const source = sourceOf(input)
  if (source === "standard input" || "wrong" in source || mayBeTraced(given.one("config"))) return undefined
  const color = colorFor((given.one("color") ?? "auto") as ColorChoice)
  const job = jobFrom(input, { source, mode, readOnly: given.has("read-only") }, color)
  if ("wrong" in job) return undefined
  const plain = isPlain(given)
  return {
    job,
    shown: plain && given.plain[0] !== "build" ? { color } : undefined,
    alone: plain && mode.kind === "print" ? aloneOf(given, mode, color) : undefined
  }
}

/** The evaluation that a command line asks for, where that is plain. */
export const begun = (words: ReadonlyArray<string>): Begun | undefined => {
  try {
    return read(words)
  } catch {
    // Such as a working directory that is gone: the rest of the program tells it.
    return undefined
  }
}
