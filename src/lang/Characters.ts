/**
 * What single bytes can be part of, as tables. Pure.
 */
import * as Lead from "./Lead.ts"
import * as Token from "./Token.ts"

/** Flags of `classes`: where a byte may stand. */
export const pathByte = 1
export const uriByte = 2
export const schemeByte = 4
export const digit = 8
/** Flags of bytes that a piece of text in a string, or in an indented string, may end before, or that make it more than what is written. */
export const stopsString = 16
export const stopsIndented = 32

const name = pathByte | uriByte
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
const digits = "0123456789"

const mark = (table: Uint8Array, characters: string, what: number): void => {
  for (let i = 0; i < characters.length; i++) table[characters.charCodeAt(i)] = what
}

/** What a byte may be part of. */
export const classes = new Uint8Array(256)
for (const [characters, flags] of [
  [letters, name | schemeByte],
  ["_", name],
  [digits, pathByte | uriByte | schemeByte | digit],
  ["-.+", pathByte | uriByte | schemeByte],
  ["%/?:@&=,!~*", uriByte],
  ["'", uriByte | stopsIndented],
  ["$", uriByte | stopsString | stopsIndented],
  ["\0", stopsString | stopsIndented],
  ['"\\\r', stopsString]
] as const) {
  mark(classes, characters, flags)
}

/** 1 for a byte that goes on with a name; 2 for one before which a name may turn out to begin a path or URI; else 0. */
export const inName = new Uint8Array(256)
mark(inName, `${letters}${digits}_-'`, 1)
mark(inName, "./:+", 2)

/** What a byte begins: a token of one byte that begins nothing longer, or one of `Lead.ts`. */
export const leads = new Uint8Array(256).fill(Lead.Other)
mark(leads, `${letters}_`, Lead.Name)
for (const [characters, lead] of [
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
  ["\t\r#/", Lead.Blank]
] as const) {
  mark(leads, characters, lead)
}
