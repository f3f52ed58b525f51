/**
 * Hashing by WebAssembly (hash-wasm) and ed25519 by @noble/ed25519: fills `nix/Crypto.ts` in browsers and wherever there is no node:crypto.
 *
 * WebAssembly modules load asynchronously, so `loadWasm` must have finished before anything is hashed; afterwards everything is synchronous.
 * Signatures are checked strictly as RFC 8032 has it, and keys of small order are refused, as libsodium (Nix) does. Signing is not constant in time for
 * sure (JavaScript's big integers are not), so do not sign where others can measure.
 */
import * as Ed25519 from "@noble/ed25519"
import { createBLAKE3, createMD5, createSHA1, createSHA256, createSHA512 } from "hash-wasm"
import type { IHasher } from "hash-wasm"
import { install } from "../../nix/Crypto.ts"
import type { CryptoProvider, HashAlgorithm, Hasher } from "../../nix/Crypto.ts"

const create: { readonly [algorithm in HashAlgorithm]: () => Promise<IHasher> } = {
  blake3: () => createBLAKE3(),
  md5: createMD5,
  sha1: createSHA1,
  sha256: createSHA256,
  sha512: createSHA512
}

/** One module instance, which holds the state of one hash at a time: the others' states lie aside, saved, while it works for its owner. */
interface Instance {
  readonly hasher: IHasher
  owner: WasmHasher | undefined
}

class WasmHasher implements Hasher {
  private readonly instance: Instance
  private saved: Uint8Array | undefined

  constructor(instance: Instance) {
    this.instance = instance
  }

  update(bytes: Uint8Array): void {
    this.own()
    this.instance.hasher.update(bytes)
  }

  digest(): Uint8Array {
    this.own()
    this.instance.owner = undefined
    return this.instance.hasher.digest("binary")
  }

  private own(): void {
    const { instance } = this
    if (instance.owner === this) return
    if (instance.owner !== undefined) instance.owner.saved = instance.hasher.save()
    if (this.saved === undefined) instance.hasher.init()
    else instance.hasher.load(this.saved)
    this.saved = undefined
    instance.owner = this
  }
}

/** Loads one algorithm; gives what makes new hashes of it, synchronously. Rejects where WebAssembly is not available. */
export const loadWasmHasher = async (algorithm: HashAlgorithm): Promise<() => Hasher> => {
  const instance: Instance = { hasher: await create[algorithm](), owner: undefined }
  return () => new WasmHasher(instance)
}

/** Loads all algorithms. Rejects where WebAssembly is not available. */
export const loadWasm = async (): Promise<CryptoProvider> => {
  const algorithms = Object.keys(create) as Array<HashAlgorithm>
  const makers = new Map(await Promise.all(algorithms.map(async (algorithm) => [algorithm, await loadWasmHasher(algorithm)] as const)))
  const hasher = (algorithm: HashAlgorithm): Hasher => makers.get(algorithm)!()
  const hash = (algorithm: HashAlgorithm, bytes: Uint8Array): Uint8Array => {
    const one = hasher(algorithm)
    one.update(bytes)
    return one.digest()
  }
  // The library's synchronous half has no SHA-512 of its own. It is one setting for the whole thread, which any instance serves as well.
  Ed25519.hashes.sha512 = (bytes) => hash("sha512", bytes) as Uint8Array<ArrayBuffer>
  return {
    hash,
    hasher,
    sign: (secretKey, message) => Ed25519.sign(message, secretKey.subarray(0, 32)),
    verify: (publicKey, message, signature) =>
      publicKey.length === 32 && signature.length === 64 && Ed25519.verify(signature, message, publicKey, { zip215: false })
  }
}

/** Loads all algorithms and installs them for this thread. */
export const installWasm = async (): Promise<void> => install(await loadWasm())
