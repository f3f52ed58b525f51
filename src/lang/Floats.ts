/**
 * Floats as text, in the three forms that Nix has: as values print (`%g`, six digits), by `toString` (`%f`), and in JSON (the digits of
 * Grisu2, which nlohmann's library uses: nearly always the shortest, not quite). Rounding is exact, ties to even, as the C library rounds. Pure.
 */

const special = (value: number): string | undefined => {
  if (value !== value) return "nan"
  if (value === Infinity) return "inf"
  if (value === -Infinity) return "-inf"
  return undefined
}

/** The most digits that JavaScript writes out; enough to tell a tie. */
const exactDigits = 100

/** Rounds a decimal text of digits down by one unit in the last place if that makes the last digit even; for ties only. */
const roundedDown = (digits: string): string => {
  const last = digits.charCodeAt(digits.length - 1) - 48
  if (last % 2 === 0) return digits
  // JavaScript rounded up to an odd digit: the even one is the one below, and an odd digit never borrows.
  return digits.slice(0, -1) + String(last - 1)
}

/** As values print: `%g`. 1.0 is `1`, 1234567.0 is `1.23457e+06`. */
export const formatFloat = (value: number): string => {
  const word = special(value)
  if (word !== undefined) return word
  if (value === 0) return Object.is(value, -0) ? "-0" : "0"
  let text = value.toExponential(5)
  let at = text.indexOf("e")
  let mantissa = text.slice(0, at)
  if (
    (mantissa.charCodeAt(mantissa.length - 1) - 48) % 2 === 1 &&
    /^.{6}50*e/.test(value.toExponential(exactDigits).replace(/[-.]/g, ""))
  ) {
    mantissa = roundedDown(mantissa)
  }
  const exponent = Number(text.slice(at + 1))
  if (exponent < -4 || exponent >= 6) {
    if (mantissa.includes(".")) mantissa = mantissa.replace(/\.?0+$/, "")
    const size = Math.abs(exponent)
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${size < 10 ? "0" : ""}${size}`
  }
  const negative = mantissa[0] === "-"
  const digits = mantissa.replace(/[-.]/g, "")
  text = exponent < 0 ? `0.${"0".repeat(-exponent - 1)}${digits}` : `${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`
  at = text.length
  while (text[at - 1] === "0") at--
  if (text[at - 1] === ".") at--
  return (negative ? "-" : "") + text.slice(0, at)
}

/** As `toString` has it: `%f`, six decimals. */
export const formatFixed = (value: number): string => {
  const word = special(value)
  if (word !== undefined) return word
  if (Math.abs(value) >= 1e21) return `${BigInt(value)}.000000`
  let text = value.toFixed(6)
  // Only a multiple of 2^-7 can lie half-way between two texts.
  if (Number.isInteger(value * 128) && /^-?\d+\.\d{6}50*$/.test(value.toFixed(exactDigits))) text = roundedDown(text)
  return Object.is(value, -0) ? `-${text}` : value < 0 && text[0] !== "-" ? `-${text}` : text
}

const bits = new DataView(new ArrayBuffer(8))
const top = 1n << 63n
const mask = (1n << 64n) - 1n

interface Scaled {
  readonly significand: bigint
  readonly exponent: number
  readonly decimal: number
}

const powers = new Map<number, Scaled>()

/** 10^decimal as a 64-bit significand, rounded to nearest, and a binary exponent. */
const power = (decimal: number): Scaled => {
  const known = powers.get(decimal)
  if (known !== undefined) return known
  let exponent = 0
  let numerator = decimal >= 0 ? 10n ** BigInt(decimal) : 1n
  const denominator = decimal >= 0 ? 1n : 10n ** BigInt(-decimal)
  const wanted = 64 - (numerator.toString(2).length - denominator.toString(2).length)
  let scaled = wanted >= 0 ? { n: numerator << BigInt(wanted), d: denominator } : { n: numerator, d: denominator << BigInt(-wanted) }
  exponent = -wanted
  while (scaled.n / scaled.d > mask) {
    scaled = { n: scaled.n, d: scaled.d * 2n }
    exponent++
  }
  while (scaled.n / scaled.d < top) {
    scaled = { n: scaled.n * 2n, d: scaled.d }
    exponent--
  }
  const significand = (2n * scaled.n + scaled.d) / (2n * scaled.d)
  const made = { significand, exponent, decimal }
  powers.set(decimal, made)
  return made
}

const multiply = (a: bigint, b: bigint): bigint => (a * b + (1n << 63n)) >> 64n

/** Digits and the exponent of the last one, by Grisu2 (F. Loitsch, "Printing floating-point numbers quickly and accurately", 2010). */
const grisu = (value: number): { readonly digits: string; readonly exponent: number } => {
  bits.setFloat64(0, value)
  const raw = bits.getBigUint64(0)
  const fraction = raw & ((1n << 52n) - 1n)
  const biased = Number((raw >> 52n) & 0x7ffn)
  let w = biased === 0 ? fraction : fraction | (1n << 52n)
  let wExponent = biased === 0 ? -1074 : biased - 1075
  let plus = 2n * w + 1n
  let plusExponent = wExponent - 1
  const closer = fraction === 0n && biased > 1
  let minus = closer ? 4n * w - 1n : 2n * w - 1n
  const minusExponent = closer ? wExponent - 2 : wExponent - 1
  while (plus < top) {
    plus <<= 1n
    plusExponent--
  }
  minus <<= BigInt(minusExponent - plusExponent)
  while (w < top) {
    w <<= 1n
    wExponent--
  }
  // The scaled exponent must lie between -60 and -32; powers of ten are at hand in steps of eight.
  const f = -60 - plusExponent - 1
  const wanted = Math.trunc((f * 78913) / 262144) + (f > 0 ? 1 : 0)
  const scale = power(-300 + 8 * Math.trunc((300 + wanted + 7) / 8))
  const target = multiply(w, scale.significand)
  const low = multiply(minus, scale.significand) + 1n
  const high = multiply(plus, scale.significand) - 1n
  const exponent = plusExponent + scale.exponent + 64
  const shift = BigInt(-exponent)
  const one = 1n << shift
  let delta = high - low
  let distance = high - target
  let whole = high >> shift
  let part = high & (one - 1n)
  const digits: Array<number> = []
  const finish = (rest: bigint, unit: bigint): void => {
    let left = rest
    while (left < distance && delta - left >= unit && (left + unit < distance || distance - left > left + unit - distance)) {
      digits[digits.length - 1]!--
      left += unit
    }
  }
  let count = whole.toString().length
  let unit = 10n ** BigInt(count - 1)
  while (count > 0) {
    digits.push(Number(whole / unit))
    whole %= unit
    count--
    const rest = (whole << shift) + part
    if (rest <= delta) {
      finish(rest, unit << shift)
      return { digits: digits.join(""), exponent: count - scale.decimal }
    }
    unit /= 10n
  }
  for (;;) {
    part *= 10n
    digits.push(Number(part >> shift))
    part &= one - 1n
    count--
    delta *= 10n
    distance *= 10n
    if (part <= delta) {
      finish(part, one)
      return { digits: digits.join(""), exponent: count - scale.decimal }
    }
  }
}

/** As in JSON: `1.0`, `0.1`, `1e-05`; what has no JSON form is `null`. */
export const formatJsonFloat = (value: number): string => {
  if (!Number.isFinite(value)) return "null"
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0"
  if (value < 0) return `-${formatJsonFloat(-value)}`
  const { digits, exponent } = grisu(value)
  // Where the decimal point stands, counted from the first digit.
  const point = digits.length + exponent
  if (exponent >= 0 && point <= 15) return `${digits}${"0".repeat(exponent)}.0`
  if (point > 0 && point <= 15) return `${digits.slice(0, point)}.${digits.slice(point)}`
  if (point > -4 && point <= 0) return `0.${"0".repeat(-point)}${digits}`
  const size = Math.abs(point - 1)
  const tail = digits.length === 1 ? "" : `.${digits.slice(1)}`
  return `${digits[0]}${tail}e${point - 1 < 0 ? "-" : "+"}${size < 10 ? "0" : ""}${size}`
}
