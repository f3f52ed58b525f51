/**
 * A syntax tree as text, as `nix-instantiate --parse` of Nix 2.34 prints it.
 *
 * Bindings come sorted by name, `inherit`s first; operators that Nix desugars are printed as the calls they become (`a - b` is
 * `(__sub a b)`), paths resolved. Works with a stack of its own, so that no depth of tree overflows. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { formatFloat } from "./Floats.ts"
import { printName, printString } from "./Names.ts"
import * as How from "./How.ts"
import * as Kind from "./Kind.ts"
import type { Syntax } from "./Syntax.ts"

/** What printing depends on besides the tree. */
export interface PrintOptions {
  /** The directory that `~` stands for; without it `~/x` stays as written. */
  readonly home?: ByteString
}

const bits = new DataView(new ArrayBuffer(8))

/** The value of an Int node. */
export const intValue = (nodes: Int32Array, node: number): bigint => (BigInt(nodes[node + 4]!) << 32n) | BigInt(nodes[node + 3]! >>> 0)

/** The value of a Float node. */
export const floatValue = (nodes: Int32Array, node: number): number => {
  bits.setInt32(0, nodes[node + 3]!, true)
  bits.setInt32(4, nodes[node + 4]!, true)
  return bits.getFloat64(0, true)
}

/** `path` made absolute from `base`, without `.`, `..` and doubled slashes; a slash at the end stays. */
export const resolvePath = (path: ByteString, base: ByteString): ByteString => {
  const parts: Array<string> = []
  for (const part of (path.startsWith("/") ? path : `${base}/${path}`).split("/")) {
    if (part === "" || part === ".") continue
    if (part === "..") parts.pop()
    else parts.push(part)
  }
  const resolved = `/${parts.join("/")}`
  return path.length > 1 && path.endsWith("/") ? `${resolved}/` : resolved
}

const binary: Readonly<Record<number, string>> = {
  [Kind.Equal]: " == ",
  [Kind.NotEqual]: " != ",
  [Kind.And]: " && ",
  [Kind.Or]: " || ",
  [Kind.Implies]: " -> ",
  [Kind.Update]: " // ",
  [Kind.Concat]: " ++ ",
  [Kind.Add]: " + "
}

/** Functions that operators are calls of. */
const operatorFunctions: Readonly<Record<number, string>> = {
  [Kind.Less]: "__lessThan",
  [Kind.Greater]: "__lessThan",
  [Kind.Subtract]: "__sub",
  [Kind.Multiply]: "__mul",
  [Kind.Divide]: "__div"
}

const byName = (a: readonly [ByteString, number], b: readonly [ByteString, number]): number => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)

