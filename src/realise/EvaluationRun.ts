/**
 * One evaluation job, from its data to its result: what runs in the evaluator's thread. Pure but for the host it is given.
 */
import { AttributeSet } from "../eval/AttributeSet.ts"
import { call } from "../eval/Call.ts"
import { coerceToText, Coercion } from "../eval/Coerce.ts"
import { deepForce } from "../eval/DeepForce.ts"
import { reportError } from "../eval/ErrorReport.ts"
import { fileValue, makeMachine, program, textValue } from "../eval/Evaluate.ts"
import type { Outcome } from "../eval/Evaluate.ts"
import { batch, force } from "../eval/Force.ts"
import type { IoHost } from "../eval/IoRequest.ts"
import type { Machine, SearchPathEntry } from "../eval/Machine.ts"
import { NixError } from "../eval/NixError.ts"
import { printValue } from "../eval/Print.ts"
import { printTree } from "../eval/PrintTree.ts"
import type { FoundDerivation } from "../eval/Roots.ts"
import { autoCall, findDerivations, select } from "../eval/Roots.ts"
import { findOnSearchPath } from "../eval/SearchPath.ts"
import { existingSymbol, Names, symbol } from "../eval/Symbols.ts"
import type { SymbolId } from "../eval/Symbols.ts"
import { toJson } from "../eval/ToJson.ts"
import { toXml } from "../eval/ToXml.ts"
import type { Value } from "../eval/Value.ts"
import { ContextString, textOf } from "../eval/Value.ts"
import { lazily } from "../eval/Code.ts"
import { diagnosticJson } from "../lang/DiagnosticJson.ts"
import { render } from "../lang/Diagnostics.ts"
import { noLints } from "../lang/Lints.ts"
import type { ByteString } from "../nix/Bytes.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { EvaluatedDerivation, EvaluationJob, EvaluationResult, EvaluationSource } from "./Evaluation.ts"
import type { AttributeReply } from "./jobs/AttributeJob.ts"
import type { SessionReply } from "./Session.ts"

/** `prefix=path` or a path; URLs keep their `=`. */
export const parseSearchPath = (entry: ByteString): SearchPathEntry => {
  const at = entry.indexOf("=")
  return at < 0 || /^[a-z]+:/.test(entry) ? { prefix: "", path: entry } : { prefix: entry.slice(0, at), path: entry.slice(at + 1) }
}

/** The value of a source. */
export const rootValue = (source: EvaluationSource): Value => {
  if (source._tag === "Expression") return textValue(source.text, { _tag: "String" }, source.directory)
  const lookup = /^<(.*)>$/.exec(source.path)
  if (lookup !== null) return fileValue(findOnSearchPath(lookup[1] as string, 0).path)
  return fileValue(source.path)
}

export const argumentsOf = (job: Pick<EvaluationJob, "args">): ReadonlyMap<SymbolId, Value> =>
  new Map(
    job.args.map((argument) => [
      symbol(argument.name),
      argument.kind === "string" ? argument.text : lazily(() => textValue(argument.text, { _tag: "String" }, argument.directory))
    ])
  )

const rawText = (value: Value): ByteString => {
  const v = force(value)
  if (typeof v === "string") return v
  return coerceToText(v, new Set(), Coercion.Plain, true)
}

const printed = (value: Value, mode: EvaluationJob["mode"] & { kind: "print" }): ByteString => {
  switch (mode.format) {
    case "nix":
      return printValue(mode.strict ? deepForce(value) : force(value))
    case "line":
      return printTree(force(value), { depth: Infinity, color: false, oneLine: true })
    case "json":
      return toJson(force(value), new Set(), mode.hostPaths !== true, mode.strict || mode.lazy !== true)
    case "xml":
      if (mode.strict) deepForce(value)
      return toXml(force(value), new Set(), mode.location ?? true, mode.strict || mode.lazy !== true)
    case "raw":
      return rawText(value)
  }
}

const textList = (value: Value | undefined): Array<ByteString> => {
  if (value === undefined) return []
  const list = force(value)
  if (!Array.isArray(list)) return []
  return list.map((element) => {
    const v = force(element)
    return typeof v === "string" || v instanceof ContextString ? textOf(v) : ""
  })
}

const text = (set: AttributeSet, name: SymbolId): ByteString | undefined => {
  const value = set.get(name)
  if (value === undefined) return undefined
  const v = force(value)
  return typeof v === "string" || v instanceof ContextString ? textOf(v) : undefined
}

/** What a derivation's set gives once it is instantiated. */
export const instantiated = (machine: Machine, set: AttributeSet) => {
  const drvPath = text(set, Names.drvPath) as StorePath | undefined
  if (drvPath === undefined) {
    throw new NixError("missing-attribute", "attribute 'drvPath' missing: the expression does not evaluate to a derivation")
  }
  const name = text(set, Names.name) ?? ""
  const names = set.has(Names.outputs) ? textList(set.get(Names.outputs)) : ["out"]
  const { derivation } = machine.derivations.get(drvPath)
  const outputs = names.map((output) => {
    const path = derivation.outputs.get(output)?.path
    return { name: output, path: path === undefined || path === "" ? undefined : path }
  })
  return { name, drvPath, derivation, outputs }
}

