/**
 * Where the attributes of a set were written, by slot. Hardly anybody asks, and sets are updated all the time: so a set that was made of others has how its positions follow
 * from theirs, and they are put together when somebody asks.
 */
import type { Position } from "./Positions.ts"
import type { UpdatePlan } from "./Shape.ts"

export const noPositions: ReadonlyArray<Position> = []

/** Positions by slot, or none at all; or what they follow from. */
export type Positions = ReadonlyArray<Position> | GrownPositions | MergedPositions

/** They themselves. */
export const allPositions = (positions: Positions): ReadonlyArray<Position> => ("all" in positions ? positions.all() : positions)

/** Of a set that was grown: a large one, to which others were added, perhaps many times. */
export class GrownPositions {
  private readonly base: Positions
  private readonly other: ReadonlyArray<Position>
  private readonly plan: UpdatePlan

  constructor(base: Positions, other: ReadonlyArray<Position>, plan: UpdatePlan) {
    this.base = base
    this.other = other
    this.plan = plan
  }

  all(): ReadonlyArray<Position> {
    const steps: Array<GrownPositions> = [this]
    let { base } = this
    for (; base instanceof GrownPositions; base = base.base) steps.push(base)
    const positions = allPositions(base).slice()
    for (let i = positions.length; i < this.plan.shape.size; i++) positions.push(0)
    for (let k = steps.length - 1; k >= 0; k--) {
      const { other, plan } = steps[k] as GrownPositions
      for (let i = 0; i < plan.to.length; i++) {
        const slot = plan.to[i] as number
        if (slot >= 0) positions[slot] = other[i] ?? 0
      }
    }
    return positions
  }
}

/** Updates of which the positions are not put together. More than that, and what they follow from would take more memory than they. */
const deepest = 16

/** Of a set that was updated by another. */
export class MergedPositions {
  private left: Positions
  private right: Positions
  /** `null` once they are put together: `left` are they. */
  private plan: UpdatePlan | null
  /** Updates that are left open, one upon the other. */
  depth: number

  private constructor(left: Positions, right: Positions, plan: UpdatePlan, depth: number) {
    this.left = left
    this.right = right
    this.plan = plan
    this.depth = depth
  }

  /** Those of `left // right`, whose plan is for a result that is not grown. */
  static of(left: Positions, right: Positions, plan: UpdatePlan): Positions {
    // A set that is updated again and again from the same place keeps what it has.
    if (left instanceof MergedPositions && left.plan === plan && left.right === right) return left
    const depth = 1 + Math.max(depthOf(left), depthOf(right))
    const merged = new MergedPositions(left, right, plan, depth)
    return depth < deepest ? merged : merged.all()
  }

  all(): ReadonlyArray<Position> {
    const { plan } = this
    if (plan !== null) {
      this.left = merge(allPositions(this.left), allPositions(this.right), plan.from as Int32Array)
      this.right = noPositions
      this.plan = null
      this.depth = 0
    }
    return this.left as ReadonlyArray<Position>
  }
}

const depthOf = (positions: Positions): number => (positions instanceof MergedPositions ? positions.depth : 0)

const merge = (left: ReadonlyArray<Position>, right: ReadonlyArray<Position>, from: Int32Array): ReadonlyArray<Position> => {
  const positions = new Array<Position>(from.length)
  for (let i = 0; i < positions.length; i++) {
    const slot = from[i] as number
    positions[i] = (slot >= 0 ? right[slot] : left[~slot]) ?? 0
  }
  return positions
}
