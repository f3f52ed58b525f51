/**
 * Values as XML text: `builtins.toXML`, `--xml`.
 */
import { positionOf } from "../lang/Position.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { AttributeSet } from "./AttributeSet.ts"
import type { Position } from "./Positions.ts"
import { isDerivation } from "./Compare.ts"
import { addContext } from "./ContextStrings.ts"
import { force } from "./Force.ts"
import { formatFloat } from "../lang/Floats.ts"
import { enterCall } from "./LambdaCode.ts"
import { machine } from "./Machine.ts"
import { Names, nameOf } from "./Symbols.ts"
import type { Value } from "./Value.ts"
import { ContextString, Lambda, NixFloat, NixPath, settled } from "./Value.ts"

type XmlAttributes = Readonly<Record<string, ByteString>>

const escapes: Readonly<Record<string, string>> = { '"': "&quot;", "<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": "&#xA;" }

const escaped = (text: ByteString): ByteString => text.replace(/["<>&\n]/g, (c) => escapes[c] as string)

class Writer {
  readonly context: Set<string>
  readonly location: boolean
  readonly strict: boolean
  readonly lines: Array<string> = ["<?xml version='1.0' encoding='utf-8'?>"]
  readonly derivations = new Set<ByteString>()
  indent = ""

  constructor(context: Set<string>, location: boolean, strict: boolean) {
    this.context = context
    this.location = location
    this.strict = strict
  }

  tag(name: string, attributes: XmlAttributes, end: string): void {
    let text = `${this.indent}<${name}`
    for (const key of Object.keys(attributes).sort()) text += ` ${key}="${escaped(attributes[key] as string)}"`
    this.lines.push(text + end)
  }

  empty(name: string, attributes: XmlAttributes = {}): void {
    this.tag(name, attributes, " />")
  }

  element(name: string, attributes: XmlAttributes, body: () => void): void {
    this.tag(name, attributes, ">")
    this.indent += "  "
    body()
    this.indent = this.indent.slice(2)
    this.lines.push(`${this.indent}</${name}>`)
  }

  place(position: Position): XmlAttributes {
    const span = this.location ? machine.positions.span(position) : undefined
    if (span === undefined) return {}
    const { line, column } = positionOf(span)
    const where = { line: String(line), column: String(column) }
    return span.origin._tag === "File" ? { ...where, path: span.origin.path } : where
  }

  resolved(value: Value): Value {
    return this.strict ? force(value) : settled(value)
  }

  attributes(set: AttributeSet): void {
    for (const slot of set.shape.nameOrder) {
      const name = nameOf(set.shape.symbols[slot] as number)
      // A function in a set is only a promise of one until somebody touches it.
      const promised = !this.strict && set.isPromisedFunction(slot)
      this.element("attr", { name, ...this.place(set.positions[slot] ?? 0) }, () =>
        promised ? this.empty("unevaluated") : this.write(set.at(slot))
      )
    }
  }

  textOf(set: AttributeSet, symbol: number): ByteString | undefined {
    const value = set.get(symbol)
    if (value === undefined) return undefined
    const v = this.resolved(value)
    return typeof v === "string" ? v : v instanceof ContextString ? v.text : undefined
  }

  write(value: Value): void {
    const v = this.resolved(value)
    switch (typeof v) {
      case "number":
      case "bigint":
        return this.empty("int", { value: String(v) })
      case "boolean":
        return this.empty("bool", { value: String(v) })
      case "string":
        return this.empty("string", { value: v })
    }
    if (v === null) return this.empty("null")
    if (v instanceof ContextString) {
      addContext(this.context, v.context)
      return this.empty("string", { value: v.text })
    }
    if (v instanceof NixFloat) return this.empty("float", { value: formatFloat(v.value) })
    if (v instanceof NixPath) return this.empty("path", { value: v.path })
    if (Array.isArray(v)) {
      enterCall()
      this.element("list", {}, () => {
        for (const element of v) this.write(element)
      })
      machine.depth--
      return
    }
    if (v instanceof AttributeSet) {
      enterCall()
      if (isDerivation(v)) this.derivation(v)
      else this.element("attrs", {}, () => this.attributes(v))
      machine.depth--
      return
    }
    if (v instanceof Lambda) return this.lambda(v)
    // Builtins, and what is not evaluated.
    this.empty("unevaluated")
  }

  derivation(set: AttributeSet): void {
    const drvPath = this.textOf(set, Names.drvPath)
    const outPath = this.textOf(set, Names.outPath)
    const known = {
      ...(drvPath === undefined ? {} : { drvPath }),
      ...(outPath === undefined ? {} : { outPath })
    }
    this.element("derivation", known, () => {
      if (drvPath === undefined || drvPath === "" || this.derivations.has(drvPath)) return this.empty("repeated")
      this.derivations.add(drvPath)
      this.attributes(set)
    })
  }

  lambda(lambda: Lambda): void {
    const { formals, parameter, ellipsis, position } = lambda.code
    this.element("function", this.place(position), () => {
      if (formals === undefined) return this.empty("varpat", { name: parameter === undefined ? "" : nameOf(parameter) })
      const pattern = {
        ...(parameter === undefined ? {} : { name: nameOf(parameter) }),
        ...(ellipsis ? { ellipsis: "1" } : {})
      }
      this.element("attrspat", pattern, () => {
        for (const name of formals.map((formal) => nameOf(formal.symbol)).sort((a, b) => (a < b ? -1 : 1))) this.empty("attr", { name })
      })
    })
  }
}

/**
 * The XML text of a value, with a line break at its end. Contexts of its strings are added to `context`. `location`: with the places of attributes and
 * functions. With `strict` false, parts that are not evaluated are written as such.
 */
export const toXml = (value: Value, context: Set<string>, location: boolean, strict = true): ByteString => {
  const writer = new Writer(context, location, strict)
  writer.element("expr", {}, () => writer.write(value))
  return `${writer.lines.join("\n")}\n`
}
