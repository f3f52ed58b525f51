/**
 * `fetchTree`, `fetchGit`, flake references and `getFlake`. The attributes become a `FetchTree` request; one that says all there is to know (as those of a lock file do) is
 * answered at once, and its tree is fetched when something reads it.
 */
import { type ByteString, fromUnicode } from "../../nix/Bytes.ts"
import { type Attribute, checkInput, FlakeRefError, isLocked, parseUrl, printUrl, type TreeInput } from "../../nix/FlakeRef.ts"
import type { NixHash } from "../../nix/Hash.ts"
import { checkName, StorePathError } from "../../nix/StorePath.ts"
import { AttributeSet, fromNames } from "../AttributeSet.ts"
import { bundledPrefix } from "../BundledFiles.ts"
import { call, callAll } from "../Call.ts"
import { Coercion, coerceToText } from "../Coerce.ts"
import { declaredHash } from "../DeclaredHash.ts"
import { describe } from "../Describe.ts"
import { expectSet, expectText, only } from "../Expect.ts"
import { ask, force } from "../Force.ts"
import { importFile } from "../Import.ts"
import type { TreeAnswer } from "../IoRequest.ts"
import { machine } from "../Machine.ts"
import { NixError } from "../NixError.ts"
import { nameOf, symbol } from "../Symbols.ts"
import type { Value } from "../Value.ts"
import { Builtin, ContextString, NixFloat, NixPath, textOf } from "../Value.ts"

const typeName = symbol("type")

/** Runs what may refuse a reference; the refusal is an evaluation error. */
const refusable = <A>(run: () => A): A => {
  try {
    return run()
  } catch (error) {
    if (error instanceof FlakeRefError || error instanceof StorePathError) throw new NixError("eval", error.message)
    throw error
  }
}

/** The attributes of a set that describes an input. */
const attributesOf = (who: string, set: AttributeSet): Map<ByteString, Attribute> => {
  const attributes = new Map<ByteString, Attribute>()
  for (let slot = 0; slot < set.size; slot++) {
    const name = nameOf(set.shape.symbols[slot] as number)
    const value = force(set.at(slot))
    if (typeof value === "boolean" || typeof value === "number") {
      if (typeof value === "number" && value < 0)
        throw new NixError("eval", `negative value given for '${who}' argument '${name}': ${value}`)
      attributes.set(name, value)
    } else if (name === "type" || typeof value === "string" || value instanceof ContextString || value instanceof NixPath) {
      attributes.set(name, coerceToText(value, new Set(), Coercion.Plain, false))
    } else {
      const what = describe(value)
      throw new NixError("type", `argument '${name}' to '${who}' is ${what} while a string, Boolean or integer is expected`)
    }
  }
  return attributes
}

/** `git@host:path` and plain paths as git URLs; `git+https:` without its prefix. */
const gitUrl = (url: ByteString): ByteString => {
  if (/^git\+[a-z]+:/.test(url)) return url.slice(4)
  const scp = /^([^/:@]+@[^/:]+):(?!\/\/)(.*)$/s.exec(url)
  return scp === null ? url : `ssh://${scp[1]!}/${scp[2]!}`
}

const zeros = "0".repeat(40)

/** `YYYYMMDDhhmmss` in UTC. */
const dateOf = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(/[-:T]|\..*/g, "")

interface Manner {
  readonly who: string
  readonly name: ByteString
  /** `fetchGit`: a work tree with changes has a revision of zeros. */
  readonly zeroRevision: boolean
}

const fetchInput = (input: TreeInput, { who, name, zeroRevision }: Manner): AttributeSet =>
  refusable(() => {
    const url = printUrl(input)
    const address = input.get("url")
    const type = String(input.get("type"))
    if ((type === "tarball" || type === "file") && typeof address === "string" && /^file:(?!\/)/.test(address)) {
      const detail = "must use an absolute path. The 'file' scheme does not support relative paths."
      throw new NixError("eval", `${type} '${address}' ${detail}`)
    }
    if (machine.settings.pure && !isLocked(input)) {
      throw new NixError("eval", `in pure evaluation mode, '${who}' doesn't fetch unlocked input '${url}'`)
    }
    checkName(name)
    const declared = input.get("narHash")
    const hash: NixHash | undefined = typeof declared === "string" ? declaredHash(declared, "sha256") : undefined
    const sorted = [...input].sort(([a], [b]) => (a < b ? -1 : 1))
    const { path, narHash, attributes } = ask({ _tag: "FetchTree", input: sorted, name, hash }) as TreeAnswer
    const known = new Map<ByteString, Attribute>(attributes)
    const result = new Map<ByteString, Value>([
      ["outPath", new ContextString(path, new Set([path]))],
      ["narHash", narHash]
    ])
    if (input.get("type") === "git") result.set("submodules", input.get("submodules") === true)
    for (const attribute of ["rev", "revCount", "lastModified", "dirtyRev", "dirtyShortRev"]) {
      const value = known.get(attribute)
      if (value !== undefined) result.set(attribute, value)
    }
    if (zeroRevision && !known.has("rev")) result.set("rev", zeros).set("revCount", 0)
    const rev = result.get("rev")
    if (typeof rev === "string") result.set("shortRev", rev.slice(0, 7))
    const lastModified = result.get("lastModified")
    if (typeof lastModified === "number") result.set("lastModifiedDate", dateOf(lastModified))
    return fromNames(result)
  })

