/**
 * Output paths of derivations, and the path of their `.drv`.
 *
 * An input-addressed output's path is a hash of the whole derivation text with the outputs blank and every input derivation replaced by a hash that stands for what
 * it *produces* ("hash modulo"): for a fixed output its declared hash, so that changing how a source is fetched changes nothing above it. Inputs with the same such
 * hash are one entry that has the outputs of both. Formulas: shared reference anchors.md §4.3. Pure.
 *
 * `instantiate` prints a derivation once and derives the other two texts that are hashed from the same pieces: a large evaluation does thousands of these.
 */
import { cutEnv, printDerivation, printInputs, printMiddle, printOutputs } from "./Aterm.ts"
import type { CutEnv } from "./Aterm.ts"
import type { ByteString } from "./Bytes.ts"
import { hashTextHex } from "./Crypto.ts"
import type { Derivation, DerivationOutput } from "./Derivation.ts"
import { DerivationError, fixedHash, kindOf } from "./Derivation.ts"
import { derivationSuffix, makeFixedOutput, makeOutput, makeTextOfHex, placeholder } from "./StorePath.ts"
import type { StorePath } from "./StorePath.ts"

/**
 * What a derivation counts for in the hash of one that depends on it: 64 hex digits, or `deferred`, where that is not known before something is built (a floating
 * or impure output, or an input that has one).
 */
export type HashModulo = string | "deferred"

/** Gives the hash-modulo of each input derivation; the caller keeps them (each is needed again and again). */
export type HashModuloLookup = (drvPath: StorePath) => HashModulo

const sha256 = (text: ByteString): string => hashTextHex("sha256", text)

/** The input derivations with hashes in place of paths, equal ones merged; `undefined` where one is deferred. */
const moduloInputs = (
  inputs: ReadonlyMap<StorePath, ReadonlyArray<ByteString>>,
  lookup: HashModuloLookup
): ReadonlyMap<string, ReadonlyArray<ByteString>> | undefined => {
  const replaced = new Map<string, ReadonlyArray<ByteString>>()
  for (const [drvPath, outputs] of inputs) {
    const key = lookup(drvPath)
    if (key === "deferred") return undefined
    const present = replaced.get(key)
    replaced.set(key, present === undefined ? outputs : [...new Set([...present, ...outputs])])
  }
  return replaced
}

const fixedModulo = (derivation: Derivation, output: DerivationOutput): string =>
  sha256(`fixed:out:${output.hashAlgorithm}:${output.hash}:${output.path}`)

/** The hash-modulo of a finished derivation (one whose outputs have their paths). Throws `DerivationError`. */
export const hashModulo = (derivation: Derivation, lookup: HashModuloLookup): HashModulo => {
  const kind = kindOf(derivation)
  if (kind === "fixed") return fixedModulo(derivation, derivation.outputs.get("out")!)
  if (kind !== "input-addressed") return "deferred"
  for (const output of derivation.outputs.values()) if (output.path === "") return "deferred"
  const inputs = moduloInputs(derivation.inputDerivations, lookup)
  if (inputs === undefined) return "deferred"
  return sha256(printDerivation({ ...derivation, inputDerivations: inputs as Derivation["inputDerivations"] }))
}

/** A derivation with all that follows from it. */
export interface Instantiated {
  /** Output paths and the variables named after outputs are filled in. */
  readonly derivation: Derivation
  readonly outputs: Derivation["outputs"]
  readonly drvPath: StorePath
  /** The text of the `.drv` file. */
  readonly text: ByteString
  /** What it counts for in others; computed when first asked for. */
  hashModulo(): HashModulo
}

/** What few ask for is made when they do. */
class Made implements Instantiated {
  readonly outputs: Derivation["outputs"]
  readonly drvPath: StorePath
  readonly text: ByteString
  readonly #draft: Derivation
  /** The variables named after outputs. */
  readonly #values: ReadonlyMap<ByteString, ByteString>
  #derivation: Derivation | undefined
  #modulo: HashModulo | undefined
  /** The text that is hashed for it; not kept longer than that. */
  #moduloText: ByteString

  constructor(
    draft: Derivation,
    outputs: Derivation["outputs"],
    values: ReadonlyMap<ByteString, ByteString>,
    text: ByteString,
    modulo: HashModulo | undefined,
    moduloText: ByteString
  ) {
    this.#draft = draft
    this.outputs = outputs
    this.#values = values
    this.drvPath = drvPathOf(draft, text)
    this.text = text
    this.#modulo = modulo
    this.#moduloText = moduloText
  }

