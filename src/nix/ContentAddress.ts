/**
 * Content addresses: how and to what the contents of a store path hash, as in a narinfo's `CA` field.
 *
 *     text:sha256:<nix32>    fixed:sha256:<nix32>    fixed:r:sha256:<nix32>    fixed:git:sha1:<nix32>
 *
 * A path with a content address needs no signature: whether it is right can be computed. Pure.
 */
import type { ByteString } from "./Bytes.ts"
import { HashError, parseAlgorithm, parseBare, printPrefixed } from "./Hash.ts"
import type { NixHash } from "./Hash.ts"
import { makeFixedOutput, makeSource, makeText, methodPrefix } from "./StorePath.ts"
import type { IngestionMethod, StorePath } from "./StorePath.ts"

export interface ContentAddress {
  readonly method: IngestionMethod
  readonly hash: NixHash
}

/** What is wrong with a content address. */
export type ContentAddressProblem = "form" | "text-algorithm" | "references" | "hash"

/** A text is no content address, or one that store paths of this kind cannot have. */
export class ContentAddressError extends Error {
  readonly _tag = "ContentAddressError"
  readonly text: string
  readonly problem: ContentAddressProblem
  readonly detail: string

  constructor(text: string, problem: ContentAddressProblem, detail: string) {
    super()
    this.text = text
    this.problem = problem
    this.detail = detail
  }

  override get message(): string {
    return `content address '${this.text}' is not valid: ${this.detail}`
  }
}

/** Parses a content address. Throws `ContentAddressError`. */
export const parseContentAddress = (text: string): ContentAddress => {
  const form = (): ContentAddressError =>
    new ContentAddressError(
      text,
      "form",
      "it should begin with 'text:sha256:' or 'fixed:', 'fixed:r:' or 'fixed:git:' and a hash algorithm"
    )
  const parts = text.split(":")
  const kind = parts.shift()
  let method: IngestionMethod = "flat"
  if (kind === "text") method = "text"
  else if (kind !== "fixed") throw form()
  else if (parts[0] === "r" || parts[0] === "git") method = parts.shift() === "r" ? "recursive" : "git"
  const [algorithm, digest] = parts
  if (parts.length !== 2 || algorithm === undefined || digest === undefined) throw form()
  if (method === "text" && algorithm !== "sha256") throw new ContentAddressError(text, "text-algorithm", "texts are hashed with sha256")
  try {
    return { method, hash: parseBare(digest, parseAlgorithm(algorithm)) }
  } catch (error) {
    if (error instanceof HashError) throw new ContentAddressError(text, "hash", error.message)
    throw error
  }
}

/** The text of a content address. */
export const printContentAddress = (address: ContentAddress): string => {
  const hash = printPrefixed(address.hash, "nix32")
  return address.method === "text" ? `text:${hash}` : `fixed:${methodPrefix(address.method)}${hash}`
}

/**
 * The store path of content with that address, name and references (`self`: it refers to itself; then the hash is of the NAR with its own hash part
 * zeroed). Throws `ContentAddressError` where such content can have no references, and `StorePathError` for a bad name.
 */
export const contentAddressedPath = (
  name: ByteString,
  address: ContentAddress,
  references: ReadonlyArray<StorePath> = [],
  self = false
): StorePath => {
  const { hash, method } = address
  if (method === "recursive" && hash.algorithm === "sha256") return makeSource(name, hash.digest, references, self)
  if (method === "text" && !self) return makeText(name, hash.digest, references)
  if (references.length > 0 || self) {
    throw new ContentAddressError(printContentAddress(address), "references", "only texts and trees hashed with sha256 can have references")
  }
  return makeFixedOutput(name, method, hash)
}
