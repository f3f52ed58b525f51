/**
 * Versions and derivation names, as `nix-env` and `builtins.compareVersions` order them. Pure.
 */
import type { ByteString } from "../../nix/Bytes.ts"

const isDigit = (code: number): boolean => code >= 48 && code <= 57
const isSeparator = (code: number): boolean => code === 46 || code === 45

/** The next component at or after `at`, and where it ends; an empty one at the end. Digits and other characters do not mix. */
const component = (version: ByteString, at: number): { readonly text: ByteString; readonly end: number } => {
  let start = at
  while (start < version.length && isSeparator(version.charCodeAt(start))) start++
  let end = start
  if (start < version.length) {
    const digits = isDigit(version.charCodeAt(start))
    while (end < version.length && isDigit(version.charCodeAt(end)) === digits && !isSeparator(version.charCodeAt(end))) end++
  }
  return { text: version.slice(start, end), end }
}

/** `1.2pre3` is `1 2 pre 3`; dots and dashes only separate. */
export const splitVersion = (version: ByteString): Array<ByteString> => {
  const components: Array<ByteString> = []
  let at = 0
  while (at < version.length) {
    const next = component(version, at)
    if (next.text === "") break
    components.push(next.text)
    at = next.end
  }
  return components
}

/** What Nix takes for a number: digits that fit into 32 signed bits. */
const numeric = (text: ByteString): number | undefined => {
  if (text === "" || !isDigit(text.charCodeAt(0))) return undefined
  const value = Number(text)
  return value <= 0x7fffffff ? value : undefined
}

/** Whether a component is older: `pre` before nothing, nothing before words, words before numbers. */
const older = (a: ByteString, b: ByteString): boolean => {
  const x = numeric(a)
  const y = numeric(b)
  if (x !== undefined && y !== undefined) return x < y
  if (a === "" && y !== undefined) return true
  if (a === "pre" && b !== "pre") return true
  if (b === "pre") return false
  if (y !== undefined) return true
  if (x !== undefined) return false
  return a < b
}

/** -1, 0 or 1. */
export const compareVersions = (a: ByteString, b: ByteString): number => {
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    const x = component(a, i)
    const y = component(b, j)
    i = x.end
    j = y.end
    if (older(x.text, y.text)) return -1
    if (older(y.text, x.text)) return 1
  }
  return 0
}

/** `hello-2.10` is name `hello` and version `2.10`: the version starts after the first dash that no letter follows. */
export const parseDerivationName = (full: ByteString): { readonly name: ByteString; readonly version: ByteString } => {
  for (let i = 0; i + 1 < full.length; i++) {
    if (full[i] === "-" && !/[A-Za-z]/.test(full[i + 1]!)) return { name: full.slice(0, i), version: full.slice(i + 1) }
  }
  return { name: full, version: "" }
}
