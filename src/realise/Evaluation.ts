/**
 * What a door asks of the evaluator, as data, and the service that does it.
 *
 * A job names one expression, the attributes wanted of it and what is to be made of them. The evaluator runs in its own thread; its questions to
 * the outside go to the `Realiser`. Interrupting `run` stops the evaluation and releases everything it had asked for. Texts are byte strings.
 * The service's layer is in `realise/EvaluatorHost.ts`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Lints } from "../lang/Lints.ts"
import type { ByteString } from "../nix/Bytes.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { EvaluatorSession, SessionSettings } from "./Session.ts"

export type EvaluationSource =
  /** An absolute path of the host; a directory stands for its `default.nix`. Or `<name>`, looked up in the search path. */
  | { readonly _tag: "File"; readonly path: ByteString }
  /** Relative paths in the text start at `directory` (absolute). */
  | { readonly _tag: "Expression"; readonly text: ByteString; readonly directory: ByteString }

/** An argument for functions at the root (`--arg`, `--argstr`). */
export interface EvaluationArgument {
  readonly name: ByteString
  /** "expression": `text` is Nix code, relative paths start at `directory`; "string": it is the value. */
  readonly kind: "expression" | "string"
  readonly text: ByteString
  readonly directory: ByteString
}

export type EvaluationMode =
  /** Texts of the values. `strict` goes into lists and sets (JSON and XML: as Nix does it, with derivations cut in XML). */
  | {
      readonly kind: "print"
      readonly strict: boolean
      /** "line": as `nix eval` prints, evaluated all the way down, what fails shown in its place. */
      readonly format: "nix" | "line" | "json" | "raw" | "xml"
      /** XML: with the places of attributes and functions (default). */
      readonly location?: boolean
      /** As `nix-instantiate`: without `strict` what is not evaluated is an error in JSON, and told as such in XML. Default: it is evaluated. */
      readonly lazy?: boolean
      /** JSON: paths of the host stay such (as for `nix eval`). Default: they are copied into the store. */
      readonly hostPaths?: boolean
      /** Functions that are the result are not called with `args` (as for `nix eval`); those on the way always are. */
      readonly uncalled?: boolean
      /** A function, as text, to be called with each value; relative paths in it start at `directory`. */
      readonly apply?: { readonly text: ByteString; readonly directory: ByteString }
    }
  /** The derivations: the value itself, or those found in its attributes and lists as `nix-build` finds them. */
  | { readonly kind: "derivations" }

export interface EvaluationCachePlace {
  /** An absolute folder of the host, the user's own. */
  readonly folder: string
  /** One text for the store and what answers besides it: results of another are not looked at. */
  readonly world: string
  /** The directory of the store, where that is a plain local one: then its database can tell what it has. */
  readonly database: string | undefined
}

export interface EvaluationJob {
  readonly source: EvaluationSource
  /** Dotted attribute paths, in order; empty means the value itself (as one path ""). */
  readonly attrPaths: ReadonlyArray<ByteString>
  readonly args: ReadonlyArray<EvaluationArgument>
  readonly mode: EvaluationMode
  /** `prefix=path`, or a path whose directory entries are the names; the first match wins. URLs are allowed where Nix allows them. */
  readonly searchPath: ReadonlyArray<ByteString>
  /** `--pure-eval`: no search path, environment, current time or system, no paths outside the store. */
  readonly pure: boolean
  /** `--restrict-eval`: reads only inside the search path and the store, fetches only `allowedUris`. */
  readonly restrict: boolean
  readonly allowedUris: ReadonlyArray<ByteString>
  /** Store paths are computed, nothing is copied into the store, written or built; reads from a derivation's output work where it is there. What is fetched goes into the store. */
  readonly readOnly: boolean
  /** False: `import` and reads from a derivation's output are an error. */
  readonly allowImportFromDerivation: boolean
  /** `builtins.currentSystem`, such as `x86_64-linux`. */
  readonly system: ByteString
  readonly maxCallDepth: number
  /** Language features switched on: those of `eval/FeatureNames.ts`. */
  readonly features: ReadonlyArray<string>
  /** What is said about literals that parse but are not wanted; nothing by default. */
  readonly lints?: Lints
  /** `builtins.warn` ends the evaluation; also where `NIX_ABORT_ON_WARN` is 1, true or yes. */
  readonly abortOnWarn?: boolean
  /** An absolute folder of the host in which syntax trees are kept from run to run (`SyntaxCache.ts`). Default: they are not kept. */
  readonly syntaxCache?: string | undefined
  /** Where results are kept from run to run (`EvaluationCache.ts`); sessions keep none. Default: they are not kept. */
  readonly evaluationCache?: EvaluationCachePlace | undefined
  /** `builtins.traceVerbose` prints. */
  readonly traceVerbose?: boolean
  /** How a failure is rendered: whole trace, ANSI colour. */
  readonly showTrace: boolean
  readonly color: boolean
  /** "json": the failure's text is one JSON object (`lang/DiagnosticJson.ts`). */
  readonly errorFormat?: "text" | "json"
}

export interface EvaluatedDerivation {
  /** The attribute path that led here, "" for the value itself. */
  readonly attr: ByteString
  readonly name: ByteString
  readonly drvPath: StorePath
  /** All outputs in the derivation's order; a path is `undefined` where only building tells it. */
  readonly outputs: ReadonlyArray<{ readonly name: ByteString; readonly path: StorePath | undefined }>
  /** The selected output: `dev` for `foo.dev`, else the first one. */
  readonly outputName: ByteString
  /** What building this means: the selected output when `outputSpecified`, else `meta.outputsToInstall`, else the selected output. */
  readonly outputsToInstall: ReadonlyArray<ByteString>
}

export type EvaluationResult =
  /** One text per attribute path, without a line end (XML: as Nix prints it). */
  | { readonly _tag: "Values"; readonly texts: ReadonlyArray<ByteString> }
  /** Known to the `Realiser` already, with everything that they need. */
  | { readonly _tag: "Derivations"; readonly derivations: ReadonlyArray<EvaluatedDerivation> }

/** The evaluation ended with an error of the language, of the input, or of something that it needed. */
export class EvaluationFailed extends Schema.TaggedError<EvaluationFailed>()("EvaluationFailed", {
  /** Plain words with source excerpt and trace, ready for the terminal, without a leading `error:` and without a last line end. */
  rendered: Schema.String,
  /** 1, or what a failed build asks for (design: 100, 101, 102, 104). */
  exitCode: Schema.Finite
}) {
  override get message(): string {
    return this.rendered
  }
}

export class Evaluator extends Context.Service<
  Evaluator,
  {
    run(job: EvaluationJob): Effect.Effect<EvaluationResult, EvaluationFailed>
    /** A session, with a thread of its own where there are threads, until the scope ends. */
    openSession(settings: SessionSettings): Effect.Effect<EvaluatorSession, never, Scope.Scope>
  }
>()("yix/realise/Evaluator") {}