  get derivation(): Derivation {
    if (this.#derivation === undefined) {
      const env = new Map(this.#draft.env)
      for (const [name, value] of this.#values) env.set(name, value)
      this.#derivation = { ...this.#draft, outputs: this.outputs, env }
    }
    return this.#derivation
  }

  hashModulo(): HashModulo {
    if (this.#modulo === undefined) {
      this.#modulo = sha256(this.#moduloText)
      this.#moduloText = ""
    }
    return this.#modulo
  }
}

/** The path of a derivation's `.drv`, given its text. Throws `StorePathError` where the name is too long. */
export const drvPathOf = (derivation: Derivation, text: ByteString): StorePath =>
  makeTextOfHex(`${derivation.name}${derivationSuffix}`, sha256(text), [...derivation.inputDerivations.keys(), ...derivation.inputSources])

/** The pieces with the values of these variables in between. Those are paths, which need no escaping, or nothing. */
const joinEnv = (cut: CutEnv, value: (name: ByteString) => ByteString): ByteString => {
  const joined = [cut.pieces[0]!]
  for (let i = 0; i < cut.names.length; i++) joined.push(value(cut.names[i]!), cut.pieces[i + 1]!)
  return joined.join("")
}

/**
 * Finishes a derivation: computes output paths, sets the outputs and the variables named after them (a path; a placeholder where content-addressed; empty where an
 * input is not known before it is built), and computes its text and path.
 *
 * `draft.outputs` have the algorithm and hash fields as meant; their paths, and what `draft.env` has under their names, are not looked at.
 * Throws `DerivationError` and `StorePathError`.
 */
export const instantiate = (draft: Derivation, lookup: HashModuloLookup): Instantiated => {
  const kind = kindOf(draft)
  const outputs = new Map<ByteString, DerivationOutput>()
  const values = new Map<ByteString, ByteString>()
  const middle = printMiddle(draft)
  const cut = cutEnv(draft.env, draft.outputs.keys())
  const inputs = kind === "input-addressed" ? moduloInputs(draft.inputDerivations, lookup) : undefined
  const inputText = inputs === undefined ? "" : printInputs(inputs)

  switch (kind) {
    case "input-addressed": {
      if (inputs === undefined) {
        for (const name of draft.outputs.keys()) {
          outputs.set(name, { path: "", hashAlgorithm: "", hash: "" })
          values.set(name, "")
        }
        break
      }
      const masked = sha256(["Derive([", printOutputs(draft.outputs, true), "],[", inputText, middle, cut.pieces.join(""), "])"].join(""))
      for (const name of draft.outputs.keys()) {
        const path = makeOutput(name, masked, draft.name)
        outputs.set(name, { path, hashAlgorithm: "", hash: "" })
        values.set(name, path)
      }
      break
    }
    case "fixed": {
      const output = draft.outputs.get("out")!
      const content = fixedHash(draft.name, "out", output)
      const path = makeFixedOutput(draft.name, content.method, content)
      outputs.set("out", { ...output, path })
      values.set("out", path)
      break
    }
    case "floating":
    case "impure":
      for (const [name, output] of draft.outputs) {
        outputs.set(name, { ...output, path: "" })
        values.set(name, placeholder(name))
      }
  }

  const head = `Derive([${printOutputs(outputs, false)}],[`
  const tail = `${middle}${joinEnv(cut, (name) => values.get(name)!)}])`
  const text = [head, printInputs(draft.inputDerivations), tail].join("")
  const modulo = kind === "fixed" ? fixedModulo(draft, outputs.get("out")!) : inputs === undefined ? "deferred" : undefined
  return new Made(draft, outputs, values, text, modulo, modulo === undefined ? head + inputText + tail : "")
}

/**
 * Checks a derivation that came from elsewhere: every output path that can be computed must be the one given, in the outputs and in the environment.
 * Throws `DerivationError` and `StorePathError`.
 */
export const checkDerivation = (derivation: Derivation, lookup: HashModuloLookup): void => {
  const kind = kindOf(derivation)
  if (kind === "floating" || kind === "impure") return
  for (const [name, output] of instantiate(derivation, lookup).outputs) {
    const actual = derivation.outputs.get(name)!.path
    if (actual !== output.path)
      throw new DerivationError(derivation.name, { kind: "incorrect-output", output: name, actual, expected: output.path })
    const variable = derivation.env.get(name)
    if (variable === undefined)
      throw new DerivationError(derivation.name, { kind: "missing-variable", variable: name, expected: output.path })
    if (variable !== output.path) {
      throw new DerivationError(derivation.name, { kind: "incorrect-variable", variable: name, actual: variable, expected: output.path })
    }
  }
}
