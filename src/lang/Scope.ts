/**
 * The check for variables that nothing binds, which Nix does right after parsing.
 *
 * A variable is fine when a function, `let` or `rec` around it binds it, when it is global, or when it stands inside any `with` (then
 * only evaluation can tell). One pass over the reachable nodes, with a stack of its own: it runs on every file that is loaded, and no
 * depth of tree overflows it.
 *
 * Operators are not looked up here, but know that Nix resolves them like variables: `-` is `__sub`, `*` is `__mul`, `/` is `__div`,
 * `<` `<=` `>` `>=` are `__lessThan`, `<x>` is `__findFile __nixPath "x"`. A function, `let` or `rec` that binds such a name changes
 * what the operators inside mean (2.34.8: `let __sub = a: b: 42; in 1 - 2` is 42); a `with` does not, since globals win over it.
 * `__curPos` is a keyword wherever it stands as an expression, except after `inherit`, where it is an (undefined) variable. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import * as How from "./How.ts"
import { ParseError } from "./ParseError.ts"
import { closestNames } from "./Suggestions.ts"
import * as Kind from "./Kind.ts"
import type { Syntax } from "./Syntax.ts"

/** The mark between the set and the body of a `with`. */
const enterWith = -0x8000_0000

let scratch = new Int32Array(1 << 12)

/**
 * Checks every variable of a tree. `isGlobal` says which names are always there; `globals` lists them, for suggestions only. Gives the symbols of those that the tree
 * takes for global. Throws `ParseError` with reason `UndefinedVariable` for the first one that nothing binds.
 */
export const checkScopes = (
  syntax: Syntax,
  isGlobal: (name: ByteString) => boolean,
  globals: Iterable<ByteString> = []
): ReadonlyArray<number> => {
  const { nodes, symbols } = syntax
  /** How many scopes around the current node bind a symbol; one more once it is known to be global. */
  const bound = new Int32Array(symbols.length)
  const free: Array<number> = []
  let withs = 0
  /** Nodes to visit, `~node` to leave the scope that the node made, `enterWith`. */
  let pending = scratch
  let depth = 0
  const push = (value: number): void => {
    if (depth === pending.length) {
      const grown = new Int32Array(pending.length * 2)
      grown.set(pending)
      pending = grown
      if (grown.length <= 1 << 20) scratch = grown
    }
    pending[depth++] = value
  }

  const use = (node: number): void => {
    const symbol = nodes[node + 3]!
    if (bound[symbol]! > 0 || withs > 0) return
    const name = symbols[symbol]!
    if (isGlobal(name)) {
      bound[symbol]!++
      free.push(symbol)
      return
    }
    // Of very short names nearly every other is two edits away.
    const limit = Math.min(2, name.length >> 1)
    const inScope = symbols.filter((_, other) => bound[other]! > 0)
    throw new ParseError(
      { _tag: "UndefinedVariable", name, suggestions: closestNames(name, [...inScope, ...globals], limit) },
      { origin: syntax.origin, source: syntax.source, start: nodes[node + 1]!, end: nodes[node + 2]! }
    )
  }

  /** Binds (by 1) or unbinds (by -1) the names of a set. */
  const bindSet = (set: number, by: number): void => {
    let at = set + 5 + nodes[set + 4]!
    for (let n = nodes[at++]!; n > 0; n--, at += 4) bound[nodes[at]!]! += by
  }

  const bindLambda = (node: number, by: number): void => {
    const parameter = nodes[node + 3]!
    if (parameter >= 0) bound[parameter]! += by
    for (let n = nodes[node + 6]!, at = node + 7; n > 0; n--, at += 3) bound[nodes[at]!]! += by
  }

  /** Variables that a set inherits from the scope around it. */
  const useInherited = (set: number): void => {
    let at = set + 5 + nodes[set + 4]!
    for (let n = nodes[at++]!; n > 0; n--, at += 4) if (nodes[at + 2] === How.Inherit) use(nodes[at + 3]!)
  }

  /** Pushes what a set holds, so that it is visited in source order. */
  const pushSet = (set: number): void => {
    const sources = set + 5
    const definitions = sources + nodes[set + 4]! + 1
    const dynamics = definitions + nodes[definitions - 1]! * 4 + 1
    for (let n = nodes[dynamics - 1]!, at = dynamics + (n - 1) * 3; n > 0; n--, at -= 3) {
      push(nodes[at + 2]!)
      push(nodes[at]!)
    }
    for (let at = dynamics - 5; at >= definitions; at -= 4) if (nodes[at + 2] === How.Plain) push(nodes[at + 3]!)
    for (let at = definitions - 2; at >= sources; at--) push(nodes[at]!)
  }

  const pushNames = (at: number): void => {
    for (let n = nodes[at]!, i = at + n * 3 - 2; n > 0; n--, i -= 3) if (nodes[i]! < 0) push(~nodes[i]!)
  }

  push(syntax.root)
  while (depth > 0) {
    const node = pending[--depth]!
    if (node < 0) {
      if (node === enterWith) {
        withs++
        continue
      }
      const left = ~node
      if (nodes[left] === Kind.AttributeSet) bindSet(left, -1)
      else if (nodes[left] === Kind.Lambda) bindLambda(left, -1)
      else withs--
      continue
    }
    switch (nodes[node]) {
      case Kind.Int:
      case Kind.Float:
      case Kind.String:
      case Kind.Path:
      case Kind.HomePath:
      case Kind.SearchPath:
      case Kind.CurrentPosition:
        break
      case Kind.Variable:
        use(node)
        break
      case Kind.Select:
        pushNames(node + 5)
        if (nodes[node + 4]! >= 0) push(nodes[node + 4]!)
        push(nodes[node + 3]!)
        break
      case Kind.HasAttribute:
        pushNames(node + 4)
        push(nodes[node + 3]!)
        break
      case Kind.Call:
        for (let at = node + 4 + nodes[node + 4]!; at > node + 4; at--) push(nodes[at]!)
        push(nodes[node + 3]!)
        break
      case Kind.Interpolation:
      case Kind.PathInterpolation:
      case Kind.List:
        for (let at = node + 3 + nodes[node + 3]!; at > node + 3; at--) push(nodes[at]!)
        break
      case Kind.Lambda: {
        bindLambda(node, 1)
        push(~node)
        push(nodes[node + 5]!)
        const count = nodes[node + 6]!
        for (let n = count, at = node + 4 + count * 3; n > 0; n--, at -= 3) if (nodes[at + 2]! >= 0) push(nodes[at + 2]!)
        break
      }
      case Kind.Let: {
        const set = nodes[node + 3]!
        useInherited(set)
        bindSet(set, 1)
        push(~set)
        push(nodes[node + 4]!)
        pushSet(set)
        break
      }
      case Kind.AttributeSet:
        useInherited(node)
        if (nodes[node + 3] === 1) {
          bindSet(node, 1)
          push(~node)
        }
        pushSet(node)
        break
      case Kind.With:
        push(~node)
        push(nodes[node + 4]!)
        push(enterWith)
        push(nodes[node + 3]!)
        break
      case Kind.If:
        push(nodes[node + 5]!)
        push(nodes[node + 4]!)
        push(nodes[node + 3]!)
        break
      case Kind.Not:
      case Kind.Negate:
        push(nodes[node + 3]!)
        break
      case Kind.Greater:
      case Kind.LessOrEqual:
        // `a > b` is `b < a`, so that of two mistakes the right one comes first.
        push(nodes[node + 3]!)
        push(nodes[node + 4]!)
        break
      default:
        push(nodes[node + 4]!)
        push(nodes[node + 3]!)
    }
  }
  return free
}
