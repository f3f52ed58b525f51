/**
 * A session in the evaluator's thread: its machine, its variables, and what each request means. Pure but for the host it is given.
 */
import { AttributeSet } from "../eval/AttributeSet.ts"
import { isDerivation } from "../eval/Compare.ts"
import { describe } from "../eval/Describe.ts"
import { docComment } from "../eval/DocComment.ts"
import { reportError } from "../eval/ErrorReport.ts"
import { program } from "../eval/Evaluate.ts"
import { expectSet } from "../eval/Expect.ts"
import { force } from "../eval/Force.ts"
import { enter } from "../eval/Machine.ts"
import { NixError } from "../eval/NixError.ts"
import { printTree } from "../eval/PrintTree.ts"
import { autoCall } from "../eval/Roots.ts"
import { SessionScope } from "../eval/SessionScope.ts"
import { existingSymbol, nameOf, symbol } from "../eval/Symbols.ts"
import type { Value } from "../eval/Value.ts"
import { Builtin, ContextString, Lambda, NixPath, PartialBuiltin, textOf } from "../eval/Value.ts"
import { diagnosticJson } from "../lang/DiagnosticJson.ts"
import { render } from "../lang/Diagnostics.ts"
import { printName } from "../lang/Names.ts"
import { formatPlace, positionOf } from "../lang/Position.ts"
import type { ByteString } from "../nix/Bytes.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { EvaluationSource } from "./Evaluation.ts"
import type { EvaluationHost } from "./EvaluationHost.ts"
import type { RunResult } from "./EvaluationRun.ts"
import { argumentsOf, evaluatedDerivation, machineFor, rootValue } from "./EvaluationRun.ts"
import type { SessionReply, SessionRequest, SessionSettings, SessionView } from "./Session.ts"

/** Milliseconds that looking for completions may take. */
const completionTime = 300

/** Names that a completion gives at most. */
const mostCandidates = 1000

export interface SessionRun {
  /** A request, to be run as `prepare` in `EvaluationRun.ts` runs a job. */
  readonly ask: (request: SessionRequest, view: SessionView) => { readonly step: () => RunResult | undefined }
}

const words = "[A-Za-z_][A-Za-z0-9_'-]*"
/** `a.b."c d".e`: whole names, and the beginning of the last one. */
const attributePath = new RegExp(`^(?:(${words}(?:\\.(?:${words}|"[^"]*"))*)\\.)?("?[^".]*|)$`)

const mergeWords = "while evaluating an attribute set to be merged in the global scope"

