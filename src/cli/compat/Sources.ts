/**
 * What nix-instantiate, nix-build and `nix` evaluate, and how: their flags and words made into jobs for the evaluator.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import { alwaysOn, knownFeatures } from "../../eval/FeatureNames.ts"
import { closestNames } from "../../lang/Suggestions.ts"
import type { Severity } from "../../lang/Lints.ts"
import { fromBytes } from "../../nix/Bytes.ts"
import { pairSeparator } from "../Argv.ts"
import { settingsOf } from "../EvaluationFlags.ts"
import { defaultCallDepth, expressionSource, fileSource, splitNixPath, textSource } from "../EvaluationInput.ts"
import { tell } from "../StandardStreams.ts"
import { readStandardInput } from "../StandardInput.ts"
import { CompatError, NotThere } from "./Common.ts"
import type { CommandLine, FlagTable } from "./Flags.ts"
import type { Settings } from "./Settings.ts"

export const evaluationTable = {
  arg: ["--arg", "NAME EXPR", "Call functions with this argument, an expression"],
  argstr: ["--argstr", "NAME STRING", "Call functions with this argument, a string"],
  argFile: ["--arg-from-file", "NAME FILE", "Call functions with this argument, the text of a file"],
  argStdin: ["--arg-from-stdin", "NAME", "Call functions with this argument, the text of standard input"],
  include: ["--include -I", "PATH", "Add to the search path for <…>: a directory, or NAME=PATH"],
  impure: ["--impure", "", "The opposite of --pure-eval; so it is anyway"],
  evalStore: ["--eval-store", "URL", "Not there"],
  overrideFlake: ["--override-flake", "FROM TO", "Not there"]
} as const satisfies FlagTable

export const attributeTable = {
  attr: ["--attr -A", "PATH", "Take this attribute of the value; may be repeated"]
} as const satisfies FlagTable

export type EvaluationKey = keyof typeof evaluationTable

const severities: ReadonlyArray<string> = ["ignore", "warn", "fatal"]

const severity = (settings: Settings, name: string) => {
  const text = settings.text(name) ?? "ignore"
  return severities.includes(text)
    ? Effect.succeed(text as Severity)
    : Effect.fail(new CompatError({ detail: `setting '${name}' has invalid value '${text}', expected one of ${severities.join(", ")}` }))
}

const readArgument = (file: string) =>
  Effect.try({
    try: () => fs.readFileSync(file, "utf8"),
    catch: (error) => new CompatError({ detail: `cannot read the file '${file}': ${(error as NodeJS.ErrnoException).code}` })
  })

/** What holds for every evaluation of a command line. */
export const evaluationSettings = Effect.fnUntraced(function* (line: CommandLine<EvaluationKey>, settings: Settings) {
  if (line.has("evalStore")) return yield* new NotThere({ what: "--eval-store" })
  if (line.has("overrideFlake")) return yield* new NotThere({ what: "--override-flake" })
  const features = settings.list("experimental-features")
  const known: ReadonlyArray<string> = [...knownFeatures, ...alwaysOn]
  for (const feature of features) {
    if (known.includes(feature)) continue
    const guesses = closestNames(feature, known)
    tell(
      `warning: there is no experimental feature '${feature}' in yix${guesses.length === 0 ? "" : `; did you mean ${guesses.join(" or ")}?`}`
    )
  }
  const texts = [
    ...line.all("argstr"),
    ...(yield* Effect.forEach(line.all("argFile"), ([name, file]) => Effect.map(readArgument(file as string), (text) => [name, text]))),
    ...(yield* Effect.forEach(line.all("argStdin"), ([name]) => Effect.map(readStandardInput(), (bytes) => [name, bytes.toString("utf8")])))
  ]
  const depth = settings.text("max-call-depth")
  return yield* settingsOf({
    args: line.all("arg").map((pair) => pair.join(pairSeparator)),
    argstrs: texts.map((pair) => pair.join(pairSeparator)),
    include: [...line.each("include"), ...(process.env["NIX_PATH"] === undefined ? splitNixPath(settings.list("nix-path").join(":")) : [])],
    pure: !line.has("impure") && settings.bool("pure-eval", false),
    restrict: settings.bool("restrict-eval", false),
    allowedUris: settings.text("allowed-uris"),
    noImportFromDerivation: !settings.bool("allow-import-from-derivation", true),
    system: settings.text("eval-system") || settings.text("system") || undefined,
    maxCallDepth: depth === undefined ? defaultCallDepth : Number(depth),
    features: features.filter((feature) => known.includes(feature)),
    traceVerbose: settings.bool("trace-verbose", false),
    abortOnWarn: settings.bool("abort-on-warn", false),
    noEvalCache: !settings.bool("eval-cache", true),
    lintUrlLiterals: yield* severity(settings, "lint-url-literals"),
    lintShortPathLiterals: yield* severity(settings, "lint-short-path-literals"),
    lintAbsolutePathLiterals: yield* severity(settings, "lint-absolute-path-literals"),
    errorFormat: "text",
    showTrace: settings.bool("show-trace", false)
  })
})

/** Standard input as an expression. */
export const standardSource = Effect.map(readStandardInput(), (bytes) => textSource(fromBytes(bytes)))

/** The source of each word: files, with `expressions` the words themselves, `-` for standard input. No words at all: `./default.nix`. */
export const sourcesOf = (words: ReadonlyArray<string>, expressions: boolean) =>
  Effect.forEach(words.length === 0 && !expressions ? ["./default.nix"] : words, (word) =>
    word === "-" ? standardSource : Effect.succeed(expressions ? expressionSource(word) : fileSource(word))
  )
