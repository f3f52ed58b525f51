/**
 * Derivations as JSON: `nix derivation show` of Nix 2.34 (format version 4) and `nix show-derivation` of Nix 2.8.
 *
 * Written as text: JavaScript objects would reorder keys like `10`, and numbers inside structured attributes must come out as they went in. Strings are
 * read as UTF-8. Pure.
 */
import { compareBytes, toUnicode } from "./Bytes.ts"
import type { ByteString } from "./Bytes.ts"
import { inOrder } from "./Aterm.ts"
import type { Derivation, DerivationOutput } from "./Derivation.ts"
import { fixedHash, impureHash, parseOutputAlgorithm } from "./Derivation.ts"
import { printHash } from "./Hash.ts"
import type { IngestionMethod, StorePath } from "./StorePath.ts"
import { baseName } from "./StorePath.ts"

/** A tree that prints as JSON, in the order of its entries. `raw` is JSON text. */
type Json = boolean | number | ByteString | ReadonlyArray<Json> | ReadonlyMap<ByteString, Json> | { readonly raw: string }

const object = (entries: Iterable<readonly [ByteString, Json | undefined]>): ReadonlyMap<ByteString, Json> => {
  const present = new Map<ByteString, Json>()
  for (const [key, value] of entries) if (value !== undefined) present.set(key, value)
  return present
}

const quote = (text: ByteString): string => JSON.stringify(toUnicode(text))

const isMap = (json: Json): json is ReadonlyMap<ByteString, Json> => json instanceof Map

/** Prints with `indent` blanks a level; 0 for one line without blanks. */
const print = (json: Json, indent: number, level = 0): string => {
  if (typeof json === "string") return quote(json)
  if (typeof json !== "object") return String(json)
  if ("raw" in json) return reindent(json.raw, indent, level)
  const isObject = isMap(json)
  const parts = isObject
    ? [...json].map(([key, value]) => `${quote(key)}:${indent > 0 ? " " : ""}${print(value, indent, level + 1)}`)
    : json.map((value) => print(value, indent, level + 1))
  const [open, close] = isObject ? "{}" : "[]"
  if (parts.length === 0) return `${open}${close}`
  if (indent === 0) return `${open}${parts.join(",")}${close}`
  const newline = `\n${" ".repeat(indent * (level + 1))}`
  return `${open}${newline}${parts.join(`,${newline}`)}\n${" ".repeat(indent * level)}${close}`
}

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs

/** JSON text with its blanks changed and nothing else: order, numbers and strings stay. */
const reindent = (source: string, indent: number, startLevel: number): string => {
  const list = source.match(tokens) ?? []
  let level = startLevel
  let text = ""
  const newline = () => (indent === 0 ? "" : `\n${" ".repeat(indent * level)}`)
  list.forEach((token, at) => {
    if (token === "{" || token === "[") {
      const empty = list[at + 1] === "}" || list[at + 1] === "]"
      level++
      text += token + (empty ? "" : newline())
    } else if (token === "}" || token === "]") {
      const empty = list[at - 1] === "{" || list[at - 1] === "["
      level--
      text += (empty ? "" : newline()) + token
    } else if (token === ",") text += `,${newline()}`
    else if (token === ":") text += indent > 0 ? ": " : ":"
    else text += token
  })
  return text
}

const methodName: { readonly [method in IngestionMethod]: string } = { flat: "flat", git: "git", recursive: "nar", text: "text" }

const output4 = (derivation: Derivation, name: ByteString, output: DerivationOutput): Json => {
  if (output.hashAlgorithm === "") return object([["path", output.path === "" ? undefined : baseName(output.path)]])
  if (output.hash === "" || output.hash === impureHash) {
    const parts = parseOutputAlgorithm(output.hashAlgorithm)
    return object([
      ["hashAlgo", parts?.algorithm],
      ["impure", output.hash === impureHash ? true : undefined],
      ["method", parts === undefined ? undefined : methodName[parts.method]]
    ])
  }
  const fixed = fixedHash(derivation.name, name, output)
  return object([
    ["hash", printHash(fixed, "sri")],
    ["method", methodName[fixed.method]]
  ])
}

const output28 = (output: DerivationOutput): Json =>
  object([
    ["path", output.path === "" ? undefined : output.path],
    ["hashAlgo", output.hashAlgorithm === "" ? undefined : output.hashAlgorithm],
    ["hash", output.hash === "" ? undefined : output.hash]
  ])

const sorted = <K extends ByteString, V>(map: ReadonlyMap<K, V>): ReadonlyArray<readonly [K, V]> =>
  [...map].sort(([left], [right]) => compareBytes(left, right))

const isJsonObject = (text: string): boolean => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

const derivation4 = (derivation: Derivation): Json => {
  // Structured attributes are shown as what they are, unless what stands for them is no JSON.
  const source = derivation.env.get("__json")
  const structured = source !== undefined && isJsonObject(toUnicode(source)) ? { raw: toUnicode(source) } : undefined
  const env = sorted(derivation.env).filter(([key]) => structured === undefined || key !== "__json")
  const inputs = sorted(derivation.inputDerivations).map(
    ([path, outputs]) =>
      [
        baseName(path),
        object([
          ["dynamicOutputs", object([])],
          ["outputs", inOrder(outputs)]
        ])
      ] as const
  )
  return object([
    ["args", derivation.args],
    ["builder", derivation.builder],
    ["env", object(env)],
    [
      "inputs",
      object([
        ["drvs", object(inputs)],
        ["srcs", inOrder(derivation.inputSources).map(baseName)]
      ])
    ],
    ["name", derivation.name],
    ["outputs", object(sorted(derivation.outputs).map(([name, output]) => [name, output4(derivation, name, output)]))],
    ["structuredAttrs", structured],
    ["system", derivation.system],
    ["version", 4]
  ])
}

const derivation28 = (derivation: Derivation): Json =>
  object([
    ["outputs", object(sorted(derivation.outputs).map(([name, output]) => [name, output28(output)]))],
    ["inputSrcs", inOrder(derivation.inputSources)],
    ["inputDrvs", object(sorted(derivation.inputDerivations).map(([path, outputs]) => [path, inOrder(outputs)]))],
    ["system", derivation.system],
    ["builder", derivation.builder],
    ["args", derivation.args],
    ["env", object(sorted(derivation.env))]
  ])

/**
 * The JSON of derivations under their paths. `indent`: blanks a level, 0 for one line. Throws `DerivationError` where a fixed output's fields are no hash.
 */
export const printDerivations = (derivations: ReadonlyMap<StorePath, Derivation>, form: "2.34" | "2.8" = "2.34", indent = 2): string => {
  const entries = sorted(derivations)
  if (form === "2.8") return print(object(entries.map(([path, derivation]) => [path, derivation28(derivation)])), indent)
  return print(
    object([
      ["derivations", object(entries.map(([path, derivation]) => [baseName(path), derivation4(derivation)]))],
      ["version", 4]
    ]),
    indent
  )
}