export const openSession = (settings: SessionSettings, host: EvaluationHost): SessionRun => {
  const machine = machineFor({ ...settings, readOnly: false }, host)
  const scope = new SessionScope()
  let loaded: Array<EvaluationSource> = []
  let lastError: NixError | undefined

  const value = (text: ByteString, directory: ByteString): Value => {
    const given = scope.evaluate(text, directory)
    if (given._tag === "Value") return given.value
    throw new NixError("eval", given.set.size === 0 ? "an expression is missing" : "an expression is needed here, not bindings")
  }

  const bound = (set: AttributeSet): SessionReply => {
    scope.add(set)
    return { _tag: "Bound", names: set.names() }
  }

  /** The set that a file stands for: its own, or what its function gives for the arguments at hand. */
  const setOf = (source: EvaluationSource): AttributeSet => expectSet(autoCall(rootValue(source), argumentsOf(settings)), mergeWords)

  const load = (source: EvaluationSource): SessionReply => {
    machine.files.clear()
    const set = setOf(source)
    loaded = [...loaded.filter((other) => JSON.stringify(other) !== JSON.stringify(source)), source]
    return bound(set)
  }

  /** Everything is loaded before anything is forgotten: where that fails, all stays as it was. */
  const reload = (): SessionReply => {
    machine.files.clear()
    const sets = loaded.map(setOf)
    scope.clear()
    const names = new Set<ByteString>()
    for (const set of sets) {
      scope.add(set)
      for (const name of set.names()) names.add(name)
    }
    return { _tag: "Bound", names: [...names].sort() }
  }

  const derivation = (v: Value): SessionReply => {
    if (!(v instanceof AttributeSet) || !isDerivation(v)) {
      throw new NixError("type", "expression does not evaluate to a derivation, so I can't build it")
    }
    return { _tag: "Derivation", derivation: evaluatedDerivation(machine, { attr: "", set: v }) }
  }

  const attribute = (set: AttributeSet, name: ByteString): Value | undefined => {
    const id = existingSymbol(name)
    const found = id === undefined ? undefined : set.get(id)
    return found === undefined ? undefined : force(found)
  }

  const document = (v: Value): SessionReply => {
    if (v instanceof Builtin) return { _tag: "Builtin", name: v.name, arity: v.arity }
    if (v instanceof PartialBuiltin) return { _tag: "Builtin", name: v.builtin.name, arity: v.builtin.arity }
    if (v instanceof AttributeSet) {
      const functor = attribute(v, "__functor")
      if (functor !== undefined) return document(functor)
    }
    const span = v instanceof Lambda ? machine.positions.span(v.code.position) : undefined
    if (!(v instanceof Lambda) || span === undefined) throw new NixError("eval", "value does not have documentation")
    const name = v.code.name === undefined ? undefined : nameOf(v.code.name)
    return { _tag: "Function", name, place: formatPlace(span), comment: docComment(span) }
  }

  const locate = (v: Value): SessionReply => {
    if (v instanceof NixPath) return { _tag: "Place", path: v.path, line: 1 }
    const span = v instanceof Lambda ? machine.positions.span(v.code.position) : undefined
    if (span?.origin._tag === "File") return { _tag: "Place", path: span.origin.path, line: positionOf(span).line }
    if (v instanceof AttributeSet) {
      const meta = attribute(v, "meta")
      const position = meta instanceof AttributeSet ? attribute(meta, "position") : undefined
      const text = typeof position === "string" || position instanceof ContextString ? textOf(position) : ""
      const [, path, line] = /^(\/.*):(\d+)$/.exec(text) ?? []
      if (path !== undefined) return { _tag: "Place", path, line: Number(line) }
      // The place of any attribute that a file wrote: the set stands there.
      for (const at of v.positions) {
        const found = machine.positions.span(at)
        if (found?.origin._tag === "File") return { _tag: "Place", path: found.origin.path, line: positionOf(found).line }
      }
    }
    if ((typeof v === "string" || v instanceof ContextString) && textOf(v).startsWith("/"))
      return { _tag: "Place", path: textOf(v), line: 1 }
    throw new NixError("eval", "it is not known in which file this value was written")
  }

  const variable = (name: ByteString): Value | undefined => {
    const id = existingSymbol(name)
    return id === undefined ? undefined : (scope.get(id) ?? machine.globals.get(id))
  }

  /** The names that are possible in a place: variables, or the attributes of what the path before it leads to. */
  const namesAt = (path: ByteString | undefined): ReadonlyArray<ByteString> => {
    if (path === undefined) return [...new Set([...scope.names(), ...[...machine.globals.keys()].map(nameOf)])]
    const [first, ...rest] = (path.match(new RegExp(`${words}|"[^"]*"`, "g")) ?? []).map((name) => name.replaceAll('"', ""))
    let at = first === undefined ? undefined : variable(first)
    for (const name of rest) {
      const set = at === undefined ? undefined : force(at)
      at = set instanceof AttributeSet ? set.get(symbol(name)) : undefined
    }
    const set = at === undefined ? undefined : force(at)
    return set instanceof AttributeSet ? set.names() : []
  }

  const complete = (text: ByteString): SessionReply => {
    const match = attributePath.exec(text)
    if (match === null) return { _tag: "Candidates", words: [] }
    const [, path, begun = ""] = match
    const plain = begun.replace('"', "")
    const hidden = (name: ByteString): boolean => path === undefined && plain === "" && name.startsWith("__")
    const found = namesAt(path).filter((name) => name.startsWith(plain) && !hidden(name))
    const all = found.sort().map((name) => (path === undefined ? name : `${path}.${printName(name)}`))
    // The first and the last of them have in common what all have.
    return { _tag: "Candidates", words: all.length <= mostCandidates ? all : [...all.slice(0, mostCandidates - 1), all.at(-1)!] }
  }

  const rendered = (error: NixError, view: SessionView): ByteString =>
    settings.errorFormat === "json"
      ? diagnosticJson(reportError(machine, error), error.kind, error.exitCode ?? 1)
      : render(reportError(machine, error), { colour: view.colorErrors, showTrace: view.showTrace })

  const answer = (request: SessionRequest, view: SessionView): SessionReply => {
    const text = (body: ByteString): SessionReply => ({ _tag: "Printed", text: body })
    const tree = (v: Value, depth: number): SessionReply => text(printTree(v, { depth, color: view.colorValues }))
    switch (request._tag) {
      case "Evaluate": {
        const given = scope.evaluate(request.text, request.directory)
        return given._tag === "Value" ? tree(given.value, 1) : bound(given.set)
      }
      case "PrintDeep": {
        const v = value(request.text, request.directory)
        return typeof v === "string" || v instanceof ContextString ? text(textOf(v)) : tree(v, Infinity)
      }
      case "Describe":
        return text(describe(value(request.text, request.directory)))
      case "Add":
        return bound(expectSet(value(request.text, request.directory), mergeWords))
      case "Load":
        return load(request.source)
      case "Reload":
        return reload()
      case "Derivation":
        return derivation(value(request.text, request.directory))
      case "Document":
        return document(value(request.text, request.directory))
      case "Locate":
        return locate(value(request.text, request.directory))
      case "Complete":
        return complete(request.text)
      case "LastError":
        return { _tag: "LastError", rendered: lastError === undefined ? undefined : rendered(lastError, { ...view, showTrace: true }) }
    }
  }

  return {
    ask: (request, view) => {
      host.forget()
      machine.derivations.tellAgain()
      machine.shown.length = 0
      machine.repeats = null
      const body = program(machine, () => answer(request, view))
      const run = request._tag === "Complete" ? () => host.probing(completionTime, body.run) : body.run
      const step = (): RunResult | undefined => {
        const outcome = run()
        switch (outcome._tag) {
          case "Suspended":
            return undefined
          case "Interrupted":
            return { _tag: "Interrupted" }
          case "Failed":
            if (request._tag !== "Complete") lastError = outcome.error
            return {
              _tag: "Failed",
              rendered: enter(machine, () => rendered(outcome.error, view)),
              exitCode: outcome.error.exitCode ?? 1,
              unusable: false
            }
          case "Done": {
            const reply = outcome.value
            const derivations: ReadonlyArray<readonly [StorePath, ByteString]> =
              reply._tag === "Derivation" ? machine.derivations.untold([reply.derivation.drvPath]) : []
            return { _tag: "Reply", reply, derivations }
          }
        }
      }
      return { step }
    }
  }
}
