/**
 * Store paths: `/nix/store/<32 nixbase32 characters>-<name>`, always held in that absolute form.
 *
 * Parsing and the formulas that make them. A path is the digest of a *fingerprint* `<type>:sha256:<inner hex>:/nix/store:<name>`, folded to 20 bytes;
 * what the type and the inner hash are depends on the kind of object (shared reference anchors.md §4.3). Names and messages are those of Nix 2.34.8.
 * Pure; hashing comes through `Crypto.ts`.
 */
import * as Base16 from "./Base16.ts"
import * as Base32 from "./Base32.ts"
import { toBytes } from "./Bytes.ts"
import type { ByteString } from "./Bytes.ts"
import { hashTextBytes, hashTextHex } from "./Crypto.ts"
import type { NixHash } from "./Hash.ts"

export const storeDir = "/nix/store"

/** An absolute store path without anything after its name. */
export type StorePath = string & { readonly StorePath: unique symbol }

/** Characters of the hash part. */
export const hashPartLength = 32

/** Longest name in bytes. */
export const nameLimit = 211

/** Ends the name of every derivation's own store path. */
export const derivationSuffix = ".drv"

const hashStart = storeDir.length + 1
const nameStart = hashStart + hashPartLength + 1

/** What is wrong with a name. */
export type NameProblem =
  | { readonly kind: "empty" }
  | { readonly kind: "too-long" }
  | { readonly kind: "not-valid" }
  | { readonly kind: "first-component"; readonly component: string }
  | { readonly kind: "character"; readonly character: string }

/** What is wrong with a path. */
export type StorePathProblem =
  | { readonly kind: "name"; readonly problem: NameProblem }
  | { readonly kind: "base-name"; readonly problem: NameProblem }
  | { readonly kind: "too-short" }
  | { readonly kind: "no-dash" }
  | { readonly kind: "hash-character"; readonly character: string }
  | { readonly kind: "outside" }
  | { readonly kind: "not-derivation" }

const nameMessage = (name: string, problem: NameProblem): string => {
  switch (problem.kind) {
    case "empty":
      return "name must not be empty"
    case "too-long":
      return `name '${name}' must be no longer than ${nameLimit} characters`
    case "not-valid":
      return `name '${name}' is not valid`
    case "first-component":
      return `name '${name}' is not valid: first dash-separated component must not be '${problem.component}'`
    case "character":
      return `name '${name}' contains illegal character '${problem.character}'`
  }
}

/** A text is no store path or no store path name. `text` is what was given: a name, a base name or a whole path. */
export class StorePathError extends Error {
  readonly _tag = "StorePathError"
  readonly text: ByteString
  readonly problem: StorePathProblem

  constructor(text: ByteString, problem: StorePathProblem) {
    super()
    this.text = text
    this.problem = problem
  }

  override get message(): string {
    const { text, problem } = this
    switch (problem.kind) {
      case "name":
        return nameMessage(text, problem.problem)
      case "base-name":
        return `path '${text}' is not a valid store path: ${nameMessage(text.slice(hashPartLength + 1), problem.problem)}`
      case "too-short":
        return `'${text}' is too short to be a valid store path`
      case "no-dash":
        return `'${text}' can't name a store path because the hash part is not followed by a '-'`
      case "hash-character":
        return `store path '${text}' contains illegal base-32 character '${problem.character}'`
      case "outside":
        return `path '${text}' is not in the Nix store`
      case "not-derivation":
        return `store path '${text}' is not a valid derivation path`
    }
  }
}

const nameCharacters = /^[0-9A-Za-z+\-._?=]+$/
const foreignCharacter = /[^0-9A-Za-z+\-._?=]/

const nameProblem = (name: ByteString): NameProblem | undefined => {
  if (name.length === 0) return { kind: "empty" }
  if (name.length > nameLimit) return { kind: "too-long" }
  if (name.charCodeAt(0) === 46) {
    if (name === "." || name === "..") return { kind: "not-valid" }
    if (name.startsWith(".-")) return { kind: "first-component", component: "." }
    if (name.startsWith("..-")) return { kind: "first-component", component: ".." }
  }
  if (nameCharacters.test(name)) return undefined
  return { kind: "character", character: foreignCharacter.exec(name)![0] }
}

/** Whether `name` may be the name of a store path. */
export const isName = (name: ByteString): boolean => nameProblem(name) === undefined

/** Throws `StorePathError` unless `name` may be the name of a store path: 1–211 of `0-9 A-Z a-z + - . _ ? =`, its first dash-separated part not `.` or `..`. */
export const checkName = (name: ByteString): void => {
  const problem = nameProblem(name)
  if (problem !== undefined) throw new StorePathError(name, { kind: "name", problem })
}

