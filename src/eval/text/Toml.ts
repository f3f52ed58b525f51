/**
 * TOML as a tree of plain data, over `smol-toml`: integers apart from floats, byte strings, dates refused as Nix refuses them. Pure.
 */
import { parse, TomlDate, TomlError as SyntaxError_ } from "smol-toml"
import type { ByteString } from "../../nix/Bytes.ts"
import { fromUnicode, toUnicode } from "../../nix/Bytes.ts"
import { invalidUtf8 } from "./JsonStrings.ts"
import { newerThanToml10 } from "./TomlVersion.ts"

/** What becomes of the parts. */
export interface TomlBuilder<Made> {
  boolean(value: boolean): Made
  integer(value: bigint): Made
  float(value: number): Made
  string(bytes: ByteString): Made
  list(elements: Array<Made>): Made
  table(entries: Array<readonly [ByteString, Made]>): Made
  /** A date, a time or both, as RFC 3339 has it; undefined when they are refused, as Nix does by default. */
  readonly timestamp: ((text: ByteString) => Made) | undefined
}

/** Text that is not TOML, or holds what Nix has no value for. */
export class TomlError extends Error {
  override readonly name = "TomlError"
}

/** Nix's words (toml11's) for what smol-toml reports. */
const words: ReadonlyArray<readonly [RegExp, string]> = [
  [/cannot find end of key|illegal character in key/, "[error] toml::parse_key_value_pair: invalid key value separator `=`"],
  [/redefine an already defined table or value/, "[error] toml::insert_value: failed to insert a value, value already exists"],
  [/redefine an already defined value/, "[error] toml::insert_value: failed to insert a value, value already exists"],
  [/invalid value|unexpected end of (?:input|file)/, "[error] bad format: unknown value appeared"]
]

const checkedString = (text: string): ByteString => {
  const bytes = fromUnicode(text)
  if (bytes.includes("\0")) {
    throw new TomlError(
      `error: input string '${bytes.replaceAll("\0", "\xe2\x90\x80")}' cannot be represented as Nix string because it contains null bytes`
    )
  }
  return bytes
}

/** What `Temporal` gives, as far as it is needed. */
interface Moment {
  readonly millisecond?: number
  readonly microsecond?: number
  readonly nanosecond?: number
  toString(options: { readonly fractionalSecondDigits?: number; readonly timeZoneName?: "never" }): string
}

const isMoment = (value: object): value is Moment => Object.prototype.toString.call(value).startsWith("[object Temporal.")

/** Fractions of a second have no, three, six or nine digits. */
const momentText = (moment: Moment): string => {
  const { millisecond = 0, microsecond = 0, nanosecond = 0 } = moment
  const fractionalSecondDigits = nanosecond > 0 ? 9 : microsecond > 0 ? 6 : millisecond > 0 ? 3 : 0
  return moment.toString({ fractionalSecondDigits, timeZoneName: "never" }).replace(/[+-]00:00$/, "Z")
}

const strings = /"""[^]*?"""|'''[^]*?'''|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|#[^\n]*/g
const longFraction = /(:\d\d\.\d{9})\d+/g

/** Cuts fractions of a second to nanoseconds, outside strings and comments: `Temporal` takes no more. */
const withShortFractions = (text: string): string => {
  if (text.search(longFraction) < 0) return text
  let result = ""
  let last = 0
  for (const found of text.matchAll(strings)) {
    result += text.slice(last, found.index).replace(longFraction, "$1") + found[0]
    last = found.index + found[0].length
  }
  return result + text.slice(last).replace(longFraction, "$1")
}

/**
 * Reads a TOML document.
 *
 * @throws TomlError with the text that follows `while parsing TOML: ` in Nix's error, and the place as smol-toml shows it.
 */
export const readToml = <Made>(text: ByteString, builder: TomlBuilder<Made>): Made => {
  if (invalidUtf8(text) !== undefined) throw new TomlError("[error] the document is not UTF-8")
  let document: unknown
  try {
    const precise = builder.timestamp !== undefined && "Temporal" in globalThis
    const source = toUnicode(text)
    const tooNew = newerThanToml10(source)
    if (tooNew !== undefined) throw new TomlError(tooNew)
    document = parse(precise ? withShortFractions(source) : source, { integersAsBigInt: true, maxDepth: 10_000, useLegacyDate: !precise })
  } catch (error) {
    if (!(error instanceof SyntaxError_)) throw error
    const known = words.find(([pattern]) => pattern.test(error.message))
    let reported = known?.[1]
    if (
      reported !== undefined &&
      reported.includes("insert_value") &&
      /^\s*\[/.test(toUnicode(text).split(/\r?\n/)[error.line - 1] ?? "")
    ) {
      reported = "[error] toml::insert_value: failed to insert a table, table already defined"
    }
    throw new TomlError(
      fromUnicode(reported === undefined ? `[error] ${error.message.replace(/\n+$/, "")}` : `${reported}\n${error.codeblock}`)
    )
  }
  const build = (value: unknown): Made => {
    switch (typeof value) {
      case "boolean":
        return builder.boolean(value)
      case "bigint":
        if (BigInt.asIntN(64, value) !== value) {
          throw new TomlError("[error] toml::parse_dec_integer: too large integer: current max digits = 2^63")
        }
        return builder.integer(value)
      case "number":
        return builder.float(value)
      case "string":
        return builder.string(checkedString(value))
    }
    if (value instanceof TomlDate || isMoment(value as object)) {
      if (builder.timestamp === undefined) throw new TomlError("Dates and times are not supported")
      return builder.timestamp(value instanceof TomlDate ? value.toISOString() : momentText(value as Moment))
    }
    if (Array.isArray(value)) return builder.list(value.map(build))
    return builder.table(
      Object.entries(value as Record<string, unknown>).map(([key, inner]) => [checkedString(key), build(inner)] as const)
    )
  }
  return build(document)
}
