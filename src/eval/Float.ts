/**
 * Floats as text, as C's printf has them: `%g` where values are printed, `%f` in `toString`.
 */
import type { ByteString } from "../nix/Bytes.ts"

const special = (value: number): ByteString | undefined =>
  Number.isNaN(value) ? "nan" : value === Infinity ? "inf" : value === -Infinity ? "-inf" : undefined

/** `%g` with six digits. */
export const formatFloat = (value: number): ByteString => {
  const name = special(value)
  if (name !== undefined) return name
  if (value === 0) return Object.is(value, -0) ? "-0" : "0"
  const [mantissa, exponent] = value.toExponential(5).split("e") as [string, string]
  const e = Number(exponent)
  if (e >= -4 && e < 6) {
    const fixed = value.toFixed(5 - e)
    return fixed.includes(".") ? fixed.replace(/\.?0+$/, "") : fixed
  }
  const digits = mantissa.replace(/\.?0+$/, "")
  const size = Math.abs(e)
  return `${digits}e${e < 0 ? "-" : "+"}${size < 10 ? "0" : ""}${size}`
}

/** `%f`: six decimals. */
export const formatFixed = (value: number): ByteString => {
  const name = special(value)
  if (name !== undefined) return name
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`
}
