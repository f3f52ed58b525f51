/**
 * narinfo: what a binary cache says of one store path, as lines `Key: value`.
 *
 * Only the fingerprint (path, NAR hash, NAR size, references) is signed: URL, Compression, FileHash, FileSize, Deriver, System and CA are hints of whoever
 * sent the file, to be checked by use. The parser takes what caches really send (no Compression means bzip2, hashes in any form, references missing or out of
 * order, `unknown-deriver`, keys it does not know) and nothing that is ambiguous or dangerous. Pure.
 */
import { compareBytes, fromBytes } from "./Bytes.ts"
import type { ByteString } from "./Bytes.ts"
import { ContentAddressError, parseContentAddress } from "./ContentAddress.ts"
import type { NixHash } from "./Hash.ts"
import { HashError, parsePrefixed, printPrefixed } from "./Hash.ts"
import type { PublicKey, SecretKey } from "./Keys.ts"
import { sign, verifiedBy } from "./Keys.ts"
import { baseName, fromBaseName, hashPart, isDerivationPath, parseStorePath, StorePathError } from "./StorePath.ts"
import type { StorePath } from "./StorePath.ts"

/** Longest narinfo, in bytes. */
export const narInfoLimit = 1024 * 1024

/** Compressions that Nix names. Which of them can be undone is for the fetcher to say. */
const compressions = ["none", "xz", "bzip2", "gzip", "zstd", "br", "compress", "grzip", "lrzip", "lz4", "lzip", "lzma", "lzop"] as const
export type Compression = (typeof compressions)[number]

export interface NarInfo {
  readonly path: StorePath
  /** Where the compressed NAR is: relative to the cache, or absolute with http or https. */
  readonly url: string
  readonly compression: Compression
  /** Of the compressed file. */
  readonly fileHash: NixHash | undefined
  readonly fileSize: number | undefined
  /** SHA-256 of the NAR, 32 bytes. */
  readonly narHash: Uint8Array
  /** Bytes of the NAR. */
  readonly narSize: number
  /** Sorted; may hold `path` itself. */
  readonly references: ReadonlyArray<StorePath>
  readonly deriver: StorePath | undefined
  readonly system: string | undefined
  /** `name:base64`, in file order; not checked. */
  readonly signatures: ReadonlyArray<string>
  /** A content address; see `ContentAddress.ts`. */
  readonly ca: string | undefined
  /** Keys that mean nothing to us, in file order. */
  readonly unknownKeys: ReadonlyArray<string>
}

/** What is wrong with a narinfo. */
export type NarInfoProblem =
  | { readonly kind: "too-long"; readonly limit: number }
  | { readonly kind: "no-line" }
  | { readonly kind: "no-newline" }
  | { readonly kind: "control-character" }
  | { readonly kind: "duplicate"; readonly key: string }
  | { readonly kind: "missing"; readonly key: string }
  | { readonly kind: "value"; readonly key: string; readonly value: string; readonly reason: string }
  | { readonly kind: "other-path"; readonly expected: string; readonly actual: StorePath }

const shown = (value: string): string => JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)

/** A file is no narinfo, or not the one that was asked for. */
export class NarInfoError extends Error {
  readonly _tag = "NarInfoError"
  /** 1 for the first line; 0 where no single line is wrong. */
  readonly line: number
  readonly problem: NarInfoProblem

  constructor(line: number, problem: NarInfoProblem) {
    super()
    this.line = line
    this.problem = problem
  }

  override get message(): string {
    const { problem } = this
    const where = this.line === 0 ? "narinfo is not valid" : `narinfo is not valid in line ${this.line}`
    switch (problem.kind) {
      case "too-long":
        return `${where}: it has more than ${problem.limit} bytes`
      case "no-line":
        return `${where}: there is no 'Key: value'; is it an error page?`
      case "no-newline":
        return `${where}: it does not end with a line feed; was the transfer cut off?`
      case "control-character":
        return `${where}: it has a control character, such as the carriage return of a Windows line`
      case "duplicate":
        return `${where}: ${problem.key} occurs twice`
      case "missing":
        return `${where}: ${problem.key} is missing`
      case "value":
        return `${where}: ${problem.key} ${shown(problem.value)} is not valid: ${problem.reason}`
      case "other-path":
        return `${where}: it is about '${problem.actual}', but '${problem.expected}' was asked for`
    }
  }
}

