/**
 * Sets whose attributes are known beforehand: one shape for all of them, so that selections from them are cached.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { AttributeSet } from "./AttributeSet.ts"
import { ascendingSlots, sharedShape } from "./Shape.ts"
import { symbol } from "./Symbols.ts"
import type { Value } from "./Value.ts"

/** A maker of sets with these attributes; values are given in the order of the names. */
export const record = <const Names extends ReadonlyArray<ByteString>>(
  ...names: Names
): ((...values: { [K in keyof Names]: Value }) => AttributeSet) => {
  const symbols = names.map(symbol)
  const order = ascendingSlots(symbols)
  const shape = sharedShape(order.map((i) => symbols[i] as number))
  return (...values) =>
    new AttributeSet(
      shape,
      order.map((i) => values[i] as Value),
      [],
      null,
      null
    )
}
