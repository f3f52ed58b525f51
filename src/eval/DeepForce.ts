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

/** An error while an attribute was evaluated, which says so. */
export const inAttribute = (error: unknown, set: AttributeSet, slot: number): unknown =>
  error instanceof NixError
    ? error.ofPart(`while evaluating the attribute '${nameOf(set.shape.symbols[slot] as number)}'`, set.positions[slot] ?? 0)
    : error

/** An error while a list element was evaluated, which says so. */
export const inElement = (error: unknown, index: number): unknown =>
  error instanceof NixError ? error.during(`while evaluating list element at index ${index}`, 0) : error

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
          try {
            const inner = force(v.at(slot))
            // A list keeps its thunk: printing tells lists apart by it.
            if (!Array.isArray(inner)) v.settle(slot, inner)
            if (needsMore(inner)) visit(inner)
          } catch (error) {
            throw inAttribute(error, v, slot)
          }
        })
      } else {
        batch(v.length, (i) => {
          try {
            const inner = force(v[i] as Value)
            if (!Array.isArray(inner)) v[i] = inner
            if (needsMore(inner)) visit(inner)
          } catch (error) {
            throw inElement(error, i)
          }
        })
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
