/**
 * Ed25519 signatures (RFC 8032 §5.1) in plain TypeScript, for browsers: WebCrypto has them only asynchronously, while `nix/Crypto.ts` is synchronous.
 *
 * Some milliseconds a signature, which is enough for a page that shows and checks narinfos. Its time depends on the secret key, so do not sign with
 * it where others can measure; on Node, node:crypto does the work.
 */

const p = 2n ** 255n - 19n
/** Order of the base point. */
const order = 2n ** 252n + 27742317777372353535851937790883648493n

const mod = (value: bigint): bigint => {
  const rest = value % p
  return rest >= 0n ? rest : rest + p
}

const power = (base: bigint, exponent: bigint): bigint => {
  let result = 1n
  let square = mod(base)
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = mod(result * square)
    square = mod(square * square)
  }
  return result
}

const inverse = (value: bigint): bigint => power(value, p - 2n)

const d = mod(-121665n * inverse(121666n))
const rootOfMinusOne = power(2n, (p - 1n) / 4n)

/** Extended coordinates: x = X/Z, y = Y/Z, xy = T/Z. */
type Point = readonly [x: bigint, y: bigint, z: bigint, t: bigint]

const neutral: Point = [0n, 1n, 1n, 0n]

const add = (left: Point, right: Point): Point => {
  const a = mod((left[1] - left[0]) * (right[1] - right[0]))
  const b = mod((left[1] + left[0]) * (right[1] + right[0]))
  const c = mod(2n * left[3] * right[3] * d)
  const e = mod(2n * left[2] * right[2])
  const f = b - a
  const g = e - c
  const h = e + c
  const i = b + a
  return [mod(f * g), mod(h * i), mod(g * h), mod(f * i)]
}

const multiply = (scalar: bigint, point: Point): Point => {
  let result = neutral
  let double = point
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = add(result, double)
    double = add(double, double)
  }
  return result
}

const samePoint = (left: Point, right: Point): boolean =>
  mod(left[0] * right[2] - right[0] * left[2]) === 0n && mod(left[1] * right[2] - right[1] * left[2]) === 0n

const toNumber = (bytes: Uint8Array): bigint => {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!)
  return value
}

const toBytes = (value: bigint): Uint8Array => {
  const bytes = new Uint8Array(32)
  let rest = value
  for (let i = 0; i < 32; i++) {
    bytes[i] = Number(rest & 255n)
    rest >>= 8n
  }
  return bytes
}

const encodePoint = (point: Point): Uint8Array => {
  const z = inverse(point[2])
  const x = mod(point[0] * z)
  return toBytes(mod(point[1] * z) | ((x & 1n) << 255n))
}

/** The point that 32 bytes stand for; `undefined` where they are none (RFC 8032 §5.1.3). */
const decodePoint = (bytes: Uint8Array): Point | undefined => {
  const value = toNumber(bytes)
  const y = value & (2n ** 255n - 1n)
  if (y >= p) return undefined
  const u = mod(y * y - 1n)
  const v = mod(d * y * y + 1n)
  let x = mod(u * power(v, 3n) * power(u * power(v, 7n), (p - 5n) / 8n))
  const check = mod(v * x * x)
  if (check === mod(-u)) x = mod(x * rootOfMinusOne)
  else if (check !== u) return undefined
  const sign = value >> 255n
  if (x === 0n && sign === 1n) return undefined
  if ((x & 1n) !== sign) x = p - x
  return [x, y, 1n, mod(x * y)]
}

const base: Point = decodePoint(toBytes(mod(4n * inverse(5n))))!

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** A hash function that gives 64 bytes. */
type Sha512 = (bytes: Uint8Array) => Uint8Array

const expand = (seed: Uint8Array, sha512: Sha512): { readonly scalar: bigint; readonly prefix: Uint8Array } => {
  const digest = sha512(seed).slice()
  digest[0] = digest[0]! & 248
  digest[31] = (digest[31]! & 127) | 64
  return { scalar: toNumber(digest.subarray(0, 32)), prefix: digest.subarray(32) }
}

/** The public key of a 32-byte seed. */
export const publicKey = (seed: Uint8Array, sha512: Sha512): Uint8Array => encodePoint(multiply(expand(seed, sha512).scalar, base))

/** The 64-byte signature of a message; `secretKey` is seed and public key, 64 bytes. */
export const sign = (secretKey: Uint8Array, message: Uint8Array, sha512: Sha512): Uint8Array => {
  const { prefix, scalar } = expand(secretKey.subarray(0, 32), sha512)
  const own = encodePoint(multiply(scalar, base))
  const nonce = toNumber(sha512(concat(prefix, message))) % order
  const commitment = encodePoint(multiply(nonce, base))
  const challenge = toNumber(sha512(concat(commitment, own, message))) % order
  return concat(commitment, toBytes((nonce + challenge * scalar) % order))
}

/** Whether `signature` is one of `message` by the owner of the 32-byte public key. */
export const verify = (key: Uint8Array, message: Uint8Array, signature: Uint8Array, sha512: Sha512): boolean => {
  if (key.length !== 32 || signature.length !== 64) return false
  const owner = decodePoint(key)
  const commitment = decodePoint(signature.subarray(0, 32))
  const response = toNumber(signature.subarray(32))
  if (owner === undefined || commitment === undefined || response >= order) return false
  const challenge = toNumber(sha512(concat(signature.subarray(0, 32), key, message))) % order
  return samePoint(multiply(response, base), add(commitment, multiply(challenge, owner)))
}
