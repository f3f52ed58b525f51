/**
 * What a process knows how to make: derivations by path, as texts that are parsed when needed, and fetches by the path that they will give.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { parseDerivation } from "../nix/Aterm.ts"
import type { Derivation } from "../nix/Derivation.ts"
import { derivationName, type StorePath } from "../nix/StorePath.ts"
import type { Fetch } from "../fetch/Fetch.ts"

export class Known {
  readonly #texts = new Map<StorePath, ByteString>()
  readonly #parsed = new Map<StorePath, Derivation>()
  readonly #fetches = new Map<StorePath, Fetch>()

  addDerivation(drvPath: StorePath, text: ByteString): void {
    if (!this.#texts.has(drvPath)) this.#texts.set(drvPath, text)
  }

  addFetch(path: StorePath, fetch: Fetch): void {
    if (!this.#fetches.has(path)) this.#fetches.set(path, fetch)
  }

  text(drvPath: StorePath): ByteString | undefined {
    return this.#texts.get(drvPath)
  }

  /** `undefined` when unknown. Throws `AtermError`, `DerivationError` for a bad text. */
  derivation(drvPath: StorePath): Derivation | undefined {
    const parsed = this.#parsed.get(drvPath)
    if (parsed !== undefined) return parsed
    const text = this.#texts.get(drvPath)
    if (text === undefined) return undefined
    const derivation = parseDerivation(text, derivationName(drvPath))
    this.#parsed.set(drvPath, derivation)
    return derivation
  }

  fetch(path: StorePath): Fetch | undefined {
    return this.#fetches.get(path)
  }
}
