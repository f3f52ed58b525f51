/**
 * Attributes of a derivation that steer its build, from wherever they stand: the environment, or with structured attributes the JSON.
 *
 * Meanings as in the Nix manual, "Advanced attributes". Pure.
 */
import { toUnicode, type ByteString } from "../nix/Bytes.ts"
import type { Derivation } from "../nix/Derivation.ts"
import { isStorePath, splitStorePath, type StorePath } from "../nix/StorePath.ts"
import { InvalidDerivation } from "./BuildError.ts"
import { isObject, type Json, parseJson } from "./StructuredAttrs.ts"

/** The variable that holds structured attributes. */
const jsonVariable = "__json"

/** Words between white space, as Nix splits lists in the environment. */
const words = (text: ByteString): ReadonlyArray<ByteString> => text.split(/[ \t\n\r]+/).filter((word) => word !== "")

const graphFileName = /^[A-Za-z_][A-Za-z0-9_.-]*$/

export class DerivationAttributes {
  readonly #derivation: Pick<Derivation, "name" | "env">
  /** The structured attributes, where the derivation has them. */
  readonly structured: ReadonlyMap<ByteString, Json> | undefined

  /** Throws `InvalidDerivation`. */
  constructor(derivation: Pick<Derivation, "name" | "env">) {
    this.#derivation = derivation
    const text = derivation.env.get(jsonVariable)
    if (text === undefined) return
    let json: Json
    try {
      json = parseJson(text)
    } catch (cause) {
      throw this.#invalid(
        "__structuredAttrs",
        `holds JSON that cannot be read: ${cause instanceof Error ? toUnicode(cause.message) : String(cause)}`
      )
    }
    if (!isObject(json)) throw this.#invalid("__structuredAttrs", "holds JSON that is not an object")
    this.structured = json
  }

  #invalid(attribute: ByteString, problem: string): InvalidDerivation {
    return new InvalidDerivation({ name: toUnicode(this.#derivation.name), attribute: toUnicode(attribute), problem })
  }

  boolean(name: ByteString): boolean {
    if (this.structured === undefined) return this.#derivation.env.get(name) === "1"
    const value = this.structured.get(name)
    if (value === undefined) return false
    if (typeof value !== "boolean") throw this.#invalid(name, "should be true or false")
    return value
  }

  strings(name: ByteString): ReadonlyArray<ByteString> {
    if (this.structured === undefined) return words(this.#derivation.env.get(name) ?? "")
    const value = this.structured.get(name)
    if (value === undefined) return []
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) throw this.#invalid(name, "should be a list of strings")
    return value as ReadonlyArray<ByteString>
  }

  /** Variables that are passed as files. Structured attributes pass everything as a file. */
  passAsFile(): ReadonlySet<ByteString> {
    return new Set(this.structured === undefined ? words(this.#derivation.env.get("passAsFile") ?? "") : [])
  }

  /** Outputs whose references do not count. */
  discardedReferences(): ReadonlySet<ByteString> {
    const value = this.structured?.get("unsafeDiscardReferences")
    if (value === undefined) return new Set()
    if (!isObject(value) || ![...value.values()].every((flag) => typeof flag === "boolean")) {
      throw this.#invalid("unsafeDiscardReferences", "should be a set of booleans, one for each output")
    }
    return new Set([...value].filter(([, flag]) => flag === true).map(([output]) => output))
  }

  /** The graphs wanted: key (file name or attribute) and the paths that each begins at. */
  referencesGraphs(): ReadonlyMap<ByteString, ReadonlyArray<StorePath>> {
    const attribute = "exportReferencesGraph"
    const graphs = new Map<ByteString, ReadonlyArray<StorePath>>()
    const storePath = (text: ByteString): StorePath => {
      try {
        return isStorePath(text) ? text : splitStorePath(text).storePath
      } catch {
        throw this.#invalid(attribute, `names '${toUnicode(text)}', which is not in the store`)
      }
    }
    if (this.structured === undefined) {
      const parts = words(this.#derivation.env.get(attribute) ?? "")
      if (parts.length % 2 !== 0)
        throw this.#invalid(attribute, "should be pairs of a file name and a store path; there is an odd number of words")
      for (let i = 0; i < parts.length; i += 2) {
        if (!graphFileName.test(parts[i]!)) throw this.#invalid(attribute, `has the invalid file name '${toUnicode(parts[i]!)}'`)
        graphs.set(parts[i]!, [storePath(parts[i + 1]!)])
      }
      return graphs
    }
    const value = this.structured.get(attribute)
    // Anything else Nix ignores with a warning.
    if (!isObject(value)) return graphs
    const flatten = (json: Json): ReadonlyArray<StorePath> => {
      if (typeof json === "string") return [storePath(json)]
      if (Array.isArray(json)) return json.flatMap(flatten)
      throw this.#invalid(attribute, "should hold store paths or lists of them")
    }
    for (const [key, json] of value) graphs.set(key, flatten(json))
    return graphs
  }
}
