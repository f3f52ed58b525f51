/**
 * `derivationStrict` and `derivation`.
 *
 * A derivation is computed in memory and registered with the machine; nothing is written. Attributes are a batch point: all of them are needed, so
 * the requests of all start together.
 */
import type { ByteString } from "../../nix/Bytes.ts"
import * as Base16 from "../../nix/Base16.ts"
import type { Derivation, DerivationOutput } from "../../nix/Derivation.ts"
import { DerivationError, impureHash } from "../../nix/Derivation.ts"
import type { NixHashAlgorithm } from "../../nix/Hash.ts"
import { algorithmNamed } from "../../nix/Hash.ts"
import { instantiate } from "../../nix/HashModulo.ts"
import type { StorePath } from "../../nix/StorePath.ts"
import { checkName, isDerivationPath, StorePathError } from "../../nix/StorePath.ts"
import type { Position } from "../Positions.ts"
import { AttributeSet, fromSymbols, update } from "../AttributeSet.ts"
import type { Env } from "../Code.ts"
import { Code } from "../Code.ts"
import { unitedContext } from "../ContextStrings.ts"
import { Coercion, coerceToString, coerceToText, textWith } from "../Coerce.ts"
import { declaredHash } from "../DeclaredHash.ts"
import { mismatch } from "../Describe.ts"
import { contextNotAllowed } from "../Expect.ts"
import { ask, batch, force } from "../Force.ts"
import { requireFeature } from "../Features.ts"
import { machine } from "../Machine.ts"
import { NixError } from "../NixError.ts"
import { outputString } from "../Outputs.ts"
import { expectPlainDerivation, parseContextElement } from "../Realisation.ts"
import { nameOf, Names, symbol } from "../Symbols.ts"
import { toJson } from "../ToJson.ts"
import type { Value } from "../Value.ts"
import { Builtin, ContextString, textOf, Thunk, withContext } from "../Value.ts"

const structuredAttrs = symbol("__structuredAttrs")
const ignoreNulls = symbol("__ignoreNulls")
const contentAddressed = symbol("__contentAddressed")
const impure = symbol("__impure")
const argsName = symbol("args")

/** What the attributes said, as far as it steers the derivation itself. */
interface Draft {
  readonly name: ByteString
  builder: ByteString
  system: ByteString
  args: ReadonlyArray<ByteString>
  outputs: ReadonlyArray<ByteString>
  outputHash: ByteString | undefined
  outputHashAlgorithm: ByteString | undefined
  /** The method's prefix in the algorithm field: "", "r:", "text:". */
  method: ByteString | undefined
  contentAddressed: boolean
  impure: boolean
  readonly env: Map<ByteString, ByteString>
  readonly json: Array<readonly [ByteString, ByteString]>
  readonly context: Set<string>
}

const flag = (set: AttributeSet, name: number, what: string): boolean => {
  const value = set.get(name)
  if (value === undefined) return false
  const forced = force(value)
  if (typeof forced !== "boolean") throw mismatch("a Boolean", forced, set.positionOf(name)).during(what, set.positionOf(name))
  return forced
}

const nameAttribute = (set: AttributeSet): ByteString => {
  const value = set.get(Names.name)
  if (value === undefined) {
    throw new NixError("missing-attribute", "attribute 'name' missing").during("while evaluating the derivation attribute 'name'", 0)
  }
  const forced = force(value)
  if (typeof forced === "string") return forced
  if (forced instanceof ContextString) {
    const error = contextNotAllowed(forced)
    error.position = set.positionOf(Names.name)
    throw error
  }
  throw mismatch("a string", forced, set.positionOf(Names.name))
}

const splitWords = (text: ByteString): Array<ByteString> => text.split(/[ \t\n\r]+/).filter((word) => word !== "")

const checkOutputs = (outputs: ReadonlyArray<ByteString>): void => {
  const seen = new Set<ByteString>()
  for (const output of outputs) {
    if (seen.has(output)) throw new NixError("eval", `duplicate derivation output '${output}'`)
    if (output === "drvPath") throw new NixError("eval", `invalid derivation output name '${output}'`)
    seen.add(output)
  }
  if (outputs.length === 0) throw new NixError("eval", `derivation cannot have an empty set of outputs`)
}

const stringList = (value: Value): ReadonlyArray<ByteString> => {
  const list = force(value)
  if (!Array.isArray(list)) throw mismatch("a list", list)
  return list.map((element) => {
    const v = force(element)
    if (typeof v === "string" || v instanceof ContextString) return textOf(v)
    throw mismatch("a string", v)
  })
}

