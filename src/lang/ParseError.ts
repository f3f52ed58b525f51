/**
 * What can be wrong with a source text.
 *
 * A `ParseError` names the place (`span`), carries the facts (`reason`) and words them as Nix 2.34 does (`message`). The only errors
 * that `parse` and `checkScopes` throw. Messages are byte strings, since they quote the source. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { printName } from "./Names.ts"
import { formatPlace } from "./Position.ts"
import type { Span } from "./Syntax.ts"
import { tokenNames } from "./Token.ts"

/** The kinds of mistakes, each with its facts. */
export type ParseReason =
  /** The grammar does not allow this token here. `expected` is empty when more than four tokens would do. Token numbers of Token.ts. */
  | { readonly _tag: "UnexpectedToken"; readonly unexpected: number; readonly expected: ReadonlyArray<number> }
  /** An integer literal above 2^63-1. */
  | { readonly _tag: "InvalidInteger"; readonly text: ByteString }
  /** A float literal too large or too small for a double. */
  | { readonly _tag: "InvalidFloat"; readonly text: ByteString }
  | { readonly _tag: "PathTrailingSlash" }
  /** A NUL byte in a string literal. `text` is the text with NUL as `␀`. */
  | { readonly _tag: "NullByte"; readonly text: ByteString }
  /** An attribute defined twice in a set that cannot be merged. `path` is printed, such as `a.b`; `previous` the other definition. */
  | { readonly _tag: "DuplicateAttribute"; readonly path: ByteString; readonly previous: Span }
  | { readonly _tag: "DuplicateFormal"; readonly name: ByteString }
  /** `${…}` as a name where only fixed names may stand. */
  | { readonly _tag: "DynamicAttribute"; readonly where: "let" | "inherit" }
  | { readonly _tag: "FeatureDisabled"; readonly feature: "pipe-operators" }
  /** Nesting beyond `ParseOptions.maxDepth` or beyond the stack of this thread. */
  | { readonly _tag: "TooDeep" }
  /** A variable that nothing binds. `suggestions`: the closest names in scope, best first. */
  | { readonly _tag: "UndefinedVariable"; readonly name: ByteString; readonly suggestions: ReadonlyArray<ByteString> }

/** The words for a reason, as Nix has them. */
export const describeReason = (reason: ParseReason): ByteString => {
  switch (reason._tag) {
    case "UnexpectedToken": {
      const expecting = reason.expected.length === 0 ? "" : `, expecting ${reason.expected.map((token) => tokenNames[token]).join(" or ")}`
      return `syntax error, unexpected ${tokenNames[reason.unexpected]}${expecting}`
    }
    case "InvalidInteger":
      return `invalid integer '${reason.text}'`
    case "InvalidFloat":
      return `invalid float '${reason.text}'`
    case "PathTrailingSlash":
      return "path has a trailing slash"
    case "NullByte":
      return `input string '${reason.text}' cannot be represented as Nix string because it contains null bytes`
    case "DuplicateAttribute":
      return `attribute '${reason.path}' already defined at ${formatPlace(reason.previous)}`
    case "DuplicateFormal":
      return `duplicate formal function argument '${reason.name}'`
    case "DynamicAttribute":
      return `dynamic attributes not allowed in ${reason.where}`
    case "FeatureDisabled":
      return `experimental Nix feature '${reason.feature}' is disabled; add '--extra-experimental-features ${reason.feature}' to enable it`
    case "TooDeep":
      return "expression nested too deeply"
    case "UndefinedVariable":
      return `undefined variable '${printName(reason.name)}'`
  }
}

/** A mistake in a source text, with its place. */
export class ParseError extends Error {
  readonly _tag = "ParseError"
  readonly reason: ParseReason
  readonly span: Span
  /** A second place that matters: the earlier definition of an attribute. */
  readonly related: Span | undefined

  constructor(reason: ParseReason, span: Span) {
    super(describeReason(reason))
    this.name = "ParseError"
    this.reason = reason
    this.span = span
    this.related = reason._tag === "DuplicateAttribute" ? reason.previous : undefined
  }
}
