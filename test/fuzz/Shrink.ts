/**
 * Failing cases made small: by the structure of a generated program first, then by leaving out lines, words and signs as long as the difference stays.
 */
import { type Case, fileOf } from "./Cases.ts"
import { tokens } from "./SyntaxGenerator.ts"
import { smaller } from "./Tree.ts"

/** Of the candidates, the number of the first that still differs; undefined if none does. */
export type FirstDifferent = (candidates: ReadonlyArray<Case>) => Promise<number | undefined>

/** Candidates asked about at once. */
const width = 40

const byStructure = async (one: Case, first: FirstDifferent): Promise<Case> => {
  let best = one
  for (let round = 0; round < 60 && best.tree !== undefined; round++) {
    const all = smaller(best.tree).slice(0, 400)
    let found: Case | undefined
    for (let at = 0; at < all.length && found === undefined; at += width) {
      const candidates = all.slice(at, at + width).map((tree): Case => ({ ...one, tree, text: fileOf(tree) }))
      const index = await first(candidates)
      if (index !== undefined) found = candidates[index]
    }
    if (found === undefined) return best
    best = found
  }
  return best
}

/** Leaves out runs of `parts`, long runs first. */
const byRemoval = async (
  parts: ReadonlyArray<string>,
  put: (parts: ReadonlyArray<string>) => Case,
  first: FirstDifferent
): Promise<ReadonlyArray<string>> => {
  let best = parts
  for (let length = Math.ceil(best.length / 2), round = 0; length >= 1 && round < 100; round++) {
    const candidates: Array<ReadonlyArray<string>> = []
    for (let at = 0; at < best.length; at += Math.max(1, Math.floor(length / 2))) candidates.push(best.toSpliced(at, length))
    const index = await first(candidates.map(put))
    if (index === undefined) {
      if (length === 1) break
      length = Math.floor(length / 2)
    } else {
      best = candidates[index] as ReadonlyArray<string>
      length = Math.min(length, Math.max(1, best.length))
    }
  }
  return best
}

export const shrink = async (one: Case, first: FirstDifferent): Promise<Case> => {
  const best = await byStructure(one, first)
  const { tree: _, ...plain } = best
  const put = (parts: ReadonlyArray<string>): Case => ({ ...plain, text: parts.join("") })
  const words = await byRemoval(tokens(plain.text), put, first)
  const small = put(
    words.length < 200
      ? await byRemoval(
          words.flatMap((word) => (word.length < 30 ? [...word] : [word])),
          put,
          first
        )
      : words
  )
  if (small.subject === undefined) return small
  const subject = await byRemoval([...small.subject], (parts) => ({ ...small, subject: parts.join("") }), first)
  return { ...small, subject: subject.join("") }
}
