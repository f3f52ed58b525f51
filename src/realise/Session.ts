/**
 * A session with the evaluator, as data: inputs that build on each other, and what they give. Behind `yix repl`.
 *
 * The session lives in the evaluator's thread, with the variables that its inputs have bound. One request is under way at a time; interrupting it stops the
 * evaluation and keeps every variable. Texts are byte strings.
 */
import type * as Effect from "effect/Effect"
import type { ByteString } from "../nix/Bytes.ts"
import type { EvaluatedDerivation, EvaluationFailed, EvaluationJob, EvaluationSource } from "./Evaluation.ts"

/** What holds for a whole session. */
export type SessionSettings = Omit<EvaluationJob, "source" | "attrPaths" | "mode" | "readOnly">

/** How answers are to look. */
export interface SessionView {
  /** ANSI colours in printed values. */
  readonly colorValues: boolean
  /** ANSI colours in errors. */
  readonly colorErrors: boolean
  readonly showTrace: boolean
}

/** Relative paths in texts start at `directory`, which is absolute. */
export type SessionRequest =
  /** An expression, whose value is printed one level deep, or bindings. */
  | { readonly _tag: "Evaluate"; readonly text: ByteString; readonly directory: ByteString }
  /** Printed all the way down; a string as it is. */
  | { readonly _tag: "PrintDeep"; readonly text: ByteString; readonly directory: ByteString }
  /** The type of a value, in words. */
  | { readonly _tag: "Describe"; readonly text: ByteString; readonly directory: ByteString }
  /** The attributes of a set become variables. */
  | { readonly _tag: "Add"; readonly text: ByteString; readonly directory: ByteString }
  /** The same with a file's set, or the set that its function gives. It is evaluated again by `Reload`. */
  | { readonly _tag: "Load"; readonly source: EvaluationSource }
  /** Forgets all variables and everything read, and loads again what was loaded. One reply for all. */
  | { readonly _tag: "Reload" }
  /** A derivation, which the realiser knows afterwards. */
  | { readonly _tag: "Derivation"; readonly text: ByteString; readonly directory: ByteString }
  /** What a function is for. */
  | { readonly _tag: "Document"; readonly text: ByteString; readonly directory: ByteString }
  /** Where a value was written. */
  | { readonly _tag: "Locate"; readonly text: ByteString; readonly directory: ByteString }
  /** Names that begin like `text`: variables, or attributes of `a.b.` where finding them needs nothing from far and not long. */
  | { readonly _tag: "Complete"; readonly text: ByteString }
  /** The last error with its whole trace. */
  | { readonly _tag: "LastError" }

export type SessionReply =
  | { readonly _tag: "Printed"; readonly text: ByteString }
  /** Variables that are bound now, in the order of their names. */
  | { readonly _tag: "Bound"; readonly names: ReadonlyArray<ByteString> }
  | { readonly _tag: "Derivation"; readonly derivation: EvaluatedDerivation }
  /** A builtin, or what stands in the source before a function; `place` such as `/a/b.nix:1:2`. */
  | { readonly _tag: "Builtin"; readonly name: ByteString; readonly arity: number }
  | {
      readonly _tag: "Function"
      readonly name: ByteString | undefined
      readonly place: ByteString
      readonly comment: ByteString | undefined
    }
  /** A file, and the line in it, counted from 1. */
  | { readonly _tag: "Place"; readonly path: ByteString; readonly line: number }
  /** Whole words that may stand in place of the request's text, sorted. */
  | { readonly _tag: "Candidates"; readonly words: ReadonlyArray<ByteString> }
  /** `undefined`: nothing has failed yet. */
  | { readonly _tag: "LastError"; readonly rendered: ByteString | undefined }

export interface EvaluatorSession {
  /** Fails where the evaluation fails; the session goes on. */
  ask(request: SessionRequest, view: SessionView): Effect.Effect<SessionReply, EvaluationFailed>
}
