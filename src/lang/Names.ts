/**
 * How names are written: bare when the grammar allows it, else quoted. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"

const bareName = /^[a-zA-Z_][a-zA-Z0-9_'-]*$/

const keywords: ReadonlySet<string> = new Set(["if", "then", "else", "assert", "with", "let", "in", "rec", "inherit"])

/** Whether a name may stand without quotes. */
export const isBareName = (name: ByteString): boolean => bareName.test(name) && !keywords.has(name)

const escapes: Readonly<Record<string, string>> = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "${": "\\${" }

/** A string literal for a byte string: `"…"`, with everything escaped that would mean something else. */
export const printString = (text: ByteString): ByteString => `"${text.replace(/["\\\n\r\t]|\$\{/g, (match) => escapes[match]!)}"`

/** A name as Nix prints it: bare, or as a string literal. */
export const printName = (name: ByteString): ByteString => (isBareName(name) ? name : printString(name))
