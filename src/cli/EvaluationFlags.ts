/**
 * Flags that say what to evaluate and how. The job that they make is made in `EvaluationInput.ts`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import { knownFeatures } from "../eval/FeatureNames.ts"
import type { Severity } from "../lang/Lints.ts"
import { fromBytes } from "../nix/Bytes.ts"
import type { EvaluationMode } from "../realise/Evaluation.ts"
import { ConfigFlag, StoreDirectory, Switch } from "./CommonFlags.ts"
import {
  defaultCallDepth,
  type EvaluationInput,
  jobFrom,
  type PrintInput,
  printModeOf,
  settingsFrom,
  type SettingsInput,
  sourceOf,
  textSource,
  type Wrong
} from "./EvaluationInput.ts"
import { readStandardInput } from "./StandardInput.ts"
import { colorWanted } from "./Terminal.ts"
import { UsageError } from "./Usage.ts"
import { StoreInMemory } from "./World.ts"

const repeated = (name: string, metavar: string, description: string, alias?: string) => {
  const flag = Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description))
  return (alias === undefined ? flag : flag.pipe(Flag.withAlias(alias))).pipe(Flag.atLeast(0))
}

const text = (name: string, metavar: string, description: string, alias?: string) => {
  const flag = Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description))
  return (alias === undefined ? flag : flag.pipe(Flag.withAlias(alias))).pipe(Flag.optional, Flag.map(Option.getOrUndefined))
}

const severities: ReadonlyArray<Severity> = ["ignore", "warn", "fatal"]

const lint = (name: string, what: string) =>
  Flag.Literals(`lint-${name}`, severities).pipe(
    Flag.withDefault("ignore" as Severity),
    Flag.withDescription(`What to do about ${what}: ignore, warn or fatal`)
  )

export const evaluationFlags = {
  input: Argument.String("FILE").pipe(
    Argument.optional,
    Argument.map(Option.getOrUndefined),
    Argument.withDescription("A Nix file or a directory with a default.nix; ./default.nix where nothing is named")
  ),
  expr: text("expr", "EXPR", "Evaluate this expression", "E"),
  file: text("file", "FILE", "Evaluate this file; '-' is standard input", "f"),
  attrs: repeated("attr", "ATTR", "Take this attribute of the value; may be repeated", "A"),
  args: repeated("arg", "NAME EXPR", "Call the root function with this argument, a Nix expression"),
  argstrs: repeated("argstr", "NAME STRING", "Call the root function with this argument, a string"),
  include: repeated("include", "PATH", "Add to the search path for <…>: a directory, or NAME=PATH", "I"),
  pure: Switch("pure-eval").pipe(
    Flag.withDescription("Nothing from the machine: no environment, time, search path, or paths outside the store")
  ),
  restrict: Switch("restrict-eval").pipe(Flag.withDescription("Read only what the search path has, fetch only what --allowed-uris has")),
  allowedUris: text("allowed-uris", "URIS", "Prefixes of what may be fetched under --restrict-eval, separated by blanks"),
  noImportFromDerivation: Switch("no-import-from-derivation").pipe(Flag.withDescription("Evaluation may not need builds")),
  system: text("system", "SYSTEM", "What builtins.currentSystem is, such as x86_64-linux"),
  maxCallDepth: Flag.Int("max-call-depth").pipe(
    Flag.withDefault(defaultCallDepth),
    Flag.withDescription("How deep calls may nest (default 10000)")
  ),
  features: repeated("feature", "NAME", `Switch on a language feature: ${knownFeatures.join(", ")}`),
  abortOnWarn: Switch("abort-on-warn").pipe(Flag.withDescription("End the evaluation at builtins.warn, with the way to it")),
  traceVerbose: Switch("trace-verbose").pipe(Flag.withDescription("Let builtins.traceVerbose print")),
  lintUrlLiterals: lint("url-literals", "URLs without quotes"),
  lintShortPathLiterals: lint("short-path-literals", "relative paths that do not begin with a dot"),
  lintAbsolutePathLiterals: lint("absolute-path-literals", "absolute paths and paths below ~"),
  noSyntaxCache: Switch("no-syntax-cache").pipe(Flag.withDescription("Parse every file, and keep nothing of it for the next run")),
  noEvalCache: Switch("no-eval-cache").pipe(
    Flag.withDescription("Evaluate even what was evaluated before, and keep nothing of it for the next run")
  ),
  errorFormat: Flag.Literals("error-format", ["text", "json"]).pipe(
    Flag.withDefault("text" as "text" | "json"),
    Flag.withDescription("How an error is told on standard error; json: one object on one line")
  ),
  showTrace: Switch("show-trace").pipe(Flag.withDescription("Show the whole trace of an evaluation error"))
} as const

/** The flags' value where they fit, else an error of usage. */
const fitting = <A extends object>(made: A | Wrong) =>
  "wrong" in made ? Effect.fail(new UsageError({ detail: made.wrong })) : Effect.succeed(made)

/** The store that the common flags name. Of a store in memory nothing is kept. */
const storeChoice = Effect.gen(function* () {
  if (yield* StoreInMemory) return undefined
  return { store: Option.getOrUndefined(yield* StoreDirectory), config: Option.getOrUndefined(yield* ConfigFlag) }
})

/** What the flags say that holds for every evaluation of a command. */
export const settingsOf = Effect.fnUntraced(function* (input: SettingsInput) {
  return yield* fitting(settingsFrom({ ...input, choice: yield* storeChoice }, yield* colorWanted))
})

/** How values are to be printed. */
export const printModeFrom = (input: PrintInput) => Effect.suspend(() => fitting(printModeOf(input)))

/** The job that the flags describe. */
export const jobOf = Effect.fnUntraced(function* (input: EvaluationInput, mode: EvaluationMode, options: { readonly readOnly: boolean }) {
  const named = sourceOf(input)
  const source = named === "standard input" ? textSource(fromBytes(yield* readStandardInput())) : yield* fitting(named)
  return yield* fitting(jobFrom({ ...input, choice: yield* storeChoice }, { source, mode, readOnly: options.readOnly }, yield* colorWanted))
})
