/**
 * Regular expressions as `builtins.match` and `builtins.split` know them: libstdc++'s `std::regex::extended` on bytes.
 *
 * Promises the answers of libstdc++, in time that is bounded: simple patterns run as JavaScript expressions (`Translation.ts`), the others
 * by `Program.ts` with a step budget. Compiled patterns are kept, the most recent first. Pure.
 */
import type { ByteString } from "../../nix/Bytes.ts"
import { parse, RegexError } from "./Pattern.ts"
import type { Parsed } from "./Pattern.ts"
import { assemble, RegexTooComplex, Run, stepBudget } from "./Program.ts"
import { translate } from "./Translation.ts"

export { RegexError, RegexTooComplex, stepBudget }

/** What the groups held, in order; null for a group that took no part. */
export type Captures = Array<ByteString | null>

/** One place where a pattern was found. */
export interface Found {
  readonly start: number
  readonly end: number
  readonly captures: Captures
}

/** A compiled pattern. */
export interface Regex {
  readonly pattern: ByteString
  /** Number of groups. */
  readonly groups: number
  readonly parsed: Parsed
  readonly whole: RegExp | undefined
  readonly anywhere: RegExp | undefined
  readonly loops: number
  /** The other engine, made when first needed. */
  run: Run | undefined
}

/** Work that a JavaScript expression may take in the worst case before the other engine, which is linear in the text, is preferred. */
const worstCase = 2e7

const kept = 2_000
const cache = new Map<ByteString, Regex>()

/**
 * Compiles a pattern.
 *
 * @throws RegexError with Nix's message when libstdc++ refuses it.
 */
export const compile = (pattern: ByteString): Regex => {
  const known = cache.get(pattern)
  if (known !== undefined) return known
  const parsed = parse(pattern)
  const translation = translate(parsed.root)
  const regex: Regex = {
    pattern,
    groups: parsed.groups,
    parsed,
    whole: translation === undefined ? undefined : new RegExp(`^(?:${translation.source})$`),
    anywhere: translation === undefined || translation.alternates ? undefined : new RegExp(translation.source, "g"),
    loops: translation?.loops ?? 0,
    run: undefined
  }
  if (cache.size >= kept) cache.delete(cache.keys().next().value!)
  cache.set(pattern, regex)
  return regex
}

const runOf = (regex: Regex): Run => (regex.run ??= new Run(assemble(regex.parsed.root, regex.parsed.groups)))

const fast = (regex: Regex, length: number): boolean => regex.loops < 2 || length ** regex.loops < worstCase

const capturesOf = (groups: ArrayLike<string | undefined>): Captures => {
  const captures: Captures = []
  for (let i = 1; i < groups.length; i++) captures.push(groups[i] ?? null)
  return captures
}

const runCaptures = (run: Run): Captures => {
  const captures: Captures = []
  const { captures: slots } = run
  for (let i = 2; i < slots.length; i += 2) captures.push(slots[i + 1]! < 0 ? null : run.text.slice(slots[i]!, slots[i + 1]!))
  return captures
}

/**
 * The captures when the whole text matches, else null.
 *
 * @throws RegexTooComplex beyond the step budget.
 */
export const match = (regex: Regex, text: ByteString): Captures | null => {
  if (regex.whole !== undefined && fast(regex, text.length)) {
    const groups = regex.whole.exec(text)
    return groups === null ? null : capturesOf(groups)
  }
  const run = runOf(regex).load(text)
  try {
    return run.attempt(0, true, false) ? runCaptures(run) : null
  } finally {
    run.unload()
  }
}

/**
 * The first place at or after `from`, where libstdc++'s search finds the pattern, or null. `anchoredNotNull`: only at `from`, and not empty.
 *
 * @throws RegexTooComplex beyond the step budget.
 */
export const search = (regex: Regex, text: ByteString, from: number, anchoredNotNull = false): Found | null => {
  if (!anchoredNotNull && regex.anywhere !== undefined && fast(regex, text.length)) {
    regex.anywhere.lastIndex = from
    const groups = regex.anywhere.exec(text)
    return groups === null ? null : { start: groups.index, end: groups.index + groups[0].length, captures: capturesOf(groups) }
  }
  const run = runOf(regex).load(text)
  try {
    if (anchoredNotNull) return run.attempt(from, false, true) ? { start: from, end: run.end, captures: runCaptures(run) } : null
    const { first } = run.program
    for (let start = from; start <= text.length; start++) {
      if (first !== undefined && (start === text.length || first[text.charCodeAt(start)] !== 1)) continue
      if (run.attempt(start, false, false)) return { start, end: run.end, captures: runCaptures(run) }
    }
    return null
  } finally {
    run.unload()
  }
}

/**
 * All places in order, as `std::regex_iterator` goes on: after an empty match it first looks for a non-empty one at the same place.
 *
 * @throws RegexTooComplex beyond the step budget.
 */
export const searchAll = (regex: Regex, text: ByteString): Array<Found> => {
  const all: Array<Found> = []
  let found = search(regex, text, 0)
  while (found !== null) {
    all.push(found)
    let from = found.end
    if (found.start === found.end) {
      if (from === text.length) break
      const longer = search(regex, text, from, true)
      if (longer !== null) {
        found = longer
        continue
      }
      from++
    }
    found = search(regex, text, from)
  }
  return all
}
