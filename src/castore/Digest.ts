/**
 * BLAKE3 digests: making them and their text forms.
 *
 * Inside yix a digest is 64 lower-case hex digits (`Digest`); the world outside sees `blake3-<standard base64, padded>`, an SRI string.
 * Source: shared/reference/anchors.md §4.1. Needs an installed hash provider (`nix/Crypto.ts`).
 */
import * as Effect from "effect/Effect"
import * as Crypto from "../nix/Crypto.ts"
import { CorruptData, InvalidData } from "./CastoreError.ts"
import type { Digest } from "./Node.ts"

export type { Digest } from "./Node.ts"

const hexOfByte: ReadonlyArray<string> = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

/** The digest that these 32 bytes are. Throws `InvalidData` for another length. */
export const fromBytes = (bytes: Uint8Array): Digest => {
  if (bytes.length !== 32) throw new InvalidData({ what: "digest", detail: `has ${bytes.length} bytes, a BLAKE3 digest has 32` })
  let text = ""
  for (let i = 0; i < 32; i++) text += hexOfByte[bytes[i]!]!
  return text as Digest
}

const nibble = (code: number): number => (code < 58 ? code - 48 : code - 87)

/** The 32 bytes of a digest. */
export const toBytes = (digest: Digest): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(32)
  for (let i = 0; i < 32; i++) bytes[i] = (nibble(digest.charCodeAt(2 * i)) << 4) | nibble(digest.charCodeAt(2 * i + 1))
  return bytes
}

const hex = /^[0-9a-f]{64}$/

/** Whether a text is a digest in its inner (hex) form. */
export const isDigest = (text: string): text is Digest => hex.test(text)

/** `blake3-…`, as shown to people and written into logs, URLs and extended attributes. */
export const toText = (digest: Digest): string => `blake3-${btoa(String.fromCharCode(...toBytes(digest)))}`

/** Reads `blake3-<base64>` (exact form only) or 64 hex digits. Throws `InvalidData`. */
export const fromText = (text: string): Digest => {
  if (isDigest(text)) return text
  if (/^blake3-[A-Za-z0-9+/]{43}=$/.test(text)) {
    const digest = fromBytes(Uint8Array.from(atob(text.slice(7)), (char) => char.charCodeAt(0)))
    // The last character carries two bits that no byte uses: only zeroes there are the one spelling.
    if (toText(digest) === text) return digest
  }
  throw new InvalidData({ what: `digest '${text}'`, detail: "expected 'blake3-' and 44 characters of base64, or 64 hex digits" })
}

/** The digest of these bytes. */
export const ofBytes = (bytes: Uint8Array): Digest => fromBytes(Crypto.hash("blake3", bytes))

/** An incremental digest; `end` may be called once. */
export const incremental = (): { update(bytes: Uint8Array): void; end(): Digest } => {
  const hasher = Crypto.hasher("blake3")
  return { update: (bytes) => hasher.update(bytes), end: () => fromBytes(hasher.digest()) }
}

/** Digest of no bytes: of the empty blob and of the empty directory alike, so services need not store either. */
export const empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262" as Digest

/** These bytes, if they are what `digest` says; else `CorruptData` naming the store that gave them. */
export const verified = <Bytes extends Uint8Array>(store: string, digest: Digest, bytes: Bytes): Effect.Effect<Bytes, CorruptData> =>
  Effect.suspend(() => {
    const actual = ofBytes(bytes)
    return actual === digest
      ? Effect.succeed(bytes)
      : Effect.fail(new CorruptData({ store, digest: toText(digest), detail: `its ${bytes.length} bytes are ${toText(actual)}` }))
  })
