/**
 * Strings: bytes with a context. Lengths and offsets count bytes.
 */
import type { ByteString } from "../../nix/Bytes.ts"
import { Coercion, coerceToText } from "../Coerce.ts"
import { expectElements } from "../Elements.ts"
import { expectInteger, expectList, expectString, expectText, expectTextIn, first, only, second, third } from "../Expect.ts"
import { batch, force } from "../Force.ts"
import { NixError } from "../NixError.ts"
import * as Regex from "../regex/Regex.ts"
import type { Value } from "../Value.ts"
import { Builtin, ContextString, textOf, withContext } from "../Value.ts"

/** Runs `body` with a compiled pattern; its errors become Nix's. */
const withRegex = (pattern: ByteString, body: (regex: Regex.Regex) => Value): Value => {
  try {
    return body(Regex.compile(pattern))
  } catch (error) {
    if (error instanceof Regex.RegexError) throw new NixError("eval", error.message)
    if (error instanceof Regex.RegexTooComplex) {
      throw new NixError("eval", `regular expression '${pattern}' is too complex: matching took more than ${Regex.stepBudget} steps`)
    }
    throw error
  }
}

const match = (pattern: Value, subject: Value): Value =>
  withRegex(expectText(pattern, first("match")), (regex) => Regex.match(regex, textOf(expectString(subject, second("match")))))

const split = (pattern: Value, subject: Value): Value =>
  withRegex(expectText(pattern, first("split")), (regex) => {
    const whole = expectString(subject, second("split"))
    const text = textOf(whole)
    const found = Regex.searchAll(regex, text)
    if (found.length === 0) return [whole]
    const parts: Array<Value> = []
    let last = 0
    for (const place of found) {
      parts.push(text.slice(last, place.start), place.captures)
      last = place.end
    }
    parts.push(text.slice(last))
    return parts
  })

const during = {
  start: "while evaluating the first argument (the start offset) passed to builtins.substring",
  length: "while evaluating the second argument (the substring length) passed to builtins.substring",
  separator: "while evaluating the first argument (the separator string) passed to builtins.concatStringsSep",
  strings: "while evaluating the second argument (the list of strings to concat) passed to builtins.concatStringsSep",
  element: "while evaluating one element of the list of strings to concat passed to builtins.concatStringsSep",
  replace: "while evaluating one of the strings to replace passed to builtins.replaceStrings",
  replacement: "while evaluating one of the replacement strings passed to builtins.replaceStrings"
} as const

const substring = (start: Value, length: Value, string: Value): Value => {
  const from = expectInteger(start, during.start)
  if (from < 0) throw new NixError("eval", "negative start position in 'substring'")
  const size = expectInteger(length, during.length)
  const s = force(string)
  if (typeof s === "string") return size < 0 ? s.slice(Number(from)) : s.slice(Number(from), Number(from) + Number(size))
  if (size === 0 && s instanceof ContextString) return new ContextString("", s.context)
  const context = new Set<string>()
  const text = coerceToText(s, context, Coercion.Plain, true)
  return withContext(size < 0 ? text.slice(Number(from)) : text.slice(Number(from), Number(from) + Number(size)), context)
}

/** As `coerceToText` with paths copied; an error says what was being evaluated. */
const coerced = (value: Value, context: Set<string>, words: string): ByteString => {
  const v = force(value)
  if (typeof v === "string") return v
  try {
    return coerceToText(v, context, Coercion.Plain, true)
  } catch (error) {
    throw error instanceof NixError ? error.during(words, 0) : error
  }
}

/** Texts are joined so many at a time: each of them can go soon after it was made. */
const joinedAtOnce = 256

const concatStringsSep = (separator: Value, list: Value): Value => {
  const context = new Set<string>()
  const between = expectTextIn(separator, context, during.separator)
  const elements = expectElements(list, during.strings)
  const { size } = elements
  const joined: Array<string> = []
  let texts: Array<string> = []
  /** The index of the first in `texts`. Once a part is suspended the others come in any order, and stay. */
  let from = 0
  let inOrder = true
  batch(
    size,
    (i) => {
      if (inOrder && i - from === joinedAtOnce) {
        joined.push(texts.join(between))
        texts = []
        from = i
      }
      texts[i - from] = coerced(elements.at(i), context, during.element)
    },
    () => {
      inOrder = false
    }
  )
  if (joined.length === 0) return withContext(texts.join(between), context)
  joined.push(texts.join(between))
  return withContext(joined.join(between), context)
}

/** What may be replaced at a byte: the strings that start with it, by index, in order; empty ones match everywhere. */
const candidates = (
  from: ReadonlyArray<ByteString>
): { readonly byByte: ReadonlyArray<ReadonlyArray<number> | undefined>; readonly empty: boolean } => {
  const byByte: Array<Array<number> | undefined> = new Array(257)
  let empty = false
  for (const [i, text] of from.entries()) {
    if (text === "") {
      empty = true
      for (let code = 0; code <= 256; code++) (byByte[code] ??= []).push(i)
    } else (byByte[text.charCodeAt(0)] ??= []).push(i)
  }
  return { byByte, empty }
}

const replaceStrings = (fromList: Value, toList: Value, subject: Value): Value => {
  const fromValues = expectList(fromList, first("replaceStrings"))
  const to = expectList(toList, second("replaceStrings"))
  if (fromValues.length !== to.length) {
    throw new NixError("eval", "'from' and 'to' arguments passed to builtins.replaceStrings have different lengths")
  }
  const from = fromValues.map((value) => textOf(expectString(value, during.replace)))
  const context = new Set<string>()
  const text = expectTextIn(subject, context, third("replaceStrings"))
  if (from.every((part) => part !== "" && !text.includes(part))) return withContext(text, context)
  const replacements = new Array<ByteString | undefined>(to.length)
  const { byByte, empty } = candidates(from)
  let result = ""
  // Bytes from here to the place looked at are taken over as they are.
  let kept = 0
  // One past the end too, where only empty strings match.
  const end = text.length + (empty ? 1 : 0)
  for (let at = 0; at < end;) {
    const possible = byByte[at < text.length ? text.charCodeAt(at) : 256]
    let found = -1
    if (possible !== undefined) {
      for (const i of possible) {
        if (text.startsWith(from[i] as string, at)) {
          found = i
          break
        }
      }
    }
    if (found < 0) {
      at++
      continue
    }
    const replacement = (replacements[found] ??= expectTextIn(to[found] as Value, context, during.replacement))
    result += text.slice(kept, at) + replacement
    const size = (from[found] as string).length
    // An empty string is put before the byte, which stays.
    kept = at + size
    at += size === 0 ? 1 : size
  }
  return withContext(result + text.slice(kept), context)
}

export const strings: ReadonlyArray<Builtin> = [
  new Builtin("match", 2, match),
  new Builtin("split", 2, split),
  new Builtin("substring", 3, substring),
  new Builtin("stringLength", 1, (string) => coerced(string, new Set(), only("stringLength")).length),
  new Builtin("concatStringsSep", 2, concatStringsSep, true),
  new Builtin("replaceStrings", 3, replaceStrings)
]
