/**
 * What a door selects of a value: attribute paths, functions called with the arguments at hand, and the derivations to build.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { AttributeSet, fromSymbols } from "./AttributeSet.ts"
import { call } from "./Call.ts"
import { isDerivation } from "./Compare.ts"
import { describe } from "./Describe.ts"
import { force } from "./Force.ts"
import { NixError } from "./NixError.ts"
import { closestNames } from "../lang/Suggestions.ts"
import { existingSymbol, nameOf, Names } from "./Symbols.ts"
import type { SymbolId } from "./Symbols.ts"
import type { Value } from "./Value.ts"
import { Lambda } from "./Value.ts"

/** Calls a function that takes a set of named arguments with those that are given and those that have defaults; other values stay as they are. */
export const autoCall = (value: Value, args: ReadonlyMap<SymbolId, Value>): Value => {
  const v = force(value)
  if (v instanceof AttributeSet) {
    const functor = v.get(Names.functor)
    return functor === undefined ? v : autoCall(call(functor, v), args)
  }
  if (!(v instanceof Lambda) || v.code.formals === undefined) return v
  const given: Array<readonly [SymbolId, Value]> = []
  if (v.code.ellipsis) given.push(...args)
  else {
    for (const formal of v.code.formals) {
      const argument = args.get(formal.symbol)
      if (argument !== undefined) given.push([formal.symbol, argument])
      else if (formal.fallback === undefined) {
        throw new NixError(
          "missing-argument",
          `cannot evaluate a function that has an argument without a value ('${nameOf(formal.symbol)}')\nNix attempted to evaluate a function as a top level expression; in\nthis case it must have its arguments supplied either by default\nvalues, or passed explicitly with '--arg' or '--argstr'. See\nhttps://nix.dev/manual/nix/stable/language/syntax.html#functions.`,
          formal.position
        )
      }
    }
  }
  return call(
    v,
    fromSymbols(
      given.map((g) => g[0]),
      given.map((g) => g[1])
    )
  )
}

/** Takes `a.b."c.d"` apart. */
export const parseAttributePath = (path: ByteString): Array<ByteString> => {
  const parts: Array<ByteString> = []
  let part = ""
  let started = false
  for (let i = 0; i < path.length; i++) {
    const c = path[i] as string
    if (c === ".") {
      parts.push(part)
      part = ""
      started = true
    } else if (c === '"') {
      const end = path.indexOf('"', i + 1)
      if (end < 0) throw new NixError("parse", `missing closing quote in selection path '${path}'`)
      part += path.slice(i + 1, end)
      i = end
      started = true
    } else {
      part += c
      started = true
    }
  }
  if (part !== "" || started) parts.push(part)
  return parts
}

/** The value at an attribute path; functions on the way are called, the one at its end is not. */
export const select = (root: Value, path: ByteString, args: ReadonlyMap<SymbolId, Value>): Value => {
  let value: Value = root
  for (const name of parseAttributePath(path)) {
    const v = autoCall(value, args)
    if (/^[0-9]+$/.test(name)) {
      if (!Array.isArray(v)) {
        throw new NixError("type", `the expression selected by the selection path '${path}' should be a list but is ${describe(v)}`)
      }
      const index = Number(name)
      if (index >= v.length) throw new NixError("eval", `list index ${name} in selection path '${path}' is out of range`)
      value = v[index] as Value
      continue
    }
    if (!(v instanceof AttributeSet)) {
      throw new NixError("type", `the expression selected by the selection path '${path}' should be a set but is ${describe(v)}`)
    }
    if (name === "") throw new NixError("eval", `empty attribute name in selection path '${path}'`)
    const id = existingSymbol(name)
    const found = id === undefined ? undefined : v.get(id)
    if (found === undefined) {
      const error = new NixError("missing-attribute", `attribute '${name}' in selection path '${path}' not found`)
      error.suggestions = closestNames(name, v.names())
      throw error
    }
    value = found
  }
  return value
}

/** A derivation found, and the attribute path to it. */
export interface FoundDerivation {
  readonly attr: ByteString
  readonly set: AttributeSet
}

/**
 * The derivations that a value means, as `nix-build` takes them: itself, or all in a list, or those among the attributes of a set (going into sets that
 * ask for it by `recurseForDerivations`). Each once.
 */
export const findDerivations = (root: Value, attr: ByteString, args: ReadonlyMap<SymbolId, Value>): Array<FoundDerivation> => {
  const found: Array<FoundDerivation> = []
  const seen = new Set<AttributeSet>()
  const take = (v: Value, path: ByteString): boolean => {
    if (!(v instanceof AttributeSet) || !isDerivation(v)) return false
    if (!seen.has(v)) {
      seen.add(v)
      found.push({ attr: path, set: v })
    }
    return true
  }
  const below = (path: ByteString, name: ByteString): ByteString => (path === "" ? name : `${path}.${name}`)
  const visit = (value: Value, path: ByteString): void => {
    const v = autoCall(value, args)
    if (take(v, path)) return
    if (v instanceof AttributeSet) {
      for (const slot of v.shape.nameOrder) {
        const name = nameOf(v.shape.symbols[slot] as number)
        if (!/^[A-Za-z_][A-Za-z0-9_+-]*$/.test(name)) continue
        const child = force(v.at(slot))
        if (take(child, below(path, name))) continue
        if (child instanceof AttributeSet) {
          const id = existingSymbol("recurseForDerivations")
          const ask = id === undefined ? undefined : child.get(id)
          if (ask !== undefined && force(ask) === true) visit(child, below(path, name))
        }
      }
    } else if (Array.isArray(v)) {
      for (let i = 0; i < v.length; i++) {
        const child = force(v[i] as Value)
        if (!take(child, below(path, String(i)))) visit(child, below(path, String(i)))
      }
    } else throw new NixError("type", "expression does not evaluate to a derivation (or a set or list of those)")
  }
  visit(root, attr)
  return found
}
