/**
 * Flake references and the inputs of `fetchTree`: attribute sets such as `{ type = "github"; owner = "NixOS"; repo = "nixpkgs"; }`, and their form as URLs.
 *
 * Byte strings in and out. Pure. Source: the Nix manual, "flake references" and `builtins.fetchTree`; what it leaves open is what Nix 2.34.8's
 * `parseFlakeRef` and `flakeRefToString` do.
 */
import type { ByteString } from "./Bytes.ts"

export type Attribute = ByteString | number | boolean

/** An input by its attributes, `type` among them; `dir` is there for flakes only. */
export type TreeInput = ReadonlyMap<ByteString, Attribute>

/** The reference is malformed, or asks for what its scheme does not have. */
export class FlakeRefError extends Error {
  readonly _tag = "FlakeRefError"
}

const fail = (message: string): never => {
  throw new FlakeRefError(message)
}

const isCommit = (text: string): boolean => /^[0-9a-fA-F]{40}$/.test(text)
const isFlakeId = (text: string): boolean => /^[a-zA-Z][a-zA-Z0-9_-]*$/.test(text)

/** Names that git allows for branches and tags, as far as it matters here (git-check-ref-format(1)). */
const isRefName = (text: string): boolean =>
  /^[^\x00-\x20~^:?*[\\\x7f]+$/.test(text) && !/^[./]|\.\.|\/\/|@\{|\/\.|\.lock(?:\/|$)|[./]$|^-[^/]*$/.test(text) && text !== "@"

type Kind = "string" | "number" | "boolean"

interface Scheme {
  readonly required: ReadonlyArray<string>
  readonly attributes: Readonly<Record<string, Kind>>
}

const forge: Scheme = {
  required: ["owner", "repo"],
  attributes: {
    owner: "string",
    repo: "string",
    ref: "string",
    rev: "string",
    narHash: "string",
    lastModified: "number",
    host: "string",
    treeHash: "string"
  }
}

const archive: Scheme = {
  required: ["url"],
  attributes: {
    url: "string",
    narHash: "string",
    rev: "string",
    revCount: "number",
    lastModified: "number",
    name: "string",
    unpack: "boolean"
  }
}

/** What each `type` takes. */
const schemes: Readonly<Record<string, Scheme>> = {
  indirect: { required: ["id"], attributes: { id: "string", ref: "string", rev: "string", narHash: "string" } },
  path: {
    required: ["path"],
    attributes: { path: "string", rev: "string", revCount: "number", lastModified: "number", narHash: "string" }
  },
  git: {
    required: ["url"],
    attributes: {
      url: "string",
      ref: "string",
      rev: "string",
      shallow: "boolean",
      submodules: "boolean",
      lfs: "boolean",
      exportIgnore: "boolean",
      lastModified: "number",
      revCount: "number",
      narHash: "string",
      allRefs: "boolean",
      name: "string",
      dirtyRev: "string",
      dirtyShortRev: "string"
    }
  },
  github: forge,
  gitlab: forge,
  sourcehut: forge,
  tarball: archive,
  file: archive,
  hg: {
    required: ["url"],
    attributes: { url: "string", ref: "string", rev: "string", revCount: "number", narHash: "string", name: "string" }
  }
}

/** An attribute as text; "" where there is none. */
export const textOf = (input: TreeInput, name: string): ByteString => String(input.get(name) ?? "")

/** The attributes in JSON, as messages show them. */
export const showInput = (input: TreeInput): string => JSON.stringify(Object.fromEntries([...input].sort(([a], [b]) => (a < b ? -1 : 1))))

const checkRevision = (input: TreeInput): void => {
  const rev = input.get("rev")
  const type = input.get("type")
  if (typeof rev === "string" && type !== "hg" && rev !== "" && !isCommit(rev)) {
    if (rev.length !== 40) fail(`hash '${rev}' has wrong length for hash algorithm 'sha1'`)
    fail(`invalid base-16 hash '${rev}'`)
  }
}

/**
 * The input that a set of attributes describes: its type is known, it has what that needs and nothing that it does not take. `dir` is let through where `flake`.
 * Throws `FlakeRefError`.
 */
export const checkInput = (attributes: TreeInput, options: { readonly flake: boolean }): TreeInput => {
  const type = attributes.get("type")
  if (type === undefined) return fail("'type' attribute to specify input scheme is required but not provided")
  const scheme = typeof type === "string" && Object.hasOwn(schemes, type) ? schemes[type]! : undefined
  if (scheme === undefined) return fail(`input '${showInput(attributes)}' is unsupported`)
  for (const [name, value] of attributes) {
    if (name === "type" || (name === "dir" && options.flake)) continue
    const kind = Object.hasOwn(scheme.attributes, name) ? scheme.attributes[name] : undefined
    if (kind === undefined) return fail(`input attribute '${name}' not supported by scheme '${String(type)}'`)
    if (typeof value !== kind) {
      const wanted = kind === "string" ? "a string" : kind === "number" ? "an integer" : "a Boolean"
      return fail(`input attribute '${name}' is not ${wanted} ${showInput(attributes)}`)
    }
    if (kind === "number" && (value as number) < 0) return fail(`negative value given for flake ref attr ${name}: ${String(value)}`)
  }
  for (const name of scheme.required) if (!attributes.has(name)) return fail(`input attribute '${name}' is missing`)
  checkRevision(attributes)
  const ref = attributes.get("ref")
  if (typeof ref === "string" && type !== "hg" && type !== "indirect" && !isRefName(ref)) {
    return fail(
      scheme === forge ? `input ${showInput(attributes)} contains an invalid branch/tag name` : `invalid Git branch/tag name '${ref}'`
    )
  }
  if (scheme === forge && attributes.has("ref") && attributes.has("rev")) {
    const both = `a commit hash ('${String(attributes.get("rev"))}') and a branch/tag name ('${String(ref)}')`
    return fail(`input ${showInput(attributes)} contains both ${both}`)
  }
  return attributes
}

/** A URL taken apart, nothing decoded but the query. */
interface Parts {
  readonly scheme: string
  /** `undefined` where there is no `//`. */
  readonly authority: string | undefined
  readonly path: string
  readonly query: Map<string, string>
  readonly fragment: string
}

/** Characters of an address: more than any has, and few enough for the expressions below. */
const lengthLimit = 1 << 16

const checkLength = (url: ByteString): void => {
  if (url.length > lengthLimit) fail(`URL '${url.slice(0, 80)}...' is longer than ${lengthLimit} characters`)
}

/** RFC 3986, leniently: quotes and blanks are let through in queries as Nix does. */
const partsOf = (url: ByteString): Parts | undefined => {
  checkLength(url)
  const match =
    /^([a-z][a-z0-9+.-]*):(?:\/\/([a-zA-Z0-9._~!$&'()*+,;=:@%[\]-]*))?((?:[a-zA-Z0-9._~!$&'()*+,;=:@/-]|%[0-9a-fA-F]{2})*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(
      url
    )
  if (match === null) return undefined
  const [, scheme, authority, path, query = "", fragment = ""] = match as unknown as [
    string,
    string,
    string | undefined,
    string,
    string?,
    string?
  ]
  if (authority !== undefined && path !== "" && !path.startsWith("/")) return undefined
  if (/%00/.test(path)) return undefined
  const pairs = new Map<string, string>()
  for (const pair of query.split("&")) {
    if (pair === "") continue
    const cut = pair.indexOf("=")
    if (!/^(?:[a-zA-Z0-9._~!$'()*+,;=:@/?"^ -]|%[0-9a-fA-F]{2})*$/.test(pair)) return undefined
    const name = decode(cut === -1 ? pair : pair.slice(0, cut))
    // Of several of the same name the first counts.
    if (!pairs.has(name)) pairs.set(name, cut === -1 ? "" : decode(pair.slice(cut + 1)))
  }
  return { scheme, authority, path, query: pairs, fragment: decode(fragment) }
}

const decode = (text: string): ByteString =>
  text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

const escape = (text: ByteString, allowed: RegExp): string =>
  text.replace(/[\s\S]/g, (c) => (allowed.test(c) ? c : `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`))

/** What stands as it is in a query, and in one segment of a path: less than RFC 3986 allows, as Nix prints URLs. */
const inQuery = /[a-zA-Z0-9._~:@/?-]/
const inSegment = /[a-zA-Z0-9._~:@-]/

const segment = (value: string): string => escape(value, inSegment)

const printPath = (path: ByteString): string => path.split("/").map(segment).join("/")

const printQuery = (query: ReadonlyMap<string, string>): string =>
  query.size === 0
    ? ""
    : `?${[...query]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, value]) => `${escape(name, inQuery)}=${escape(value, inQuery)}`)
        .join("&")}`

/** User, password and host; signs that stand in none of them unescaped are escaped. */
const printAuthority = (authority: string): string => authority.replace(/[^@:[\]]+/g, (one) => escape(decode(one), /[a-zA-Z0-9._~-]/))

/** The URL without what has become attributes. */
const rest = (scheme: string, parts: Parts): string =>
  `${scheme}:${parts.authority === undefined ? "" : `//${printAuthority(parts.authority)}`}${parts.path
    .split("/")
    .map((one) => segment(decode(one)))
    .join("/")}${printQuery(parts.query)}`

const integerOf = (name: string, value: string, url: ByteString): number => {
  if (!/^[0-9]{1,15}$/.test(value)) fail(`path URL '${url}' has invalid parameter '${name}'`)
  return Number(value)
}

const take = (query: Map<string, string>, name: string): string | undefined => {
  const value = query.get(name)
  query.delete(name)
  return value
}

const parseForge = (parts: Parts): Map<string, Attribute> | undefined => {
  const segments = parts.path
    .split("/")
    .filter((segment) => segment !== "")
    .map(decode)
  if (segments.length < 2 || parts.authority !== undefined) return undefined
  const input = new Map<string, Attribute>([
    ["type", parts.scheme],
    ["owner", segments[0]!],
    ["repo", segments[1]!]
  ])
  const named = segments.slice(2).join("/")
  if (named !== "") input.set(isCommit(named) ? "rev" : "ref", named)
  for (const name of ["ref", "rev", "host", "narHash"]) {
    const value = parts.query.get(name)
    if (value === undefined) continue
    if (name === "rev" || name === "ref") {
      if (input.has("rev") || input.has("ref")) return undefined
    }
    if (name === "host" && !/^[a-zA-Z0-9.-]+(?::[0-9]+)?$/.test(value)) return undefined
    input.set(name, value)
  }
  const ref = input.get("ref")
  if (typeof ref === "string" && !isRefName(ref)) return undefined
  checkRevision(input)
  return input
}

const gitFlags = ["shallow", "submodules", "lfs", "exportIgnore", "allRefs"]

const parseGit = (parts: Parts): Map<string, Attribute> => {
  const input = new Map<string, Attribute>([["type", "git"]])
  for (const name of ["ref", "rev"]) {
    const value = take(parts.query, name)
    if (value !== undefined) input.set(name, value)
  }
  const ref = input.get("ref")
  if (typeof ref === "string" && !isRefName(ref)) fail(`invalid Git branch/tag name '${ref}'`)
  for (const name of gitFlags) {
    const value = take(parts.query, name)
    if (value !== undefined) input.set(name, value === "1")
  }
  return input.set("url", rest(parts.scheme.replace(/^git\+/, ""), parts))
}

const parseArchive = (type: string, scheme: string, parts: Parts, url: ByteString): Map<string, Attribute> => {
  const input = new Map<string, Attribute>([["type", type]])
  for (const name of ["narHash", "rev"]) {
    const value = take(parts.query, name)
    if (value !== undefined) input.set(name, value)
  }
  for (const name of ["lastModified", "revCount"]) {
    const value = take(parts.query, name)
    if (value !== undefined) input.set(name, integerOf(name, value, url))
  }
  return input.set("url", rest(scheme, parts))
}

const parsePath = (parts: Parts, url: ByteString): Map<string, Attribute> => {
  if (parts.authority !== undefined && parts.authority !== "") {
    return fail(`path URL '${url}' should not have an authority ('${parts.authority}')`)
  }
  if (/%2f/i.test(parts.path)) return notAbsolute(url)
  const input = new Map<string, Attribute>([
    ["type", "path"],
    ["path", decode(parts.path).replace(/\/{2,}/g, "/") || "/"]
  ])
  for (const [name, value] of parts.query) {
    if (name === "rev" || name === "narHash") input.set(name, value)
    else if (name === "revCount" || name === "lastModified") input.set(name, integerOf(name, value, url))
    else return fail(`path URL '${url}' has unsupported parameter '${name}'`)
  }
  return input
}

/** `nixpkgs`, `nixpkgs/REF`, `nixpkgs/REV`, `nixpkgs/REF/REV`. */
const parseIndirect = (text: string, url: ByteString): Map<string, Attribute> | undefined => {
  const [id, ...names] = text.split("/")
  if (id === undefined || !isFlakeId(id) || names.length > 2 || !names.every((name) => isCommit(name) || isRefName(name))) return undefined
  const input = new Map<string, Attribute>([
    ["type", "indirect"],
    ["id", id]
  ])
  const [first, second] = names
  if (first !== undefined && (isCommit(first) ? second !== undefined : second !== undefined && !isCommit(second))) {
    return fail(`in flake URL 'flake:${url.replace(/^flake:/, "")}', '${second}' is not a commit hash`)
  }
  if (first !== undefined) input.set(isCommit(first) ? "rev" : "ref", first)
  if (second !== undefined) input.set("rev", second)
  return input
}

const parseParts = (parts: Parts, url: ByteString): Map<string, Attribute> | undefined => {
  switch (parts.scheme) {
    case "flake":
      return parts.authority === undefined ? parseIndirect(decode(parts.path), url) : undefined
    case "path":
      return parsePath(parts, url)
    case "github":
    case "gitlab":
    case "sourcehut":
      return parseForge(parts)
    case "git":
    case "git+http":
    case "git+https":
    case "git+ssh":
    case "git+file":
      return parts.scheme === "git" && parts.authority === undefined ? undefined : parseGit(parts)
    case "hg+http":
    case "hg+https":
    case "hg+ssh":
    case "hg+file":
      return parseGit(parts)
        .set("type", "hg")
        .set("url", rest(parts.scheme.slice(3), parts))
    default: {
      const match = /^(?:(tarball|file)\+)?(https?|file)$/.exec(parts.scheme)
      if (match === null) return fail(`input '${url}' is unsupported`)
      return parseArchive(match[1] ?? "tarball", match[2]!, parts, url)
    }
  }
}

/**
 * Parses a URL such as `github:NixOS/nixpkgs?dir=lib` into an input. With `flake` short names (`nixpkgs/unstable`), absolute paths and `dir` are understood.
 * Throws `FlakeRefError`.
 */
export const parseUrl = (url: ByteString, options: { readonly flake: boolean }): TreeInput => {
  checkLength(url)
  if (options.flake) {
    const indirect = /^[a-zA-Z][a-zA-Z0-9_-]*(?:\/|$)/.test(url) ? parseIndirect(url.replace(/#.*$/s, ""), url) : undefined
    if (indirect !== undefined)
      return /#./s.test(url) ? fail(`unexpected fragment '${url.replace(/^[^#]*#/, "")}' in flake reference '${url}'`) : indirect
  }
  const parts = partsOf(url)
  if (parts === undefined)
    return options.flake
      ? parsePlainPath(url)
      : fail(/^[a-z][a-z0-9+.-]*:/.test(url) ? `'${url}' is not a valid URL` : `'${url}' doesn't have a scheme`)
  const dir = options.flake ? take(parts.query, "dir") : undefined
  const input = parseParts(parts, url)
  if (input === undefined) return options.flake ? notAbsolute(url) : fail(`URL '${url}' is invalid`)
  if (parts.fragment !== "") return fail(`unexpected fragment '${parts.fragment}' in flake reference '${url}'`)
  if (dir !== undefined && dir !== "") input.set("dir", dir)
  return input
}

const notAbsolute = (url: ByteString): never => fail(`flake reference '${url}' is not an absolute path`)

const parsePlainPath = (url: ByteString): TreeInput => {
  const match = /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(url)
  const path = match?.[1] ?? ""
  if (!path.startsWith("/")) return notAbsolute(url)
  if (match?.[3]) return fail(`unexpected fragment '${match[3]}' in flake reference '${url}'`)
  const parts = partsOf(`path:${printPath(path)}${match?.[2] === undefined ? "" : `?${match[2]}`}`)
  if (parts === undefined) return notAbsolute(url)
  const dir = take(parts.query, "dir")
  const input = parsePath(parts, url)
  if (dir !== undefined && dir !== "") input.set("dir", dir)
  return input
}

const text = (input: TreeInput, name: string): string | undefined => {
  const value = input.get(name)
  return value === undefined ? undefined : String(value)
}

/** The URL of an input, `dir` included. Throws `FlakeRefError` for what has no URL. */
export const printUrl = (input: TreeInput): ByteString => {
  const type = input.get("type")
  const query = new Map<string, string>()
  const put = (...names: ReadonlyArray<string>): void => {
    for (const name of names) {
      const value = text(input, name)
      if (value !== undefined) query.set(name, value)
    }
  }
  put("dir")
  switch (type) {
    case "indirect": {
      const names = [text(input, "id")!, text(input, "ref"), text(input, "rev")].filter((name) => name !== undefined)
      return `flake:${names.map(segment).join("/")}${printQuery(query)}`
    }
    case "path":
      put("lastModified", "narHash", "rev", "revCount")
      return `path:${printPath(text(input, "path")!)}${printQuery(query)}`
    case "github":
    case "gitlab":
    case "sourcehut": {
      put("host", "narHash")
      const names = [text(input, "owner")!, text(input, "repo")!, text(input, "rev") ?? text(input, "ref")].filter(
        (name) => name !== undefined
      )
      return `${type}:${names.map(segment).join("/")}${printQuery(query)}`
    }
    case "git": {
      put("ref", "rev")
      for (const name of gitFlags) if (name !== "allRefs" && input.get(name) === true) query.set(name, "1")
      const url = text(input, "url")!
      return withQuery(/^[a-z][a-z0-9+.-]*:/.test(url) ? url : `file://${printPath(url)}`, query, "git")
    }
    case "hg":
      put("ref", "rev")
      return withQuery(text(input, "url")!, query, "hg")
    case "tarball":
    case "file":
      put("narHash")
      return withQuery(text(input, "url")!, query, undefined)
    default:
      return fail(`cannot show unsupported input '${showInput(input)}'`)
  }
}

const withQuery = (url: string, query: ReadonlyMap<string, string>, transport: string | undefined): string => {
  const parts = partsOf(url)
  if (parts === undefined) return fail(`'${url}' is not a valid URL`)
  for (const [name, value] of query) parts.query.set(name, value)
  return rest(transport === undefined || parts.scheme === transport ? parts.scheme : `${transport}+${parts.scheme}`, parts)
}

/** Whether it names one content, now and always: by the hash of its tree, or by a commit. */
export const isLocked = (input: TreeInput): boolean => input.has("narHash") || (input.has("rev") && input.get("type") !== "path")

const knowledge = new Set(["lastModified", "rev", "revCount"])

/** Whether an attribute is something that a fetch would tell. */
export const isKnowledge = (name: string): boolean => knowledge.has(name)

/** Whether the attributes say all that a fetch would tell but the tree itself, as those of a lock file do. */
export const isComplete = (input: TreeInput): boolean => {
  if (!input.has("narHash")) return false
  switch (input.get("type")) {
    case "file":
      return true
    case "git":
      return input.has("rev") && input.has("lastModified") && (input.get("shallow") === true || input.has("revCount"))
    case "github":
    case "gitlab":
    case "sourcehut":
      return input.has("rev") && input.has("lastModified")
    default:
      return input.has("lastModified") && input.get("type") !== "indirect"
  }
}
