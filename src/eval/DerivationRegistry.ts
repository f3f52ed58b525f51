/**
 * The derivations that an evaluation has made, in memory: their texts, what they count for in the hashes of others, and which of them the host has
 * been told of. A `.drv` file is written only when somebody wants it.
 */
import { parseDerivation } from "../nix/Aterm.ts"
import type { ByteString } from "../nix/Bytes.ts"
import type { HashModulo, Instantiated } from "../nix/HashModulo.ts"
import { hashModulo } from "../nix/HashModulo.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { derivationName } from "../nix/StorePath.ts"
import { ask } from "./Force.ts"

export type KnownDerivation = Omit<Instantiated, "drvPath">

export class DerivationRegistry {
  readonly #known = new Map<StorePath, KnownDerivation>()
  readonly #told = new Set<StorePath>()

  add(drvPath: StorePath, known: KnownDerivation): void {
    if (!this.#known.has(drvPath)) this.#known.set(drvPath, known)
  }

  /** Whether it was made or read in this evaluation. */
  has(drvPath: StorePath): boolean {
    return this.#known.has(drvPath)
  }

  /** One made here, or read from the store. */
  get(drvPath: StorePath): KnownDerivation {
    const known = this.#known.get(drvPath)
    if (known !== undefined) return known
    const text = ask({ _tag: "ReadFile", path: drvPath }) as ByteString
    const derivation = parseDerivation(text, derivationName(drvPath))
    let modulo: HashModulo | undefined
    const read: KnownDerivation = {
      derivation,
      outputs: derivation.outputs,
      text,
      hashModulo: () => (modulo ??= hashModulo(derivation, (input) => this.get(input).hashModulo()))
    }
    this.#known.set(drvPath, read)
    this.#told.add(drvPath)
    return read
  }

  readonly modulo = (drvPath: StorePath): HashModulo => this.get(drvPath).hashModulo()

  /** The texts of these derivations and all below them that the host has not been told yet, inputs before users. */
  untold(drvPaths: Iterable<StorePath>): Array<readonly [StorePath, ByteString]> {
    const found: Array<readonly [StorePath, ByteString]> = []
    const visit = (drvPath: StorePath): void => {
      if (this.#told.has(drvPath)) return
      this.#told.add(drvPath)
      const known = this.#known.get(drvPath)
      if (known === undefined) return
      for (const input of known.derivation.inputDerivations.keys()) visit(input)
      found.push([drvPath, known.text])
    }
    for (const drvPath of drvPaths) visit(drvPath)
    return found
  }

  /** The host is told everything again: it may not have heard what was said in an evaluation that was interrupted. */
  tellAgain(): void {
    this.#told.clear()
  }

  /** All store paths that a derivation file refers to, directly or not, itself too. */
  closure(drvPath: StorePath): Set<StorePath> {
    const found = new Set<StorePath>()
    const visit = (path: StorePath): void => {
      if (found.has(path)) return
      found.add(path)
      const { derivation } = this.get(path)
      for (const source of derivation.inputSources) found.add(source)
      for (const input of derivation.inputDerivations.keys()) visit(input)
    }
    visit(drvPath)
    return found
  }
}
