/**
 * Values as a session shows them: laid out over lines, evaluated as far as they are shown, down to a depth. As Nix's repl prints them.
 *
 * A set with one attribute, and a list with one element, stand on one line unless there is a set or list in them. What lies deeper than wanted is `{ ... }` or `[ ... ]`,
 * what stood there before is `«repeated»` (`Printed`), a derivation is `«derivation PATH»`, and what fails is `«error: …»`: the rest is shown all the same.
 */
import { printName, printString } from "../lang/Names.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { AttributeSet } from "./AttributeSet.ts"
import { isDerivation } from "./Compare.ts"
import { batch, force } from "./Force.ts"
import { enterCall } from "./LambdaCode.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"
import { Printed, printShort } from "./Print.ts"
import { Names, nameOf } from "./Symbols.ts"
import type { Value } from "./Value.ts"
import { Builtin, ContextString, Lambda, NixPath, PartialBuiltin, textOf } from "./Value.ts"

export interface TreeOptions {
  /** Levels of sets and lists that are shown; 1 shows those of the value itself. */
  readonly depth: number
  /** ANSI colours. */
  readonly color: boolean
  /** No line ends between what a set or list holds; as `nix eval` prints. */
  readonly oneLine?: boolean
}

const colours = { error: "31;1", path: "32;1", function: "34;1", text: "35;1", plain: "36;1" } as const

const mark = (text: ByteString): ByteString => `\xc2\xab${text}\xc2\xbb`

/** The value forced, or the error that this gives. */
const attempt = (value: Value): Value | NixError => {
  const m = machine
  const { depth, openBatches } = m
  try {
    return force(value)
  } catch (error) {
    if (!(error instanceof NixError)) throw error
    m.depth = depth
    m.openBatches = openBatches
    return error
  }
}

/** All of them forced as far as they go: what they need from outside starts together. */
const attemptAll = (values: ReadonlyArray<Value>): Array<Value | NixError> => {
  const results = new Array<Value | NixError>(values.length)
  batch(values.length, (i) => void (results[i] = attempt(values[i] as Value)))
  return results
}

/** The value, which is forced, as text. Fails with nothing but what ends the evaluation. */
export const printTree = (value: Value, { depth: wanted, color, oneLine = false }: TreeOptions): ByteString => {
  const printed = new Printed()
  const paint = (text: ByteString, colour: keyof typeof colours): ByteString => (color ? `\x1b[${colours[colour]}m${text}\x1b[0m` : text)

  const failed = (error: NixError): ByteString => paint(mark(`error: ${error.message}`), "error")

  const derivation = (set: AttributeSet): ByteString => {
    const drvPath = set.get(Names.drvPath)
    if (drvPath === undefined) return paint(mark("derivation"), "path")
    const path = attempt(drvPath)
    if (path instanceof NixError) return failed(path)
    const text = typeof path === "string" || path instanceof ContextString ? textOf(path) : printShort(path)
    return paint(mark(`derivation ${text}`), "path")
  }

  /** Lines of a group, or one line where what it holds is one thing that is neither set nor list. */
  const group = (open: string, close: string, items: ReadonlyArray<ByteString>, flat: boolean, indent: string): ByteString =>
    flat || oneLine
      ? `${open} ${items.join(" ")} ${close}`
      : `${open}\n${items.map((item) => `${indent}  ${item}\n`).join("")}${indent}${close}`

  const isFlat = (values: ReadonlyArray<Value | NixError>): boolean =>
    values.length === 1 && !(values[0] instanceof AttributeSet) && !Array.isArray(values[0])

  const nested = (cell: Value, v: AttributeSet | Array<Value>, level: number, indent: string): ByteString => {
    // What is a value by itself stands in no variable and no element.
    if ((level > 0 || v instanceof AttributeSet) && printed.again(cell, v)) return paint(mark("repeated"), "text")
    if (v instanceof AttributeSet) {
      const kind = attempt(v.get(Names.type) ?? null)
      if (!(kind instanceof NixError) && isDerivation(v)) return derivation(v)
      if (level >= wanted) return "{ ... }"
      if (v.size === 0) return "{ }"
      const order = v.shape.nameOrder
      const cells = order.map((slot) => v.at(slot))
      const values = attemptAll(cells)
      const items = order.map((slot, i) => {
        const shown = print(cells[i] as Value, values[i] as Value, level + 1, `${indent}  `)
        return `${printName(nameOf(v.shape.symbols[slot] as number))} = ${shown};`
      })
      return group("{", "}", items, isFlat(values), indent)
    }
    if (level >= wanted) return "[ ... ]"
    if (v.length === 0) return "[ ]"
    const values = attemptAll(v)
    return group(
      "[",
      "]",
      values.map((element, i) => print(v[i] as Value, element, level + 1, `${indent}  `)),
      isFlat(values),
      indent
    )
  }

  /** What stands in `cell`, which is `v`. */
  const print = (cell: Value, v: Value | NixError, level: number, indent: string): ByteString => {
    if (v instanceof NixError) return failed(v)
    if (v instanceof AttributeSet || Array.isArray(v)) {
      enterCall()
      const text = nested(cell, v, level, indent)
      machine.depth--
      return text
    }
    if (typeof v === "string" || v instanceof ContextString) return paint(printString(textOf(v)), "text")
    if (v instanceof NixPath) return paint(v.path, "path")
    if (v instanceof Lambda || v instanceof Builtin || v instanceof PartialBuiltin) return paint(printShort(v), "function")
    return paint(printShort(v), "plain")
  }

  return print(value, value, 0, "")
}
