/**
 * Putting things into the store from an evaluation: `path`, `filterSource`, `toFile`, `storePath`.
 *
 * The evaluator walks and filters, then asks with the list of what was accepted; the host copies just that.
 */
import type { ByteString } from "../../nix/Bytes.ts"
import type { NixHash } from "../../nix/Hash.ts"
import type { StorePath } from "../../nix/StorePath.ts"
import { isStorePath, splitStorePath, storeDir, StorePathError } from "../../nix/StorePath.ts"
import { AttributeSet } from "../AttributeSet.ts"
import { call2 } from "../Call.ts"
import { declaredHash } from "../DeclaredHash.ts"
import { mismatch } from "../Describe.ts"
import { expectThere } from "../Coerce.ts"
import { contextNotAllowed, expectFunction, first } from "../Expect.ts"
import { ask, force } from "../Force.ts"
import { pathType } from "../Import.ts"
import type { FileType } from "../IoRequest.ts"
import { machine } from "../Machine.ts"
import { NixError } from "../NixError.ts"
import { baseName } from "../Paths.ts"
import { parseContextElement, pathOf, realiseContext } from "../Realisation.ts"
import { nameOf, symbol } from "../Symbols.ts"
import type { Value } from "../Value.ts"
import { Builtin, ContextString, textOf, withContext } from "../Value.ts"

const nameName = symbol("name")
const pathName = symbol("path")
const filterName = symbol("filter")
const recursiveName = symbol("recursive")
const sha256Name = symbol("sha256")

const joinPath = (directory: ByteString, name: ByteString): ByteString => (directory === "/" ? `/${name}` : `${directory}/${name}`)

/** The paths below the directory `root`, relative to it and sorted, that `filter path type` accepts; undefined when it is no directory. A refused directory is not entered. */
const accepted = (root: ByteString, filter: Value): Array<ByteString> | undefined => {
  if (pathType(root, false) !== "directory") return undefined
  const found: Array<ByteString> = []
  const walk = (directory: ByteString, relative: ByteString): void => {
    const entries = ask({ _tag: "ReadDirectory", path: directory }) as ReadonlyArray<readonly [ByteString, FileType]>
    for (const [name, type] of [...entries].sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
      const path = joinPath(directory, name)
      const verdict = call2(filter, path, type)
      if (typeof verdict !== "boolean")
        throw mismatch("a Boolean", verdict).during("while evaluating the return value of the path filter function", 0)
      if (!verdict) continue
      const below = relative === "" ? name : `${relative}/${name}`
      found.push(below)
      if (type === "directory") walk(path, below)
    }
  }
  walk(root, "")
  return found.sort()
}

const add = (
  path: ByteString,
  name: ByteString,
  filter: Value | undefined,
  recursive: boolean,
  expected: NixHash | undefined
): ContextString => {
  expectThere(path)
  const storePath = ask({
    _tag: "AddSource",
    name,
    path,
    accepted: filter === undefined ? undefined : accepted(path, filter),
    recursive,
    expected
  }) as StorePath
  return new ContextString(storePath, new Set([storePath]))
}

const expectedHash = (value: Value): NixHash => {
  const text = force(value)
  if (typeof text !== "string") throw mismatch("a string", text)
  return declaredHash(text, "sha256")
}

const plainString = (value: Value): ByteString => {
  const text = force(value)
  if (typeof text === "string") return text
  if (text instanceof ContextString) throw contextNotAllowed(text)
  throw mismatch("a string", text)
}

const addPath = (argument: Value): Value => {
  const set = force(argument)
  if (!(set instanceof AttributeSet)) throw mismatch("a set", set)
  let path: { readonly path: ByteString; readonly context: ReadonlySet<string> } | undefined
  let name: ByteString | undefined
  let filter: Value | undefined
  let recursive = true
  let expected: NixHash | undefined
  for (let slot = 0; slot < set.size; slot++) {
    const symbol = set.shape.symbols[slot] as number
    const value = set.at(slot)
    if (symbol === pathName) path = pathOf(value)
    else if (symbol === nameName) name = plainString(value)
    else if (symbol === filterName) filter = expectFunction(value, "while evaluating the `filter` parameter passed to builtins.path")
    else if (symbol === recursiveName) {
      const flag = force(value)
      if (typeof flag !== "boolean") throw mismatch("a Boolean", flag)
      recursive = flag
    } else if (symbol === sha256Name) expected = expectedHash(value)
    else throw new NixError("eval", `unsupported argument '${nameOf(symbol)}' to 'builtins.path'`)
  }
  if (path === undefined) throw new NixError("eval", "missing required 'path' attribute in the first argument to 'builtins.path'")
  realiseContext(path.context)
  return add(path.path, name ?? baseName(path.path), filter, recursive, expected)
}

/** Runs `body`; an error says what was being evaluated. */
const told = <A>(words: string, body: () => A): A => {
  try {
    return body()
  } catch (error) {
    throw error instanceof NixError ? error.during(words, 0) : error
  }
}

const toFile = (nameValue: Value, contentsValue: Value): Value => {
  const name = plainString(nameValue)
  const contents = force(contentsValue)
  if (typeof contents !== "string" && !(contents instanceof ContextString)) throw mismatch("a string", contents)
  const references: Array<StorePath> = []
  if (contents instanceof ContextString) {
    for (const element of contents.context) {
      const parsed = parseContextElement(element)
      if (parsed._tag !== "Path") {
        const drv = baseName(parsed.drvPath)
        const shown = parsed._tag === "Output" ? `!${parsed.output}!${drv}` : `=${drv}`
        throw new NixError("eval", `files created by builtins.toFile may not reference derivations, but ${name} references ${shown}`)
      }
      references.push(parsed.path)
    }
  }
  const path = ask({ _tag: "AddText", name, contents: textOf(contents), references: references.sort() }) as StorePath
  return withContext(path, new Set([path]))
}

const storePath = (value: Value): Value => {
  if (machine.settings.pure) throw new NixError("eval", "'builtins.storePath' is not allowed in pure evaluation mode")
  const { path, context } = told("while evaluating the first argument passed to 'builtins.storePath'", () => pathOf(value))
  if (!path.startsWith(`${storeDir}/`)) throw new NixError("eval", `path '${path}' is not in the Nix store`)
  let root: StorePath
  try {
    root = isStorePath(path) ? path : splitStorePath(path).storePath
  } catch (error) {
    throw error instanceof StorePathError ? new NixError("eval", error.message) : error
  }
  if (!machine.settings.readOnly && ask({ _tag: "EnsurePath", path: root }) !== true) {
    throw new NixError("io", `path '${root}' is not valid`)
  }
  return new ContextString(path, new Set([...context, root]))
}

export const sources: ReadonlyArray<Builtin> = [
  new Builtin("path", 1, addPath),
  new Builtin("filterSource", 2, (filter, value) => {
    const { path, context } = told("while evaluating the second argument (the path to filter) passed to 'builtins.filterSource'", () =>
      pathOf(value)
    )
    realiseContext(context)
    return add(path, baseName(path), expectFunction(filter, first("filterSource")), true, undefined)
  }),
  new Builtin("toFile", 2, toFile),
  new Builtin("storePath", 1, storePath)
]
