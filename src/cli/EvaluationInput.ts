/**
 * What flags say of an evaluation, as plain data, and the job that they make. There is no other way from flags to a job: the quick door (`quick/`) and the commands both
 * come here. Without Effect, which the quick door does not load.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { alwaysOn, knownFeatures } from "../eval/FeatureNames.ts"
import type { Severity } from "../lang/Lints.ts"
import { type ByteString, fromUnicode } from "../nix/Bytes.ts"
import type { EvaluatedDerivation, EvaluationArgument, EvaluationJob, EvaluationMode, EvaluationSource } from "../realise/Evaluation.ts"
import { pairSeparator } from "./Argv.ts"
import { evaluationCachePlace, type StoreChoice, syntaxCacheFolder } from "./CacheFolder.ts"

/** What holds for every evaluation of a command. */
export interface SettingsInput {
  /** A name and an expression, with a `pairSeparator` between. */
  readonly args: ReadonlyArray<string>
  /** A name and a string, with a `pairSeparator` between. */
  readonly argstrs: ReadonlyArray<string>
  readonly include: ReadonlyArray<string>
  readonly pure: boolean
  readonly restrict: boolean
  readonly allowedUris: string | undefined
  readonly noImportFromDerivation: boolean
  readonly system: string | undefined
  readonly maxCallDepth: number
  readonly features: ReadonlyArray<string>
  readonly abortOnWarn?: boolean
  readonly traceVerbose: boolean
  readonly lintUrlLiterals: Severity
  readonly lintShortPathLiterals: Severity
  readonly lintAbsolutePathLiterals: Severity
  readonly noSyntaxCache?: boolean
  readonly noEvalCache?: boolean
  /** The store that the evaluation is to use. Default: one of which no results are kept. */
  readonly choice?: StoreChoice | undefined
  readonly errorFormat: "text" | "json"
  readonly showTrace: boolean
}

export interface EvaluationInput extends SettingsInput {
  readonly input: string | undefined
  readonly expr: string | undefined
  readonly file: string | undefined
  readonly attrs: ReadonlyArray<string>
}

/** How `yix eval` prints. */
export interface PrintInput {
  readonly strict: boolean
  readonly json: boolean
  readonly raw: boolean
  readonly xml: boolean
  readonly noLocation: boolean
}

/** What is wrong with flags, in plain words. */
export interface Wrong {
  readonly wrong: string
}

export const defaultCallDepth = 10_000

/** The system that this machine builds for. */
export const currentSystem = (): string =>
  `${os.arch() === "arm64" ? "aarch64" : os.arch() === "x64" ? "x86_64" : os.arch()}-${process.platform}`

/** The working directory. */
export const here = (): ByteString => fromUnicode(process.cwd())

const isUrl = (name: string): boolean => /^(?:https?|ftp|file|channel):/.test(name)

/** A text whose relative paths start at the working directory. */
export const expressionSource = (text: string): EvaluationSource => textSource(fromUnicode(text))

/** The same of a text that is bytes. */
export const textSource = (text: ByteString): EvaluationSource => ({ _tag: "Expression", text, directory: here() })

/** What a name of a file means: a path, `<name>` of the search path, or the URL of a tarball. */
export const fileSource = (name: string): EvaluationSource => {
  if (/^<[^<>]+>$/.test(name)) return { _tag: "File", path: fromUnicode(name) }
  if (isUrl(name)) {
    const url = name.startsWith("channel:") ? `https://channels.nixos.org/${name.slice("channel:".length)}/nixexprs.tar.xz` : name
    return expressionSource(`import (builtins.fetchTarball ${JSON.stringify(url)})`)
  }
  return { _tag: "File", path: fromUnicode(path.resolve(name)) }
}

/** A reference to a flake as builtins.getFlake wants it: a directory with its absolute name. */
export const absoluteFlake = (reference: string): string =>
  /^(?:\.{0,2}\/|\.{1,2}$)/.test(reference) ? path.resolve(reference) : reference

/** The source; "standard input" where that is one, for the caller to read; else what is wrong. */
export const sourceOf = (input: Pick<EvaluationInput, "input" | "expr" | "file">): EvaluationSource | "standard input" | Wrong => {
  const named = [input.input, input.expr, input.file].filter((text) => text !== undefined).length
  if (named > 1) return { wrong: "only one of FILE, --expr and --file can be given" }
  if (input.expr !== undefined) return expressionSource(input.expr)
  const name = input.file ?? input.input ?? "."
  if (name === "." && !fs.existsSync("default.nix")) {
    return { wrong: "there is no ./default.nix here; name a file, or give an expression with --expr" }
  }
  return name === "-" ? "standard input" : fileSource(name)
}

