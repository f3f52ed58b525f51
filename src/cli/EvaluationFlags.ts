/**
 * Flags that say what to evaluate and how, and the evaluation job that they make.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import { fromBytes, fromUnicode } from "../nix/Bytes.ts"
import type { Severity } from "../lang/Lints.ts"
import type { EvaluationArgument, EvaluationJob, EvaluationMode, EvaluationSource } from "../realise/Evaluation.ts"
import { alwaysOn, knownFeatures } from "../eval/FeatureNames.ts"
import { pairSeparator } from "./Argv.ts"
import { Switch } from "./CommonFlags.ts"
import { readStandardInput } from "./StandardInput.ts"
import { syntaxCacheFolder } from "./CacheFolder.ts"
import { colorWanted } from "./Terminal.ts"
import { UsageError } from "./Usage.ts"

const repeated = (name: string, metavar: string, description: string, alias?: string) => {
  const flag = Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description))
  return (alias === undefined ? flag : flag.pipe(Flag.withAlias(alias))).pipe(Flag.atLeast(0))
}

const text = (name: string, metavar: string, description: string, alias?: string) => {
  const flag = Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description))
  return (alias === undefined ? flag : flag.pipe(Flag.withAlias(alias))).pipe(Flag.optional)
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
  maxCallDepth: Flag.Int("max-call-depth").pipe(Flag.withDefault(10_000), Flag.withDescription("How deep calls may nest (default 10000)")),
  features: repeated("feature", "NAME", `Switch on a language feature: ${knownFeatures.join(", ")}`),
  abortOnWarn: Switch("abort-on-warn").pipe(Flag.withDescription("End the evaluation at builtins.warn, with the way to it")),
  traceVerbose: Switch("trace-verbose").pipe(Flag.withDescription("Let builtins.traceVerbose print")),
  lintUrlLiterals: lint("url-literals", "URLs without quotes"),
  lintShortPathLiterals: lint("short-path-literals", "relative paths that do not begin with a dot"),
  lintAbsolutePathLiterals: lint("absolute-path-literals", "absolute paths and paths below ~"),
  noSyntaxCache: Switch("no-syntax-cache").pipe(Flag.withDescription("Parse every file, and keep nothing of it for the next run")),
  errorFormat: Flag.Literals("error-format", ["text", "json"]).pipe(
    Flag.withDefault("text" as "text" | "json"),
    Flag.withDescription("How an error is told on standard error; json: one object on one line")
  ),
  showTrace: Switch("show-trace").pipe(Flag.withDescription("Show the whole trace of an evaluation error"))
} as const

export interface EvaluationInput {
  readonly input: Option.Option<string>
  readonly expr: Option.Option<string>
  readonly file: Option.Option<string>
  readonly attrs: ReadonlyArray<string>
  readonly args: ReadonlyArray<string>
  readonly argstrs: ReadonlyArray<string>
  readonly include: ReadonlyArray<string>
  readonly pure: boolean
  readonly restrict: boolean
  readonly allowedUris: Option.Option<string>
  readonly noImportFromDerivation: boolean
  readonly system: Option.Option<string>
  readonly maxCallDepth: number
  readonly features: ReadonlyArray<string>
  readonly abortOnWarn?: boolean
  readonly traceVerbose: boolean
  readonly lintUrlLiterals: Severity
  readonly lintShortPathLiterals: Severity
  readonly lintAbsolutePathLiterals: Severity
  readonly noSyntaxCache?: boolean
  readonly errorFormat: "text" | "json"
  readonly showTrace: boolean
}

/** The system that this machine builds for. */
export const currentSystem = (): string =>
  `${os.arch() === "arm64" ? "aarch64" : os.arch() === "x64" ? "x86_64" : os.arch()}-${process.platform}`

const here = () => fromUnicode(process.cwd())

const isUrl = (name: string): boolean => /^(?:https?|ftp|file|channel):/.test(name)

/** What a name of a file means: a path, `<name>` of the search path, or the URL of a tarball. */
export const fileSource = (name: string): EvaluationSource => {
  if (/^<[^<>]+>$/.test(name)) return { _tag: "File", path: fromUnicode(name) }
  if (isUrl(name)) {
    const url = name.startsWith("channel:") ? `https://channels.nixos.org/${name.slice("channel:".length)}/nixexprs.tar.xz` : name
    return { _tag: "Expression", text: fromUnicode(`import (builtins.fetchTarball ${JSON.stringify(url)})`), directory: here() }
  }
  return { _tag: "File", path: fromUnicode(path.resolve(name)) }
}

/** A reference to a flake as builtins.getFlake wants it: a directory with its absolute name. */
export const absoluteFlake = (reference: string): string =>
  /^(?:\.{0,2}\/|\.{1,2}$)/.test(reference) ? path.resolve(reference) : reference

