/**
 * Structured attributes: the JSON of a derivation (`__json`) and the files that a builder gets of it, `.attrs.json` and `.attrs.sh`, byte for byte as Nix 2.34.8 writes them.
 *
 * Pure. Facts found by building with Nix: keys sorted bytewise; in the shell form only names that are shell identifiers, only strings, numbers that are whole (as single
 * precision floats see them, printed as 32-bit integers), booleans, null, and lists and sets of those; one value of another kind leaves out the whole list or set.
 */
import { formatJsonFloat } from "../lang/Floats.ts"
import { readJson } from "../eval/text/JsonReader.ts"
import { jsonString } from "../eval/text/JsonStrings.ts"
import type { ByteString } from "../nix/Bytes.ts"

/** A float, told apart from an integer. */
export class JsonFloat {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

export type Json = null | boolean | number | bigint | JsonFloat | ByteString | ReadonlyArray<Json> | ReadonlyMap<ByteString, Json>

/** Reads JSON. Throws `JsonError`. */
export const parseJson = (text: ByteString): Json =>
  readJson<Json>(text, {
    literal: (value) => value,
    integer: (value) => value,
    float: (value) => new JsonFloat(value),
    string: (bytes) => bytes,
    list: (elements) => elements,
    object: (entries) => entries
  })

export const isObject = (json: Json | undefined): json is ReadonlyMap<ByteString, Json> => json instanceof Map

const sortedEntries = (object: ReadonlyMap<ByteString, Json>): ReadonlyArray<readonly [ByteString, Json]> =>
  [...object].sort(([a], [b]) => (a < b ? -1 : 1))

/** Writes JSON without spaces, keys sorted. */
export const printJson = (json: Json): ByteString => {
  if (json === null) return "null"
  if (typeof json === "string") return jsonString(json)
  if (json instanceof JsonFloat) return formatJsonFloat(json.value)
  if (typeof json !== "object") return String(json)
  if (isObject(json))
    return `{${sortedEntries(json)
      .map(([key, value]) => `${jsonString(key)}:${printJson(value)}`)
      .join(",")}}`
  return `[${(json as ReadonlyArray<Json>).map(printJson).join(",")}]`
}

/** A string as one word of a shell, always in quotes. */
const shellWord = (text: ByteString): ByteString => `'${text.replaceAll("'", "'\\''")}'`

/** A number as Nix casts it: to 32 bits, floats out of range to the smallest. */
const asInt = (number: number | bigint | JsonFloat): string => {
  if (typeof number === "bigint") return String(BigInt.asIntN(32, number))
  if (!(number instanceof JsonFloat)) return String(BigInt.asIntN(32, BigInt(number)))
  const { value } = number
  const whole = Math.trunc(value)
  return whole > 2147483647 || whole < -2147483648 ? "-2147483648" : String(whole === 0 ? 0 : whole)
}

const shellValue = (json: Json): ByteString | undefined => {
  if (json === null) return "''"
  if (typeof json === "string") return shellWord(json)
  if (typeof json === "boolean") return json ? "1" : ""
  if (typeof json === "number" || typeof json === "bigint") return asInt(json)
  if (json instanceof JsonFloat) return Number.isInteger(Math.fround(json.value)) ? asInt(json) : undefined
  return undefined
}

const identifier = /^[A-Za-z_][A-Za-z0-9_]*$/

/** The values of a list or set for the shell, each followed by a space; undefined when one has no form there. */
const shellWords = <A>(items: ReadonlyArray<A>, word: (item: A) => ByteString | undefined): ByteString | undefined => {
  let words = ""
  for (const item of items) {
    const one = word(item)
    if (one === undefined) return undefined
    words += `${one} `
  }
  return words
}

/** `.attrs.sh`. */
export const printShell = (attributes: ReadonlyMap<ByteString, Json>): ByteString => {
  let text = ""
  for (const [name, json] of sortedEntries(attributes)) {
    if (!identifier.test(name)) continue
    const simple = shellValue(json)
    if (simple !== undefined) {
      text += `declare ${name}=${simple}\n`
      continue
    }
    if (json instanceof JsonFloat) continue
    if (isObject(json)) {
      const words = shellWords(sortedEntries(json), ([key, value]) => {
        const word = shellValue(value)
        return word === undefined ? undefined : `[${shellWord(key)}]=${word}`
      })
      if (words !== undefined) text += `declare -A ${name}=(${words})\n`
    } else {
      const words = shellWords(json as ReadonlyArray<Json>, shellValue)
      if (words !== undefined) text += `declare -a ${name}=(${words})\n`
    }
  }
  return text
}
