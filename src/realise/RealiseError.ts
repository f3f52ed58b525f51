/**
 * What can go wrong while something is made real. Every error knows the exit code it asks for; those of independent failures are OR-ed
 * (design §7: 1 failure, 100 build failed, 101 timed out, 102 hash mismatch, 104 not deterministic).
 */
import * as Schema from "effect/Schema"
import type { IoFailure } from "../eval/IoRequest.ts"

/** A builder ended badly, or what it left cannot be taken. */
export class DerivationFailed extends Schema.TaggedError<DerivationFailed>()("DerivationFailed", {
  drvPath: Schema.String,
  /** "failed": exit status, signal, missing or unacceptable output; "timeout": it ran or was silent for too long; "unsupported": it could not be tried. */
  reason: Schema.Literals(["failed", "timeout", "unsupported"]),
  /** One sentence. */
  detail: Schema.String,
  /** The end of the builder's log, at most 25 lines. */
  lastLines: Schema.Array(Schema.String),
  logged: Schema.Boolean
}) {
  get exitCode(): number {
    return this.reason === "timeout" ? 101 : this.reason === "unsupported" ? 1 : 100
  }
  override get message(): string {
    const tail =
      this.lastLines.length === 0
        ? ""
        : `\nlast ${this.lastLines.length} log line${this.lastLines.length === 1 ? "" : "s"}:\n${this.lastLines.map((line) => `> ${line}`).join("\n")}`
    const hint = this.logged ? `\nthe whole log: yix log ${this.drvPath}` : ""
    return `cannot build '${this.drvPath}': ${this.detail}${tail}${hint}`
  }
}

/** An output with a declared hash turned out otherwise; its contents were not kept. */
export class HashMismatch extends Schema.TaggedError<HashMismatch>()("HashMismatch", {
  /** A derivation, or what was fetched or copied. */
  what: Schema.String,
  /** Both as SRI. */
  expected: Schema.String,
  actual: Schema.String
}) {
  get exitCode(): number {
    return 102
  }
  override get message(): string {
    return `hash mismatch in '${this.what}':\n  specified: ${this.expected}\n     got:    ${this.actual}`
  }
}

/** An output refers to something its derivation forbids, or grew too large (`allowedReferences`, `disallowedRequisites`, `maxSize`, …). */
export class OutputRefused extends Schema.TaggedError<OutputRefused>()("OutputRefused", {
  drvPath: Schema.String,
  output: Schema.String,
  check: Schema.String,
  offenders: Schema.Array(Schema.String),
  detail: Schema.String
}) {
  get exitCode(): number {
    return 100
  }
  override get message(): string {
    const list = this.offenders.map((path) => `\n  ${path}`).join("")
    return `output '${this.output}' of '${this.drvPath}' fails its check '${this.check}': ${this.detail}${list}`
  }
}

/** `--check`: building again gave something else. The store keeps what it had. */
export class NotDeterministic extends Schema.TaggedError<NotDeterministic>()("NotDeterministic", {
  drvPath: Schema.String,
  outputs: Schema.Array(Schema.Struct({ name: Schema.String, path: Schema.String, before: Schema.String, now: Schema.String }))
}) {
  get exitCode(): number {
    return 104
  }
  override get message(): string {
    const list = this.outputs.map((o) => `\n  ${o.path}: NAR was ${o.before}, is now ${o.now}`).join("")
    return `'${this.drvPath}' is not deterministic: building it again gave other contents${list}`
  }
}

/** A fetch that realising needed failed. */
export class FetchFailure extends Schema.TaggedError<FetchFailure>()("FetchFailure", {
  /** The derivation that is this fetch, if one is. */
  what: Schema.UndefinedOr(Schema.String),
  detail: Schema.String,
  code: Schema.Finite
}) {
  get exitCode(): number {
    return this.code
  }
  override get message(): string {
    return this.what === undefined ? this.detail : `cannot build '${this.what}': ${this.detail}`
  }
}

/** Nothing here has this path and nothing known makes it. */
export class PathUnavailable extends Schema.TaggedError<PathUnavailable>()("PathUnavailable", {
  path: Schema.String,
  detail: Schema.String
}) {
  get exitCode(): number {
    return 1
  }
  override get message(): string {
    return `path '${this.path}' is not in the store and ${this.detail}`
  }
}

