/**
 * Nix hashes: an algorithm and a digest, and all their text forms.
 *
 *     base16   ba7816bf…                      nix32    1b8m03r63zqhnjf7…        base64   ungWv48Bz+pB…=
 *     each of them with its algorithm: `sha256:…`                               SRI      sha256-ungWv48Bz+pB…=
 *
 * Which of the first three a text is written in follows from its length. What is accepted and the words of the errors are those of Nix 2.34.8
 * (`builtins.convertHash`, `nix hash convert`). Pure.
 */
import * as Base16 from "./Base16.ts"
import * as Base32 from "./Base32.ts"
import * as Base64 from "./Base64.ts"
import { hash as digestOf } from "./Crypto.ts"
import type { HashAlgorithm } from "./Crypto.ts"

export type NixHashAlgorithm = HashAlgorithm

export interface NixHash {
  readonly algorithm: NixHashAlgorithm
  readonly digest: Uint8Array
}

/** Text forms that a hash is written in; `sri` always names its algorithm. */
export type HashFormat = "base16" | "nix32" | "base64" | "sri"

/** Digest lengths in bytes. */
export const digestLength: { readonly [algorithm in NixHashAlgorithm]: number } = { blake3: 32, md5: 16, sha1: 20, sha256: 32, sha512: 64 }

/** What is wrong with a text that should be a hash, an algorithm or a format. */
export type HashProblem =
  | { readonly kind: "unknown-algorithm"; readonly text: string }
  | { readonly kind: "unknown-format"; readonly text: string }
  | { readonly kind: "wrong-length"; readonly text: string; readonly algorithm: NixHashAlgorithm }
  /** `length` is what the text decodes to; 0 where it has foreign characters. */
  | { readonly kind: "invalid"; readonly text: string; readonly encoding: string; readonly length: number; readonly expected: number }
  | { readonly kind: "no-algorithm"; readonly text: string; readonly contextKnown: boolean }
  | { readonly kind: "other-algorithm"; readonly text: string; readonly algorithm: NixHashAlgorithm }
  | { readonly kind: "not-sri"; readonly text: string }
  | { readonly kind: "empty" }

/** A text is no hash, or not of the algorithm asked for. */
export class HashError extends Error {
  readonly _tag = "HashError"
  readonly problem: HashProblem

  constructor(problem: HashProblem) {
    super()
    this.problem = problem
  }

  override get message(): string {
    const problem = this.problem
    switch (problem.kind) {
      case "unknown-algorithm":
        return `unknown hash algorithm '${problem.text}', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'`
      case "unknown-format":
        return `unknown hash format '${problem.text}', expect 'base16', 'base32', 'base64', or 'sri'`
      case "wrong-length":
        return `hash '${problem.text}' has wrong length for hash algorithm '${problem.algorithm}'`
      case "invalid":
        return `invalid ${problem.encoding} hash '${problem.text}', length ${problem.length} != expected length ${problem.expected}`
      case "no-algorithm":
        return `hash '${problem.text}' does not include a type${problem.contextKnown ? ", nor is the type otherwise known from context" : ""}`
      case "other-algorithm":
        return `hash '${problem.text}' should have type '${problem.algorithm}'`
      case "not-sri":
        return `hash '${problem.text}' is not SRI`
      case "empty":
        return "empty hash requires explicit hash algorithm"
    }
  }
}

const isAlgorithm = (text: string): text is NixHashAlgorithm => Object.hasOwn(digestLength, text)

/** The algorithm of that name, or `undefined`. Names are lower case. */
export const algorithmNamed = (text: string): NixHashAlgorithm | undefined => (isAlgorithm(text) ? text : undefined)

/** The algorithm of that name. Throws `HashError`. */
export const parseAlgorithm = (text: string): NixHashAlgorithm => {
  if (!isAlgorithm(text)) throw new HashError({ kind: "unknown-algorithm", text })
  return text
}

/** The format of that name; `base32` is an old name of `nix32`. Throws `HashError`. */
export const parseFormat = (text: string): HashFormat => {
  switch (text) {
    case "base16":
    case "nix32":
    case "base64":
    case "sri":
      return text
    case "base32":
      return "nix32"
    default:
      throw new HashError({ kind: "unknown-format", text })
  }
}

const checked = (algorithm: NixHashAlgorithm, encoding: string, text: string, digest: Uint8Array | undefined): NixHash => {
  const expected = digestLength[algorithm]
  const length = digest === undefined ? 0 : digest.length
  if (digest === undefined || length !== expected) throw new HashError({ kind: "invalid", text, encoding, length, expected })
  return { algorithm, digest }
}

