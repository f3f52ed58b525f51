/**
 * Where tokens end whose first byte does not say so: paths, URIs, numbers, search paths. Always the longest match, as in Nix's lexer. Pure, but that it remembers a place
 * in the source that is being parsed (`Source.ts`).
 */
import { classes, digit, pathByte, schemeByte, uriByte } from "./Characters.ts"
import { bytes } from "./Source.ts"

/** The end of the last run of path bytes that was read. */
let runEnd = 0
/** The end of the last run that was looked through for bytes that no URI scheme has, and the last of them. */
let schemeEnd = -1
let notScheme = -1

/** Begins with a source. */
export const openWords = (): void => {
  runEnd = 0
  schemeEnd = -1
}

/** The end of the path bytes from `from` on. */
const pathBytesEnd = (from: number): number => {
  let q = from
  while ((classes[bytes[q]!]! & pathByte) !== 0) q++
  return q
}

/** The same for the bytes of a token that begins at `p`. In `a.b.c` every name asks about the rest of the same run; each run is read once. */
const endOfRun = (p: number): number => {
  if (p >= runEnd) runEnd = pathBytesEnd(p)
  return runEnd
}

/** The end of `/a/b/c` or `/a/b/`, from a slash on. */
const segmentsEnd = (slash: number): number => {
  let q = slash
  while (bytes[q] === 47) {
    const from = q + 1
    q = pathBytesEnd(from)
    if (q === from) break
  }
  return q
}

/** Whether `${` stands there. */
const isInterpolation = (p: number): boolean => bytes[p] === 36 && bytes[p + 1] === 123

/** The end of the path that begins at `p`, up to its first antiquotation; -1 when none does. */
export const pathEnd = (p: number): number => {
  const q = endOfRun(p)
  if (bytes[q] !== 47) return -1
  if ((classes[bytes[q + 1]!]! & pathByte) !== 0) return segmentsEnd(q)
  return isInterpolation(q + 1) ? q + 1 : -1
}

/** The end of what follows of a path at `p`. */
export const pathRestEnd = (p: number): number => segmentsEnd(pathBytesEnd(p))

/** The end of the path with `~` at `p`; -1 when there is none. */
export const homePathEnd = (p: number): number => {
  if (bytes[p + 1] !== 47) return -1
  if ((classes[bytes[p + 2]!]! & pathByte) !== 0) return segmentsEnd(p + 1)
  return isInterpolation(p + 2) ? p + 2 : -1
}

/** The end of the `<search/path>` at `p`; -1 when there is none. */
export const searchPathEnd = (p: number): number => {
  let q = p
  do {
    const from = q + 1
    q = pathBytesEnd(from)
    if (q === from) return -1
  } while (bytes[q] === 47)
  return bytes[q] === 62 ? q + 1 : -1
}

/** The end of the URI that begins at `p`; -1 when none does. */
export const uriEnd = (p: number): number => {
  const colon = endOfRun(p)
  if (bytes[colon] !== 58 || (classes[bytes[colon + 1]!]! & uriByte) === 0) return -1
  const letter = bytes[p]! | 32
  if (letter < 97 || letter > 122) return -1
  if (schemeEnd !== colon) {
    schemeEnd = colon
    notScheme = colon - 1
    while (notScheme >= p && (classes[bytes[notScheme]!]! & schemeByte) !== 0) notScheme--
  }
  if (p <= notScheme) return -1
  let q = colon + 1
  while ((classes[bytes[q]!]! & uriByte) !== 0) q++
  return q
}

/** The end of the digits at `p`. */
export const digitsEnd = (p: number): number => {
  let q = p
  while ((classes[bytes[q]!]! & digit) !== 0) q++
  return q
}

/** The end of the float at `p`, such as `1.`, `1.5e3`, `.5`, `0.5`; -1 when there is none: `1e3`, `0.` and `00.5` are several tokens. */
export const floatEnd = (p: number): number => {
  const point = digitsEnd(p)
  if (bytes[point] !== 46) return -1
  const whole = point - p
  const fraction = digitsEnd(point + 1)
  if (whole === 0 || (whole === 1 && bytes[p] === 48) ? fraction === point + 1 : bytes[p] === 48) return -1
  if ((bytes[fraction]! | 32) !== 101) return fraction
  let exponent = fraction + 1
  if (bytes[exponent] === 43 || bytes[exponent] === 45) exponent++
  const end = digitsEnd(exponent)
  return end === exponent ? fraction : end
}
