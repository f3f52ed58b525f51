/**
 * What single bytes can be part of, as tables. Pure.
 */
import * as Token from "./Token.ts"

/** Flags of `classes`: where a byte may stand. */
export const nameStart = 1
export const nameRest = 2
export const pathByte = 4
export const uriByte = 8
export const schemeByte = 16
export const digit = 32

/** What a byte may be part of. */
export const classes = new Uint8Array(256)
for (const [characters, flags] of [
  ["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", nameStart | nameRest | pathByte | uriByte | schemeByte],
  ["0123456789", nameRest | pathByte | uriByte | schemeByte | digit],
  ["_", nameStart | nameRest | pathByte | uriByte],
  ["-", nameRest | pathByte | uriByte | schemeByte],
  ["'", nameRest | uriByte],
  [".+", pathByte | uriByte | schemeByte],
  ["%/?:@&=$,!~*", uriByte]
] as const) {
  for (let i = 0; i < characters.length; i++) classes[characters.charCodeAt(i)] = flags
}

/** Tokens of one byte that begin nothing longer. */
export const single = new Uint8Array(256)
for (const [character, token] of [
  [":", Token.Colon],
  ["@", Token.At],
  [";", Token.Semicolon],
  [",", Token.Comma],
  ["(", Token.OpenParen],
  [")", Token.CloseParen],
  ["[", Token.OpenBracket],
  ["]", Token.CloseBracket],
  ["{", Token.OpenBrace],
  ["}", Token.CloseBrace],
  ["?", Token.Question],
  ["*", Token.Star],
  ['"', Token.Quote]
] as const) {
  single[character.charCodeAt(0)] = token
}
