/**
 * To and from text: `toString`, JSON, XML, TOML, hashes.
 */
import { toBytes } from "../../nix/Bytes.ts"
import type { ByteString } from "../../nix/Bytes.ts"
import type { NixHashAlgorithm } from "../../nix/Hash.ts"
import { hashBytes, HashError, parseAlgorithm, parseFormat, parseHash, printHash } from "../../nix/Hash.ts"
import { fromNames } from "../AttributeSet.ts"
import { Coercion, coerceToString } from "../Coerce.ts"
import { CallArgument } from "../Elements.ts"
import { expectAttribute, expectSet, expectString, expectText, first, only, second } from "../Expect.ts"
import { isOn, requireFeature } from "../Features.ts"
import { machine } from "../Machine.ts"
import { NixError } from "../NixError.ts"
import { record } from "../Record.ts"
import { symbol } from "../Symbols.ts"
import { JsonError } from "../text/JsonReader.ts"
import { jsonValue } from "../text/JsonValues.ts"
import { readToml, TomlError } from "../text/Toml.ts"
import type { TomlBuilder } from "../text/Toml.ts"
import { toJson } from "../ToJson.ts"
import { toXml } from "../ToXml.ts"
import type { Value } from "../Value.ts"
import { Builtin, fromBigInt, NixFloat, textOf, withContext } from "../Value.ts"

const fromTomlText: TomlBuilder<Value> = {
  boolean: (value) => value,
  integer: fromBigInt,
  float: (value) => new NixFloat(value),
  string: (bytes) => bytes,
  list: (elements) => elements,
  table: fromNames,
  timestamp: undefined
}

const timestamp = record("_type", "value")

const fromTomlTextWithTimestamps: TomlBuilder<Value> = { ...fromTomlText, timestamp: (text) => timestamp("timestamp", text) }

const valueToJson = (value: Value): Value => {
  const context = new Set<string>()
  return withContext(toJson(value instanceof CallArgument ? value.open() : value, context, true), context)
}

const fromJSON = (text: Value): Value => {
  const json = expectText(text, first("fromJSON"))
  try {
    return jsonValue(json)
  } catch (error) {
    if (error instanceof JsonError) throw new NixError("eval", error.message).during("while decoding a JSON string", 0)
    throw error
  }
}

const fromTOML = (text: Value): Value => {
  const toml = expectText(text, only("fromTOML"))
  try {
    return readToml(toml, isOn("parse-toml-timestamps") ? fromTomlTextWithTimestamps : fromTomlText)
  } catch (error) {
    if (error instanceof TomlError) throw new NixError("eval", `while parsing TOML: ${error.message}`)
    throw error
  }
}

/** Runs `body`, whose complaints about hashes become evaluation errors. */
const refusing = <A>(body: () => A): A => {
  try {
    return body()
  } catch (error) {
    throw error instanceof HashError ? new NixError("eval", error.message) : error
  }
}

/** The hash algorithm of that name, as builtins take it: BLAKE3 is still an experiment in Nix. */
export const hashAlgorithm = (name: ByteString): NixHashAlgorithm => {
  const algorithm = refusing(() => parseAlgorithm(name))
  if (algorithm === "blake3") requireFeature("blake3-hashes")
  return algorithm
}

/** The digest of bytes in base16. */
export const hexDigest = (algorithm: NixHashAlgorithm, bytes: ByteString): ByteString =>
  printHash(hashBytes(algorithm, toBytes(bytes)), "base16")

const hashName = symbol("hash")
const hashAlgoName = symbol("hashAlgo")
const toHashFormatName = symbol("toHashFormat")

const convertHash = (argument: Value): Value => {
  const set = expectSet(argument, first("convertHash"))
  const hash = expectText(expectAttribute(set, hashName, "while locating the attribute 'hash'"), "while evaluating the attribute 'hash'")
  const named = set.get(hashAlgoName)
  const algorithm = named === undefined ? undefined : hashAlgorithm(expectText(named, "while evaluating the attribute 'hashAlgo'"))
  const format = expectText(
    expectAttribute(set, toHashFormatName, "while locating the attribute 'toHashFormat'"),
    "while evaluating the attribute 'toHashFormat'"
  )
  return refusing(() => {
    const wanted = parseFormat(format)
    if (format === "base32") machine.print('warning: "base32" is a deprecated alias for hash format "nix32".')
    return printHash(parseHash(hash, algorithm), wanted)
  })
}

export const conversion: ReadonlyArray<Builtin> = [
  new Builtin("toString", 1, (value) => coerceToString(value, Coercion.More, false)),
  new Builtin("toJSON", 1, valueToJson, true),
  new Builtin("fromJSON", 1, fromJSON),
  new Builtin("toXML", 1, (value) => {
    const context = new Set<string>()
    return withContext(toXml(value, context, false), context)
  }),
  new Builtin("fromTOML", 1, fromTOML),
  new Builtin("hashString", 2, (name, string) => {
    const algorithm = hashAlgorithm(expectText(name, first("hashString")))
    return hexDigest(algorithm, textOf(expectString(string, second("hashString"))))
  }),
  new Builtin("convertHash", 1, convertHash)
]
