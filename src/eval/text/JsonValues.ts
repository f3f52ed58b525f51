/**
 * JSON as values of the language.
 *
 * The engine's own reader takes most texts, being many times faster than ours: those of which it makes the same. It knows one kind of number, so that floats and
 * long integers are not for it; nor are texts with `\u`, since escapes become UTF-8 here; and where it refuses something ours says what is wrong, in Nix's words.
 */
import type { ByteString } from "../../nix/Bytes.ts"
import { AttributeSet, emptySet, fromNames } from "../AttributeSet.ts"
import { noPositions } from "../SetPositions.ts"
import type { Shape } from "../Shape.ts"
import { ascendingSlots, sharedShape } from "../Shape.ts"
import { symbol } from "../Symbols.ts"
import type { Value } from "../Value.ts"
import { NixFloat } from "../Value.ts"
import type { JsonBuilder } from "./JsonReader.ts"
import { readJson } from "./JsonReader.ts"
import { invalidUtf8, isAscii } from "./JsonStrings.ts"

const values: JsonBuilder<Value> = {
  literal: (value) => value,
  integer: (value) => value,
  float: (value) => new NixFloat(value),
  string: (bytes) => bytes,
  list: (elements) => elements,
  object: fromNames
}

type Parsed = null | boolean | number | string | Array<Parsed> | { [key: string]: Parsed }

/** What may be a number that is a float, outside 2^53, or `-0`; it may stand in a string as well. */
const otherNumber = /(?:^|[[,:\s])(?:-?\d+[.eE]|-?\d{16}|-0)/

/** Deeper nesting is for the reader, which needs no stack. */
const depthLimit = 200

/** Where the attributes of objects with these keys, in this order, stand in sets of the shape. */
class Layout {
  readonly keys: ReadonlyArray<string>
  readonly shape: Shape
  /** By slot; undefined where keys and slots have the same order. */
  readonly order: ReadonlyArray<number> | undefined

  constructor(keys: ReadonlyArray<string>) {
    const symbols = keys.map(symbol)
    const order = ascendingSlots(symbols)
    this.keys = keys
    this.shape = sharedShape(order.map((i) => symbols[i] as number))
    this.order = order.every((i, slot) => i === slot) ? undefined : order
  }

  fits(keys: ReadonlyArray<string>): boolean {
    const own = this.keys
    if (own.length !== keys.length) return false
    for (let i = 0; i < keys.length; i++) if (own[i] !== keys[i]) return false
    return true
  }
}

class Converter {
  /** Layouts by first key: most objects with the same first key are alike. */
  private readonly layouts = new Map<string, Layout>()

  /** The value, with arrays and objects in it replaced; `undefined` where it nests too deeply. */
  value(parsed: Parsed, depth: number): Value | undefined {
    if (typeof parsed !== "object" || parsed === null) return parsed
    if (depth > depthLimit) return undefined
    return Array.isArray(parsed) ? this.list(parsed, depth) : this.set(parsed, depth)
  }

  private list(elements: Array<Parsed>, depth: number): Value | undefined {
    for (let i = 0; i < elements.length; i++) {
      const element = elements[i] as Parsed
      if (typeof element !== "object" || element === null) continue
      const value = this.value(element, depth + 1)
      if (value === undefined) return undefined
      ;(elements as Array<Value>)[i] = value
    }
    return elements as Array<Value>
  }

  private set(object: { [key: string]: Parsed }, depth: number): Value | undefined {
    const keys = Object.keys(object)
    if (keys.length === 0) return emptySet
    const parts = this.list(Object.values(object), depth) as Array<Value> | undefined
    if (parts === undefined) return undefined
    const first = keys[0] as string
    let layout = this.layouts.get(first)
    if (layout === undefined || !layout.fits(keys)) {
      layout = new Layout(keys)
      this.layouts.set(first, layout)
    }
    const { order, shape } = layout
    if (order === undefined) return new AttributeSet(shape, parts, noPositions, null, null)
    const sorted = new Array<Value>(order.length)
    for (let slot = 0; slot < sorted.length; slot++) sorted[slot] = parts[order[slot] as number] as Value
    return new AttributeSet(shape, sorted, noPositions, null, null)
  }
}

const fast = (text: ByteString): Value | undefined => {
  if (text.includes("\\u") || otherNumber.test(text)) return undefined
  if (!isAscii(text) && invalidUtf8(text) !== undefined) return undefined
  let parsed: Parsed
  try {
    parsed = JSON.parse(text) as Parsed
  } catch {
    return undefined
  }
  return new Converter().value(parsed, 0)
}

/**
 * The value of a JSON text, which is UTF-8.
 *
 * @throws JsonError, in Nix's words.
 */
export const jsonValue = (text: ByteString): Value => {
  const value = fast(text)
  return value === undefined ? readJson(text, values) : value
}
