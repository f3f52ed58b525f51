/**
 * Generated programs as trees of texts, so that a failing one can be made smaller by its structure.
 */

export interface Tree {
  readonly parts: ReadonlyArray<string | Tree>
  /** How loosely it binds: 0 an atom; see `Levels`. */
  readonly level: number
}

/** Precedences of the grammar, tightest first. */
export const Levels = {
  atom: 0,
  select: 1,
  call: 2,
  negate: 3,
  has: 4,
  concat: 5,
  times: 6,
  plus: 7,
  not: 8,
  update: 9,
  compare: 10,
  equal: 11,
  and: 12,
  or: 13,
  implies: 14,
  expression: 20
} as const

export const tree = (level: number, ...parts: ReadonlyArray<string | Tree>): Tree => ({ level, parts })

/** The tree where only what binds at least so tightly may stand. */
export const within = (inner: Tree, level: number): Tree => (inner.level <= level ? inner : tree(0, "(", inner, ")"))

export const render = (root: Tree): string => {
  const out: Array<string> = []
  const write = (one: Tree): void => {
    for (const part of one.parts) {
      if (typeof part === "string") out.push(part)
      else write(part)
    }
  }
  write(root)
  return out.join("")
}

const size = (one: Tree): number => one.parts.reduce((sum, part) => sum + (typeof part === "string" ? part.length : size(part)), 0)

/** Smaller trees of the same kind: each with one part replaced by something within it or by a constant, biggest savings first. */
export const smaller = (root: Tree): ReadonlyArray<Tree> => {
  const found: Array<Tree> = []
  const below = (one: Tree): ReadonlyArray<Tree> => one.parts.flatMap((part) => (typeof part === "string" ? [] : [part, ...below(part)]))
  const visit = (one: Tree, put: (replaced: Tree) => Tree): void => {
    const inside = below(one)
    const was = size(one)
    for (const other of inside) if (size(other) < was - 2 || other.level === 0) found.push(put(within(other, 0)))
    for (const constant of ["null", "1", '"a"', "{ }", "[ ]"]) if (constant.length < was) found.push(put(tree(0, constant)))
    one.parts.forEach((part, i) => {
      if (typeof part !== "string") visit(part, (replaced) => put({ ...one, parts: one.parts.with(i, replaced) }))
    })
  }
  visit(root, (replaced) => replaced)
  const before = size(root)
  return found
    .map((one) => [size(one), one] as const)
    .filter(([length]) => length < before)
    .sort(([a], [b]) => a - b)
    .map(([, one]) => one)
}
