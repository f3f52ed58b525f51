/**
 * Compares the regex engine with libstdc++ on random patterns and subjects.
 *
 *     YIX_REGEX_ORACLE=/path/to/oracle node test/eval/regex.fuzz.ts [COUNT] [SEED]
 *
 * The oracle reads lines "hexpattern hexsubject" and writes for each `E` (invalid), `M` (too large), `T` (took too long) or `MATCH;SPLIT`, in which a match is `null` or
 * `[` captures `]`, a capture is `n` or `'` and hex, and the split is, for each place found, prefix, captures, suffix and `/`. It is `regex.oracle.cc`: a few
 * lines around `std::regex(…, std::regex::extended)`, `std::regex_match` and `std::cregex_iterator`.
 */
import { spawnSync } from "node:child_process"
import { compile, match, RegexError, searchAll } from "../../src/eval/regex/Regex.ts"
import type { Captures } from "../../src/eval/regex/Regex.ts"

/** A small seeded generator. */
const random = (seed: number): ((limit: number) => number) => {
  let state = seed >>> 0
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 0x100000000) * limit)
  }
}

const makePattern = (pick: (limit: number) => number, depth: number): string => {
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
  ]
  const pieces = 1 + pick(3)
  let text = ""
  for (let i = 0; i < pieces; i++) {
    const kind = pick(20)
    let atom =
      kind < 12 || depth === 0 ? atoms[pick(atoms.length)]! : kind < 19 ? `(${makePattern(pick, depth - 1)})` : pick(2) === 0 ? "^" : "$"
    const quantifier = pick(10)
    if (quantifier < 5) atom += ["*", "+", "?", "{2}", "{1,2}", "{0,2}", "{1,}", "{0}", "**", "+?", "?*"][pick(11)]!
    text += atom
  }
  if (pick(4) === 0) text += `|${depth === 0 ? "b" : makePattern(pick, depth - 1)}`
  return text
}

const makeOdd = (pick: (limit: number) => number): string => {
  const bits = [
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
  ]
  let text = ""
  for (let i = 0, length = 1 + pick(9); i < length; i++) text += bits[pick(bits.length)]!
  return text
}

const makeSubject = (pick: (limit: number) => number): string => {
  let text = ""
  for (let i = 0, length = pick(8); i < length; i++) text += "aaabbbccx.\n]-\xe9"[pick(14)]!
  return text
}

const hex = (text: string): string => Buffer.from(text, "latin1").toString("hex")
const shown = (captures: Captures): string => `[${captures.map((c) => `${c === null ? "n" : `'${hex(c)}`} `).join("")}]`

/** The engine's answer in the oracle's form. */
export const answer = (pattern: string, subject: string): string => {
  try {
    const regex = compile(pattern)
    const whole = match(regex, subject)
    let text = `${whole === null ? "null" : shown(whole)};`
    let last = 0
    for (const found of searchAll(regex, subject)) {
      text += `'${hex(subject.slice(last, found.start))}${shown(found.captures)}'${hex(subject.slice(found.end))}/`
      last = found.end
    }
    return text
  } catch (error) {
    if (error instanceof RegexError) return error.tooLarge ? "M" : "E"
    return String(error)
  }
}

/** Random pairs, the same for the same seed. */
export const pairs = (count: number, seed: number): Array<readonly [string, string]> => {
  const pick = random(seed)
  return Array.from({ length: count }, () => [pick(4) === 0 ? makeOdd(pick) : makePattern(pick, 3), makeSubject(pick)] as const)
}

/** The oracle's answers. */
export const ask = (oracle: string, cases: ReadonlyArray<readonly [string, string]>): Array<string> =>
  spawnSync(oracle, { input: cases.map(([p, s]) => `${hex(p)} ${hex(s)}\n`).join(""), encoding: "latin1", maxBuffer: 1 << 30 })
    .stdout.split("\n")
    .slice(0, -1)

if (process.argv[1] === import.meta.filename) {
  const oracle = process.env.YIX_REGEX_ORACLE
  if (oracle === undefined) throw new Error("set YIX_REGEX_ORACLE to the oracle program")
  const cases = pairs(Number(process.argv[2] ?? 10_000), Number(process.argv[3] ?? 1))
  const expected = ask(oracle, cases)
  let different = 0
  cases.forEach(([pattern, subject], i) => {
    const got = answer(pattern, subject)
    if (expected[i] !== "T" && got !== expected[i] && ++different <= 20)
      console.log(JSON.stringify(pattern), JSON.stringify(subject), "\n  want", expected[i], "\n  got ", got)
  })
  console.log(`${cases.length} pairs, ${different} differences`)
  process.exitCode = different === 0 && expected.length === cases.length ? 0 : 1
}
