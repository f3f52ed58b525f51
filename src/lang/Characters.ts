/**
 * What single bytes can be part of, as tables. Pure.
 */
import * as Lead from "./Lead.ts"
import * as Token from "./Token.ts"

/** Flags of `classes`: where a byte may stand. */
export const nameStart = 1
export const pathByte = 2
export const uriByte = 4
export const schemeByte = 8
export const digit = 16
/** Flags of bytes that a piece of text in a string, or in an indented string, may end before, or that make it more than what is written. */
export const stopsString = 32
export const stopsIndented = 64

const name = nameStart | pathByte | uriByte

/** What a byte may be part of. */
export const classes = new Uint8Array(256)
for (const [characters, flags] of [
  ["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", name | schemeByte],
  ["_", name],
  ["0123456789", pathByte | uriByte | schemeByte | digit],
  ["-.+", pathByte | uriByte | schemeByte],
  ["%/?:@&=,!~*", uriByte],
  ["'", uriByte | stopsIndented],
  ["$", uriByte | stopsString | stopsIndented],
  ["\0", stopsString | stopsIndented],
  ['"\\\r', stopsString]
] as const) {
  for (let i = 0; i < characters.length; i++) classes[characters.charCodeAt(i)] = flags
}

/** 1 for a byte that goes on with a name; 2 for one before which a name may turn out to begin a path or URI; else 0. */
export const inName = new Uint8Array(256)
for (let byte = 0; byte < 256; byte++) {
  const character = String.fromCharCode(byte)
  inName[byte] = /[\w'-]/.test(character) ? 1 : /[./:+]/.test(character) ? 2 : 0
}

/** What a byte begins: a token of one byte that begins nothing longer, or one of `Lead.ts`. */
export const leads = new Uint8Array(256).fill(Lead.Other)
for (let byte = 0; byte < 256; byte++) {
  if ((classes[byte]! & nameStart) !== 0) leads[byte] = Lead.Name
}
for (const [character, lead] of [
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
  ['"', Token.Quote],
  ["\t", Lead.Blank],
  ["\r", Lead.Blank],
  ["#", Lead.Blank],
  ["/", Lead.Blank]
] as const) {
  leads[character.charCodeAt(0)] = lead
}
