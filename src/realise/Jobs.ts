/**
 * Evaluations and builds as programs write them: what is to be evaluated, and nothing that need not be said. The rest is as on the command line without flags; only
 * `NIX_PATH` is not read, which is the command line's to do.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { fromUnicode } from "../nix/Bytes.ts"
import { type EvaluationFailed, type EvaluationJob, type EvaluationMode, type EvaluationSource, Evaluator } from "./Evaluation.ts"
import type { RealiseError } from "./RealiseError.ts"
import { type Realised, Realiser } from "./Realiser.ts"

/** A text in the Nix language. Relative paths in it start at `directory`, by default the working directory. */
export const expression = (text: string, directory: string = process.cwd()): EvaluationSource => ({
  _tag: "Expression",
  text: fromUnicode(text),
  directory: fromUnicode(path.resolve(directory))
})

/** A Nix file, or a directory with a `default.nix`. */
export const file = (name: string): EvaluationSource => ({ _tag: "File", path: fromUnicode(path.resolve(name)) })

const machines = new Map([
  ["x64", "x86_64"],
  ["arm64", "aarch64"]
])

/** A job with everything that `more` does not say as it is on the command line without flags. Texts in `more` are byte strings. */
export const job = (source: EvaluationSource, mode: EvaluationMode, more: Partial<EvaluationJob> = {}): EvaluationJob => ({
  source,
  mode,
  attrPaths: [],
  args: [],
  searchPath: [],
  pure: false,
  restrict: false,
  allowedUris: [],
  readOnly: false,
  allowImportFromDerivation: true,
  system: `${machines.get(process.arch) ?? process.arch}-${process.platform}`,
  maxCallDepth: 10_000,
  features: [],
  showTrace: false,
  color: false,
  ...more
})

/** The value of a source as JSON text, strictly evaluated (a byte string, as all texts of evaluations). */
export const evaluateJson = Effect.fn("Jobs.evaluateJson")(function* (
  source: EvaluationSource,
  more: Partial<EvaluationJob> = {}
): Effect.fn.Return<string, EvaluationFailed, Evaluator> {
  const result = yield* (yield* Evaluator).run(job(source, { kind: "print", strict: true, format: "json" }, more))
  return result._tag === "Values" ? result.texts.join("\n") : ""
})

/** Builds the derivations of a source, all at the same time; what came out of each, in their order. */
export const build = Effect.fn("Jobs.build")(function* (
  source: EvaluationSource,
  more: Partial<EvaluationJob> = {}
): Effect.fn.Return<ReadonlyArray<Realised>, EvaluationFailed | RealiseError, Evaluator | Realiser> {
  const result = yield* (yield* Evaluator).run(job(source, { kind: "derivations" }, more))
  const derivations = result._tag === "Derivations" ? result.derivations : []
  return yield* (yield* Realiser).realise(
    derivations.map(({ drvPath, outputsToInstall }) => ({ _tag: "Derivation", drvPath, outputs: outputsToInstall }))
  )
})