const baseNameProblem = (baseName: ByteString): StorePathProblem | undefined => {
  if (baseName.length < hashPartLength + 1) return { kind: "too-short" }
  for (let i = 0; i < hashPartLength; i++) {
    if (!Base32.isDigit(baseName.charCodeAt(i))) return { kind: "hash-character", character: baseName[i]! }
  }
  if (baseName.charCodeAt(hashPartLength) !== 45) return { kind: "no-dash" }
  const problem = nameProblem(baseName.slice(hashPartLength + 1))
  return problem === undefined ? undefined : { kind: "base-name", problem }
}

/** The store path of a base name `<hash>-<name>`. Throws `StorePathError`. */
export const fromBaseName = (baseName: ByteString): StorePath => {
  const problem = baseNameProblem(baseName)
  if (problem !== undefined) throw new StorePathError(baseName, problem)
  return `${storeDir}/${baseName}` as StorePath
}

/** An absolute path that is exactly a store path. Throws `StorePathError`. */
export const parseStorePath = (path: ByteString): StorePath => {
  if (!path.startsWith(storeDir) || path.charCodeAt(storeDir.length) !== 47) throw new StorePathError(path, { kind: "outside" })
  const baseName = path.slice(hashStart)
  const problem = baseNameProblem(baseName)
  if (problem !== undefined) throw new StorePathError(baseName, problem)
  return path as StorePath
}

/** Whether a path is exactly a store path. */
export const isStorePath = (path: ByteString): path is StorePath =>
  path.startsWith(storeDir) && path.charCodeAt(storeDir.length) === 47 && baseNameProblem(path.slice(hashStart)) === undefined

/** Whether an absolute, normalised path is a store path or lies below one: whether `splitStorePath` takes it. */
export const isInStore = (path: ByteString): boolean => {
  const slash = path.indexOf("/", hashStart)
  return isStorePath(slash < 0 ? path : path.slice(0, slash))
}

/**
 * Splits a path at or below a store path into that and the rest: "" or what follows, from its slash on. Throws `StorePathError`. The path must be
 * absolute and normalised.
 */
export const splitStorePath = (path: ByteString): { readonly storePath: StorePath; readonly rest: ByteString } => {
  const slash = path.startsWith(`${storeDir}/`) ? path.indexOf("/", hashStart) : -1
  if (slash < 0) return { storePath: parseStorePath(path), rest: "" }
  return { storePath: parseStorePath(path.slice(0, slash)), rest: path.slice(slash) }
}

/** The 32 characters of the hash part. */
export const hashPart = (path: StorePath): string => path.slice(hashStart, hashStart + hashPartLength)

/** What follows the hash part and its dash. */
export const nameOf = (path: StorePath): ByteString => path.slice(nameStart)

/** `<hash>-<name>`. */
export const baseName = (path: StorePath): ByteString => path.slice(hashStart)

/** The 20 bytes that the hash part stands for. */
export const digestOf = (path: StorePath): Uint8Array<ArrayBuffer> => Base32.decode(hashPart(path))

/** The store path of 20 bytes and a name. Throws `StorePathError` for a bad name. */
export const fromDigestAndName = (digest: Uint8Array, name: ByteString): StorePath => fromHashPartAndName(Base32.encode(digest), name)

/** The store path of a hash part and a name. Throws `StorePathError`. */
export const fromHashPartAndName = (part: string, name: ByteString): StorePath => fromBaseName(`${part}-${name}`)

/** Whether the path is that of a derivation: its name ends in `.drv`. */
export const isDerivationPath = (path: StorePath): boolean => path.endsWith(derivationSuffix)

/** The name of the derivation at a `.drv` path. Throws `StorePathError` where the path is not one. */
export const derivationName = (path: StorePath): ByteString => {
  if (!isDerivationPath(path)) throw new StorePathError(baseName(path), { kind: "not-derivation" })
  return path.slice(nameStart, -derivationSuffix.length)
}

/** Folds a digest to `size` bytes by exclusive or. */
export const compress = (digest: Uint8Array, size = 20): Uint8Array<ArrayBuffer> => {
  const folded = new Uint8Array(size)
  for (let i = 0, at = 0; i < digest.length; i++) {
    folded[at] = folded[at]! ^ digest[i]!
    at = at + 1 === size ? 0 : at + 1
  }
  return folded
}

/** The SHA-256 of a text in Nix's base-32. */
const sha256Base32 = (text: ByteString): string => Base32.encode(toBytes(hashTextBytes("sha256", text)))

const folded = new Uint8Array(20)

/** The hash part of a store path: the SHA-256 of its fingerprint, folded to 20 bytes. */
const hashPartOf = (fingerprint: ByteString): string => {
  const digest = hashTextBytes("sha256", fingerprint)
  for (let i = 0; i < 20; i++) folded[i] = i < 12 ? digest.charCodeAt(i) ^ digest.charCodeAt(i + 20) : digest.charCodeAt(i)
  return Base32.encode(folded)
}

