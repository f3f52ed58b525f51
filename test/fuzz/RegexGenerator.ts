/**
 * Patterns and subjects: most patterns right, some of signs thrown together. Byte strings.
 */
import type { Random } from "./Random.ts"

const atoms = [
  "a",
  "b",
  "c",
  "a",
  "b",
  ".",
  "[ab]",
  "[^a]",
  "[a-c]",
  "[[:alpha:]]",
  "[[:space:]b]",
  "\\.",
  "()",
  "x",
  "[^]a]",
  "[a-]",
  "\xe9",
  "[\x80-\xff]"
] as const

const quantifiers = ["*", "+", "?", "{2}", "{1,2}", "{0,2}", "{1,}", "{0}", "**", "+?", "?*"] as const

const signs = [
  "a",
  "b",
  "[",
  "]",
  "^",
  "-",
  ":",
  "alpha",
  "[:alpha:]",
  "[=a=]",
  "[.a.]",
  "[.hyphen.]",
  "{",
  "}",
  ",",
  "1",
  "2",
  "(",
  ")",
  "*",
  "+",
  "?",
  "|",
  "\\",
  "$",
  ".",
  "z",
  "\n",
  "\xe9"
] as const

const pattern = (random: Random, depth: number): string => {
  let text = ""
  for (let pieces = 1 + random.below(3); pieces > 0; pieces--) {
    const kind = random.below(20)
    if (kind < 12 || depth === 0) text += random.pick(atoms)
    else text += kind < 19 ? `(${pattern(random, depth - 1)})` : random.pick(["^", "$"])
    if (random.chance(0.5)) text += random.pick(quantifiers)
  }
  if (random.chance(0.25)) text += `|${depth === 0 ? "b" : pattern(random, depth - 1)}`
  return text
}

const anyOf = (random: Random, options: ArrayLike<string>, length: number): string =>
  Array.from({ length }, () => options[random.below(options.length)]).join("")

/** The pattern and the subject of a case. */
export const pair = (random: Random): readonly [string, string] => [
  random.chance(0.25) ? anyOf(random, signs, 1 + random.below(9)) : pattern(random, 3),
  anyOf(random, "aaabbbccx.\n]-\xe9", random.below(random.chance(0.1) ? 30 : 8))
]
