/**
 * What the tests of `lang` share: parsing a piece of text, and small programs made at random.
 */
import { parse } from "../../src/lang/Parser.ts"
import type { ParseOptions } from "../../src/lang/Parser.ts"
import { ParseError } from "../../src/lang/ParseError.ts"
import type { Syntax } from "../../src/lang/Syntax.ts"

/** Parses a text that stands in /tmp/lang/t/x.nix. A new origin each time, as for different files. */
export const parseText = (source: string, options: ParseOptions = {}): Syntax =>
  parse(source, { _tag: "File", path: "/tmp/lang/t/x.nix" }, "/tmp/lang/t", options)

/** The error that parsing gives; fails when there is none or another one than promised. */
export const refusal = (source: string, options: ParseOptions = {}): ParseError => {
  try {
    parseText(source, options)
  } catch (error) {
    if (error instanceof ParseError) return error
    throw error
  }
  throw new Error(`parsed, though it should not: ${JSON.stringify(source)}`)
}

/** Numbers that look random and are the same every time: 0 ≤ n < limit. */
export const numbers = (seed: number): ((limit: number) => number) => {
  let state = seed >>> 0
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * limit)
  }
}

const names = ["a", "b", "x'", "or-else", "_1", "with-a-long-name"]
const binary = ["+", "-", "*", "/", "++", "//", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "->"]

/** A program that parses, every construct of the grammar in it sooner or later. `assert` only where its printed form can be read back. */
export const makeProgram = (next: (limit: number) => number, depth: number): string => {
  const name = (): string => names[next(names.length)]!
  const attribute = (): string => [name, name, () => "or", () => '"q u"', () => `\${${simple()}}`, () => `"s\${${simple()}}"`][next(6)]!()
  // Numbers, paths and URIs stand in parentheses: `1.a` or `./p.a` would be something else.
  const fixed = (): string => [name, () => "or", () => '"q u"'][next(3)]!()
  const path = (): string => Array.from({ length: 1 + next(3) }, attribute).join(".")
  const inner = (): string => makeProgram(next, depth - 1)
  // Names are numbered so that nothing is defined twice.
  const bindings = (): string =>
    Array.from({ length: next(4) }, (_, i) =>
      [
        () => `n${i} = ${inner()};`,
        () => `p${i}.${fixed()}.${name()}2 = ${inner()};`,
        () => `inherit i${i};`,
        () => `inherit (${inner()}) j${i} k${i};`,
        () => `p${i}.q = ${inner()}; p${i}.r = ${inner()};`
      ][next(5)]!()
    ).join(" ")
  const string = (): string => `"${next(2) ? "t\\n$ " : ""}\${${inner()}}${next(2) ? " \\${e" : ""}"`
  const indented = (): string => `''\n  a ${next(2) ? "''${" : "'"}\n   \${${inner()}}\n  ''`
  const formals = (): string => `{ ${Array.from({ length: next(3) }, (_, i) => `f${i}${next(2) ? ` ? ${inner()}` : ""}, `).join("")}... }`
  const simple = (): string =>
    depth <= 0
      ? [name, () => "(1)", () => "(0.5)", () => "(./p)", () => "<s/p>", () => '"t"', () => "[ ]", () => "{ }", () => "(u:r)"][next(9)]!()
      : [
          () => `(${inner()})`,
          string,
          indented,
          () => `{ ${bindings()} }`,
          () => `rec { ${bindings()} \${${inner()}} = 1; }`,
          () => `[ ${simple()} ${simple()}.${path()} ]`,
          () => `(./p\${${inner()}}/q)`,
          () => `let { ${bindings()} body = ${inner()}; }`
        ][next(8)]!()
  if (depth <= 0) return simple()
  return [
    simple,
    () => `${simple()}.${path()}`,
    () => `${simple()}.${path()} or ${simple()}`,
    () => `${simple()} ${simple()} ${simple()}`,
    () => `(${inner()}) ${binary[next(binary.length)]!} (${inner()})`,
    () => `!(${inner()})`,
    () => `-(${inner()})`,
    () => `${simple()} ? ${path()}`,
    () => `${name()}: ${inner()}`,
    () => `${formals()}: ${inner()}`,
    () => `${name()}@${formals()}: ${inner()}`,
    () => `${formals()}@${name()}: ${inner()}`,
    () => `let ${bindings()} in ${inner()}`,
    () => `with ${inner()}; ${inner()}`,
    () => `if ${inner()} then ${inner()} else ${inner()}`,
    () => `x: assert ${inner()}; ${inner()}`
  ][next(16)]!()
}