/** A source that should be copied into the store cannot be. */
export class SourceUnreadable extends Schema.TaggedError<SourceUnreadable>()("SourceUnreadable", {
  path: Schema.String,
  detail: Schema.String
}) {
  get exitCode(): number {
    return 1
  }
  override get message(): string {
    return `cannot copy '${this.path}' into the store: ${this.detail}`
  }
}

/** A closure cannot be had from a cache, or is not of the kind that was asked for (`builtins.fetchClosure`). */
export class ClosureRefused extends Schema.TaggedError<ClosureRefused>()("ClosureRefused", {
  path: Schema.String,
  cache: Schema.String,
  /** In plain words; Nix's own where it has some. */
  detail: Schema.String
}) {
  get exitCode(): number {
    return 1
  }
  override get message(): string {
    return this.detail
  }
}

/** A derivation was not made because something it needs failed; `roots` says what, each root once in a run. */
export class DependencyFailed extends Schema.TaggedError<DependencyFailed>()("DependencyFailed", {
  drvPath: Schema.String,
  /** Direct inputs that failed: derivations or paths. */
  inputs: Schema.Array(Schema.String),
  roots: Schema.Array(Schema.Defect())
}) {
  get exitCode(): number {
    return combineExitCodes(this.roots.map((root) => (root as RealiseError).exitCode))
  }
  override get message(): string {
    return `cannot build '${this.drvPath}': ${this.inputs.length === 1 ? "its input" : "its inputs"} ${this.inputs.map((i) => `'${i}'`).join(", ")} failed`
  }
}

/** The store itself failed: disk, database, corrupt data. */
export class StoreFailure extends Schema.TaggedError<StoreFailure>()("StoreFailure", { detail: Schema.String, cause: Schema.Defect() }) {
  get exitCode(): number {
    return 1
  }
  override get message(): string {
    return this.detail
  }
}

/** Several independent things failed (`--keep-going`). Flat: holds no `RealiseFailed`. */
export class RealiseFailed extends Schema.TaggedError<RealiseFailed>()("RealiseFailed", { failures: Schema.Array(Schema.Defect()) }) {
  get exitCode(): number {
    return combineExitCodes(this.failures.map((failure) => (failure as RealiseError).exitCode))
  }
  override get message(): string {
    return this.failures.map((failure) => (failure as RealiseError).message).join("\n")
  }
}

export type RealiseError =
  | DerivationFailed
  | HashMismatch
  | OutputRefused
  | NotDeterministic
  | FetchFailure
  | PathUnavailable
  | SourceUnreadable
  | ClosureRefused
  | DependencyFailed
  | StoreFailure
  | RealiseFailed

const tags: ReadonlySet<string> = new Set<RealiseError["_tag"]>([
  "DerivationFailed",
  "HashMismatch",
  "OutputRefused",
  "NotDeterministic",
  "FetchFailure",
  "PathUnavailable",
  "SourceUnreadable",
  "ClosureRefused",
  "DependencyFailed",
  "StoreFailure",
  "RealiseFailed"
])

export const isRealiseError = (error: { readonly _tag: string }): error is RealiseError => tags.has(error._tag)

/** A failed store operation as a realise error. */
export const storeFailure = (error: { readonly message: string }): StoreFailure => new StoreFailure({ detail: error.message, cause: error })

/** The exit code of several failures: the bits of 100 and above OR-ed; 1 where none of them asks for more. */
export const combineExitCodes = (codes: ReadonlyArray<number>): number => {
  const special = codes.filter((code) => code >= 100)
  return special.length === 0 ? 1 : special.reduce((a, b) => a | b, 0)
}

/** Root causes and what fell with them: each error once, those that others came from before those. */
export const rootsFirst = (error: RealiseError): ReadonlyArray<RealiseError> => {
  const ordered = new Set<RealiseError>()
  const visit = (one: RealiseError): void => {
    if (one instanceof RealiseFailed) return (one.failures as ReadonlyArray<RealiseError>).forEach(visit)
    if (one instanceof DependencyFailed) (one.roots as ReadonlyArray<RealiseError>).forEach(visit)
    ordered.add(one)
  }
  visit(error)
  return [...ordered]
}

/** The error as the answer to an evaluator's request: whoever asked for the top hears what is wrong at the bottom. */
export const toIoFailure = (error: RealiseError): IoFailure => ({
  message: rootsFirst(error)
    .map((one) => one.message)
    .join("\n"),
  kind: error._tag,
  exitCode: error.exitCode === 1 ? undefined : error.exitCode
})