/** Reads the attributes, all of them as one batch. */
const readAttributes = (set: AttributeSet, name: ByteString): Draft => {
  const draft: Draft = {
    name,
    builder: "",
    system: "",
    args: [],
    outputs: ["out"],
    outputHash: undefined,
    outputHashAlgorithm: undefined,
    method: undefined,
    contentAddressed: flag(
      set,
      contentAddressed,
      "while evaluating the `__contentAddressed` attribute passed to builtins.derivationStrict"
    ),
    impure: flag(set, impure, "while evaluating the `__impure` attribute passed to builtins.derivationStrict"),
    env: new Map(),
    json: [],
    context: new Set()
  }
  const structured = flag(set, structuredAttrs, "while evaluating the `__structuredAttrs` attribute passed to builtins.derivationStrict")
  const skipNulls = flag(set, ignoreNulls, "while evaluating the `__ignoreNulls` attribute passed to builtins.derivationStrict")
  if (draft.contentAddressed) requireFeature("ca-derivations")
  if (draft.impure) requireFeature("impure-derivations")
  const { nameOrder: slots, symbols } = set.shape
  const results = new Array<ByteString | ContextString | undefined>(slots.length).fill(undefined)
  let outputs: ReadonlyArray<ByteString> | undefined
  batch(slots.length, (i) => {
    const slot = slots[i] as number
    const s = symbols[slot] as number
    if (s === ignoreNulls || s === contentAddressed || s === impure) return
    const value = set.at(slot)
    const key = nameOf(s)
    try {
      if (skipNulls && force(value) === null) return
      if (s === argsName) {
        const list = force(value)
        if (!Array.isArray(list)) throw mismatch("a list", list)
        const strings = new Array<ByteString | ContextString>(list.length)
        batch(list.length, (k) => {
          try {
            strings[k] = coerceToString(list[k] as Value, Coercion.More, true)
          } catch (error) {
            throw error instanceof NixError ? error.during("while evaluating an element of the argument list", 0) : error
          }
        })
        const context = unitedContext(strings)
        draft.args = strings.map(textOf)
        results[i] = context === undefined ? "" : new ContextString("", context)
      } else if (structured) {
        if (s === structuredAttrs) return
        const context = new Set<string>()
        const text = toJson(value, context, true)
        if (key === "outputs") outputs = stringList(value)
        results[i] = withContext(text, context)
      } else {
        results[i] = coerceToString(value, Coercion.More, true)
      }
    } catch (error) {
      throw error instanceof NixError
        ? error.during(`while evaluating attribute '${key}' of derivation '${name}'`, set.positions[slot] ?? 0)
        : error
    }
  })
  for (let i = 0; i < slots.length; i++) {
    const result = results[i]
    if (result === undefined) continue
    const slot = slots[i] as number
    const s = symbols[slot] as number
    const key = nameOf(s)
    const text = textWith(result, draft.context)
    if (s === argsName) continue
    const plain = structured ? structuredText(key, set.at(slot)) : text
    if (structured) draft.json.push([key, text])
    else draft.env.set(key, text)
    if (plain === undefined) continue
    try {
      steer(draft, key, plain, outputs)
    } catch (error) {
      throw error instanceof NixError
        ? error.during(`while evaluating attribute '${key}' of derivation '${name}'`, set.positions[slot] ?? 0)
        : error
    }
  }
  if (!structured && draft.env.has("__json")) {
    machine.print(
      `warning: In derivation '${name}': setting structured attributes via '__json' is deprecated, and may be disallowed in future versions of Nix. Set '__structuredAttrs = true' instead.`
    )
  }
  if (structured) draft.env.set("__json", `{${draft.json.map(([key, json]) => `${jsonKey(key)}:${json}`).join(",")}}`)
  return draft
}

const jsonKey = (key: ByteString): ByteString => toJson(key, new Set(), false)

/** With structured attributes the ones that steer the derivation must be strings. */
const structuredText = (key: ByteString, value: Value): ByteString | undefined => {
  switch (key) {
    case "builder":
    case "system":
    case "outputHash":
    case "outputHashAlgo":
    case "outputHashMode": {
      const v = force(value)
      return coerceToText(v, new Set(), Coercion.Plain, true)
    }
    case "outputs":
      return ""
  }
  return undefined
}

