/**
 * Evaluation attribute by attribute, as data: what a worker process is asked and what it answers.
 *
 * A worker evaluates its root once and keeps it, with everything that the attributes so far have forced. Texts are byte strings.
 */
import type { ByteString } from "../../nix/Bytes.ts"
import type { StorePath } from "../../nix/StorePath.ts"
import type { EvaluationJob } from "../Evaluation.ts"
import type { FromEvaluator, ToEvaluator } from "../EvaluatorProtocol.ts"

/** A text in the language. Relative paths in it start at `directory`. */
export interface Code {
  readonly text: ByteString
  readonly directory: ByteString
}

/** What holds for all attributes of a run. Their results are not kept. */
export interface AttributeSettings extends Omit<EvaluationJob, "attrPaths" | "mode" | "evaluationCache"> {
  /** A function that is called with the value of the source; what it gives is the root. */
  readonly select: Code | undefined
  /** A function that is called with each derivation. */
  readonly apply: Code | undefined
  /** Sets are gone into whether they ask for it or not. */
  readonly forceRecurse: boolean
  /** What is told of each derivation beyond its paths: its `meta`, its inputs, its own text and those of all its inputs (for the realiser to know). */
  readonly meta: boolean
  readonly inputs: boolean
  readonly texts: boolean
}

/** Attributes one below the other; empty for the root. A number is an index where a list is met. */
export type AttributePath = ReadonlyArray<ByteString>

/** An attribute path as people write it: names with dots stand in quotes. */
export const attributeName = (path: AttributePath): ByteString =>
  path.map((name) => (name === "" || name.includes(".") ? `"${name}"` : name)).join(".")

export interface AttributeRequest {
  readonly path: AttributePath
  /** One that the user named: a set is gone into unless it refuses, and anything but a set is an error. */
  readonly isRoot: boolean
}

/** A derivation, as far as its evaluation tells of it. */
export interface AttributeDerivation {
  readonly name: ByteString
  readonly drvPath: StorePath
  readonly system: ByteString
  /** A path is `undefined` where only building tells it. */
  readonly outputs: ReadonlyArray<{ readonly name: ByteString; readonly path: StorePath | undefined }>
  /** The variables of its environment that say which features a builder must have. */
  readonly featureVariables: ReadonlyMap<ByteString, ByteString>
  /** The derivations that it needs, and which outputs of them; where that is wanted. */
  readonly inputs: ReadonlyMap<StorePath, ReadonlyArray<ByteString>> | undefined
  /** JSON: what of `meta` JSON can say, `null` where there is none; where that is wanted. */
  readonly meta: ByteString | undefined
  /** JSON: what `apply` gave. */
  readonly applied: ByteString | undefined
}

export type AttributeReply =
  | { readonly _tag: "Derivation"; readonly derivation: AttributeDerivation }
  /** A set to go into: the names in it, in bytewise order. */
  | { readonly _tag: "Set"; readonly names: ReadonlyArray<ByteString> }
  /** Neither. */
  | { readonly _tag: "Nothing" }

/** What a worker process is told, its settings before anything else. */
export type ToProcess =
  | { readonly _tag: "Settings"; readonly settings: AttributeSettings }
  | Omit<Extract<ToEvaluator, { readonly _tag: "Attribute" }>, "settings">
  | Extract<ToEvaluator, { readonly _tag: "Answer" }>
  /** It should end when it has kept what the next run may use. */
  | { readonly _tag: "Stop" }

export type FromProcess =
  /** `resident`: bytes of memory that the process has, told at the end of each evaluation. */
  | (FromEvaluator & { readonly resident?: number })
  /** The process ends, since its thread did. */
  | { readonly _tag: "Ended"; readonly reason: string }
