/**
 * What a builder is asked to do, complete and as data (snix.build.v1.BuildRequest: shared/reference/anchors.md §3.6).
 * Paths are relative to the sandbox root, without a leading slash, unless said.
 */
import type { DirectoryEntry } from "../castore/Node.ts"
import type { ByteString } from "../nix/Bytes.ts"

export interface BuildRequest {
  /** The closure of inputs, named by store path base name, strictly ascending. */
  readonly inputs: ReadonlyArray<DirectoryEntry>
  readonly commandArgs: ReadonlyArray<ByteString>
  /** Such as `build`. */
  readonly workingDir: ByteString
  /** Writable directories, sorted: `build`, `nix/store`. */
  readonly scratchPaths: ReadonlyArray<ByteString>
  /** Where the inputs appear: `nix/store`. */
  readonly inputsDir: ByteString
  /** Paths that must exist afterwards, sorted: `nix/store/…`. */
  readonly outputs: ReadonlyArray<ByteString>
  /** Sorted by key. */
  readonly environmentVars: ReadonlyArray<{ readonly key: ByteString; readonly value: ByteString }>
  readonly constraints: {
    readonly system: ByteString
    readonly minMemory: number
    /** Absolute host paths to show read-only, sorted. */
    readonly availableReadOnlyPaths: ReadonlyArray<ByteString>
    readonly networkAccess: boolean
    readonly provideBinSh: boolean
  }
  /** Files to put there first, sorted by path: `build/.attr-…`. */
  readonly additionalFiles: ReadonlyArray<{ readonly path: ByteString; readonly contents: Uint8Array }>
  /** Strings to look for in the outputs: hash parts of outputs and inputs. */
  readonly refscanNeedles: ReadonlyArray<ByteString>
}

const cleanPart = (part: string): boolean => part !== "" && part !== "." && part !== ".." && !part.includes("\0")
const isCleanRelative = (path: ByteString): boolean => path === "" || path.split("/").every(cleanPart)
const isCleanAbsolute = (path: ByteString): boolean => path.startsWith("/") && isCleanRelative(path.slice(1))
const isSorted = (texts: ReadonlyArray<ByteString>): boolean => texts.every((text, index) => index === 0 || texts[index - 1]! < text)

/**
 * What is wrong with a request, in words; undefined when it keeps the rules: clean paths, everything sorted without repetition, environment names without `=`
 * and NUL, a command. Rules: shared/reference/anchors.md §3.6. The order of `outputs` is not insisted on.
 */
export const requestProblem = (request: BuildRequest): string | undefined => {
  const { inputs, commandArgs, constraints, environmentVars, additionalFiles } = request
  const names = inputs.map(({ name }) => name)
  if (commandArgs.length === 0 || commandArgs[0] === "") return "there is no command to run"
  if (commandArgs.some((arg) => arg.includes("\0"))) return "an argument of the command has a NUL byte"
  if (names.some((name) => !cleanPart(name) || name.includes("/"))) return "the name of an input is not a file name"
  if (!isSorted(names)) return "inputs are not sorted by name, or one appears twice"
  const relative: ReadonlyArray<readonly [string, ReadonlyArray<ByteString>]> = [
    ["working directory", [request.workingDir]],
    ["scratch path", request.scratchPaths],
    ["directory of inputs", [request.inputsDir]],
    ["output", request.outputs],
    ["additional file", additionalFiles.map(({ path }) => path)]
  ]
  for (const [what, paths] of relative) {
    const wrong = paths.find((path) => !isCleanRelative(path))
    if (wrong !== undefined) return `${what} '${wrong}' is not a clean relative path`
  }
  const sorted: ReadonlyArray<readonly [string, ReadonlyArray<ByteString>]> = [
    ["scratch paths", request.scratchPaths],
    ["additional files", additionalFiles.map(({ path }) => path)],
    ["environment variables", environmentVars.map(({ key }) => key)],
    ["read-only host paths", constraints.availableReadOnlyPaths]
  ]
  for (const [what, texts] of sorted) if (!isSorted(texts)) return `${what} are not sorted, or one appears twice`
  if (request.scratchPaths.includes("")) return "the root itself cannot be a scratch path"
  if (new Set(request.outputs).size !== request.outputs.length) return "an output appears twice"
  if (constraints.availableReadOnlyPaths.some((path) => !isCleanAbsolute(path) || path === "/")) {
    return "a read-only host path is not a clean absolute path"
  }
  for (const { key, value } of environmentVars) {
    if (key === "" || key.includes("=") || key.includes("\0")) return `'${key}' cannot be the name of an environment variable`
    if (value.includes("\0")) return `environment variable '${key}' has a NUL byte`
  }
  return undefined
}
