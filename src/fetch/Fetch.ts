/**
 * A fetch as data: what to bring, under which store path it will stand (known beforehand wherever a hash is), and how it is checked.
 * The doing is in `Fetcher.ts` and one file a kind.
 *
 * URLs are byte strings as in Nix expressions: `http:`, `https:`, `file:` or a plain absolute path. Pure.
 * Source of the formulas: shared/reference/anchors.md §4.3, §4.6.
 */
import * as Base16 from "../nix/Base16.ts"
import { type ByteString, toUnicode } from "../nix/Bytes.ts"
import { printUrl, showInput, type TreeInput } from "../nix/FlakeRef.ts"
import type { Derivation } from "../nix/Derivation.ts"
import { algorithmNamed, digestLength, type NixHash, printHash, printPrefixed } from "../nix/Hash.ts"
import { type IngestionMethod, makeFixedOutput, methodPrefix, type StorePath } from "../nix/StorePath.ts"

export type Fetch =
  /** One file, flat hash. Without a hash the path is known after fetching. */
  | { readonly _tag: "Url"; readonly url: ByteString; readonly name: ByteString; readonly hash: NixHash | undefined }
  /** An archive, unpacked; its single top-level directory is the result. Hash: of the NAR (SHA-256 where a path without a hash is wanted). */
  | { readonly _tag: "Tarball"; readonly url: ByteString; readonly name: ByteString; readonly hash: NixHash | undefined }
  /** A NAR (possibly compressed), unpacked. Hash: of the NAR, any algorithm. */
  | { readonly _tag: "Nar"; readonly url: ByteString; readonly name: ByteString; readonly hash: NixHash }
  /** One file with the executable bit set. Hash: of its NAR, any algorithm. */
  | { readonly _tag: "Executable"; readonly url: ByteString; readonly name: ByteString; readonly hash: NixHash }
  /** One file without the executable bit. Hash: of its NAR, any algorithm. */
  | { readonly _tag: "File"; readonly url: ByteString; readonly name: ByteString; readonly hash: NixHash }
  /** An input of `fetchTree`: a repository, an archive, a directory. `url` is its form for people. Hash: SHA-256 of the NAR. */
  | {
      readonly _tag: "Tree"
      readonly input: TreeInput
      readonly url: ByteString
      readonly name: ByteString
      readonly hash: NixHash | undefined
    }

/** The fetch of an input. Throws `FlakeRefError` for one that has no form as a URL. */
export const treeFetch = (input: TreeInput, name: ByteString, hash: NixHash | undefined): Fetch => ({
  _tag: "Tree",
  input,
  url: printUrl(input),
  name,
  hash
})

/** Whether the hash is of the file's own bytes (`flat`) or of a NAR (`recursive`). */
export const methodOf = (fetch: Fetch): IngestionMethod & ("flat" | "recursive") => (fetch._tag === "Url" ? "flat" : "recursive")

/** The store path of this content under the fetch's name. Throws `StorePathError` for a name that no store path can have. */
export const pathWith = (fetch: Fetch, hash: NixHash): StorePath => makeFixedOutput(fetch.name, methodOf(fetch), hash)

/** The store path that the fetch will give; `undefined` where no hash says it beforehand. Throws `StorePathError`. */
export const storePathOf = (fetch: Fetch): StorePath | undefined => (fetch.hash === undefined ? undefined : pathWith(fetch, fetch.hash))

/** The content address as in a narinfo: `fixed:sha256:…`, `fixed:r:sha256:…`. */
export const contentAddress = (fetch: Fetch, hash: NixHash): string =>
  `fixed:${methodPrefix(methodOf(fetch))}${printPrefixed(hash, "nix32")}`

/** One text for fetches that do the same: those of one hash and name are one, wherever their URLs lead. */
export const fetchKey = (fetch: Fetch): string => {
  const unverified = fetch._tag === "Tree" ? showInput(fetch.input) : fetch.url
  const what = fetch.hash === undefined ? unverified : printHash(fetch.hash, "sri")
  return `${fetch._tag} ${fetch.name} ${what}`
}

/** A derivation says that it is `builtin:fetchurl`, but not what to fetch. */
export class UnclearFetch extends Error {
  readonly _tag = "UnclearFetch"
  /** Name of the derivation. */
  readonly derivation: ByteString
  readonly detail: string

  constructor(derivation: ByteString, detail: string) {
    super()
    this.derivation = derivation
    this.detail = detail
  }

  override get message(): string {
    return `derivation '${toUnicode(this.derivation)}' uses builtin:fetchurl but ${this.detail}`
  }
}

/**
 * The fetch that a derivation amounts to, or `undefined` where its builder is not `builtin:fetchurl`. It must have one fixed output `out`; `url` is in its
 * environment; with a recursive hash, `unpack = 1` makes it a NAR and `executable = 1` an executable file. Throws `UnclearFetch`.
 */
export const fromDerivation = (drv: Derivation): Fetch | undefined => {
  if (drv.builder !== "builtin:fetchurl") return undefined
  const fail = (detail: string): never => {
    throw new UnclearFetch(drv.name, detail)
  }
  const output = drv.outputs.get("out")
  if (output === undefined || drv.outputs.size !== 1) return fail("does not have exactly one output 'out'")
  const url = drv.env.get("url")
  if (url === undefined || url === "") return fail("has no attribute 'url'")
  const recursive = output.hashAlgorithm.startsWith("r:")
  const algorithm = algorithmNamed(recursive ? output.hashAlgorithm.slice(2) : output.hashAlgorithm)
  const digest = Base16.decode(output.hash)
  if (algorithm === undefined || digest === undefined || digest.length !== digestLength[algorithm]) {
    return fail("does not say which hash its output must have (outputHash, outputHashAlgo, outputHashMode)")
  }
  const common = { url, name: drv.name, hash: { algorithm, digest } }
  const isSet = (name: string): boolean => drv.env.get(name) === "1"
  if (!recursive) {
    if (isSet("unpack") || isSet("executable")) return fail("'unpack' and 'executable' need outputHashMode = \"recursive\"")
    return { _tag: "Url", ...common }
  }
  if (isSet("unpack")) return { _tag: "Nar", ...common }
  return { _tag: isSet("executable") ? "Executable" : "File", ...common }
}