const decodeNix32 = (text: string, algorithm: NixHashAlgorithm): NixHash => {
  try {
    return { algorithm, digest: Base32.decode(text) }
  } catch (error) {
    if (!(error instanceof Base32.Base32Error)) throw error
    const expected = digestLength[algorithm]
    throw new HashError({ kind: "invalid", text, encoding: "nix32", length: error.reason === "bits" ? expected + 1 : 0, expected })
  }
}

/** A bare digest of a known algorithm: base16, nix32 or base64 by its length. Throws `HashError`. */
export const parseBare = (text: string, algorithm: NixHashAlgorithm): NixHash => {
  const length = digestLength[algorithm]
  switch (text.length) {
    case length * 2:
      return checked(algorithm, "base16", text, Base16.decode(text))
    case Base32.encodedLength(length):
      return decodeNix32(text, algorithm)
    case Math.ceil(length / 3) * 4:
      return checked(algorithm, "Base64", text, Base64.decode(text))
    default:
      throw new HashError({ kind: "wrong-length", text, algorithm })
  }
}

const parse = (text: string, known: NixHashAlgorithm | undefined, contextKnown: boolean): NixHash => {
  const colon = text.indexOf(":")
  const separator = colon < 0 ? text.indexOf("-") : colon
  if (separator < 0) {
    if (known === undefined) throw new HashError({ kind: "no-algorithm", text, contextKnown })
    return parseBare(text, known)
  }
  const algorithm = parseAlgorithm(text.slice(0, separator))
  if (known !== undefined && known !== algorithm) throw new HashError({ kind: "other-algorithm", text, algorithm: known })
  const rest = text.slice(separator + 1)
  return colon < 0 ? checked(algorithm, "SRI", rest, Base64.decode(rest)) : parseBare(rest, algorithm)
}

/**
 * A hash in any form: `algo:…` in base16, nix32 or base64, SRI, or, where `known` is given, a bare digest. A named algorithm must be the known one.
 * Throws `HashError`.
 */
export const parseHash = (text: string, known?: NixHashAlgorithm): NixHash => parse(text, known, true)

/** A hash that names its algorithm (`algo:…` or SRI), as in a narinfo. Throws `HashError`. */
export const parsePrefixed = (text: string): NixHash => parse(text, undefined, false)

/** A hash in SRI form. Throws `HashError`. */
export const parseSri = (text: string): NixHash => {
  const dash = text.indexOf("-")
  if (dash < 0) throw new HashError({ kind: "not-sri", text })
  const rest = text.slice(dash + 1)
  return checked(parseAlgorithm(text.slice(0, dash)), "SRI", rest, Base64.decode(rest))
}

/**
 * As `parseHash`, but the empty text is the digest of zeros ("fill it in later"): then `empty` is true and the caller warns as Nix does:
 * `found empty hash, assuming '<sri>'`. Throws `HashError`.
 */
export const parseHashOrEmpty = (text: string, known?: NixHashAlgorithm): { readonly hash: NixHash; readonly empty: boolean } => {
  if (text !== "") return { hash: parseHash(text, known), empty: false }
  if (known === undefined) throw new HashError({ kind: "empty" })
  return { hash: { algorithm: known, digest: new Uint8Array(digestLength[known]) }, empty: true }
}

/** The digest in one form, without the algorithm except in SRI. */
export const printHash = (hash: NixHash, format: HashFormat): string => {
  switch (format) {
    case "base16":
      return Base16.encode(hash.digest)
    case "nix32":
      return Base32.encode(hash.digest)
    case "base64":
      return Base64.encode(hash.digest)
    case "sri":
      return `${hash.algorithm}-${Base64.encode(hash.digest)}`
  }
}

/** `algo:…` in the given form (SRI stays as it is). */
export const printPrefixed = (hash: NixHash, format: HashFormat): string =>
  format === "sri" ? printHash(hash, format) : `${hash.algorithm}:${printHash(hash, format)}`

/** The hash of bytes. */
export const hashBytes = (algorithm: NixHashAlgorithm, bytes: Uint8Array): NixHash => ({ algorithm, digest: digestOf(algorithm, bytes) })

/** Whether two hashes are the same. */
export const sameHash = (left: NixHash, right: NixHash): boolean =>
  left.algorithm === right.algorithm &&
  left.digest.length === right.digest.length &&
  left.digest.every((byte, index) => byte === right.digest[index])