const forbidden = /[^\x20-\x7e\x80-\xff]/
const urlForbidden = /[\x00-\x20\x7f-\xff\\"<>^`{|}]/
const dotSegment = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i
const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/

/** Whether a narinfo's URL is relative to its cache. */
export const isRelativeUrl = (url: string): boolean => !scheme.test(url)

/** Why a URL may not be used, or `undefined`. */
const urlProblem = (url: string): string | undefined => {
  if (url === "") return "it is empty"
  if (url.length > 4096) return "it has more than 4096 bytes"
  if (urlForbidden.test(url)) return "it has characters that a URL may not have"
  if (/%(?![0-9A-Fa-f]{2})/.test(url)) return "it has a '%' that begins no escape"
  const path = url.replace(/[?#].*$/, "")
  if (dotSegment.test(path) || /%2f|%5c|%00/i.test(path)) return "it leaves its directory or hides a slash"
  if (isRelativeUrl(url)) return url.startsWith("/") ? "it is not relative to the cache" : undefined
  return /^https?:\/\/[^/?#@]+\//i.test(url) ? undefined : "only http and https are allowed, without user names"
}

const digits = /^(?:0|[1-9][0-9]*)$/

class Lines {
  line = 0
  readonly values = new Map<string, { readonly value: string; readonly line: number }>()
  readonly signatures: Array<string> = []
  readonly unknown: Array<string> = []

  fail(key: string, value: string, reason: string): NarInfoError {
    return new NarInfoError(this.values.get(key)?.line ?? this.line, { kind: "value", key, value, reason })
  }

  optional(key: string): string | undefined {
    return this.values.get(key)?.value
  }

  required(key: string): string {
    const value = this.optional(key)
    if (value === undefined) throw new NarInfoError(0, { kind: "missing", key })
    return value
  }

  size(key: string, least: number): number | undefined {
    const value = this.optional(key)
    if (value === undefined) return undefined
    const size = digits.test(value) ? Number(value) : Number.NaN
    if (!Number.isSafeInteger(size) || size < least) throw this.fail(key, value, "it should be a number of bytes")
    return size
  }

  hash(key: string): NixHash | undefined {
    const value = this.optional(key)
    if (value === undefined) return undefined
    try {
      return parsePrefixed(value)
    } catch (error) {
      if (error instanceof HashError) throw this.fail(key, value, error.message)
      throw error
    }
  }

  storePath(key: string, value: string, parse: (text: ByteString) => StorePath): StorePath {
    try {
      return parse(value)
    } catch (error) {
      if (error instanceof StorePathError) throw this.fail(key, value, error.message)
      throw error
    }
  }
}

const known = new Set([
  "StorePath",
  "URL",
  "Compression",
  "FileHash",
  "FileSize",
  "NarHash",
  "NarSize",
  "References",
  "Deriver",
  "System",
  "CA"
])

const split = (text: ByteString): Lines => {
  const lines = new Lines()
  let at = 0
  while (at < text.length) {
    lines.line++
    const end = text.indexOf("\n", at)
    const line = end < 0 ? text.slice(at) : text.slice(at, end)
    const colon = line.indexOf(":")
    if (colon <= 0 || (colon + 1 < line.length && line.charCodeAt(colon + 1) !== 32))
      throw new NarInfoError(lines.line, { kind: "no-line" })
    const key = line.slice(0, colon)
    if (!/^[A-Za-z][A-Za-z0-9-]*$/.test(key)) throw new NarInfoError(lines.line, { kind: "no-line" })
    if (end < 0) throw new NarInfoError(lines.line, { kind: "no-newline" })
    const value = line.slice(colon + 2)
    if (forbidden.test(value)) throw new NarInfoError(lines.line, { kind: "control-character" })
    if (key === "Sig") lines.signatures.push(value)
    else if (!known.has(key)) lines.unknown.push(key)
    else if (lines.values.has(key)) throw new NarInfoError(lines.line, { kind: "duplicate", key })
    else lines.values.set(key, { value, line: lines.line })
    at = end + 1
  }
  return lines
}

const isCompression = (text: string): text is Compression => (compressions as ReadonlyArray<string>).includes(text)

/**
 * Parses a narinfo. With `expectedHashPart` (32 characters) its path must have that hash part: the file was asked for under that name. Throws `NarInfoError`.
 */
export const parseNarInfo = (source: Uint8Array | ByteString, expectedHashPart?: string): NarInfo => {
  if (source.length > narInfoLimit) throw new NarInfoError(0, { kind: "too-long", limit: narInfoLimit })
  const lines = split(typeof source === "string" ? source : fromBytes(source))

  const path = lines.storePath("StorePath", lines.required("StorePath"), parseStorePath)
  if (expectedHashPart !== undefined && hashPart(path) !== expectedHashPart) {
    throw new NarInfoError(0, { kind: "other-path", expected: expectedHashPart, actual: path })
  }

  const url = lines.required("URL")
  const problem = urlProblem(url)
  if (problem !== undefined) throw lines.fail("URL", url, problem)

  const compression = lines.optional("Compression") || "bzip2"
  if (!isCompression(compression)) throw lines.fail("Compression", compression, `it should be one of ${compressions.join(", ")}`)

  const narHash = lines.hash("NarHash")
  if (narHash === undefined) throw new NarInfoError(0, { kind: "missing", key: "NarHash" })
  if (narHash.algorithm !== "sha256") throw lines.fail("NarHash", lines.required("NarHash"), "it should be a SHA-256")
  const narSize = lines.size("NarSize", 1)
  if (narSize === undefined) throw new NarInfoError(0, { kind: "missing", key: "NarSize" })

  const references: Array<StorePath> = []
  const list = lines.optional("References") ?? ""
  for (const reference of list.split(" ")) {
    if (reference !== "") references.push(lines.storePath("References", reference, fromBaseName))
  }
  references.sort(compareBytes)
  for (let i = 1; i < references.length; i++) {
    if (references[i] === references[i - 1]) throw lines.fail("References", list, `'${baseName(references[i]!)}' occurs twice`)
  }

  const deriverText = lines.optional("Deriver") ?? ""
  let deriver: StorePath | undefined
  if (deriverText !== "" && deriverText !== "unknown-deriver") {
    deriver = lines.storePath("Deriver", deriverText, fromBaseName)
    if (!isDerivationPath(deriver)) throw lines.fail("Deriver", deriverText, "its name should end in '.drv'")
  }

  const ca = lines.optional("CA") || undefined
  if (ca !== undefined) {
    try {
      parseContentAddress(ca)
    } catch (error) {
      if (error instanceof ContentAddressError) throw lines.fail("CA", ca, error.detail)
      throw error
    }
  }

  return {
    path,
    url,
    compression,
    fileHash: lines.hash("FileHash"),
    fileSize: lines.size("FileSize", 0),
    narHash: narHash.digest,
    narSize,
    references,
    deriver,
    system: lines.optional("System") || undefined,
    signatures: lines.signatures,
    ca,
    unknownKeys: lines.unknown
  }
}

const printNarHash = (digest: Uint8Array): string => printPrefixed({ algorithm: "sha256", digest }, "nix32")

/** The text of a narinfo, keys in Nix's order. Unknown keys are not written. */
export const printNarInfo = (info: NarInfo): ByteString => {
  const lines = [`StorePath: ${info.path}`, `URL: ${info.url}`, `Compression: ${info.compression}`]
  if (info.fileHash !== undefined) lines.push(`FileHash: ${printPrefixed(info.fileHash, "nix32")}`)
  if (info.fileSize !== undefined) lines.push(`FileSize: ${info.fileSize}`)
  lines.push(`NarHash: ${printNarHash(info.narHash)}`, `NarSize: ${info.narSize}`)
  lines.push(`References: ${info.references.map(baseName).join(" ")}`)
  if (info.deriver !== undefined) lines.push(`Deriver: ${baseName(info.deriver)}`)
  if (info.system !== undefined) lines.push(`System: ${info.system}`)
  for (const signature of info.signatures) lines.push(`Sig: ${signature}`)
  if (info.ca !== undefined) lines.push(`CA: ${info.ca}`)
  return `${lines.join("\n")}\n`
}

/** What a fingerprint is made of; a `PathInfo` of the store has it too. */
export type Fingerprinted = Pick<NarInfo, "path" | "narHash" | "narSize" | "references">

/** What a signature of a path signs: `1;<path>;sha256:<nix32>;<NAR size>;<references, comma-joined>`. */
export const fingerprint = (info: Fingerprinted): string =>
  `1;${info.path};${printNarHash(info.narHash)};${info.narSize};${[...info.references].sort(compareBytes).join(",")}`

/** The signature of a path by a key, `name:base64`. */
export const signNarInfo = (info: Fingerprinted, key: SecretKey): string => sign(key, fingerprint(info))

/** The first of the trusted keys by whose owner the narinfo is signed, or `undefined`. */
export const verifyNarInfo = (info: Fingerprinted & Pick<NarInfo, "signatures">, keys: Iterable<PublicKey>): PublicKey | undefined =>
  verifiedBy(keys, fingerprint(info), info.signatures)
