/**
 * Reading the file system, path texts, the environment. What has a context is realised before it is read.
 */
import type { ByteString } from "../../nix/Bytes.ts"
import { hashPart, isStorePath, placeholder, storeDir } from "../../nix/StorePath.ts"
import type { StorePath } from "../../nix/StorePath.ts"
import { fromEntries } from "../AttributeSet.ts"
import { bundledFile } from "../BundledFiles.ts"
import { Coercion, coerceToText } from "../Coerce.ts"
import { expectText, first, second } from "../Expect.ts"
import { ask, force } from "../Force.ts"
import { pathType } from "../Import.ts"
import type { FileType } from "../IoRequest.ts"
import { machine } from "../Machine.ts"
import { NixError } from "../NixError.ts"
import { baseName, directoryName } from "../Paths.ts"
import { pathOf, realisePath } from "../Realisation.ts"
import { symbol } from "../Symbols.ts"
import type { Value } from "../Value.ts"
import { Builtin, ContextString, NixPath, withContext } from "../Value.ts"
import { hashAlgorithm, hexDigest } from "./Conversion.ts"

/** Runs `body`; an error says what was being evaluated. */
const during = <A>(words: string, body: () => A): A => {
  try {
    return body()
  } catch (error) {
    throw error instanceof NixError ? error.during(words, 0) : error
  }
}

/** A file that is in memory: one of ours, or that of a derivation made here, which nobody may have written. */
const inMemory = (path: ByteString): ByteString | undefined =>
  bundledFile(path) ?? (isStorePath(path) && machine.derivations.has(path) ? machine.derivations.get(path).text : undefined)

const contents = (path: ByteString): ByteString => inMemory(path) ?? (ask({ _tag: "ReadFile", path }) as ByteString)

const pathExists = (value: Value): Value => {
  const v = force(value)
  const text = typeof v === "string" ? v : v instanceof ContextString ? v.text : ""
  const mustBeDirectory = text.endsWith("/") || text.endsWith("/.")
  const path = realisePath(v)
  if (inMemory(path) !== undefined) return !mustBeDirectory
  const type = pathType(path, mustBeDirectory)
  return mustBeDirectory ? type === "directory" : type !== undefined
}

const readFile = (value: Value): Value => {
  const path = realisePath(value)
  const text = contents(path)
  if (text.includes("\0")) throw new NixError("eval", `the contents of the file '${path}' cannot be represented as a Nix string`)
  return withContext(text, referencesIn(path, text))
}

/** What a file in the store mentions of what its store path refers to: the context of its text. */
const referencesIn = (path: ByteString, text: ByteString): ReadonlySet<string> => {
  if (!path.startsWith(`${storeDir}/`)) return new Set()
  const references =
    inMemory(path) === undefined ? (ask({ _tag: "References", path }) as ReadonlyArray<StorePath>) : inputsOf(path as StorePath)
  return new Set(references.filter((reference) => text.includes(hashPart(reference))))
}

/** What the file of a derivation refers to. */
const inputsOf = (drvPath: StorePath): ReadonlyArray<StorePath> => {
  const { derivation } = machine.derivations.get(drvPath)
  return [...derivation.inputDerivations.keys(), ...derivation.inputSources]
}

const readDir = (value: Value): Value => {
  const path = realisePath(value)
  const type = pathType(path, true)
  if (type === undefined) throw new NixError("io", `path '${path}' does not exist`)
  if (type !== "directory") throw new NixError("io", `'${path}' is not a directory`)
  const entries = ask({ _tag: "ReadDirectory", path }) as ReadonlyArray<readonly [ByteString, FileType]>
  return fromEntries(entries.map(([name, type]) => [symbol(name), type] as const))
}

const readFileType = (value: Value): Value => {
  const path = realisePath(value)
  const type = inMemory(path) === undefined ? pathType(path, false) : "regular"
  if (type === undefined) throw new NixError("io", `path '${path}' does not exist`)
  return type
}

const dirOf = (value: Value): Value => {
  const v = force(value)
  if (v instanceof NixPath) return new NixPath(directoryName(v.path))
  const context = new Set<string>()
  const text = during("while evaluating the first argument passed to 'builtins.dirOf'", () =>
    coerceToText(v, context, Coercion.Plain, false)
  )
  const at = text.lastIndexOf("/")
  return withContext(at < 0 ? "." : at === 0 ? "/" : text.slice(0, at), context)
}

export const files: ReadonlyArray<Builtin> = [
  new Builtin("baseNameOf", 1, (value) => {
    const context = new Set<string>()
    const text = during(first("baseNameOf"), () => coerceToText(value, context, Coercion.Plain, false))
    return withContext(baseName(text), context)
  }),
  new Builtin("dirOf", 1, dirOf),
  new Builtin("pathExists", 1, pathExists),
  new Builtin("readFile", 1, readFile),
  new Builtin("readDir", 1, readDir),
  new Builtin("readFileType", 1, readFileType),
  new Builtin("hashFile", 2, (name, value) => {
    const algorithm = hashAlgorithm(expectText(name, first("hashFile")))
    return hexDigest(algorithm, contents(during(second("hashFile"), () => realisePath(value))))
  }),
  new Builtin("toPath", 1, (value) => {
    const { path, context } = during(first("toPath"), () => pathOf(value))
    return withContext(path, new Set(context))
  }),
  new Builtin("getEnv", 1, (name) => {
    const text = expectText(name, first("getEnv"))
    return machine.settings.pure ? "" : (ask({ _tag: "Environment", name: text }) as ByteString)
  }),
  new Builtin("placeholder", 1, (output) => placeholder(expectText(output, first("placeholder"))))
]
