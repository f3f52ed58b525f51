/**
 * Derivations: what they are made of, and which kind one is.
 *
 * The ATerm form is in `Aterm.ts`, output paths and hash-modulo in `HashModulo.ts`, the JSON forms in `DerivationJson.ts`. Pure.
 */
import type { ByteString } from "./Bytes.ts"
import type { HashProblem, NixHashAlgorithm } from "./Hash.ts"
import { algorithmNamed, digestLength, HashError } from "./Hash.ts"
import * as Base16 from "./Base16.ts"
import type { IngestionMethod, StorePath } from "./StorePath.ts"

export interface DerivationOutput {
  /** Empty where the path cannot be known before building (floating content-addressed outputs, and all that depends on one). */
  readonly path: StorePath | ""
  /** As in ATerm: "", "sha256", "r:sha256", … */
  readonly hashAlgorithm: ByteString
  /** Hex; empty where not fixed; "impure" where the output may differ at every build. */
  readonly hash: ByteString
}

export interface Derivation {
  /** Name without `.drv`. */
  readonly name: ByteString
  readonly outputs: ReadonlyMap<ByteString, DerivationOutput>
  readonly inputDerivations: ReadonlyMap<StorePath, ReadonlyArray<ByteString>>
  readonly inputSources: ReadonlyArray<StorePath>
  readonly system: ByteString
  readonly builder: ByteString
  readonly args: ReadonlyArray<ByteString>
  readonly env: ReadonlyMap<ByteString, ByteString>
}

/**
 * How the output paths come about: from the inputs (`input-addressed`, whose paths stay empty while one of the inputs is not known before it is built), from a
 * declared hash (`fixed`), from what was built (`floating`), or from what was built this time (`impure`).
 */
export type DerivationKind = "input-addressed" | "fixed" | "floating" | "impure"

/** What is wrong with a derivation as a whole. */
export type DerivationProblem =
  | { readonly kind: "no-outputs" }
  | { readonly kind: "mixed-outputs" }
  | { readonly kind: "several-fixed-outputs" }
  | { readonly kind: "fixed-output-name"; readonly output: ByteString }
  | { readonly kind: "different-algorithms" }
  | { readonly kind: "output-algorithm"; readonly output: ByteString; readonly text: ByteString }
  | { readonly kind: "output-hash"; readonly output: ByteString; readonly problem: HashProblem }
  | { readonly kind: "incorrect-output"; readonly output: ByteString; readonly actual: ByteString; readonly expected: ByteString }
  | { readonly kind: "missing-variable"; readonly variable: ByteString; readonly expected: ByteString }
  | { readonly kind: "incorrect-variable"; readonly variable: ByteString; readonly actual: ByteString; readonly expected: ByteString }

/** A derivation contradicts itself. */
export class DerivationError extends Error {
  readonly _tag = "DerivationError"
  /** Name of the derivation. */
  readonly derivation: ByteString
  readonly problem: DerivationProblem

  constructor(derivation: ByteString, problem: DerivationProblem) {
    super()
    this.derivation = derivation
    this.problem = problem
  }

  override get message(): string {
    return `derivation '${this.derivation}' is not valid: ${problemMessage(this.problem)}`
  }
}

const problemMessage = (problem: DerivationProblem): string => {
  switch (problem.kind) {
    case "no-outputs":
      return "must have at least one output"
    case "mixed-outputs":
      return "can't mix derivation output types"
    case "several-fixed-outputs":
      return "only one fixed output is allowed for now"
    case "fixed-output-name":
      return `single fixed output must be named "out", not "${problem.output}"`
    case "different-algorithms":
      return "all floating outputs must use the same hash algorithm"
    case "output-algorithm":
      return `output '${problem.output}' has unknown hash algorithm '${problem.text}'`
    case "output-hash":
      return `output '${problem.output}': ${new HashError(problem.problem).message}`
    case "incorrect-output":
      return `incorrect output '${problem.output}' with path '${problem.actual}', should be '${problem.expected}'`
    case "missing-variable":
      return `missing environment variable '${problem.variable}', should be '${problem.expected}'`
    case "incorrect-variable":
      return `incorrect environment variable '${problem.variable}' with value '${problem.actual}', should be '${problem.expected}'`
  }
}

/** What stands in the hash field of an impure output. */
export const impureHash = "impure"

/** An output's hash algorithm field taken apart, or `undefined` where it names none. */
export const parseOutputAlgorithm = (
  text: ByteString
): { readonly method: IngestionMethod; readonly algorithm: NixHashAlgorithm } | undefined => {
  const colon = text.indexOf(":")
  const prefix = text.slice(0, colon + 1)
  const method =
    prefix === "" ? "flat" : prefix === "r:" ? "recursive" : prefix === "git:" ? "git" : prefix === "text:" ? "text" : undefined
  const algorithm = algorithmNamed(text.slice(colon + 1))
  return method === undefined || algorithm === undefined ? undefined : { method, algorithm }
}

const outputKind = (output: DerivationOutput): DerivationKind => {
  if (output.hashAlgorithm === "") return "input-addressed"
  if (output.hash === "") return "floating"
  return output.hash === impureHash ? "impure" : "fixed"
}

/** The kind of a derivation. Throws `DerivationError` where its outputs do not go together. */
export const kindOf = (derivation: Derivation): DerivationKind => {
  let kind: DerivationKind | undefined
  let algorithm: ByteString | undefined
  const fail = (problem: DerivationProblem) => new DerivationError(derivation.name, problem)
  for (const [name, output] of derivation.outputs) {
    const next = outputKind(output)
    if (kind !== undefined && kind !== next) throw fail({ kind: "mixed-outputs" })
    if (next === "fixed") {
      if (kind !== undefined) throw fail({ kind: "several-fixed-outputs" })
      if (name !== "out") throw fail({ kind: "fixed-output-name", output: name })
    }
    if (next === "floating") {
      const own = output.hashAlgorithm.slice(output.hashAlgorithm.indexOf(":") + 1)
      if (algorithm !== undefined && algorithm !== own) throw fail({ kind: "different-algorithms" })
      algorithm = own
    }
    kind = next
  }
  if (kind === undefined) throw fail({ kind: "no-outputs" })
  return kind
}

/** The method and hash that an output is fixed to. Throws `DerivationError` where its fields are no hash. */
export const fixedHash = (
  derivation: ByteString,
  name: ByteString,
  output: DerivationOutput
): { readonly method: IngestionMethod; readonly algorithm: NixHashAlgorithm; readonly digest: Uint8Array } => {
  const parts = parseOutputAlgorithm(output.hashAlgorithm)
  if (parts === undefined) throw new DerivationError(derivation, { kind: "output-algorithm", output: name, text: output.hashAlgorithm })
  const digest = Base16.decode(output.hash)
  const expected = digestLength[parts.algorithm]
  if (digest?.length !== expected) {
    const problem = { kind: "invalid", text: output.hash, encoding: "base16", length: digest?.length ?? 0, expected } as const
    throw new DerivationError(derivation, { kind: "output-hash", output: name, problem })
  }
  return { ...parts, digest }
}

/** Names of the outputs in bytewise order. */
export const outputNames = (derivation: Derivation): ReadonlyArray<ByteString> => [...derivation.outputs.keys()].sort()
