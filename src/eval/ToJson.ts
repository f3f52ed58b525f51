/**
 * Values as JSON text: `builtins.toJSON`, structured attributes, `--json`.
 *
 * Siblings form a batch point. Strings must be UTF-8: they are written as they come and checked once at the end, as Nix does.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { Position } from "./AttributeSet.ts"
import { AttributeSet } from "./AttributeSet.ts"
import { call } from "./Call.ts"
import { copyToStore } from "./Coerce.ts"
import { describe } from "./Describe.ts"
import { inAttribute, inElement } from "./DeepForce.ts"
import { batch, force } from "./Force.ts"
import { enterCall } from "./LambdaCode.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"
import { printShort } from "./Print.ts"
import { Names, nameOf } from "./Symbols.ts"
import { formatJsonFloat } from "../lang/Floats.ts"
import { invalidUtf8, jsonString } from "./text/JsonStrings.ts"
import type { Value } from "./Value.ts"
import { ContextString, NixFloat, NixPath, Thunk } from "./Value.ts"

class Writer {
  readonly context: Set<string>
  readonly copy: boolean
  readonly strict: boolean
  constructor(context: Set<string>, copy: boolean, strict: boolean) {
    this.context = context
    this.copy = copy
    this.strict = strict
  }

  write(value: Value): ByteString {
    const v = this.strict ? force(value) : value instanceof Thunk && value.code === null ? (value.env as Value) : value
    switch (typeof v) {
      case "string":
        return jsonString(v)
      case "number":
      case "bigint":
      case "boolean":
        return String(v)
    }
    if (v === null) return "null"
    if (v instanceof AttributeSet) return this.set(v)
    if (Array.isArray(v)) return this.list(v)
    if (v instanceof ContextString) {
      for (const element of v.context) this.context.add(element)
      return jsonString(v.text)
    }
    if (v instanceof NixFloat) return formatJsonFloat(v.value)
    if (v instanceof NixPath) {
      if (!this.copy) return jsonString(v.path)
      const path = copyToStore(v.path)
      this.context.add(path)
      return jsonString(path)
    }
    throw new NixError("type", `cannot convert ${describe(v)} to JSON`)
  }

  /** A set that says what it is as a string; undefined for all others. `converted`: it is itself what a `__toString` gave. */
  stringly(set: AttributeSet, converted: boolean): ByteString | undefined {
    const attribute = set.has(Names.toString) ? Names.toString : Names.outPath
    const value = set.get(attribute)
    const position = set.positionOf(attribute)
    if (value === undefined) {
      if (!converted) return undefined
      throw new NixError("type", `\`__toString\` must return a string, but got ${describe(set)}: ${printShort(set)}`)
    }
    const calling = attribute === Names.toString
    try {
      const inner = calling ? call(value, set) : force(value)
      return this.instead(inner, converted || calling, position)
    } catch (error) {
      if (!(error instanceof NixError)) throw error
      throw error.during(calling ? "while using the result of the `__toString` attribute" : "while using the `outPath` attribute", position)
    }
  }

  /** What stands for a set. Paths that a `__toString` gave are not copied into the store. */
  instead(value: Value, converted: boolean, position: Position): ByteString {
    if (value instanceof AttributeSet) {
      enterCall()
      const text = this.stringly(value, converted) ?? this.attributes(value)
      machine.depth--
      return text
    }
    if (!converted || typeof value === "string" || value instanceof ContextString) return this.write(value)
    if (value instanceof NixPath) return jsonString(value.path)
    throw new NixError("type", `\`__toString\` should return a string, but got ${describe(value)}: ${printShort(value)}`, position)
  }

  set(set: AttributeSet): ByteString {
    enterCall()
    const text = this.stringly(set, false) ?? this.attributes(set)
    machine.depth--
    return text
  }

  attributes(set: AttributeSet): ByteString {
    const slots = set.shape.nameOrder
    const parts = new Array<string>(slots.length)
    batch(slots.length, (i) => {
      const slot = slots[i] as number
      inAttribute(set, slot, () => {
        parts[i] = `${jsonString(nameOf(set.shape.symbols[slot] as number))}:${this.write(set.at(slot))}`
      })
    })
    return `{${parts.join(",")}}`
  }

  list(list: ReadonlyArray<Value>): ByteString {
    enterCall()
    const parts = new Array<string>(list.length)
    batch(list.length, (i) =>
      inElement(i, () => {
        parts[i] = this.write(list[i] as Value)
      })
    )
    machine.depth--
    return `[${parts.join(",")}]`
  }
}

const literals = /"((?:[^"\\]|\\.)*)"/g
const escapes = /\\(?:u....|.)/g

/** What Nix says of the first string that is not UTF-8. Every escape stands for one byte. */
const check = (json: ByteString): ByteString => {
  if (invalidUtf8(json) === undefined) return json
  for (const [, body] of json.matchAll(literals)) {
    const problem = invalidUtf8((body as string).replace(escapes, " "))
    if (problem !== undefined) throw new NixError("eval", `JSON serialization error: ${problem}`)
  }
  return json
}

/**
 * The JSON text of a value (UTF-8 bytes). Contexts of its strings are added to `context`; paths are copied into the store when `copy` is set. With
 * `strict` false an unevaluated part is an error.
 */
export const toJson = (value: Value, context: Set<string>, copy: boolean, strict = true): ByteString =>
  check(new Writer(context, copy, strict).write(value))