const steer = (draft: Draft, key: ByteString, text: ByteString, list: ReadonlyArray<ByteString> | undefined): void => {
  switch (key) {
    case "builder":
      draft.builder = text
      break
    case "system":
      draft.system = text
      break
    case "outputHash":
      draft.outputHash = text
      break
    case "outputHashAlgo":
      draft.outputHashAlgorithm = text
      break
    case "outputHashMode":
      if (text === "recursive" || text === "nar") draft.method = "r:"
      else if (text === "flat") draft.method = ""
      else if (text === "text") {
        requireFeature("dynamic-derivations")
        draft.method = "text:"
      } else if (text === "git") requireFeature("git-hashing")
      else throw new NixError("eval", `invalid value '${text}' for 'outputHashMode' attribute`)
      break
    case "outputs":
      draft.outputs = list ?? splitWords(text)
      checkOutputs(draft.outputs)
      break
  }
}

const outputAlgorithm = (draft: Draft): NixHashAlgorithm | undefined => {
  const named = draft.outputHashAlgorithm
  if (named === undefined || named === "") return undefined
  const known = algorithmNamed(named)
  if (known === undefined) {
    throw new NixError("eval", `unknown hash algorithm '${named}', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'`)
  }
  return known
}

/** An output whose path only building tells. */
const unknownOutput = (draft: Draft): DerivationOutput => {
  if (draft.contentAddressed && draft.impure) throw new NixError("eval", "derivation cannot be both content-addressed and impure")
  const hashAlgorithm = `${draft.method ?? "r:"}${outputAlgorithm(draft) ?? "sha256"}`
  return { path: "", hashAlgorithm, hash: draft.impure ? impureHash : "" }
}

const fixedOutput = (draft: Draft): DerivationOutput => {
  if (draft.outputs.length !== 1 || draft.outputs[0] !== "out") {
    throw new NixError("eval", "multiple outputs are not supported in fixed-output derivations")
  }
  const hash = declaredHash(draft.outputHash as ByteString, outputAlgorithm(draft))
  return { path: "", hashAlgorithm: `${draft.method ?? ""}${hash.algorithm}`, hash: Base16.encode(hash.digest) }
}

/** A derivation with all its outputs is an input by its file, which nobody writes in a read-only evaluation: it must be there already, as in Nix. */
const expectValid = (drvPath: StorePath): void => {
  if (!machine.settings.readOnly || ask({ _tag: "EnsurePath", path: drvPath }) === true) return
  throw new NixError("io", `path '${drvPath}' is not valid`)
}

const inputsOf = (draft: Draft): Pick<Derivation, "inputDerivations" | "inputSources"> => {
  const sources = new Set<StorePath>()
  const derivations = new Map<StorePath, Array<ByteString>>()
  const want = (drvPath: StorePath, output: ByteString): void => {
    const wanted = derivations.get(drvPath)
    if (wanted === undefined) derivations.set(drvPath, [output])
    else if (!wanted.includes(output)) wanted.push(output)
  }
  draft.context.forEach((encoded) => {
    const element = parseContextElement(encoded)
    if (element._tag === "Path") sources.add(element.path)
    else if (element._tag === "Output") {
      expectPlainDerivation(element.drvPath)
      want(element.drvPath, element.output)
    } else {
      expectValid(element.drvPath)
      for (const path of machine.derivations.closure(element.drvPath)) {
        sources.add(path)
        if (isDerivationPath(path)) for (const output of machine.derivations.get(path).outputs.keys()) want(path, output)
      }
    }
  })
  const inputDerivations = new Map<StorePath, ReadonlyArray<ByteString>>()
  for (const path of [...derivations.keys()].sort()) inputDerivations.set(path, (derivations.get(path) as Array<ByteString>).sort())
  return { inputSources: [...sources].sort(), inputDerivations }
}

/** Checked before anything else is evaluated: many functions let their users forget that there is a name. */
const checkDerivationName = (name: ByteString): void => {
  try {
    checkName(name)
  } catch (error) {
    if (!(error instanceof StorePathError)) throw error
    throw new NixError("eval", `invalid derivation name: ${error.message}. Please pass a different 'name'.`)
  }
}

const derivationStrict = (argument: Value): Value => {
  const set = force(argument)
  if (!(set instanceof AttributeSet)) throw mismatch("a set", set)
  const name = nameAttribute(set)
  const at: Position = set.positionOf(Names.name)
  try {
    checkDerivationName(name)
    return strictly(set, name)
  } catch (error) {
    if (error instanceof DerivationError || error instanceof StorePathError) {
      throw new NixError("eval", error.message, at).always(`while evaluating derivation '${name}'`, at)
    }
    throw error instanceof NixError ? error.always(`while evaluating derivation '${name}'`, at) : error
  }
}

