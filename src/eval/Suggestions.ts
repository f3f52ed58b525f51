/**
 * "Did you mean …?": the names nearest to a misspelt one.
 */
import type { ByteString } from "../nix/Bytes.ts"

const distance = (a: string, b: string, limit: number): number => {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    let best = i
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      const d = Math.min((previous[j] as number) + 1, (current[j - 1] as number) + 1, (previous[j - 1] as number) + cost)
      current.push(d)
      if (d < best) best = d
    }
    if (best > limit) return limit + 1
    previous = current
  }
  return previous[b.length] as number
}

/** At most three names within edit distance two, nearest first (the limits that Nix uses). */
export const closest = (name: ByteString, candidates: Iterable<ByteString>): Array<ByteString> => {
  const found: Array<{ readonly name: ByteString; readonly distance: number }> = []
  for (const candidate of candidates) {
    const d = distance(name, candidate, 2)
    if (d <= 2) found.push({ name: candidate, distance: d })
  }
  return found
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map((f) => f.name)
}
