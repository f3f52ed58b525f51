/**
 * Byte strings as JSON strings, as nlohmann's library writes them: UTF-8 as it is, control characters escaped, anything that is not UTF-8 refused. Pure.
 */
import type { ByteString } from "../../nix/Bytes.ts"
import { sequence } from "./JsonReader.ts"

const beyondAscii = /[\x80-\xff]/

/** Whether all bytes are ASCII. */
export const isAscii = (text: ByteString): boolean => !beyondAscii.test(text)

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

/** A JSON string literal. The caller has asked `invalidUtf8`. What JavaScript escapes, and how, is what nlohmann's library does for characters below U+0100. */
export const jsonString = (text: ByteString): ByteString => JSON.stringify(text)