const strictly = (set: AttributeSet, name: ByteString): Value => {
  const draft = readAttributes(set, name)
  if (draft.builder === "") throw new NixError("eval", "required attribute 'builder' missing")
  if (draft.system === "") throw new NixError("eval", "required attribute 'system' missing")
  // What produces one file as a text may produce a derivation.
  const one = draft.outputs.length === 1 && draft.outputs[0] === "out"
  if (name.endsWith(".drv") && !(draft.method === "text:" && one)) {
    throw new NixError("eval", "derivation names are allowed to end in '.drv' only if they produce a single derivation file")
  }
  const outputs = new Map<ByteString, DerivationOutput>()
  if (draft.outputHash !== undefined) outputs.set("out", fixedOutput(draft))
  else {
    const unknown = draft.contentAddressed || draft.impure
    const each = unknown ? unknownOutput(draft) : { path: "" as const, hashAlgorithm: "", hash: "" }
    for (const output of [...draft.outputs].sort()) outputs.set(output, each)
  }
  const m = machine
  const made = instantiate(
    { name, outputs, ...inputsOf(draft), system: draft.system, builder: draft.builder, args: draft.args, env: draft.env },
    m.derivations.modulo
  )
  m.derivations.add(made.drvPath, made)
  const symbols = [Names.drvPath]
  const values: Array<Value> = [new ContextString(made.drvPath, new Set<string>().add(`=${made.drvPath}`))]
  made.outputs.forEach(({ path }, output) => {
    symbols.push(symbol(output))
    values.push(outputString(made.drvPath, path, output))
  })
  return fromSymbols(symbols, values)
}

const all = symbol("all")
const drvAttrs = symbol("drvAttrs")

/** Run with [attributes]. */
const strict = new Code((env) => derivationStrict(env[0] as Value))

/** Run with [what `derivationStrict` gives, a name]. */
const selected = new Code((env) => {
  const name = env[1] as number
  const value = (force(env[0] as Value) as AttributeSet).get(name)
  if (value === undefined) throw new NixError("missing-attribute", `attribute '${nameOf(name)}' missing`)
  return force(value)
})

/** Run with the elements. */
const listed = new Code((env) => [...(env as Array<Value>)])

/** The set that users see: the attributes as given, one set for each output, and the paths, computed when asked for. */
const derivation = (argument: Value): Value => {
  const attrs = force(argument)
  if (!(attrs instanceof AttributeSet)) throw mismatch("a set", attrs)
  const outputsValue = attrs.get(Names.outputs)
  const outputs = outputsValue === undefined ? ["out"] : stringList(outputsValue)
  if (outputs.length === 0) throw new NixError("eval", "'builtins.head' called on an empty list")
  const names = outputs.map(symbol)
  const made = new Thunk(strict, [attrs])
  /** One for each output; they contain each other. */
  const sets: Array<AttributeSet> = []

  const added: Array<readonly [number, Value]> = [
    [all, new Thunk(listed, sets as Env)],
    [drvAttrs, attrs],
    [Names.outPath, null],
    [Names.drvPath, new Thunk(selected, [made, Names.drvPath])],
    [Names.type, "derivation"],
    [Names.outputName, null]
  ]
  const inner = names.filter((name, i) => names.indexOf(name) === i && !added.some(([other]) => other === name))
  for (const name of inner) added.push([name, null])
  const common = fromSymbols(
    added.map(([name]) => name),
    added.map(([, value]) => value)
  )
  for (let i = 0; i < outputs.length; i++) {
    const { shape } = common
    const own = new AttributeSet(shape, common.values.slice(), common.placed, null, null)
    own.settle(shape.slot(Names.outPath), new Thunk(selected, [made, names[i] as number]))
    own.settle(shape.slot(Names.outputName), outputs[i] as ByteString)
    sets.push(update(attrs, own))
  }
  for (const name of inner) {
    const value = sets[names.indexOf(name)] as AttributeSet
    for (const set of sets) set.settle(set.shape.slot(name), value)
  }
  return sets[0] as AttributeSet
}

export const derivations: ReadonlyArray<Builtin> = [
  new Builtin("derivationStrict", 1, derivationStrict),
  new Builtin("derivation", 1, derivation)
]
