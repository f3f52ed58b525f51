/**
 * The variables of a session, which grow with its inputs.
 *
 * Each input is compiled against the variables that it names and no others: a function made by an old input keeps the values that it saw, and a value that was
 * replaced is garbage as soon as nothing made from it is left. Bindings of one input do not see each other, as in Nix's repl.
 *
 * To be used inside a `program` of the session's machine.
 */
import { ParseError } from "../lang/ParseError.ts"
import { checkScopes } from "../lang/Scope.ts"
import { parseInput } from "../lang/SessionInput.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { AttributeSet } from "./AttributeSet.ts"
import type { Env } from "./Code.ts"
import { compile } from "./Compile.ts"
import { lookupNames, operatorNames } from "./Desugared.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"
import { Scope } from "./Scope.ts"
import type { SymbolId } from "./Symbols.ts"
import { nameOf, symbol } from "./Symbols.ts"
import { Unit } from "./Unit.ts"
import type { Value } from "./Value.ts"

/** What an input gives. */
export type Given = { readonly _tag: "Value"; readonly value: Value } | { readonly _tag: "Bindings"; readonly set: AttributeSet }

export class SessionScope {
  readonly #variables = new Map<SymbolId, Value>()

  /** The value of a variable, perhaps a thunk; `undefined` where the session has none of this name (there may be a global one). */
  get(name: SymbolId): Value | undefined {
    return this.#variables.get(name)
  }

  /** Names in the order in which they were first bound. */
  names(): Array<ByteString> {
    return [...this.#variables.keys()].map(nameOf)
  }

  /** Binds every attribute of a set; gives the number of them. */
  add(set: AttributeSet): void {
    for (let slot = 0; slot < set.size; slot++) this.#variables.set(set.shape.symbols[slot] as SymbolId, set.at(slot))
  }

  clear(): void {
    this.#variables.clear()
  }

  /** Evaluates an input; its bindings are given, not yet added. Relative paths start at `directory`. */
  evaluate(source: ByteString, directory: ByteString): Given {
    try {
      return this.#evaluate(source, directory)
    } catch (error) {
      if (!(error instanceof ParseError)) throw error
      const failure = new NixError("parse", error.message)
      failure.diagnostic = error
      throw failure
    }
  }

  #evaluate(source: ByteString, directory: ByteString): Given {
    const m = machine
    const { kind, syntax } = parseInput(source, directory, { pipeOperators: m.settings.features.has("pipe-operators") })
    const isKnown = (name: ByteString): boolean => {
      const id = symbol(name)
      return this.#variables.has(id) || m.globals.has(id)
    }
    checkScopes(syntax, isKnown, [...this.names(), ...[...m.globals.keys()].map(nameOf)])
    const slots = new Map<SymbolId, number>()
    const env: Env = [null]
    for (const name of [...syntax.symbols.map(symbol), ...implied]) {
      const value = this.#variables.get(name)
      if (value === undefined || slots.has(name)) continue
      slots.set(name, env.length)
      env.push(value)
    }
    const value = compile(new Unit(syntax), syntax.root, new Scope(null, slots, undefined)).run(env)
    return kind === "bindings" ? { _tag: "Bindings", set: value as AttributeSet } : { _tag: "Value", value }
  }
}

/** Names that operators and `<…>` look up without naming them. */
const implied: ReadonlyArray<SymbolId> = [...operatorNames, lookupNames.findFile, lookupNames.nixPath]