const argument = (kind: EvaluationArgument["kind"], pair: string): EvaluationArgument | Wrong => {
  const cut = pair.indexOf(pairSeparator)
  if (cut === -1)
    return {
      wrong: `--${kind === "string" ? "argstr" : "arg"} needs two values, a name and ${kind === "string" ? "a string" : "an expression"}`
    }
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

export type EvaluationSettings = Omit<EvaluationJob, "source" | "attrPaths" | "mode" | "readOnly">

/** What the flags say that holds for every evaluation of a command, or what is wrong with them. `color`: errors show it. */
export const settingsFrom = (input: SettingsInput, color: boolean): EvaluationSettings | Wrong => {
  const args: Array<EvaluationArgument> = []
  for (const arg of [...input.args.map((pair) => argument("expression", pair)), ...input.argstrs.map((pair) => argument("string", pair))]) {
    if ("wrong" in arg) return arg
    args.push(arg)
  }
  const foreign = input.features.find((feature) => ![...knownFeatures, ...alwaysOn].includes(feature))
  if (foreign !== undefined) return { wrong: `there is no feature '${foreign}', only ${knownFeatures.join(", ")}` }
  if (input.maxCallDepth < 1) return { wrong: "--max-call-depth must be at least 1" }
  return {
    args,
    searchPath: [...input.include, ...splitNixPath(process.env["NIX_PATH"] ?? "")].map(fromUnicode),
    pure: input.pure,
    restrict: input.restrict,
    allowedUris: (input.allowedUris ?? "")
      .split(/\s+/)
      .filter((uri) => uri !== "")
      .map(fromUnicode),
    allowImportFromDerivation: !input.noImportFromDerivation,
    system: fromUnicode(input.system ?? currentSystem()),
    maxCallDepth: input.maxCallDepth,
    features: input.features,
    abortOnWarn: input.abortOnWarn ?? false,
    traceVerbose: input.traceVerbose,
    syntaxCache: input.noSyntaxCache === true ? undefined : syntaxCacheFolder(),
    evaluationCache: input.noEvalCache === true || input.choice === undefined ? undefined : evaluationCachePlace(input.choice),
    lints: {
      urlLiterals: input.lintUrlLiterals,
      shortPathLiterals: input.lintShortPathLiterals,
      absolutePathLiterals: input.lintAbsolutePathLiterals
    },
    showTrace: input.showTrace,
    errorFormat: input.errorFormat,
    color
  }
}

/** What is to be evaluated, and what of it is wanted. */
export interface Wanted {
  readonly source: EvaluationSource
  readonly mode: EvaluationMode
  readonly readOnly: boolean
}

/** The job that the flags describe, or what is wrong with them. */
export const jobFrom = (input: EvaluationInput, wanted: Wanted, color: boolean): EvaluationJob | Wrong => {
  const settings = settingsFrom(input, color)
  return "wrong" in settings ? settings : { ...settings, ...wanted, attrPaths: input.attrs.map(fromUnicode) }
}

/** How the values of `yix eval` are printed, or what is wrong. */
export const printModeOf = (input: PrintInput): Extract<EvaluationMode, { readonly kind: "print" }> | Wrong => {
  if (Number(input.json) + Number(input.raw) + Number(input.xml) > 1) {
    return { wrong: "only one of --json, --raw and --xml can be given" }
  }
  const format = input.json ? "json" : input.raw ? "raw" : input.xml ? "xml" : "nix"
  return { kind: "print", strict: input.strict, format, location: !input.noLocation }
}

/** What `yix instantiate` prints for a derivation, on a line of its own. */
export const printedDerivation = ({ drvPath, outputName }: EvaluatedDerivation): ByteString =>
  `${outputName === "out" ? drvPath : `${drvPath}!${outputName}`}\n`

/** What is printed for a value: Nix ends neither raw strings nor XML with a line end of its own. */
export const printedText = (text: ByteString, { format }: Extract<EvaluationMode, { readonly kind: "print" }>): ByteString =>
  format === "raw" || format === "xml" ? text : `${text}\n`
