/**
 * `nix-instantiate --eval --strict` and `--parse` as functions: the flags of a case made into a job for the evaluator, which runs over a world in memory
 * whose builder and fetcher do nothing.
 */
import * as path from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { parseAndPrint } from "../../src/cli/compat/Parse.ts"
import { render } from "../../src/lang/Diagnostics.ts"
import { noLints, type Severity } from "../../src/lang/Lints.ts"
import { fromUnicode, toUnicode } from "../../src/nix/Bytes.ts"
import type { ByteString } from "../../src/nix/Bytes.ts"
import type { EvaluationArgument, EvaluationJob, EvaluationSource } from "../../src/realise/Evaluation.ts"
import { Evaluator } from "../../src/realise/Evaluation.ts"

/** What a program would have done: its status and what it wrote. */
export interface Ran {
  readonly ok: boolean
  readonly output: string
  readonly report: string
}

const lintNames = {
  "--lint-url-literals": "urlLiterals",
  "--lint-short-path-literals": "shortPathLiterals",
  "--lint-absolute-path-literals": "absolutePathLiterals"
} as const

type Format = (EvaluationJob["mode"] & { kind: "print" })["format"]

/** The job for a source, with flags as `nix-instantiate` takes them; a text for a flag that is not known. */
export const jobOf = (
  source: EvaluationSource,
  flags: ReadonlyArray<string>,
  options: { readonly directory: string; readonly format: Format; readonly nixPath: ReadonlyArray<string> }
): EvaluationJob | string => {
  const directory = fromUnicode(options.directory)
  const attrPaths: Array<ByteString> = []
  const args: Array<EvaluationArgument> = []
  const include: Array<string> = []
  const features: Array<string> = []
  let lints = noLints
  let maxCallDepth = 10_000
  let showTrace = true
  for (let i = 0; i < flags.length; i++) {
    const flag = flags[i] as string
    const next = (): string => flags[++i] ?? ""
    switch (flag) {
      case "-A":
        attrPaths.push(fromUnicode(next()))
        break
      case "--arg":
      case "--argstr": {
        const name = fromUnicode(next())
        args.push({ name, kind: flag === "--arg" ? "expression" : "string", text: fromUnicode(next()), directory })
        break
      }
      case "-I":
        include.push(next())
        break
      case "--max-call-depth":
        maxCallDepth = Number(next())
        break
      case "--extra-experimental-features":
        features.push(...next().split(" "))
        break
      case "--lint-url-literals":
      case "--lint-short-path-literals":
      case "--lint-absolute-path-literals":
        lints = { ...lints, [lintNames[flag]]: next() as Severity }
        break
      case "--no-show-trace":
        showTrace = false
        break
      case "--impure":
        break
      default:
        return `flag ${flag} is not known here`
    }
  }
  const absolute = (entry: string): string => {
    const cut = entry.indexOf("=") + 1
    return entry.slice(0, cut) + path.resolve(options.directory, entry.slice(cut))
  }
  return {
    source,
    attrPaths,
    args,
    mode: { kind: "print", strict: true, format: options.format, location: false },
    searchPath: [...include, ...options.nixPath].map(absolute).map(fromUnicode),
    pure: false,
    restrict: false,
    allowedUris: [],
    readOnly: false,
    allowImportFromDerivation: true,
    system: "x86_64-linux",
    maxCallDepth,
    features,
    lints,
    showTrace,
    color: false
  }
}

/** Seconds for one case. */
const limit = 20

/** Runs a job; what takes too long, or fails otherwise than with an error of the language, is reported as a crash. */
export const evaluate = (job: EvaluationJob): Effect.Effect<Ran, never, Evaluator> =>
  Effect.gen(function* () {
    const evaluator = yield* Evaluator
    const result = yield* evaluator.run(job).pipe(Effect.timeout(Duration.seconds(limit)), Effect.result)
    if (Result.isFailure(result)) {
      const error = result.failure
      return error._tag === "EvaluationFailed"
        ? { ok: false, output: "", report: `error: ${error.rendered}`.replace(/^error: \n/, "error:\n") }
        : { ok: false, output: "", report: `crash: no answer within ${limit} s` }
    }
    return { ok: true, output: result.success._tag === "Values" ? toUnicode(result.success.texts.join("\n")) : "", report: "" }
  })

/** The syntax of a text as `nix-instantiate --parse -` prints it. */
export const parsed = (text: ByteString, directory: string, home: string): Ran => {
  const result = parseAndPrint(text, { _tag: "Stdin" }, fromUnicode(directory), fromUnicode(home))
  if (result === "deep") return { ok: false, output: "", report: "crash: nested too deeply" }
  return result._tag === "Printed"
    ? { ok: true, output: toUnicode(result.text), report: "" }
    : { ok: false, output: "", report: toUnicode(render(result.diagnostic)) }
}
