/**
 * Literals that parse but that a project may not want: URLs without quotes, relative paths without a dot before them, and paths that mean something else on
 * another machine. The words are those of Nix 2.36. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { Span } from "./Syntax.ts"

export type Severity = "ignore" | "warn" | "fatal"

/** What is to be done about each kind. */
export interface Lints {
  /** `http://example.com` without quotes. */
  readonly urlLiterals: Severity
  /** `foo/bar` instead of `./foo/bar`. */
  readonly shortPathLiterals: Severity
  /** `/foo` and `~/foo`. */
  readonly absolutePathLiterals: Severity
}

export const noLints: Lints = { urlLiterals: "ignore", shortPathLiterals: "ignore", absolutePathLiterals: "ignore" }

/** Whether anything is to be said at all. */
export const anyLint = (lints: Lints): boolean =>
  lints.urlLiterals !== "ignore" || lints.shortPathLiterals !== "ignore" || lints.absolutePathLiterals !== "ignore"

/** A literal as the parser meets it; a path up to its first antiquotation. */
export interface Literal {
  readonly kind: "url" | "path" | "home-path"
  readonly text: ByteString
  readonly span: Span
}

/** What is to be said about a literal. */
export interface LintFinding {
  readonly fatal: boolean
  readonly message: ByteString
  readonly span: Span
}

const finding = (severity: Severity, span: Span, name: string, message: ByteString): LintFinding | undefined =>
  severity === "ignore" ? undefined : { fatal: severity === "fatal", message: `${message} (lint-${name})`, span }

/** What the lints say about a literal; `undefined` when nothing. */
export const lintLiteral = ({ kind, text, span }: Literal, lints: Lints): LintFinding | undefined => {
  if (kind === "url") {
    const word = lints.urlLiterals === "fatal" ? "disallowed" : "discouraged"
    return finding(lints.urlLiterals, span, "url-literals", `URL literals are ${word}. Consider using a string literal "${text}" instead`)
  }
  if (kind === "home-path" || text.startsWith("/")) {
    const what = kind === "home-path" ? "home" : "absolute"
    const advice = `Consider replacing path literal '${text}' by a string, relative path, or parameter`
    return finding(lints.absolutePathLiterals, span, "absolute-path-literals", `${what} path literals are not portable. ${advice}`)
  }
  if (text.startsWith(".")) return undefined
  return finding(
    lints.shortPathLiterals,
    span,
    "short-path-literals",
    `relative path literal '${text}' should be prefixed with '.' for clarity: './${text}'`
  )
}
