/**
 * What yix answers to a case, in the form the oracles' answers are brought to.
 *
 * A text to parse or evaluate gives what is printed, or a failure with its message and place; whatever else is thrown is a crash. A pattern gives, as `regex.oracle.cc`
 * writes it, `E` (invalid), `M` (too large) or `MATCH;SPLIT`, in which a match is `null` or `[` captures `]`, a capture is `n` or `'` and hex, and the split is, for
 * each place found, what is before it, its captures, what is after it and `/`.
 */
import { createHash } from "node:crypto"
import { makeGlobals } from "../../src/eval/Builtins.ts"
import { deepForce } from "../../src/eval/DeepForce.ts"
import { reportError } from "../../src/eval/ErrorReport.ts"
import { makeMachine, program, textValue } from "../../src/eval/Evaluate.ts"
import { force } from "../../src/eval/Force.ts"
import type { IoAnswer, IoHost, IoRequest } from "../../src/eval/IoRequest.ts"
import { printValue } from "../../src/eval/Print.ts"
import { type Captures, compile, match, RegexError, RegexTooComplex, searchAll } from "../../src/eval/regex/Regex.ts"
import { existingSymbol } from "../../src/eval/Symbols.ts"
import { ParseError } from "../../src/lang/ParseError.ts"
import { parse } from "../../src/lang/Parser.ts"
import { positionOf } from "../../src/lang/Position.ts"
import { print } from "../../src/lang/Printer.ts"
import { checkScopes } from "../../src/lang/Scope.ts"
import type { Span } from "../../src/lang/Syntax.ts"
import { type ByteString, toBytes } from "../../src/nix/Bytes.ts"
import * as Crypto from "../../src/nix/Crypto.ts"
import { makeText } from "../../src/nix/StorePath.ts"

Crypto.install({
  hash: (algorithm, bytes) => createHash(algorithm).update(bytes).digest(),
  hasher: (algorithm) => {
    const hash = createHash(algorithm)
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() }
  },
  sign: () => new Uint8Array(64),
  verify: () => false
})

export type Answer =
  | { readonly ok: true; readonly text: ByteString }
  /** `place` is `line:column`, empty where there is none. */
  | { readonly ok: false; readonly message: ByteString; readonly place: string; readonly crash?: true }

/** Where the texts are said to lie: nothing is there. */
export const folder = "/nowhere/case"
export const home = "/nowhere/home"

const failure: IoAnswer = { ok: false, failure: { message: "there is nothing here", kind: "missing", exitCode: undefined } }

/** A world without files whose store computes paths. */
const host: IoHost = {
  ask: (request: IoRequest): IoAnswer => {
    switch (request._tag) {
      case "PathType":
        return { ok: true, value: request.path === "/" ? "directory" : undefined }
      case "AddText":
        return {
          ok: true,
          value: makeText(request.name, createHash("sha256").update(toBytes(request.contents)).digest(), request.references)
        }
      case "Environment":
        return { ok: true, value: "" }
      case "CurrentTime":
        return { ok: true, value: 0 }
      case "Realise":
        return { ok: true, value: null }
      case "References":
        return { ok: true, value: [] }
      case "EnsurePath":
        return { ok: true, value: false }
      case "ReadFile":
      case "ReadDirectory":
        return { ok: false, failure: { message: `path '${request.path}' does not exist`, kind: "missing", exitCode: undefined } }
      default:
        return failure
    }
  },
  release: () => {},
  wait: () => true,
  print: () => {},
  interrupted: () => false
}

const placeOf = (span: Span | undefined): string => {
  if (span === undefined) return ""
  const { line, column } = positionOf(span)
  return `${line}:${column}`
}

const crashed = (error: unknown): Answer => ({
  ok: false,
  message: error instanceof Error ? (error.stack ?? error.message) : String(error),
  place: "",
  crash: true
})

/** The text as `nix-instantiate --parse` prints it. */
export const parsed = (text: ByteString): Answer => {
  try {
    const syntax = parse(text, { _tag: "File", path: `${folder}/case.nix` }, folder)
    const globals = makeGlobals(false)
    checkScopes(syntax, (name) => globals.has(existingSymbol(name) ?? -1))
    return { ok: true, text: print(syntax, { home }) }
  } catch (error) {
    return error instanceof ParseError ? { ok: false, message: error.message, place: placeOf(error.span) } : crashed(error)
  }
}

/** The value of the text as `nix-instantiate --eval --strict` prints it. */
export const evaluated = (text: ByteString): Answer => {
  try {
    const machine = makeMachine(host, { readOnly: true, homeDirectory: home })
    const outcome = program(machine, () =>
      printValue(deepForce(force(textValue(text, { _tag: "File", path: `${folder}/case.nix` }, folder))))
    ).run()
    switch (outcome._tag) {
      case "Done":
        return { ok: true, text: outcome.value }
      case "Failed": {
        const report = reportError(machine, outcome.error)
        return { ok: false, message: report.message, place: placeOf(report.span) }
      }
      default:
        return crashed(outcome._tag)
    }
  } catch (error) {
    return crashed(error)
  }
}

export const hex = (text: ByteString): string => Buffer.from(text, "latin1").toString("hex")
const shown = (captures: Captures): string => `[${captures.map((c) => `${c === null ? "n" : `'${hex(c)}`} `).join("")}]`

export const matched = (pattern: ByteString, subject: ByteString): Answer => {
  try {
    const regex = compile(pattern)
    const whole = match(regex, subject)
    let text = `${whole === null ? "null" : shown(whole)};`
    let last = 0
    for (const found of searchAll(regex, subject)) {
      text += `'${hex(subject.slice(last, found.start))}${shown(found.captures)}'${hex(subject.slice(found.end))}/`
      last = found.end
    }
    return { ok: true, text }
  } catch (error) {
    if (error instanceof RegexTooComplex) return { ok: false, message: "too complex", place: "" }
    return error instanceof RegexError ? { ok: true, text: error.tooLarge ? "M" : "E" } : crashed(error)
  }
}
