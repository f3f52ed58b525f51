/**
 * Byte strings as JSON strings, as nlohmann's library writes them: UTF-8 as it is, control characters escaped, anything that is not UTF-8 refused. Pure.
 */
import type { ByteString } from "../../nix/Bytes.ts"
import { sequence } from "./JsonReader.ts"

const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r"
}

const plain = /^[\x20\x21\x23-\x5b\x5d-\x7f]*$/

/** Nix's words about the first byte that is not UTF-8, or undefined. */
export const invalidUtf8 = (text: ByteString): ByteString | undefined => {
  for (let at = 0; at < text.length;) {
    const length = sequence(text, at)
    if (length < 0) {
      const bad = at + ~length
      const byte = (index: number): string => `0x${text.charCodeAt(index).toString(16).toUpperCase().padStart(2, "0")}`
      return bad >= text.length
        ? `[json.exception.type_error.316] incomplete UTF-8 string; last byte: ${byte(text.length - 1)}`
        : `[json.exception.type_error.316] invalid UTF-8 byte at index ${bad}: ${byte(bad)}`
    }
    at += length
  }
  return undefined
}

/** A JSON string literal. The caller has asked `invalidUtf8`. */
export const jsonString = (text: ByteString): ByteString =>
  plain.test(text)
    ? `"${text}"`
    : `"${text.replace(/["\\\0-\x1f]/g, (c) => escapes[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)}"`
