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
import { Builtin, fromBigInt, NixFloat } from "../Value.ts"

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

const isNumber = (value: Value): boolean => typeof value === "number" || typeof value === "bigint" || value instanceof NixFloat

/** The same, where the error about an operand that is no number says which one it is. `words`: `argument of the addition`. */
const numeric = (name: string, words: string, apply: (a: Value, b: Value) => Value): Builtin =>
  new Builtin(name, 2, (a, b) => {
    const x = force(a)
    const y = force(b)
    try {
      return apply(x, y)
    } catch (error) {
      if (!(error instanceof NixError) || (isNumber(x) && isNumber(y))) throw error
      const second = isNumber(x) || (name === "div" && !isNumber(y))
      throw error.during(`while evaluating the ${second ? "second" : "first"} ${words}`, 0)
    }
  })

export const arithmetic: ReadonlyArray<Builtin> = [
  numeric("add", "argument of the addition", addNumbers),
  numeric("sub", "argument of the subtraction", subtract),
  numeric("mul", "argument of the multiplication", multiply),
  numeric("div", "operand of the division", divide),
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
