/**
 * The evaluator's side of evaluation attribute by attribute: one machine, one root, and what each attribute is. Pure but for the host it is given.
 */
import { AttributeSet } from "../../eval/AttributeSet.ts"
import { call } from "../../eval/Call.ts"
import { lazily } from "../../eval/Code.ts"
import { isDerivation } from "../../eval/Compare.ts"
import { describe } from "../../eval/Describe.ts"
import { program, textValue } from "../../eval/Evaluate.ts"
import { expectBoolean, expectSet } from "../../eval/Expect.ts"
import { force } from "../../eval/Force.ts"
import type { Machine } from "../../eval/Machine.ts"
import { NixError } from "../../eval/NixError.ts"
import { autoCall } from "../../eval/Roots.ts"
import { existingSymbol, nameOf, symbol } from "../../eval/Symbols.ts"
import { jsonString } from "../../eval/text/JsonStrings.ts"
import { toJson } from "../../eval/ToJson.ts"
import type { Value } from "../../eval/Value.ts"
import { ContextString, NixFloat } from "../../eval/Value.ts"
import { closestNames } from "../../lang/Suggestions.ts"
import type { ByteString } from "../../nix/Bytes.ts"
import type { EvaluationHost } from "../EvaluationHost.ts"
import { argumentsOf, failureOf, instantiated, machineFor, rootValue, type RunResult } from "../EvaluationRun.ts"
import { attributeName } from "./AttributeJob.ts"
import type { AttributeDerivation, AttributePath, AttributeReply, AttributeRequest, AttributeSettings, Code } from "./AttributeJob.ts"

export interface AttributeRun {
  /** One attribute, to be run as `prepare` in `EvaluationRun.ts` runs a job. */
  readonly ask: (request: AttributeRequest) => { readonly step: () => RunResult | undefined }
}

const featureVariables = ["requiredSystemFeatures", "__json"]

/** Whether a value of `meta` is one that is told: plain data without derivations, as `nix-env` sees it. */
const isPlain = (value: Value): boolean => {
  const v = force(value)
  if (Array.isArray(v)) return v.every(isPlain)
  if (v instanceof AttributeSet) return !v.has(symbol("outPath")) && v.shape.nameOrder.every((slot) => isPlain(v.at(slot)))
  return ["string", "number", "bigint", "boolean"].includes(typeof v) || v instanceof ContextString || v instanceof NixFloat
}

const metaJson = (set: AttributeSet): ByteString => {
  const meta = set.get(symbol("meta"))
  if (meta === undefined) return "null"
  const of = expectSet(meta, "while evaluating the attribute 'meta' of a derivation")
  const parts: Array<ByteString> = []
  for (const slot of of.shape.nameOrder) {
    const value = of.at(slot)
    if (isPlain(value)) parts.push(`${jsonString(nameOf(of.shape.symbols[slot] as number))}:${toJson(value, new Set(), true)}`)
  }
  return `{${parts.join(",")}}`
}

export const openAttributes = (settings: AttributeSettings, host: EvaluationHost): AttributeRun => {
  const machine: Machine = machineFor(settings, host)
  const args = argumentsOf(settings)

  const codeValue = (code: Code): Value => lazily(() => textValue(code.text, { _tag: "String" }, code.directory))

  const { select } = settings
  const apply = settings.apply === undefined ? undefined : codeValue(settings.apply)
  const root = lazily(() => {
    const value = rootValue(settings.source)
    return select === undefined ? value : call(codeValue(select), autoCall(value, args))
  })

  /** The value at a path; functions on the way and the one at its end are called. */
  const valueAt = (path: AttributePath): Value => {
    let value = autoCall(root, args)
    for (const [depth, name] of path.entries()) {
      const shown = attributeName(path.slice(0, depth + 1))
      const index = Array.isArray(value) && /^\d+$/.test(name) ? Number(name) : undefined
      let found: Value | undefined
      if (index !== undefined) found = (value as ReadonlyArray<Value>)[index]
      else if (value instanceof AttributeSet) {
        const id = existingSymbol(name)
        found = id === undefined ? undefined : value.get(id)
      } else throw new NixError("type", `the value before '${shown}' should be a set but is ${describe(value)}`)
      if (found === undefined) {
        const error = new NixError("missing-attribute", `attribute '${shown}' not found`)
        if (value instanceof AttributeSet) error.suggestions = closestNames(name, value.names())
        throw error
      }
      value = autoCall(found, args)
    }
    return value
  }

  const derivationOf = (set: AttributeSet): AttributeDerivation => {
    const applied = apply === undefined ? undefined : toJson(call(apply, set), new Set(), true)
    const { name, drvPath, outputs, derivation } = instantiated(machine, set)
    return {
      name,
      drvPath,
      system: derivation.system,
      outputs,
      featureVariables: new Map(
        featureVariables.flatMap((variable) => {
          const text = derivation.env.get(variable)
          return text === undefined ? [] : [[variable, text]]
        })
      ),
      inputs: settings.inputs ? derivation.inputDerivations : undefined,
      meta: settings.meta ? metaJson(set) : undefined,
      applied
    }
  }

  /** Whether a set is to be gone into: what it says itself counts before anything but the user's word. */
  const isEntered = (set: AttributeSet, isRoot: boolean): boolean => {
    if (settings.forceRecurse) return true
    const asked = set.get(symbol("recurseForDerivations"))
    return asked === undefined ? isRoot : expectBoolean(asked, "while evaluating the attribute 'recurseForDerivations'")
  }

  const reply = ({ path, isRoot }: AttributeRequest): AttributeReply => {
    const value = valueAt(path)
    if (!(value instanceof AttributeSet)) {
      if (!isRoot) return { _tag: "Nothing" }
      throw new NixError("type", `a set of derivations, or a derivation, is needed here, but this is ${describe(value)}`)
    }
    if (isDerivation(value)) return { _tag: "Derivation", derivation: derivationOf(value) }
    if (!isEntered(value, isRoot)) return { _tag: "Nothing" }
    return { _tag: "Set", names: value.names().filter((name) => name !== "recurseForDerivations") }
  }

  return {
    ask: (request) => {
      host.abandon()
      machine.shown.length = 0
      machine.repeats = null
      const body = program(machine, () => reply(request))
      const step = (): RunResult | undefined => {
        const outcome = body.run()
        switch (outcome._tag) {
          case "Suspended":
            return undefined
          case "Interrupted":
            return { _tag: "Interrupted" }
          case "Failed":
            return failureOf(machine, outcome.error, settings)
          case "Done": {
            const { value } = outcome
            const derivations = settings.texts && value._tag === "Derivation" ? machine.derivations.untold([value.derivation.drvPath]) : []
            return { _tag: "Attribute", reply: value, derivations }
          }
        }
      }
      return { step }
    }
  }
}
