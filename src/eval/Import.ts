/**
 * Files as values: finding what an import means, parsing, and the cache by which a file is evaluated once.
 */
import { render } from "../lang/Diagnostics.ts"
import type { LintFinding, Literal } from "../lang/Lints.ts"
import { anyLint, lintLiteral } from "../lang/Lints.ts"
import { ParseError } from "../lang/ParseError.ts"
import { parse } from "../lang/Parser.ts"
import { decode, decodeIntact, encode } from "../lang/Serialise.ts"
import type { Origin, Syntax } from "../lang/Syntax.ts"
import { checkScopes } from "../lang/Scope.ts"
import type { ByteString } from "../nix/Bytes.ts"
import type { AttributeSet } from "./AttributeSet.ts"
import { bundledFile } from "./BundledFiles.ts"
import type { Env } from "./Code.ts"
import { lazily } from "./Code.ts"
import { compile } from "./Compile.ts"
import { ask, force, suspend } from "./Force.ts"
import type { FileType } from "./IoRequest.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"
import { directoryName, resolve } from "./Paths.ts"
import { Scope } from "./Scope.ts"
import { symbol } from "./Symbols.ts"
import { Unit } from "./Unit.ts"
import type { Value } from "./Value.ts"

const linkLimit = 40

/** What is at a path; undefined when nothing is. Does not follow a last symlink unless `follow`. */
export const pathType = (path: ByteString, follow: boolean): FileType | undefined =>
  ask({ _tag: "PathType", path, follow }) as FileType | undefined

/** The file that an import of `path` reads: symlinks at the end followed, `default.nix` of a directory. */
const resolveImport = (path: ByteString): ByteString => {
  if (bundledFile(path) !== undefined) return path
  let at = path
  for (let links = 0; ; links++) {
    const type = pathType(at, false)
    if (type === "directory") return `${at === "/" ? "" : at}/default.nix`
    if (type !== "symlink") return at
    if (links === linkLimit) throw new NixError("io", `too many symbolic links encountered while traversing the path '${path}'`)
    at = resolve(directoryName(at), ask({ _tag: "ReadLink", path: at }) as ByteString)
  }
}

/** Warns, or refuses the source. */
const tellFinding = ({ fatal, message, span }: LintFinding, unit: Unit): void => {
  if (fatal) throw new NixError("parse", message, unit.base + span.start)
  machine.print(render({ level: "warning", message, span }))
}

/** The tree of a source, its variables checked: out of the host's store where it has one, else parsed. */
const syntaxOf = (
  source: ByteString,
  origin: Origin,
  directory: ByteString,
  isGlobal: (name: ByteString) => boolean,
  findings: Array<LintFinding>
): Syntax => {
  const { lints, features } = machine.settings
  const pipeOperators = features.has("pipe-operators")
  // Findings come from the parser.
  const linting = anyLint(lints)
  const place = linting || origin._tag !== "File" ? undefined : machine.host.syntax?.place(source, pipeOperators ? "pipe-operators" : "")
  const kept =
    place?.bytes === undefined ? undefined : (place.intact === true ? decodeIntact : decode)(place.bytes, source, origin, directory)
  if (kept !== undefined) {
    // Only names that were global when it was checked can be unknown now.
    if (!kept.free.every((id) => isGlobal(kept.names.at(id)))) checkScopes(kept, isGlobal)
    return kept
  }
  const onLiteral = (literal: Literal): void => {
    const finding = lintLiteral(literal, lints)
    if (finding !== undefined) findings.push(finding)
  }
  const syntax = parse(source, origin, directory, { pipeOperators, ...(linting ? { onLiteral } : {}) })
  const free = checkScopes(syntax, isGlobal)
  place?.keep(() => encode(syntax, free))
  return syntax
}

/** The code of a source. */
const compileSource = (source: ByteString, origin: Origin, directory: ByteString, scope: Scope | null) => {
  const m = machine
  try {
    const findings: Array<LintFinding> = []
    const isGlobal = (name: ByteString): boolean => {
      const id = symbol(name)
      return m.globals.has(id) || (scope !== null && scope.slots.has(id))
    }
    const syntax = syntaxOf(source, origin, directory, isGlobal, findings)
    const unit = new Unit(syntax)
    for (const finding of findings) tellFinding(finding, unit)
    return compile(unit, syntax.root, scope)
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    if (error.reason._tag === "TooDeep") m.host.stackExhausted?.()
    const failure = new NixError("parse", error.message)
    failure.diagnostic = error
    throw failure
  }
}

const noEnv: Env = [null]

/** The value of a source text. */
export const evaluateText = (source: ByteString, origin: Origin, directory: ByteString): Value =>
  compileSource(source, origin, directory, null).run(noEnv)

const readSource = (path: ByteString): ByteString => bundledFile(path) ?? (ask({ _tag: "ReadFile", path }) as ByteString)

/** Runs the evaluation of a file, told to the host where it wants to know. */
const watched = (path: ByteString, evaluate: () => Value): Value => {
  const watch = machine.host.files
  if (watch === undefined) return evaluate()
  watch.enter(path)
  let how: "done" | "failed" | "suspended" = "failed"
  try {
    const value = evaluate()
    how = "done"
    return value
  } catch (error) {
    if (error === suspend) how = "suspended"
    throw error
  } finally {
    watch.leave(how)
  }
}

const compileFile = (path: ByteString, scope: Scope | null) => {
  const code = compileSource(readSource(path), { _tag: "File", path }, directoryName(path), scope)
  machine.host.files?.compiled()
  return code
}

/** The value of the file at a path (resolved already), evaluated once. */
const evaluateResolved = (path: ByteString): Value => {
  const files = machine.files
  let value = files.get(path)
  if (value === undefined) {
    value = lazily(() => watched(path, () => compileFile(path, null).run(noEnv)))
    files.set(path, value)
  }
  return force(value)
}

/** `import path`. */
export const importFile = (path: ByteString): Value => evaluateResolved(resolveImport(path))

/** `scopedImport scope path`: the attributes of `scope` are visible as variables, before the global names. Not cached. */
export const importScoped = (scope: AttributeSet, path: ByteString): Value => {
  const file = resolveImport(path)
  const slots = new Map<number, number>()
  const env: Env = [null]
  for (let slot = 0; slot < scope.size; slot++) {
    slots.set(scope.shape.symbols[slot] as number, env.length)
    env.push(scope.at(slot))
  }
  return watched(file, () => compileFile(file, new Scope(null, slots, undefined)).run(env))
}
