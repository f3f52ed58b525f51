/**
 * The syntax of a text, printed back as `nix-instantiate --parse` does.
 */
import { makeGlobals } from "../../eval/Builtins.ts"
import { existingSymbol } from "../../eval/Symbols.ts"
import type { Diagnostic } from "../../lang/Diagnostics.ts"
import { diagnose } from "../../lang/Diagnostics.ts"
import { ParseError } from "../../lang/ParseError.ts"
import { parse, type ParseOptions } from "../../lang/Parser.ts"
import { print } from "../../lang/Printer.ts"
import { checkScopes } from "../../lang/Scope.ts"
import type { ByteString } from "../../nix/Bytes.ts"
import type { Origin } from "../../lang/Syntax.ts"

export type Parsed = { readonly _tag: "Printed"; readonly text: ByteString } | { readonly _tag: "Refused"; readonly diagnostic: Diagnostic }

/** Parses a text whose relative paths start at `directory`, and `~` at `home`; free variables are refused. `deep`: more nested than the stack allows. */
export const parseAndPrint = (
  text: ByteString,
  origin: Origin,
  directory: ByteString,
  home: ByteString,
  options?: ParseOptions
): Parsed | "deep" => {
  try {
    const syntax = parse(text, origin, directory, options)
    const globals = makeGlobals(false)
    checkScopes(syntax, (name) => globals.has(existingSymbol(name) ?? -1))
    return { _tag: "Printed", text: print(syntax, { home }) }
  } catch (error) {
    if (error instanceof ParseError) return { _tag: "Refused", diagnostic: diagnose(error) }
    if (error instanceof RangeError) return "deep"
    throw error
  }
}