/** A derivation's set as data. */
export const evaluatedDerivation = (machine: Machine, found: FoundDerivation): EvaluatedDerivation => {
  const { set, attr } = found
  const { name, drvPath, outputs } = instantiated(machine, set)
  const outputName = text(set, Names.outputName) ?? outputs[0]?.name ?? "out"
  const specified = set.get(symbol("outputSpecified"))
  const wanted = specified !== undefined && force(specified) === true ? [] : installed(set)
  return { attr, name, drvPath, outputs, outputName, outputsToInstall: wanted.length > 0 ? wanted : [outputName] }
}

const installed = (set: AttributeSet): Array<ByteString> => {
  const id = existingSymbol("meta")
  const meta = id === undefined ? undefined : set.get(id)
  if (meta === undefined) return []
  const v = force(meta)
  const install = existingSymbol("outputsToInstall")
  return v instanceof AttributeSet && install !== undefined ? textList(v.get(install)) : []
}

/** What a job, a request of a session or an attribute gives, or the text of its failure. */
export type RunResult =
  | { readonly _tag: "Reply"; readonly reply: SessionReply; readonly derivations: ReadonlyArray<readonly [StorePath, ByteString]> }
  | { readonly _tag: "Result"; readonly result: EvaluationResult; readonly derivations: ReadonlyArray<readonly [StorePath, ByteString]> }
  | { readonly _tag: "Attribute"; readonly reply: AttributeReply; readonly derivations: ReadonlyArray<readonly [StorePath, ByteString]> }
  | { readonly _tag: "Failed"; readonly rendered: ByteString; readonly exitCode: number; readonly unusable: boolean }
  | { readonly _tag: "Interrupted" }

/** The machine for jobs and sessions with these settings. */
export const machineFor = (job: Omit<EvaluationJob, "source" | "attrPaths" | "mode">, host: IoHost): Machine =>
  makeMachine(host, {
    maxCallDepth: job.maxCallDepth,
    currentSystem: job.system,
    searchPath: job.pure ? [] : job.searchPath.map(parseSearchPath),
    pure: job.pure,
    homeDirectory: Buffer.from(process.env["HOME"] ?? "/homeless-shelter", "utf8").toString("latin1"),
    workingDirectory: Buffer.from(process.cwd(), "utf8").toString("latin1"),
    features: new Set(job.features),
    traceVerbose: job.traceVerbose ?? false,
    lints: job.lints ?? noLints,
    abortOnWarn: job.abortOnWarn === true || ["1", "true", "yes"].includes(process.env["NIX_ABORT_ON_WARN"] ?? ""),
    color: job.color,
    allowImportFromDerivation: job.allowImportFromDerivation,
    readOnly: job.readOnly
  })

/** A failure as the job wants it told. */
export const failureOf = (
  machine: Machine,
  error: NixError,
  { errorFormat, color, showTrace }: Pick<EvaluationJob, "errorFormat" | "color" | "showTrace">
): RunResult => {
  const diagnostic = reportError(machine, error)
  const exitCode = error.exitCode ?? 1
  return {
    _tag: "Failed",
    rendered: errorFormat === "json" ? diagnosticJson(diagnostic, error.kind, exitCode) : render(diagnostic, { colour: color, showTrace }),
    exitCode,
    unusable: error.kind === "stack-overflow"
  }
}

/** A job over a host. `step` runs it as far as it goes: `undefined` means suspended (hosts that cannot block), to be called again after an answer. */
export const prepare = (job: EvaluationJob, host: IoHost): { readonly step: () => RunResult | undefined } => {
  const machine = machineFor(job, host)
  const paths = job.attrPaths.length === 0 ? [""] : job.attrPaths
  const body = program(machine, (): EvaluationResult => {
    const args = argumentsOf(job)
    const root = lazily(() => rootValue(job.source))
    const at = (path: ByteString): Value => (path === "" ? root : select(root, path, args))
    const mode = job.mode
    if (mode.kind === "print") {
      const texts: Array<ByteString> = Array.from({ length: paths.length })
      // As `nix-instantiate --eval`: without arguments a function prints as one.
      const called = (value: Value): Value => (args.size === 0 || mode.uncalled === true ? value : autoCall(value, args))
      const applied = mode.apply === undefined ? undefined : textValue(mode.apply.text, { _tag: "String" }, mode.apply.directory)
      const result = (value: Value): Value => (applied === undefined ? value : call(applied, value))
      batch(paths.length, (i) => void (texts[i] = printed(result(called(at(paths[i] as ByteString))), mode)))
      return { _tag: "Values", texts }
    }
    const found: Array<ReadonlyArray<EvaluatedDerivation>> = []
    batch(paths.length, (i) => {
      const path = paths[i] as ByteString
      const sets = findDerivations(at(path), path, args)
      const each: Array<EvaluatedDerivation> = Array.from({ length: sets.length })
      batch(sets.length, (k) => void (each[k] = evaluatedDerivation(machine, sets[k] as FoundDerivation)))
      found[i] = each
    })
    return { _tag: "Derivations", derivations: found.flat() }
  })
  return {
    step: () => {
      const outcome: Outcome<EvaluationResult> = body.run()
      switch (outcome._tag) {
        case "Suspended":
          return undefined
        case "Interrupted":
          return { _tag: "Interrupted" }
        case "Failed":
          return failureOf(machine, outcome.error, job)
        case "Done": {
          const result = outcome.value
          const derivations = result._tag === "Derivations" ? machine.derivations.untold(result.derivations.map((d) => d.drvPath)) : []
          return { _tag: "Result", result, derivations }
        }
      }
    }
  }
}