const fetchTree = (argument: Value): Value => {
  const value = force(argument)
  const manner = { who: "fetchTree", name: "source", zeroRevision: false }
  if (!(value instanceof AttributeSet)) {
    const url = coerceToText(value, new Set(), Coercion.Plain, false)
    return fetchInput(
      refusable(() => parseUrl(url, { flake: false })),
      manner
    )
  }
  if (!value.has(typeName)) throw new NixError("eval", "argument 'type' is missing in call to 'fetchTree'")
  const attributes = attributesOf("fetchTree", value)
  if (attributes.has("name")) throw new NixError("eval", fromUnicode("argument 'name' isn’t supported in call to 'fetchTree'"))
  if (attributes.get("type") === "git" && !attributes.has("shallow")) attributes.set("shallow", true)
  return fetchInput(
    refusable(() => checkInput(attributes, { flake: false })),
    manner
  )
}

const fetchGit = (argument: Value): Value => {
  const value = force(argument)
  const attributes: Map<ByteString, Attribute> =
    value instanceof AttributeSet
      ? attributesOf("fetchGit", value)
      : new Map([["url", coerceToText(value, new Set(), Coercion.Plain, false)]])
  const name = attributes.get("name") ?? "source"
  attributes.delete("name")
  attributes.set("type", "git")
  const url = attributes.get("url")
  if (typeof url === "string") attributes.set("url", gitUrl(url))
  if (!attributes.has("exportIgnore") && attributes.get("submodules") !== true) attributes.set("exportIgnore", true)
  return fetchInput(
    refusable(() => checkInput(attributes, { flake: false })),
    { who: "fetchGit", name: String(name), zeroRevision: true }
  )
}

const parseFlakeRef = (argument: Value): Value => {
  const url = expectText(argument, only("parseFlakeRef"))
  return fromNames(refusable(() => parseUrl(url, { flake: true })))
}

const flakeRefToString = (argument: Value): Value => {
  const set = expectSet(argument, only("flakeRefToString"))
  const attributes = new Map<ByteString, Attribute>()
  for (let slot = 0; slot < set.size; slot++) {
    const name = nameOf(set.shape.symbols[slot] as number)
    const value = force(set.at(slot))
    if (value instanceof NixFloat || value === null || (typeof value === "object" && !(value instanceof ContextString))) {
      const detail = `may only contain integers, Booleans, and strings, but attribute '${name}' is ${describe(value)}`
      throw new NixError("eval", `flake reference attribute sets ${detail}`)
    }
    if (typeof value === "number" && value < 0) throw new NixError("eval", `negative value given for flake ref attr ${name}: ${value}`)
    // What a string refers to is dropped, as Nix drops it.
    const plain = value instanceof ContextString ? textOf(value) : value
    attributes.set(name, typeof plain === "number" || typeof plain === "boolean" ? plain : expectText(plain, only("flakeRefToString")))
  }
  return refusable(() => printUrl(checkInput(attributes, { flake: true })))
}

/** The input and the directory in it that an attribute set of a flake reference means. */
const splitDirectory = (reference: TreeInput): { readonly input: TreeInput; readonly dir: ByteString } => {
  const input = new Map(reference)
  const dir = input.get("dir") ?? ""
  input.delete("dir")
  return { input, dir: String(dir) }
}

/** What `flake.nix` (bundled) fetches inputs with: the attributes of a reference, `dir` among them, which is left out. */
const fetchFlakeInput = new Builtin("fetchFlakeInput", 1, (argument) => {
  const attributes = attributesOf("fetchTree", expectSet(argument, only("fetchTree")))
  const { input } = splitDirectory(attributes)
  return fetchInput(
    refusable(() => checkInput(input, { flake: false })),
    { who: "fetchTree", name: "source", zeroRevision: false }
  )
})

const getFlake = (argument: Value): Value => {
  const url = expectText(argument, only("getFlake"))
  const reference = refusable(() => parseUrl(url, { flake: true }))
  if (machine.settings.pure && !isLocked(reference)) {
    throw new NixError("eval", `cannot call 'getFlake' on unlocked flake reference '${url}' (use --impure to override)`)
  }
  const { input, dir } = splitDirectory(reference)
  const tree = fetchInput(input, { who: "getFlake", name: "source", zeroRevision: false })
  const makeFlake = call(importFile(`${bundledPrefix}/flake.nix`), fetchFlakeInput)
  return force(callAll(makeFlake, [tree, dir]))
}

export const trees: ReadonlyArray<Builtin> = [
  new Builtin("fetchTree", 1, fetchTree),
  new Builtin("fetchGit", 1, fetchGit),
  new Builtin("parseFlakeRef", 1, parseFlakeRef),
  new Builtin("flakeRefToString", 1, flakeRefToString),
  new Builtin("getFlake", 1, getFlake)
]
