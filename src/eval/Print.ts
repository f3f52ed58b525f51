/**
 * Values as text: `printValue` as `nix-instantiate --eval` prints them (unevaluated parts stay so), `printShort` as they stand in error messages.
 */
import { printName, printString } from "../lang/Names.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { AttributeSet } from "./AttributeSet.ts"
import { formatFloat } from "../lang/Floats.ts"
import { enterCall } from "./LambdaCode.ts"
import { machine } from "./Machine.ts"
import { describePosition } from "./PositionSet.ts"
import { Names, nameOf, symbol } from "./Symbols.ts"
import type { Value } from "./Value.ts"
import { Builtin, ContextString, Lambda, NixFloat, NixPath, PartialBuiltin, settled, textOf, Thunk } from "./Value.ts"

const atom = (value: Value): ByteString | undefined => {
  switch (typeof value) {
    case "number":
    case "bigint":
      return value.toString()
    case "boolean":
      return value ? "true" : "false"
    case "string":
      return printString(value)
  }
  if (value === null) return "null"
  if (value instanceof ContextString) return printString(value.text)
  if (value instanceof NixPath) return value.path
  if (value instanceof NixFloat) return formatFloat(value.value)
  return undefined
}

/**
 * The sets and lists that were printed. A set is known again wherever it comes from; a list only where the very same variable or element stands, which here is the thunk,
 * or the list itself where no thunk is left. Empty ones are never known again.
 */
export class Printed {
  readonly #seen = new Set<object>()

  /** Whether what stands in `cell`, which is `v`, was printed before; from now on it was. */
  again(cell: Value, v: AttributeSet | Array<Value>): boolean {
    if ((v instanceof AttributeSet ? v.size : v.length) === 0) return false
    const known = v instanceof AttributeSet ? v : (cell as object)
    if (this.#seen.has(known)) return true
    this.#seen.add(known)
    return false
  }
}

/** The value as far as it is evaluated. */
export const printValue = (value: Value): ByteString => {
  const out: Array<string> = []
  const printed = new Printed()
  const print = (cell: Value, root = false): void => {
    const v = settled(cell)
    if (v instanceof Thunk) return void out.push("<CODE>")
    const text = atom(v)
    if (text !== undefined) out.push(text)
    else if (v instanceof AttributeSet) {
      if (printed.again(cell, v)) return void out.push(mark("repeated"))
      enterCall()
      out.push("{ ")
      for (const slot of v.shape.nameOrder) {
        out.push(printName(nameOf(v.shape.symbols[slot] as number)), " = ")
        if (v.isPromisedFunction(slot)) out.push("<CODE>")
        else print(v.at(slot))
        out.push("; ")
      }
      out.push("}")
      machine.depth--
    } else if (Array.isArray(v)) {
      if (!root && printed.again(cell, v)) return void out.push(mark("repeated"))
      enterCall()
      out.push("[ ")
      for (const element of v) {
        print(element)
        out.push(" ")
      }
      out.push("]")
      machine.depth--
    } else if (v instanceof Lambda) out.push("<LAMBDA>")
    else if (v instanceof Builtin) out.push("<PRIMOP>")
    else out.push("<PRIMOP-APP>")
  }
  print(value, true)
  return out.join("")
}

const underscoreType = symbol("_type")

const shortLimits = { depth: 10, attributes: 10, elements: 10, string: 1024 }

const clip = (text: ByteString, limits: { readonly string: number }): ByteString =>
  text.length <= limits.string
    ? printString(text)
    : `${printString(text.slice(0, limits.string))} \xc2\xab${text.length - limits.string} bytes elided\xc2\xbb`

const place = (position: number): ByteString => (position === 0 ? "" : ` @ ${describePosition(position)}`)

const mark = (text: string): ByteString => `\xc2\xab${text}\xc2\xbb`

const unlimited = { depth: Infinity, attributes: Infinity, elements: Infinity, string: Infinity }

/** Slots in order of their names, what tells the kind of set first: where not all can be shown, that is what matters. */
const importantFirst = (set: AttributeSet): ReadonlyArray<number> => {
  const slots = set.shape.nameOrder
  const rank = (slot: number): number => {
    const symbol = set.shape.symbols[slot] as number
    return symbol === Names.type ? 0 : symbol === underscoreType ? 1 : 2
  }
  return set.has(Names.type) || set.has(underscoreType) ? slots.toSorted((a, b) => rank(a) - rank(b)) : slots
}

/** The value in a few words, evaluating nothing; with `limited` false however many words it takes, as `builtins.trace` shows it. */
export const printShort = (value: Value, limited = true): ByteString => {
  const limits = limited ? shortLimits : unlimited
  const printed = new Printed()
  let attributes = 0
  let elements = 0
  const print = (cell: Value, depth: number): ByteString => {
    const v = settled(cell)
    if (v instanceof Thunk) return mark("thunk")
    if (typeof v === "string" || v instanceof ContextString) return clip(textOf(v), limits)
    const text = atom(v)
    if (text !== undefined) return text
    if (v instanceof AttributeSet) {
      if (v.size === 0) return "{ }"
      if (printed.again(cell, v)) return mark("repeated")
      if (depth >= limits.depth) return "{ ... }"
      const parts: Array<string> = []
      let left = v.size
      for (const slot of limited ? importantFirst(v) : v.shape.nameOrder) {
        if (attributes >= limits.attributes) {
          parts.push(mark(`${left} attribute${left === 1 ? "" : "s"} elided`))
          break
        }
        left--
        const shown = v.isPromisedFunction(slot) ? mark("thunk") : print(v.at(slot), depth + 1)
        parts.push(`${printName(nameOf(v.shape.symbols[slot] as number))} = ${shown};`)
        attributes++
      }
      return `{ ${parts.join(" ")} }`
    }
    if (Array.isArray(v)) {
      if (v.length === 0) return "[ ]"
      if (printed.again(cell, v)) return mark("repeated")
      if (depth >= limits.depth) return "[ ... ]"
      const parts: Array<string> = []
      let left = v.length
      for (const element of v) {
        if (elements >= limits.elements) {
          parts.push(mark(`${left} item${left === 1 ? "" : "s"} elided`))
          break
        }
        left--
        parts.push(print(element, depth + 1))
        elements++
      }
      return `[ ${parts.join(" ")} ]`
    }
    if (v instanceof Lambda) {
      return mark(`lambda${v.code.name === undefined ? "" : ` ${nameOf(v.code.name)}`}${place(v.code.position)}`)
    }
    if (v instanceof Builtin) return mark(`primop ${v.name}`)
    if (v instanceof PartialBuiltin) return mark(`partially applied primop ${v.builtin.name}`)
    return "?"
  }
  return print(value, 0)
}
