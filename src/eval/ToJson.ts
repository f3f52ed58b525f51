/**
 * Values as JSON text: `builtins.toJSON`, structured attributes, `--json`.
 *
 * Siblings form a batch point. Strings must be UTF-8: they are written as they come and checked once at the end, as Nix does.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { Position } from "./Positions.ts"
import { AttributeSet } from "./AttributeSet.ts"
import { call } from "./Call.ts"
import { copyToStore } from "./Coerce.ts"
import { addContext } from "./ContextStrings.ts"
import { describe } from "./Describe.ts"
import { inAttribute, inElement } from "./DeepForce.ts"
import { Elements } from "./Elements.ts"
import { batch, force, poll } from "./Force.ts"
import { enterCall } from "./LambdaCode.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"
import { printShort } from "./Print.ts"
import type { Shape } from "./Shape.ts"
import { Names } from "./Symbols.ts"
import { formatJsonFloat } from "../lang/Floats.ts"
import { invalidUtf8, isAscii, jsonString } from "./text/JsonStrings.ts"
import type { Value } from "./Value.ts"
import { ContextString, NixFloat, NixPath, settled } from "./Value.ts"

/** The text of what is written grows as one rope; pieces of this size are made flat, so that what they were put together from can go. */
const pieceSize = 0x8000

const isScalar = (value: Value): boolean => value === null || typeof value !== "object"

class Writer {
  readonly context: Set<string>
  readonly copy: boolean
  readonly strict: boolean
  private pieces: Array<ByteString> = []
  private out: ByteString = ""
  /** A part is being written that is put in its place later. */
  private apart = false
  /** The keys of shapes seen, as they are written, with what comes before them, in order of names. No set of these is a string in disguise. */
  private keysOf = new Map<Shape, ReadonlyArray<ByteString>>()
  private lastShape: Shape | undefined = undefined
  private lastKeys: ReadonlyArray<ByteString> = []

  constructor(context: Set<string>, copy: boolean, strict: boolean) {
    this.context = context
    this.copy = copy
    this.strict = strict
  }

  get text(): ByteString {
    return this.pieces.length === 0 ? this.out : this.pieces.join("") + this.out
  }

  write(value: Value): void {
    const v = this.strict ? force(value) : settled(value)
    if (typeof v === "string") this.out += jsonString(v)
    else if (typeof v === "number" || typeof v === "bigint" || typeof v === "boolean") this.out += String(v)
    else if (v === null) this.out += "null"
    else if (v instanceof AttributeSet) this.set(v)
    else if (Array.isArray(v)) this.list(v)
    else if (v instanceof ContextString) {
      addContext(this.context, v.context)
      this.out += jsonString(v.text)
    } else if (v instanceof NixFloat) this.out += formatJsonFloat(v.value)
    else if (v instanceof NixPath) {
      if (this.copy) {
        const path = copyToStore(v.path)
        this.context.add(path)
        this.out += jsonString(path)
      } else this.out += jsonString(v.path)
    } else throw new NixError("type", `cannot convert ${describe(v)} to JSON`)
  }

  /** Writes a set that says what it is as a string; false for all others. `converted`: it is itself what a `__toString` gave. */
  private stringly(set: AttributeSet, converted: boolean): boolean {
    const attribute = set.has(Names.toString) ? Names.toString : Names.outPath
    const value = set.get(attribute)
    const position = set.positionOf(attribute)
    if (value === undefined) {
      if (!converted) return false
      throw new NixError("type", `\`__toString\` must return a string, but got ${describe(set)}: ${printShort(set)}`)
    }
    const calling = attribute === Names.toString
    try {
      const inner = calling ? call(value, set) : force(value)
      this.instead(inner, converted || calling, position)
      return true
    } catch (error) {
      if (!(error instanceof NixError)) throw error
      throw error.during(calling ? "while using the result of the `__toString` attribute" : "while using the `outPath` attribute", position)
    }
  }

  /** What stands for a set. Paths that a `__toString` gave are not copied into the store. */
  private instead(value: Value, converted: boolean, position: Position): void {
    if (value instanceof AttributeSet) {
      enterCall()
      if (!this.stringly(value, converted)) this.attributes(value)
      machine.depth--
    } else if (!converted || typeof value === "string" || value instanceof ContextString) this.write(value)
    else if (value instanceof NixPath) this.out += jsonString(value.path)
    else throw new NixError("type", `\`__toString\` should return a string, but got ${describe(value)}: ${printShort(value)}`, position)
  }

