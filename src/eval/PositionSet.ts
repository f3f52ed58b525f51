/**
 * `{ file; line; column; }` sets, as `__curPos` and `unsafeGetAttrPos` give them.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { formatPlace, positionOf } from "../lang/Position.ts"
import { fromSymbols } from "./AttributeSet.ts"
import type { Position } from "./Positions.ts"
import { machine } from "./Machine.ts"
import { symbol } from "./Symbols.ts"
import type { Value } from "./Value.ts"

const file = symbol("file")
const line = symbol("line")
const column = symbol("column")

/** The set for a position; null where it is not in a file (as in Nix). */
export const positionSet = (position: Position): Value => {
  const span = machine.positions.span(position)
  if (span === undefined || span.origin._tag !== "File") return null
  const at = positionOf(span)
  return fromSymbols([file, line, column], [span.origin.path, at.line, at.column])
}

/** `file:line:column` in the words of error messages. */
export const describePosition = (position: Position): ByteString => {
  const span = machine.positions.span(position)
  return span === undefined ? "an unknown place" : formatPlace(span)
}
