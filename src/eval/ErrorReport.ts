/**
 * Errors of the language as diagnostics: places looked up, trace in order, suggestions.
 */
import type { Diagnostic } from "../lang/Diagnostics.ts"
import { diagnose } from "../lang/Diagnostics.ts"
import { ParseError } from "../lang/ParseError.ts"
import type { Machine } from "./Machine.ts"
import type { NixError } from "./NixError.ts"

/** What a renderer needs to show an error. */
export const reportError = (machine: Machine, error: NixError): Diagnostic => {
  const trace = error.trace
    .map((frame) => ({ message: frame.text, span: machine.positions.span(frame.position), always: frame.always === true }))
    .filter((frame) => frame.message !== "")
    .reverse()
  if (error.diagnostic instanceof ParseError) return { ...diagnose(error.diagnostic), trace }
  return {
    level: "error",
    message: error.message,
    span: machine.positions.span(error.position),
    trace,
    suggestions: error.suggestions
  }
}
