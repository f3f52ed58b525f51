/**
 * Hash and size of the NAR of what is being ingested, computed in the same pass, and a look at its bytes for whoever searches them (for references).
 */
import * as Crypto from "../../nix/Crypto.ts"
import { NarWriter } from "../../nix/NarWriter.ts"

/** Sees all bytes of a NAR: file contents, symlink targets and file names. */
export interface NarObserver {
  /** The array may be reused after the call. */
  update(bytes: Uint8Array): void
}

export interface NarSummary {
  /** SHA-256, 32 bytes. */
  readonly narHash: Uint8Array
  /** Bytes. */
  readonly narSize: number
}

export class NarDigest {
  /** To be told about the tree, in the order of the NAR. */
  readonly writer: NarWriter
  readonly #hasher = Crypto.hasher("sha256")

  constructor(observers: ReadonlyArray<NarObserver> = []) {
    this.writer = new NarWriter(
      (chunk) => {
        this.#hasher.update(chunk)
        for (const observer of observers) observer.update(chunk)
      },
      { bufferSize: 256 * 1024, reuse: true }
    )
  }

  /** Once, after the whole tree. */
  end(): NarSummary {
    const narSize = this.writer.end()
    return { narHash: Uint8Array.from(this.#hasher.digest()), narSize }
  }
}