  private set(set: AttributeSet): void {
    enterCall()
    if (this.knows(set.shape) || !this.stringly(set, false)) this.attributes(set)
    machine.depth--
  }

  /** Whether sets of a shape were written before; their keys are those written last then. */
  private knows(shape: Shape): boolean {
    if (shape === this.lastShape) return true
    const keys = this.keysOf.get(shape)
    if (keys === undefined) return false
    this.lastShape = shape
    this.lastKeys = keys
    return true
  }

  private attributes(set: AttributeSet): void {
    const { shape } = set
    if (!this.knows(shape)) {
      this.lastShape = shape
      this.lastKeys = set.names().map((name, i) => `${i === 0 ? "{" : ","}${jsonString(name)}:`)
      this.keysOf.set(shape, this.lastKeys)
    }
    const keys = this.lastKeys
    const slots = shape.nameOrder
    if (slots.length === 0) this.out += "{"
    this.siblings(0, slots.length, (i) => {
      const slot = slots[i] as number
      try {
        this.out += keys[i] as ByteString
        this.write(set.at(slot))
      } catch (error) {
        throw inAttribute(error, set, slot)
      }
    })
    this.out += "}"
  }

  private list(list: ReadonlyArray<Value>): void {
    enterCall()
    this.out += "["
    // What is there already needs no batch.
    let start = 0
    for (; start < list.length && isScalar(list[start] as Value); start++) {
      poll()
      if (start > 0) this.out += ","
      this.write(list[start] as Value)
    }
    this.elements(Elements.of(list), start)
    this.out += "]"
    machine.depth--
  }

  /** What is left of a list. */
  private elements(elements: Elements, start: number): void {
    this.siblings(start, elements.size, (i) => {
      try {
        if (i > 0) this.out += ","
        this.write(elements.at(i))
      } catch (error) {
        throw inElement(error, i)
      }
    })
  }

  /** A list of which there is nothing but its elements. */
  writeElements(elements: Elements): void {
    enterCall()
    this.out += "["
    this.elements(elements, 0)
    this.out += "]"
    machine.depth--
  }

  /**
   * The parts from `start` on, each with the comma before it, as a batch: once one is suspended, all from there on are written apart, and put together when the last is
   * there.
   */
  private siblings(start: number, n: number, part: (index: number) => void): void {
    if (start >= n - 1) {
      if (start < n) part(start)
      return
    }
    let apart: Array<ByteString> | undefined
    let first = 0
    let before = ""
    let pieces = 0
    batch(
      n - start,
      (k) => {
        const i = start + k
        if (apart !== undefined) {
          apart[i] = this.writtenApart(part, i)
          return
        }
        if (this.out.length > pieceSize && !this.apart) this.cut()
        before = this.out
        pieces = this.pieces.length
        part(i)
      },
      (k) => {
        first = start + k
        apart = []
        this.out = before
        this.pieces.length = pieces
      }
    )
    if (apart !== undefined) for (let i = first; i < n; i++) this.out += apart[i] as ByteString
  }

  private writtenApart(part: (index: number) => void, index: number): ByteString {
    const { out, apart } = this
    this.out = ""
    this.apart = true
    try {
      part(index)
      return this.out
    } finally {
      this.out = out
      this.apart = apart
    }
  }

  private cut(): void {
    // Asking for a character makes a string flat.
    this.out.charCodeAt(0)
    this.pieces.push(this.out)
    this.out = ""
  }
}

const literals = /"((?:[^"\\]|\\.)*)"/g
const escapes = /\\(?:u....|.)/g

/** What Nix says of the first string that is not UTF-8. Every escape stands for one byte. */
const check = (json: ByteString): ByteString => {
  if (isAscii(json) || invalidUtf8(json) === undefined) return json
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
export const toJson = (value: Value | Elements, context: Set<string>, copy: boolean, strict = true): ByteString => {
  const writer = new Writer(context, copy, strict)
  if (value instanceof Elements) writer.writeElements(value)
  else writer.write(value)
  return check(writer.text)
}
