/**
 * Hashing and ed25519 for Node: fills `nix/Crypto.ts`.
 *
 * MD5, the SHAs and ed25519 are node:crypto. BLAKE3 is the native module where its optional package is installed, found when first needed
 * (some 5 ms); else WebAssembly (hash-wasm), which loads asynchronously. So who hashes with BLAKE3 awaits `prepareNode` first; for the rest `installNode` will do.
 */
import type * as NodeCrypto from "node:crypto"
import { createRequire } from "node:module"
import { install } from "../../nix/Crypto.ts"
import type { CryptoProvider, HashAlgorithm, Hasher } from "../../nix/Crypto.ts"

interface Blake3Implementation {
  /** What runs: shown by `yix config check` and benchmarks. */
  readonly name: "native" | "wasm"
  hash(bytes: Uint8Array): Uint8Array
  hasher(): Hasher
}

interface NativeModule {
  blake3(input: Uint8Array): Uint8Array
  readonly Blake3Hasher: new () => { update(input: Uint8Array): unknown; digestBuffer(): Uint8Array }
}

let loaded: typeof NodeCrypto | undefined

/** Loaded when first needed: it takes ten milliseconds, and small evaluations hash nothing. */
const openssl = (): typeof NodeCrypto => (loaded ??= process.getBuiltinModule("node:crypto"))

/** The same bytes as a plain array: a Buffer's `slice` is a view, which surprises who was promised a `Uint8Array`. */
const plain = (buffer: Uint8Array): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)

/** A native object costs 19 µs to make, as much as hashing 100 KiB: so what is small is gathered and hashed in one call. */
const gatherLimit = 32 * 1024

class NativeHasher implements Hasher {
  private readonly native: NativeModule
  private gathered: Uint8Array | undefined
  private used = 0
  private running: InstanceType<NativeModule["Blake3Hasher"]> | undefined

  constructor(native: NativeModule) {
    this.native = native
  }

  update(bytes: Uint8Array): void {
    if (this.running === undefined) {
      if (this.used + bytes.length <= gatherLimit) {
        this.gather(bytes)
        return
      }
      this.running = new this.native.Blake3Hasher()
      if (this.gathered !== undefined) this.running.update(this.gathered.subarray(0, this.used))
      this.gathered = undefined
    }
    this.running.update(bytes)
  }

  digest(): Uint8Array {
    if (this.running !== undefined) return plain(this.running.digestBuffer())
    return plain(this.native.blake3(this.gathered === undefined ? new Uint8Array(0) : this.gathered.subarray(0, this.used)))
  }

  private gather(bytes: Uint8Array): void {
    const needed = this.used + bytes.length
    if (this.gathered === undefined || needed > this.gathered.length) {
      const larger = new Uint8Array(Math.min(gatherLimit, Math.max(1024, needed * 2)))
      if (this.gathered !== undefined) larger.set(this.gathered.subarray(0, this.used))
      this.gathered = larger
    }
    this.gathered.set(bytes, this.used)
    this.used = needed
  }
}

const findNative = (): Blake3Implementation | undefined => {
  try {
    const native = createRequire(import.meta.url)("@napi-rs/blake-hash") as NativeModule
    return { name: "native", hash: (bytes) => plain(native.blake3(bytes)), hasher: () => new NativeHasher(native) }
  } catch {
    // An optional package: absent, or built for another platform.
    return undefined
  }
}

let blake3: Blake3Implementation | undefined

const blake3Now = (): Blake3Implementation => {
  blake3 ??= findNative()
  if (blake3 === undefined) {
    throw new Error(
      "BLAKE3 is not loaded: the native package @napi-rs/blake-hash is not installed here, so await prepareNode() of castore/crypto/Node.ts before the first BLAKE3 digest"
    )
  }
  return blake3
}

/** Which BLAKE3 this thread uses; `undefined` where there is none yet. */
export const blake3Implementation = (): Blake3Implementation["name"] | undefined => (blake3 ??= findNative())?.name

/** Sees to it that there is a BLAKE3 in this thread: where the native one is absent, loads the WebAssembly one. Rejects where there is no WebAssembly either. */
export const loadBlake3 = async (): Promise<void> => {
  if (blake3Implementation() !== undefined) return
  const { loadWasmHasher } = await import("./Wasm.ts")
  const hasher = await loadWasmHasher("blake3")
  const hash = (bytes: Uint8Array): Uint8Array => {
    const one = hasher()
    one.update(bytes)
    return one.digest()
  }
  // Of two calls at the same time the first one wins, so that a thread keeps to one instance.
  blake3 ??= { name: "wasm", hash, hasher }
}

class NodeHasher implements Hasher {
  private readonly hash: NodeCrypto.Hash

  constructor(algorithm: string) {
    this.hash = openssl().createHash(algorithm)
  }

  update(bytes: Uint8Array): void {
    this.hash.update(bytes)
  }

  digest(): Uint8Array {
    return plain(this.hash.digest())
  }
}

// DER around a bare ed25519 key (RFC 8410): the only forms node:crypto takes besides JWK, and the faster one.
const publicPrefix = Buffer.from("302a300506032b6570032100", "hex")
const privatePrefix = Buffer.from("302e020100300506032b657004220420", "hex")

const textForms = { hex: "hex", bytes: "latin1" } as const

const provider: CryptoProvider = {
  hash(algorithm: HashAlgorithm, bytes: Uint8Array): Uint8Array {
    return algorithm === "blake3" ? blake3Now().hash(bytes) : plain(openssl().hash(algorithm, bytes, "buffer"))
  },
  hasher(algorithm: HashAlgorithm): Hasher {
    return algorithm === "blake3" ? blake3Now().hasher() : new NodeHasher(algorithm)
  },
  sign(secretKey: Uint8Array, message: Uint8Array): Uint8Array {
    const key = Buffer.concat([privatePrefix, secretKey.subarray(0, 32)])
    return plain(openssl().sign(null, message, { key, format: "der", type: "pkcs8" }))
  },
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    if (publicKey.length !== 32 || signature.length !== 64) return false
    const key = Buffer.concat([publicPrefix, publicKey])
    return openssl().verify(null, message, { key, format: "der", type: "spki" }, signature)
  },
  // No array in between, and none for the digest: half the time for texts of a few kilobytes.
  textDigest(algorithm, text, form) {
    // Node takes strings as UTF-8, which is these bytes where it is no longer than they are.
    const input = Buffer.byteLength(text) === text.length ? text : Buffer.from(text, "latin1")
    if (algorithm !== "blake3") return openssl().hash(algorithm, input, textForms[form])
    const digest = blake3Now().hash(typeof input === "string" ? Buffer.from(input) : input)
    return Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString(textForms[form])
  }
}

/** The provider itself, for those who install it elsewhere. */
export const nodeCrypto: CryptoProvider = provider

/** Installs hashing and ed25519 for this thread, at once; BLAKE3 only where it is native or `loadBlake3` was awaited (else a BLAKE3 digest throws). */
export const installNode = (): void => install(provider)

/** Installs hashing and ed25519 for this thread, BLAKE3 too; waits only where the native BLAKE3 is absent. Rejects where there is no WebAssembly then. */
export const prepareNode = async (): Promise<void> => {
  installNode()
  await loadBlake3()
}
