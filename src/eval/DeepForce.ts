/**
 * Forcing everything: lists and attributes all the way down. Siblings form a batch point: all of them are needed whatever the others give.
 */
import { AttributeSet } from "./AttributeSet.ts"
import { batch, force } from "./Force.ts"
import { enterCall } from "./LambdaCode.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"
import { nameOf } from "./Symbols.ts"
import type { Value } from "./Value.ts"

const needsMore = (value: Value): value is AttributeSet | Array<Value> => value instanceof AttributeSet || Array.isArray(value)

/** Runs `body` for an attribute; an error says which. */
export const inAttribute = (set: AttributeSet, slot: number, body: () => void): void => {
  try {
    body()
  } catch (error) {
    throw error instanceof NixError
      ? error.ofPart(`while evaluating the attribute '${nameOf(set.shape.symbols[slot] as number)}'`, set.positions[slot] ?? 0)
      : error
  }
}

/** Runs `body` for a list element; an error says which. */
export const inElement = (index: number, body: () => void): void => {
  try {
    body()
  } catch (error) {
    throw error instanceof NixError ? error.during(`while evaluating list element at index ${index}`, 0) : error
  }
}

/** The value with everything in it forced. Values that contain themselves are fine. */
export const deepForce = (value: Value): Value => {
  // A value on the way down is not entered again; one whose parts are all forced need not be.
  const visited = new Set<Value>()
  const visit = (v: AttributeSet | Array<Value>): void => {
    if (visited.has(v)) return
    visited.add(v)
    enterCall()
    let whole = false
    try {
      if (v instanceof AttributeSet) {
        const slots = v.shape.visiting
        batch(slots.length, (i) => {
          const slot = slots[i] as number
          inAttribute(v, slot, () => {
            const inner = force(v.at(slot))
            // A list keeps its thunk: printing tells lists apart by it.
            if (!Array.isArray(inner)) v.settle(slot, inner)
            if (needsMore(inner)) visit(inner)
          })
        })
      } else {
        batch(v.length, (i) =>
          inElement(i, () => {
            const inner = force(v[i] as Value)
            if (!Array.isArray(inner)) v[i] = inner
            if (needsMore(inner)) visit(inner)
          })
        )
      }
      whole = true
    } finally {
      // Suspended or failed: a later attempt must come by here again.
      if (!whole) visited.delete(v)
    }
    machine.depth--
  }
  const forced = force(value)
  if (needsMore(forced)) visit(forced)
  return forced
}