/** Prints the subtree at `root`. */
export const printNode = (syntax: Syntax, root: number, options: PrintOptions = {}): ByteString => {
  const { nodes, symbols, strings } = syntax
  let result = ""
  /** What is still to be printed, last first: text, or nodes. */
  const pending: Array<string | number> = [root]
  const push = (items: ReadonlyArray<string | number>): void => {
    for (let i = items.length - 1; i >= 0; i--) pending.push(items[i]!)
  }

  const attributePath = (at: number): Array<string | number> => {
    const items: Array<string | number> = []
    for (let n = nodes[at]!, i = at + 1; n > 0; n--, i += 3) {
      const name = nodes[i]!
      if (items.length > 0) items.push(".")
      if (name >= 0) items.push(printName(symbols[name]!))
      else items.push('"${', ~name, '}"')
    }
    return items
  }

  /** `simple or`, a call whose argument is the variable `or`: the parser of Nix joins it with no call before it. */
  const appliesOr = (node: number): boolean => {
    const argument = nodes[node + 5]!
    return nodes[argument] === Kind.Variable && symbols[nodes[argument + 3]!] === "or"
  }

  /** The inside of a call: callee and arguments, with calls in callee position joined. */
  const call = (node: number): Array<string | number> => {
    const kind = nodes[node]!
    switch (kind) {
      case Kind.Call: {
        const callee = nodes[node + 3]!
        const items = appliesOr(node) ? [callee] : call(callee)
        for (let n = nodes[node + 4]!, i = node + 5; n > 0; n--, i++) items.push(" ", nodes[i]!)
        return items
      }
      case Kind.Negate:
        return ["__sub 0 ", nodes[node + 3]!]
      case Kind.SearchPath:
        return [`__findFile __nixPath ${printString(strings[nodes[node + 3]!]!)}`]
      case Kind.Greater:
        return ["__lessThan ", nodes[node + 4]!, " ", nodes[node + 3]!]
      case Kind.Less:
      case Kind.Subtract:
      case Kind.Multiply:
      case Kind.Divide:
        return [`${operatorFunctions[kind]} `, nodes[node + 3]!, " ", nodes[node + 4]!]
      default:
        return [node]
    }
  }

  const bindings = (set: number): Array<string | number> => {
    const items: Array<string | number> = []
    const sourceCount = nodes[set + 4]!
    let at = set + 5 + sourceCount
    const definitions: Array<readonly [ByteString, number]> = []
    for (let n = nodes[at++]!; n > 0; n--, at += 4) definitions.push([symbols[nodes[at]!]!, at])
    definitions.sort(byName)
    const inherited = definitions.filter(([, i]) => nodes[i + 2] === How.Inherit)
    if (inherited.length > 0) items.push(`inherit${inherited.map(([name]) => ` ${printName(name)}`).join("")}; `)
    for (let source = 0; source < sourceCount; source++) {
      const names = definitions.filter(([, i]) => nodes[i + 2] === How.InheritFrom && nodes[i + 3] === source)
      if (names.length === 0) continue
      items.push("inherit (", nodes[set + 5 + source]!, `)${names.map(([name]) => ` ${printName(name)}`).join("")}; `)
    }
    for (const [name, i] of definitions) {
      if (nodes[i + 2] === How.Plain) items.push(`${printName(name)} = `, nodes[i + 3]!, "; ")
    }
    for (let n = nodes[at++]!; n > 0; n--, at += 3) items.push('"${', nodes[at]!, '}" = ', nodes[at + 2]!, "; ")
    return items
  }

  while (pending.length > 0) {
    const item = pending.pop()!
    if (typeof item === "string") {
      result += item
      continue
    }
    const kind = nodes[item]!
    const a = nodes[item + 3]!
    const b = nodes[item + 4]!
    switch (kind) {
      case Kind.Int:
        result += intValue(nodes, item).toString()
        break
      case Kind.Float:
        result += formatFloat(floatValue(nodes, item))
        break
      case Kind.String:
        result += printString(strings[a]!)
        break
      case Kind.Interpolation:
      case Kind.PathInterpolation: {
        const items: Array<string | number> = ["("]
        for (let i = 0; i < a; i++) items.push(i > 0 ? " + " : "", nodes[item + 4 + i]!)
        items.push(")")
        push(items)
        break
      }
      case Kind.Path:
        result += resolvePath(strings[a]!, syntax.baseDirectory)
        break
      case Kind.HomePath:
        result += `${options.home ?? "~"}${strings[a]!}`
        break
      case Kind.Variable:
        result += printName(symbols[a]!)
        break
      case Kind.CurrentPosition:
        result += "__curPos"
        break
      case Kind.Select:
        push(["(", a, ").", ...attributePath(item + 5), ...(b >= 0 ? [" or (", b, ")"] : [])])
        break
      case Kind.HasAttribute:
        push(["((", a, ") ? ", ...attributePath(item + 4), ")"])
        break
      case Kind.Call:
      case Kind.Negate:
      case Kind.SearchPath:
      case Kind.Less:
      case Kind.Greater:
      case Kind.Subtract:
      case Kind.Multiply:
      case Kind.Divide:
        push(["(", ...call(item), ")"])
        break
      case Kind.LessOrEqual:
        push(["(! (__lessThan ", b, " ", a, "))"])
        break
      case Kind.GreaterOrEqual:
        push(["(! (__lessThan ", a, " ", b, "))"])
        break
      case Kind.Not:
        push(["(! ", a, ")"])
        break
      case Kind.Lambda: {
        const items: Array<string | number> = ["("]
        if (b > 0) {
          items.push("{ ")
          const formals: Array<readonly [ByteString, number]> = []
          for (let n = nodes[item + 6]!, i = item + 7; n > 0; n--, i += 3) formals.push([symbols[nodes[i]!]!, nodes[i + 2]!])
          formals.sort(byName)
          let separator = ""
          for (const [name, fallback] of formals) {
            items.push(separator, printName(name))
            if (fallback >= 0) items.push(" ? ", fallback)
            separator = ", "
          }
          if (b === 2) items.push(`${separator}...`)
          items.push(a >= 0 ? " } @ " : " }")
        }
        if (a >= 0) items.push(printName(symbols[a]!))
        push([...items, ": ", nodes[item + 5]!, ")"])
        break
      }
      case Kind.Let:
        push(["(let ", ...bindings(a), "in ", b, ")"])
        break
      case Kind.AttributeSet:
        push([a === 1 ? "rec { " : "{ ", ...bindings(item), "}"])
        break
      case Kind.List: {
        const items: Array<string | number> = ["[ "]
        for (let i = 0; i < a; i++) items.push("(", nodes[item + 4 + i]!, ") ")
        items.push("]")
        push(items)
        break
      }
      case Kind.With:
        push(["(with ", a, "; ", b, ")"])
        break
      case Kind.If:
        push(["(if ", a, " then ", b, " else ", nodes[item + 5]!, ")"])
        break
      case Kind.Assert:
        push(["assert ", a, "; ", b])
        break
      default:
        push(["(", a, binary[kind]!, b, ")"])
    }
  }
  return result
}

/** Prints a whole tree. */
export const print = (syntax: Syntax, options: PrintOptions = {}): ByteString => printNode(syntax, syntax.root, options)
