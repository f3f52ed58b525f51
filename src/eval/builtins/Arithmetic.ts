/**
 * Arithmetic, bits, rounding and `lessThan`.
 */
import { addNumbers, divide, multiply, subtract } from "../Arithmetic.ts"
import { less } from "../Compare.ts"
import { expectFloat, expectInteger, first, second } from "../Expect.ts"
import { force } from "../Force.ts"
import { NixError } from "../NixError.ts"
import { formatFloat } from "../../lang/Floats.ts"
import type { Value } from "../Value.ts"
import { Builtin, fromBigInt } from "../Value.ts"

type Int = number | bigint

const isSmall = (value: Int): value is number => typeof value === "number" && value === (value | 0)

const bitwise = (name: string, small: (a: number, b: number) => number, large: (a: bigint, b: bigint) => bigint): Builtin => {
  const left = first(name)
  const right = second(name)
  return new Builtin(name, 2, (a, b) => {
    const x = expectInteger(a, left)
    const y = expectInteger(b, right)
    return isSmall(x) && isSmall(y) ? small(x, y) : fromBigInt(large(BigInt(x), BigInt(y)))
  })
}

const issue = "Due to a bug (see https://github.com/NixOS/nix/issues/12899)"
const later = "\n\tFuture Nix versions might implement the correct behavior."

const limit = 2 ** 63

/** Nix rounds integers by way of floats; where that would change them it refuses. */
const rounding = (name: string, round: (value: number) => number): Builtin => {
  const during = first(name)
  return new Builtin(name, 1, (argument) => {
    const value = force(argument)
    const rounded = round(expectFloat(value, during))
    const integer = typeof value === "number" || typeof value === "bigint"
    if (!(rounded >= -limit && rounded < limit)) {
      throw new NixError(
        "eval",
        integer
          ? `${issue} the NixInt argument ${value} caused undefined behavior in previous Nix versions.${later}`
          : `NixFloat argument ${formatFloat(expectFloat(value, during))} is not in the range of NixInt`
      )
    }
    const result = Number.isSafeInteger(rounded) ? rounded + 0 : fromBigInt(BigInt(rounded))
    if (integer && result !== value) {
      throw new NixError(
        "eval",
        `${issue} a loss of precision occurred in previous Nix versions because the NixInt argument ${value} was rounded to ${result}.${later}`
      )
    }
    return result === 0 ? 0 : result
  })
}

/** Both operands forced, the first first; then the operator's own rules. */
const binary = (name: string, apply: (a: Value, b: Value) => Value): Builtin =>
  new Builtin(name, 2, (a, b) => {
    const x = force(a)
    return apply(x, force(b))
  })

export const arithmetic: ReadonlyArray<Builtin> = [
  binary("add", addNumbers),
  binary("sub", subtract),
  binary("mul", multiply),
  binary("div", divide),
  binary("lessThan", less),
  bitwise(
    "bitAnd",
    (a, b) => a & b,
    (a, b) => a & b
  ),
  bitwise(
    "bitOr",
    (a, b) => a | b,
    (a, b) => a | b
  ),
  bitwise(
    "bitXor",
    (a, b) => a ^ b,
    (a, b) => a ^ b
  ),
  rounding("ceil", Math.ceil),
  rounding("floor", Math.floor)
]
