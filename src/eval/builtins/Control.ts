/**
 * Order of evaluation, errors, messages, and `genericClosure`.
 */
import { Coercion, coerceToText } from "../Coerce.ts"
import { call } from "../Call.ts"
import { less } from "../Compare.ts"
import { deepForce } from "../DeepForce.ts"
import { expectAttribute, expectFunction, expectList, expectSet, expectString, first } from "../Expect.ts"
import { force } from "../Force.ts"
import { machine } from "../Machine.ts"
import type { NixErrorKind } from "../NixError.ts"
import { NixError } from "../NixError.ts"
import { printShort } from "../Print.ts"
import { record } from "../Record.ts"
import { symbol } from "../Symbols.ts"
import type { Value } from "../Value.ts"
import { Builtin, ContextString, textOf } from "../Value.ts"

const outcome = record("success", "value")

const tryEval = (value: Value): Value => {
  const m = machine
  const { depth, openBatches } = m
  try {
    return outcome(true, force(value))
  } catch (error) {
    if (!(error instanceof NixError && error.catchable)) throw error
    m.depth = depth
    m.openBatches = openBatches
    return outcome(false, false)
  }
}

const addErrorContext = (message: Value, value: Value): Value => {
  try {
    return force(value)
  } catch (error) {
    if (!(error instanceof NixError)) throw error
    throw error.always(messageText(message, "while evaluating the error message passed to builtins.addErrorContext", false), 0)
  }
}

const messageText = (message: Value, words: string, copy: boolean): string => {
  try {
    return coerceToText(message, new Set(), Coercion.Plain, copy)
  } catch (error) {
    throw error instanceof NixError ? error.during(words, 0) : error
  }
}

const raise = (name: string, kind: NixErrorKind, words: string, text: (message: string) => string): Builtin =>
  new Builtin(name, 1, (message) => {
    throw new NixError(kind, text(messageText(message, words, true)))
  })

const trace = (message: Value, value: Value): Value => {
  const shown = force(message)
  machine.print(`trace: ${typeof shown === "string" ? shown : shown instanceof ContextString ? shown.text : printShort(message, false)}`)
  return force(value)
}

const startSetName = symbol("startSet")
const operatorName = symbol("operator")
const keyName = symbol("key")

/**
 * Keys seen so far, ordered by `<` as in Nix: keys of types that cannot be compared are an error as soon as there are two. Strings and numbers, by far the
 * most common, are looked up by hash while all keys are of that kind.
 */
class Keys {
  #texts: Set<string> | undefined
  #numbers: Set<number | bigint> | undefined
  readonly #sorted: Array<Value> = []

  /** False when an equal key is there already. */
  add(key: Value): boolean {
    const text = typeof key === "string" ? key : key instanceof ContextString ? key.text : undefined
    if (this.#sorted.length === 0) {
      if (text !== undefined && this.#numbers === undefined) return this.#hashed((this.#texts ??= new Set()), text)
      if ((typeof key === "number" || typeof key === "bigint") && this.#texts === undefined) {
        return this.#hashed((this.#numbers ??= new Set()), key)
      }
      // Another kind of key: from here on all of them stand in one ordered list.
      for (const known of this.#texts ?? this.#numbers ?? []) this.#insert(known)
      this.#texts = this.#numbers = undefined
    }
    return this.#insert(key instanceof ContextString ? key.text : key)
  }

  #hashed<Key>(set: Set<Key>, key: Key): boolean {
    if (set.has(key)) return false
    set.add(key)
    return true
  }

  #insert(key: Value): boolean {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (less(key, this.#sorted[middle] as Value)) high = middle
      else low = middle + 1
    }
    if (low > 0 && !less(this.#sorted[low - 1] as Value, key)) return false
    this.#sorted.splice(low, 0, key)
    return true
  }
}

const inClosureElement = <A>(element: Value, body: () => A): A => {
  try {
    return body()
  } catch (error) {
    throw error instanceof NixError ? error.during(`in genericClosure element ${printShort(element)}`, 0) : error
  }
}

const genericClosure = (argument: Value): Value => {
  const set = expectSet(argument, first("genericClosure"))
  const where = "in the attrset passed as argument to builtins.genericClosure"
  const start = expectList(
    expectAttribute(set, startSetName, where),
    "while evaluating the 'startSet' attribute passed as argument to builtins.genericClosure"
  )
  if (start.length === 0) return start
  const operator = expectFunction(
    expectAttribute(set, operatorName, where),
    "while evaluating the 'operator' attribute passed as argument to builtins.genericClosure"
  )
  const work = start.slice()
  const keys = new Keys()
  const found: Array<Value> = []
  for (let next = 0; next < work.length; next++) {
    const element = work[next] as Value
    const key = inClosureElement(element, () => force(expectAttribute(expectSet(element, first("genericClosure")), keyName, where)))
    if (!inClosureElement(element, () => keys.add(key))) continue
    found.push(element)
    const added = expectList(
      call(operator, element),
      "while evaluating the return value of the `operator` passed to builtins.genericClosure"
    )
    for (const other of added) work.push(force(other))
  }
  return found
}

export const control: ReadonlyArray<Builtin> = [
  new Builtin("seq", 2, (value, result) => {
    force(value)
    return force(result)
  }),
  new Builtin("deepSeq", 2, (value, result) => {
    deepForce(value)
    return force(result)
  }),
  new Builtin("tryEval", 1, tryEval),
  raise("throw", "throw", "while evaluating the error message passed to builtin.throw", (message) => message),
  raise(
    "abort",
    "abort",
    "while evaluating the error message passed to builtins.abort",
    (message) => `evaluation aborted with the following error message: '${message}'`
  ),
  new Builtin("addErrorContext", 2, addErrorContext),
  new Builtin("trace", 2, trace),
  new Builtin("traceVerbose", 2, (message, value) => (machine.settings.traceVerbose ? trace(message, value) : force(value))),
  new Builtin("warn", 2, (message, value) => {
    const text = textOf(expectString(message, "while evaluating the first argument; the message passed to builtins.warn"))
    machine.print(`evaluation warning: ${text}`)
    if (machine.settings.abortOnWarn) {
      throw new NixError("abort", "aborting to reveal stack trace of warning, as abort-on-warn is set")
    }
    return force(value)
  }),
  new Builtin("break", 1, (value) => force(value)),
  new Builtin("genericClosure", 1, genericClosure)
]
