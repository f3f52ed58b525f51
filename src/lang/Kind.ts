/**
 * Node kinds of the syntax tree, each with its operands: what follows the three cells that every node has (`Syntax.ts`). "n × (…)" is a count cell followed by n groups.
 *
 * Constants of a module, not an object's: then the bundler writes the numbers where they are used. Pure: imports nothing.
 */

/** low, high: the 64-bit value in two 32-bit halves. */
export const Int = 0
/** low, high: the bits of the double, little-endian halves. */
export const Float = 1
/** string: a whole string without antiquotations (also URIs and indented strings after stripping). */
export const String = 2
/**
 * n × (node), then n × (start): parts of an interpolated string, String nodes and expressions, and where each stands (an expression
 * by its `${`). Value is a string.
 */
export const Interpolation = 3
/** string: a path as written, `./a`, `../b`, `/c`, `a/b`. */
export const Path = 4
/** string: the part after `~`, such as `/x`. */
export const HomePath = 5
/** string: `nixpkgs/lib` of `<nixpkgs/lib>`. */
export const SearchPath = 6
/** n × (node), then n × (start), as above: first part a Path or HomePath node, then String nodes and expressions. Value is a path. */
export const PathInterpolation = 7
/** symbol. */
export const Variable = 8
/** `__curPos`; no operands. */
export const CurrentPosition = 9
/** expression, default or -1, n × (name cell, start, end). */
export const Select = 10
/** expression, n × (name cell, start, end). */
export const HasAttribute = 11
/** function, n × (argument): `f a b` is one node with two arguments. Pipe operators become calls too. */
export const Call = 12
/** parameter symbol or -1 (`x:` or `x@{…}`), formals (0 none, 1 closed, 2 with `...`), body, n × (symbol, start, default or -1): formals in source order. */
export const Lambda = 13
/** bindings (an AttributeSet node, whose `recursive` is 1), body. */
export const Let = 14
/**
 * recursive (0/1), f × (node) sources of `inherit (source)`, n × (symbol, start, how, value), m × (name expression node, start, value).
 * `how`: 0 a binding `a = value`; 1 `inherit a` (value is a Variable node, evaluated in the scope around the set);
 * 2 `inherit (source) a` (value is the index into the sources).
 * Attribute paths (`a.b.c = 1; a.b.d = 2;`) are already merged into nested sets, as Nix merges them; duplicates were refused.
 * Static bindings stand in source order.
 */
export const AttributeSet = 15
/** n × (node). */
export const List = 16
/** scope, body. */
export const With = 17
/** condition, then, else. */
export const If = 18
/** condition, body. */
export const Assert = 19
/** operand. */
export const Not = 20
export const Negate = 21
/** left, right: from here on all are binary operators. */
export const Equal = 22
export const NotEqual = 23
export const Less = 24
export const LessOrEqual = 25
export const Greater = 26
export const GreaterOrEqual = 27
export const And = 28
export const Or = 29
export const Implies = 30
export const Update = 31
export const Concat = 32
export const Add = 33
export const Subtract = 34
export const Multiply = 35
export const Divide = 36
