/**
 * Signing keys and signatures as Nix writes them: `name:base64`.
 *
 * A public key is 32 bytes, a secret key 64 (seed and public key), a signature 64. What is signed is the fingerprint of a path (`NarInfo.ts`). Pure; ed25519
 * comes through `Crypto.ts`.
 */
import * as Base64 from "./Base64.ts"
import { toBytes } from "./Bytes.ts"
import * as Crypto from "./Crypto.ts"

export interface PublicKey {
  readonly name: string
  /** 32 bytes. */
  readonly key: Uint8Array
}

export interface SecretKey {
  readonly name: string
  /** 64 bytes: seed and public key. */
  readonly key: Uint8Array
}

/** A text is no key. It never shows the text, which may be a secret. */
export class KeyError extends Error {
  readonly _tag = "KeyError"
  readonly kind: "public" | "secret"
  /** Name of the key, where the text has one. */
  readonly keyName: string
  readonly problem: "form" | "base64" | "length"

  constructor(kind: "public" | "secret", keyName: string, problem: "form" | "base64" | "length") {
    super()
    this.kind = kind
    this.keyName = keyName
    this.problem = problem
  }

  override get message(): string {
    const subject = this.keyName === "" ? `a ${this.kind} key` : `${this.kind} key '${this.keyName}'`
    switch (this.problem) {
      case "form":
        return `${subject} is not valid: it should have the form 'name:base64'`
      case "base64":
        return `${subject} is not valid: what follows its name is not base64`
      case "length":
        return `${subject} is not valid: it should have ${this.kind === "public" ? 32 : 64} bytes; is it a ${this.kind === "public" ? "secret" : "public"} key?`
    }
  }
}

const parse = (text: string, kind: "public" | "secret", length: number): { readonly name: string; readonly key: Uint8Array } => {
  const trimmed = text.trim()
  const colon = trimmed.indexOf(":")
  if (colon <= 0 || colon === trimmed.length - 1 || /\s/.test(trimmed)) throw new KeyError(kind, "", "form")
  const name = trimmed.slice(0, colon)
  const key = Base64.decode(trimmed.slice(colon + 1))
  if (key === undefined) throw new KeyError(kind, name, "base64")
  if (key.length !== length) throw new KeyError(kind, name, "length")
  return { name, key }
}

/** A public key, `name:base64`; blanks around it are passed over. Throws `KeyError`. */
export const parsePublicKey = (text: string): PublicKey => parse(text, "public", 32)

/** A secret key, `name:base64`, as key files hold it. Throws `KeyError`. */
export const parseSecretKey = (text: string): SecretKey => parse(text, "secret", 64)

/** The text of a key. */
export const printKey = (key: PublicKey | SecretKey): string => `${key.name}:${Base64.encode(key.key)}`

/** The public key of a secret key. */
export const publicKeyOf = (secret: SecretKey): PublicKey => ({ name: secret.name, key: secret.key.subarray(32) })

/** The signature of a text, `name:base64`. */
export const sign = (secret: SecretKey, text: string): string => `${secret.name}:${Base64.encode(Crypto.sign(secret.key, toBytes(text)))}`

/** The name of the key that a signature says it is by: what comes before its colon; "" where it has none. */
export const signerOf = (signature: string): string => signature.slice(0, Math.max(0, signature.indexOf(":")))

/** Whether a signature, `name:base64`, is a valid one of `text` by the owner of `key`. False for anything that is no signature; never throws. */
export const verify = (key: PublicKey, text: string, signature: string): boolean => {
  if (signerOf(signature) !== key.name) return false
  const bytes = Base64.decodeStrict(signature.slice(key.name.length + 1))
  return bytes !== undefined && bytes.length === 64 && Crypto.verify(key.key, toBytes(text), bytes)
}

/** The first of `keys` by whose owner one of `signatures` is, or `undefined`. */
export const verifiedBy = (keys: Iterable<PublicKey>, text: string, signatures: Iterable<string>): PublicKey | undefined => {
  for (const key of keys) {
    for (const signature of signatures) if (verify(key, text, signature)) return key
  }
  return undefined
}