/**
 * The store path of a fingerprint `<type>:sha256:<inner>:/nix/store:<name>`: `inner` in hex. The bottom of all formulas below. Throws `StorePathError`.
 */
export const makeStorePath = (type: ByteString, inner: string, name: ByteString): StorePath => {
  const problem = nameProblem(name)
  const part = hashPartOf(`${type}:sha256:${inner}:${storeDir}:${name}`)
  if (problem !== undefined) throw new StorePathError(`${part}-${name}`, { kind: "base-name", problem })
  return `${storeDir}/${part}-${name}` as StorePath
}

const withReferences = (type: string, references: Iterable<StorePath>, self: boolean): string => {
  const parts: Array<string> = [...references].sort()
  let count = 0
  for (const reference of parts) if (count === 0 || reference !== parts[count - 1]) parts[count++] = reference
  parts.length = count
  if (self) parts.push("self")
  return count === 0 && !self ? type : `${type}:${parts.join(":")}`
}

/** The path of a text (`builtins.toFile`, a `.drv`): SHA-256 digest of its bytes, and what it refers to. Throws `StorePathError`. */
export const makeText = (name: ByteString, contentSha256: Uint8Array, references: Iterable<StorePath> = []): StorePath =>
  makeTextOfHex(name, Base16.encode(contentSha256), references)

/** The same for a digest in hex. */
export const makeTextOfHex = (name: ByteString, contentSha256: string, references: Iterable<StorePath>): StorePath =>
  makeStorePath(withReferences("text", references, false), contentSha256, name)

/**
 * The path of a tree added by the SHA-256 of its NAR (a source, a recursive SHA-256 fixed output). Only these may have references; `self` says that it
 * refers to itself (then `narSha256` is of the NAR with the own hash part zeroed). Throws `StorePathError`.
 */
export const makeSource = (name: ByteString, narSha256: Uint8Array, references: Iterable<StorePath> = [], self = false): StorePath =>
  makeStorePath(withReferences("source", references, self), Base16.encode(narSha256), name)

/** How content is fed to the hash of a content address; `text` is a flat SHA-256 whose store path is that of a text. */
export type IngestionMethod = "flat" | "recursive" | "git" | "text"

/** `r:`, `git:`, `text:` or nothing, as before the algorithm in ATerm. */
export const methodPrefix = (method: IngestionMethod): string => {
  switch (method) {
    case "flat":
      return ""
    case "recursive":
      return "r:"
    case "git":
      return "git:"
    case "text":
      return "text:"
  }
}

/**
 * The path of content with a known hash: of one file's bytes (`flat`, `text`), of a NAR (`recursive`) or of a git tree. Throws `StorePathError`.
 */
export const makeFixedOutput = (name: ByteString, method: IngestionMethod, content: NixHash): StorePath => {
  if (method === "recursive" && content.algorithm === "sha256") return makeSource(name, content.digest)
  if (method === "text") return makeText(name, content.digest)
  const inner = hashTextHex("sha256", `fixed:out:${methodPrefix(method)}${content.algorithm}:${Base16.encode(content.digest)}:`)
  return makeStorePath("output:out", inner, name)
}

/** The store path name of a derivation's output: `name` for `out`, else `name-output`. */
export const outputPathName = (name: ByteString, output: ByteString): ByteString => (output === "out" ? name : `${name}-${output}`)

/** The path of a derivation's output from its hash-modulo (64 hex digits) and the derivation's name. Throws `StorePathError`. */
export const makeOutput = (output: ByteString, hashModulo: string, name: ByteString): StorePath =>
  makeStorePath(`output:${output}`, hashModulo, outputPathName(name, output))

/** What stands for the own path of an output inside a derivation: `builtins.placeholder`. */
export const placeholder = (output: ByteString): ByteString => `/${sha256Base32(`nix-output:${output}`)}`

/**
 * What stands for the output of another derivation whose path is not known before it is built (a floating content-addressed one).
 * Throws `StorePathError` where `drvPath` is no derivation path.
 */
export const unknownOutputPlaceholder = (drvPath: StorePath, output: ByteString): ByteString =>
  `/${sha256Base32(`nix-upstream-output:${hashPart(drvPath)}:${outputPathName(derivationName(drvPath), output)}`)}`

/** What stands for an output of a derivation that is itself such an unknown output (`inner` is its placeholder). */
export const computedOutputPlaceholder = (inner: ByteString, output: ByteString): ByteString =>
  `/${sha256Base32(`nix-computed-output:${Base32.encode(compress(Base32.decode(inner.slice(1))))}:${output}`)}`
