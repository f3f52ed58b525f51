/**
 * Programs to evaluate, made by type so that most of them give a value. Now and then an operand of a wrong type, a missing parenthesis or an unbound name
 * slips in: errors are compared, too.
 */
import { flakeLiteral, floatLiterals, intLiterals, jsonLiteral, stringLiteral, tomlLiteral } from "./Literals.ts"
import type { Random } from "./Random.ts"
import { type Template, templates } from "./Templates.ts"
import { Levels, tree, type Tree, within } from "./Tree.ts"
import { fill, readType, showType, type Type, unify } from "./Types.ts"

interface Variable {
  readonly name: string
  readonly type: Type
}

const basic: ReadonlyArray<Type> = ["int", "float", "bool", "string", "path", "null"].map(readType)
const names = ["x", "y", "z", "v", "w"] as const
const fieldNames = ["a", "b", "c", '"c d"', "x", "y", "key", "name", "value", "a-b", "a'", "outPath", "__toString", "type"] as const

const placeholder = /<(=?)([a-zA-Z[\](){};=]+(?:->[a-zA-Z[\](){};=]+)*)(!?)>/

/** Templates in pieces: texts and holes by turns. */
const pieces = new Map<Template, ReadonlyArray<string | { readonly type: Type; readonly level: number }>>(
  templates.map((template) => {
    const parts: Array<string | { readonly type: Type; readonly level: number }> = []
    let rest = template.text
    for (let found = placeholder.exec(rest); found !== null; found = placeholder.exec(rest)) {
      parts.push(rest.slice(0, found.index))
      const level = found[3] === "!" ? Levels.expression : found[1] === "=" ? template.level : Levels.select
      parts.push({ type: readType(found[2] as string), level })
      rest = rest.slice(found.index + found[0].length)
    }
    return [template, [...parts, rest]]
  })
)

/** How many leaves and forms one program has at most, about. */
const budgets = [4, 8, 15, 30, 60] as const

class Generator {
  readonly #random: Random
  #left: number
  #named = 0

  constructor(random: Random) {
    this.#random = random
    this.#left = random.pick(budgets)
  }

  type(depth: number): Type {
    const random = this.#random
    if (depth === 0 || random.chance(0.6)) return random.pick(basic)
    if (random.chance(0.5)) return { kind: "list", of: this.type(depth - 1) }
    if (random.chance(0.8)) return { kind: "set", fields: [["a", this.type(depth - 1)]] }
    return { kind: "function", from: this.type(0), to: this.type(0) }
  }

  expression(wanted: Type, scope: ReadonlyArray<Variable>, depth: number): Tree {
    const random = this.#random
    this.#left--
    let type = wanted.kind === "any" && random.chance(0.75) ? this.type(2) : wanted
    if (type.kind === "json") return tree(0, jsonLiteral(random))
    if (type.kind === "toml") return tree(0, tomlLiteral(random))
    if (type.kind === "flake") return tree(0, flakeLiteral(random))
    if (random.chance(0.012)) type = this.type(2)
    const known = scope.filter((one) => showType(one.type) === showType(type))
    if (known.length > 0 && random.chance(0.3)) return tree(0, random.pick(known).name)
    if (this.#left <= 0 || depth <= 0 || random.chance(0.2)) return this.#leaf(type, scope, depth)
    const fitting = templates.flatMap((template) => {
      const bound = unify(template.result, type)
      return bound === undefined ? [] : [[template, bound] as const]
    })
    if (fitting.length === 0) return this.#leaf(type, scope, depth)
    // What fits every type should not crowd out what is made for this one.
    const own = fitting.filter(([template]) => template.result.kind !== "T")
    const [template, bound] = random.pick(own.length > 0 && random.chance(0.65) ? own : fitting)
    const T = bound.T ?? this.type(1)
    const U = bound.U ?? this.type(1)
    const holes = pieces.get(template) ?? []
    const parts = holes.map((piece, i) => {
      if (typeof piece === "string") return piece
      const bound = template.text.startsWith("with {") && i === holes.length - 2 ? [...scope, { name: "x", type: T }] : scope
      const inner = this.expression(fill(piece.type, T, U), bound, depth - 1)
      return random.chance(0.01) ? inner : this.#operand(inner, piece.level)
    })
    return tree(template.level, ...parts)
  }

  /** Operands at the operator's own level stand without parentheses at times: which way operators associate shows in the value. */
  #operand(inner: Tree, level: number): Tree {
    const loose = level > Levels.call && level < Levels.expression && this.#random.chance(0.5)
    return within(inner, loose || level === Levels.expression ? level : level > Levels.call ? level - 1 : level)
  }

  #leaf(type: Type, scope: ReadonlyArray<Variable>, depth: number): Tree {
    const random = this.#random
    const atom = (text: string): Tree => tree(0, text)
    const part = (of: Type, inner: ReadonlyArray<Variable> = scope): Tree => this.expression(of, inner, depth - 1)
    switch (type.kind) {
      case "int":
        return atom(random.pick(intLiterals))
      case "float":
        return atom(random.pick(floatLiterals))
      case "bool":
        return atom(random.pick(["true", "false"]))
      case "null":
        return atom("null")
      case "path":
        return atom(random.pick(["/nowhere/a", "/nowhere/a/b.c", "/nowhere/x-1.0/y", "/nowhere/d/e/../f", "/nowhere/./g"]))
      case "string":
        return atom(stringLiteral(random))
      case "list": {
        const parts = Array.from({ length: depth < -3 ? 0 : random.below(4) }, () => within(part(type.of), Levels.select))
        return tree(0, "[ ", ...parts.flatMap((one) => [one, " "]), "]")
      }
      case "set":
        return this.#set(type.fields, scope, depth)
      case "function": {
        const name = `${random.pick(names)}${++this.#named}`
        return tree(Levels.expression, `${name}: `, part(type.to, [...scope, { name, type: type.from }]))
      }
      default: {
        if (random.chance(0.03)) return atom(random.pick(["undefinedName", "builtins.nothing", "__curPos.line", "builtins.langVersion"]))
        return depth < -3 ? atom("null") : this.#leaf(this.type(1), scope, depth - 1)
      }
    }
  }

  #set(wanted: ReadonlyArray<readonly [string, Type]>, scope: ReadonlyArray<Variable>, depth: number): Tree {
    const random = this.#random
    const recursive = random.chance(0.2)
    const extra = random.chance(0.3) && depth > -2 ? [[random.pick(fieldNames), this.type(1)] as const] : []
    const fields = [...wanted, ...extra.filter(([name]) => wanted.every(([other]) => other !== name))]
    const inner = recursive ? [...scope, ...fields.filter(([name]) => /^[a-z]$/.test(name)).map(([name, type]) => ({ name, type }))] : scope
    const parts = fields.flatMap(([name, type]): Array<string | Tree> => {
      const outside = scope.find((one) => one.name === name)
      if (outside !== undefined && random.chance(0.3)) return [`inherit ${name}; `]
      const key = random.chance(0.06) && !name.startsWith('"') ? (random.chance(0.5) ? `\${"${name}"}` : `"${name}"`) : name
      return [`${key} = `, this.expression(type, inner, depth - 1), "; "]
    })
    return tree(0, recursive ? "rec { " : "{ ", ...parts, "}")
  }
}

/** The program of a case. */
export const program = (random: Random): Tree => {
  const generator = new Generator(random)
  return generator.expression(generator.type(3), [], random.pick([2, 3, 4, 5]))
}