/** The source; "-" for standard input; else what is wrong. */
const sourceOf = (input: EvaluationInput): EvaluationSource | string => {
  const named = [input.input, input.expr, input.file].filter(Option.isSome).length
  if (named > 1) return "only one of FILE, --expr and --file can be given"
  if (Option.isSome(input.expr)) return { _tag: "Expression", text: fromUnicode(input.expr.value), directory: here() }
  const name = Option.getOrElse(input.file, () => Option.getOrElse(input.input, () => "."))
  if (name === "." && !fs.existsSync("default.nix")) {
    return "there is no ./default.nix here; name a file, or give an expression with --expr"
  }
  return name === "-" ? "-" : fileSource(name)
}

const argument = (kind: EvaluationArgument["kind"], pair: string): EvaluationArgument | string => {
  const cut = pair.indexOf(pairSeparator)
  if (cut === -1)
    return `--${kind === "string" ? "argstr" : "arg"} needs two values, a name and ${kind === "string" ? "a string" : "an expression"}`
  return { name: fromUnicode(pair.slice(0, cut)), kind, text: fromUnicode(pair.slice(cut + 1)), directory: here() }
}

/** `NIX_PATH` taken apart: elements end at a colon that does not belong to a URL. */
export const splitNixPath = (value: string): ReadonlyArray<string> => {
  const elements: Array<string> = []
  let current = ""
  for (let i = 0; i < value.length; i++) {
    const schemeHere = value[i] === ":" && value.startsWith("//", i + 1) && /(?:^|=)[a-z][a-z0-9+.-]*$/i.test(current)
    const channelHere = value[i] === ":" && /(?:^|=)(?:channel|flake|github|gitlab|sourcehut)$/.test(current)
    if (value[i] === ":" && !schemeHere && !channelHere) {
      elements.push(current)
      current = ""
    } else current += value[i]
  }
  return [...elements, current].filter((element) => element !== "")
}

/** What the flags say that holds for every evaluation of a command. */
export const settingsOf = Effect.fnUntraced(function* (input: Omit<EvaluationInput, "input" | "expr" | "file" | "attrs">) {
  const args = [...input.args.map((pair) => argument("expression", pair)), ...input.argstrs.map((pair) => argument("string", pair))]
  const wrong = args.find((arg) => typeof arg === "string")
  if (wrong !== undefined) return yield* new UsageError({ detail: wrong as string })
  const foreign = input.features.find((feature) => ![...knownFeatures, ...alwaysOn].includes(feature))
  if (foreign !== undefined) {
    return yield* new UsageError({ detail: `there is no feature '${foreign}', only ${knownFeatures.join(", ")}` })
  }
  if (input.maxCallDepth < 1) return yield* new UsageError({ detail: "--max-call-depth must be at least 1" })
  return {
    args: args as ReadonlyArray<EvaluationArgument>,
    searchPath: [...input.include, ...splitNixPath(process.env["NIX_PATH"] ?? "")].map(fromUnicode),
    pure: input.pure,
    restrict: input.restrict,
    allowedUris: Option.getOrElse(input.allowedUris, () => "")
      .split(/\s+/)
      .filter((uri) => uri !== "")
      .map(fromUnicode),
    allowImportFromDerivation: !input.noImportFromDerivation,
    system: fromUnicode(Option.getOrElse(input.system, currentSystem)),
    maxCallDepth: input.maxCallDepth,
    features: input.features,
    abortOnWarn: input.abortOnWarn ?? false,
    traceVerbose: input.traceVerbose,
    syntaxCache: input.noSyntaxCache === true ? undefined : syntaxCacheFolder(),
    lints: {
      urlLiterals: input.lintUrlLiterals,
      shortPathLiterals: input.lintShortPathLiterals,
      absolutePathLiterals: input.lintAbsolutePathLiterals
    },
    showTrace: input.showTrace,
    errorFormat: input.errorFormat,
    color: yield* colorWanted
  } satisfies Omit<EvaluationJob, "source" | "attrPaths" | "mode" | "readOnly">
})

/** The job that the flags describe. */
export const jobOf = Effect.fnUntraced(function* (input: EvaluationInput, mode: EvaluationMode, options: { readonly readOnly: boolean }) {
  const named = sourceOf(input)
  const source: EvaluationSource | string =
    named === "-" ? { _tag: "Expression", text: fromBytes(yield* readStandardInput()), directory: here() } : named
  if (typeof source === "string") return yield* new UsageError({ detail: source })
  const settings = yield* settingsOf(input)
  return { ...settings, source, attrPaths: input.attrs.map(fromUnicode), mode, readOnly: options.readOnly } satisfies EvaluationJob
})
