/**
 * Integers within 64 bits and floats: the operators `+ - * /` on numbers, comparison, and their errors.
 */
import { NixError } from "./NixError.ts"
import { mismatch } from "./Describe.ts"
import type { Value } from "./Value.ts"
import { fitsInt64, fromBigInt, isExact, NixFloat } from "./Value.ts"

type Int = number | bigint

const isInt = (value: Value): value is Int => typeof value === "number" || typeof value === "bigint"

const numeric = (value: Value): number => {
  if (value instanceof NixFloat) return value.value
  if (isInt(value)) return Number(value)
  throw mismatch("a float", value)
}

const checked = (value: bigint, doing: string, a: Int, b: Int, sign: string): Int => {
  if (!fitsInt64(value)) throw new NixError("eval", `integer overflow in ${doing} ${a} ${sign} ${b}`)
  return fromBigInt(value)
}

/** Both operands are numbers, or the error that names the one that is not. An integer first makes Nix expect an integer. */
const floats = (a: Value, b: Value): readonly [number, number] => {
  if (a instanceof NixFloat) return [a.value, numeric(b)]
  if (b instanceof NixFloat) return [numeric(a), b.value]
  throw mismatch("an integer", isInt(a) ? b : a)
}

export const addNumbers = (a: Value, b: Value): Value => {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b
    if (isExact(sum)) return sum
  }
  if (isInt(a) && isInt(b)) return checked(BigInt(a) + BigInt(b), "adding", a, b, "+")
  const [x, y] = floats(a, b)
  return new NixFloat(x + y)
}

export const subtract = (a: Value, b: Value): Value => {
  if (typeof a === "number" && typeof b === "number") {
    const difference = a - b
    if (isExact(difference)) return difference
  }
  if (isInt(a) && isInt(b)) return checked(BigInt(a) - BigInt(b), "subtracting", a, b, "-")
  const [x, y] = floats(a, b)
  return new NixFloat(x - y)
}

export const multiply = (a: Value, b: Value): Value => {
  if (typeof a === "number" && typeof b === "number") {
    const product = a * b
    if (isExact(product)) return product === 0 ? 0 : product
  }
  if (isInt(a) && isInt(b)) return checked(BigInt(a) * BigInt(b), "multiplying", a, b, "*")
  const [x, y] = floats(a, b)
  return new NixFloat(x * y)
}

export const divide = (a: Value, b: Value): Value => {
  // Nix looks at the divisor first, as a float.
  const divisor = numeric(b)
  if (divisor === 0) throw new NixError("eval", "division by zero")
  if (isInt(a) && isInt(b)) {
    if (typeof a === "number" && typeof b === "number") {
      const quotient = (a - (a % b)) / b
      return quotient === 0 ? 0 : quotient
    }
    return checked(BigInt(a) / BigInt(b), "dividing", a, b, "/")
  }
  if (isInt(b) && !(a instanceof NixFloat)) throw mismatch("an integer", a)
  return new NixFloat(numeric(a) / divisor)
}

export const negate = (a: Value): Value => {
  // `0 - a`, as Nix has it: there is no minus zero.
  return subtract(0, a)
}
