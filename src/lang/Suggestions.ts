/**
 * "Did you mean …?": the names nearest to a misspelt one. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"

/** Edits above which a name is no suggestion; Nix's limit. */
const maxDistance = 2
/** Suggestions shown at most; Nix's limit. */
const maxSuggestions = 5

/** Levenshtein distance; anything above `maxDistance` may come back as more than that, early. */
const editDistance = (a: ByteString, b: ByteString): number => {
  if (Math.abs(a.length - b.length) > maxDistance) return maxDistance + 1
  let previous = new Uint16Array(b.length + 1)
  let current = new Uint16Array(b.length + 1)
  for (let j = 0; j <= b.length; j++) previous[j] = j
  for (let i = 1; i <= a.length; i++) {
    current[0] = i
    let least = i
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1)
      const distance = Math.min(substitution, previous[j]! + 1, current[j - 1]! + 1)
      current[j] = distance
      if (distance < least) least = distance
    }
    if (least > maxDistance) return least
    const row = previous
    previous = current
    current = row
  }
  return previous[b.length]!
}

/** Up to five of the candidates within `limit` edits (at most two) of `name`, nearest first, then by name; each once. */
export const closestNames = (name: ByteString, candidates: Iterable<ByteString>, limit: number = maxDistance): Array<ByteString> => {
  if (name.length > 256) return []
  const found: Array<{ readonly candidate: ByteString; readonly distance: number }> = []
  for (const candidate of new Set(candidates)) {
    const distance = editDistance(name, candidate)
    if (distance <= limit) found.push({ candidate, distance })
  }
  found.sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
  return found.slice(0, maxSuggestions).map(({ candidate }) => candidate)
}

/** `Did you mean a?`, `Did you mean one of a, b or c?`; empty without suggestions. */
export const didYouMean = (suggestions: ReadonlyArray<ByteString>, show: (name: ByteString) => string = (name) => name): string => {
  if (suggestions.length === 0) return ""
  const shown = suggestions.map(show)
  const last = shown.pop()!
  return shown.length === 0 ? `Did you mean ${last}?` : `Did you mean one of ${shown.join(", ")} or ${last}?`
}
