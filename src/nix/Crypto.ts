/**
 * The one door through which hashing and ed25519 enter the pure floors.
 *
 * The host installs a provider before anything else runs: `castore/crypto/Node.ts` (node:crypto, and BLAKE3 native or of hash-wasm)
 * or `castore/crypto/Wasm.ts` (hash-wasm and @noble/ed25519, for browsers). Everything here is synchronous. Pure.
 */
import * as Base16 from "./Base16.ts"
import { fromBytes, toBytes } from "./Bytes.ts"
import type { ByteString } from "./Bytes.ts"

/** Algorithms that Nix names, and BLAKE3 for the castore. */
export type HashAlgorithm = "md5" | "sha1" | "sha256" | "sha512" | "blake3"

/** An incremental hash; `digest` may be called once. */
export interface Hasher {
  update(bytes: Uint8Array): void
  digest(): Uint8Array
}

/** What a host must supply. Ed25519: 32-byte public keys, 64-byte secret keys (seed and public key), 64-byte signatures. */
export interface CryptoProvider {
  /** One-shot digest. */
  hash(algorithm: HashAlgorithm, bytes: Uint8Array): Uint8Array
  hasher(algorithm: HashAlgorithm): Hasher
  sign(secretKey: Uint8Array, message: Uint8Array): Uint8Array
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** One-shot digest of a byte string, as hex or as a byte string: for hosts that need no arrays in between. */
  readonly textDigest?: (algorithm: HashAlgorithm, text: ByteString, form: "hex" | "bytes") => string
}

let provider: CryptoProvider | undefined

/** Installs the provider for this thread. A later call replaces an earlier one. */
export const install = (next: CryptoProvider): void => {
  provider = next
}

const installed = (): CryptoProvider => {
  if (provider === undefined) throw new Error("no crypto provider is installed: call nix/Crypto.install first")
  return provider
}

/** The digest of `bytes`. */
export const hash = (algorithm: HashAlgorithm, bytes: Uint8Array): Uint8Array => installed().hash(algorithm, bytes)

const encoder = new TextEncoder()
const scratch = new Uint8Array(64 * 1024)

/** The digest of a byte string (one character a byte). */
const hashText = (algorithm: HashAlgorithm, text: ByteString): Uint8Array => {
  // Texts that are hashed are mostly short and ASCII: those need no array of their own.
  if (text.length <= scratch.length) {
    const { read, written } = encoder.encodeInto(text, scratch)
    if (read === text.length && written === read) return installed().hash(algorithm, scratch.subarray(0, written))
  }
  return installed().hash(algorithm, toBytes(text))
}

/** The same digest in lower-case hex. */
export const hashTextHex = (algorithm: HashAlgorithm, text: ByteString): string =>
  installed().textDigest?.(algorithm, text, "hex") ?? Base16.encode(hashText(algorithm, text))

/** The same digest as a byte string. */
export const hashTextBytes = (algorithm: HashAlgorithm, text: ByteString): ByteString =>
  installed().textDigest?.(algorithm, text, "bytes") ?? fromBytes(hashText(algorithm, text))

/** A new incremental hash. */
export const hasher = (algorithm: HashAlgorithm): Hasher => installed().hasher(algorithm)

/** An ed25519 signature of `message` (64 bytes). */
export const sign = (secretKey: Uint8Array, message: Uint8Array): Uint8Array => installed().sign(secretKey, message)

/** Whether `signature` is a valid ed25519 signature of `message` under `publicKey`. */
export const verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
  installed().verify(publicKey, message, signature)
