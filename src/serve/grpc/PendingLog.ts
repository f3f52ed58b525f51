/**
 * A build's log on its way to the client: written as it comes, read when the client takes it. A builder is never held up and memory stays bounded: where the client is too
 * slow by more than `capacity`, the log has a gap, and says so.
 */
import * as Effect from "effect/Effect"

/** Bytes held at most. */
const capacity = 8 << 20
/** Bytes given at a time. */
const most = 256 << 10

export class PendingLog {
  #pieces: Array<Uint8Array> = []
  #size = 0
  #lost = 0
  #changed = false
  #awaited: (() => void) | undefined

  /** Adds a copy. */
  push(bytes: Uint8Array): void {
    if (this.#lost > 0 || this.#size + bytes.length > capacity) this.#lost += bytes.length
    else {
      // Not `slice`, which of a Buffer is a view.
      this.#pieces.push(Uint8Array.from(bytes))
      this.#size += bytes.length
    }
    this.wake()
  }

  /** Ends the wait of a reader, or its next one, also where nothing was added. */
  wake(): void {
    this.#changed = true
    this.#awaited?.()
  }

  /** Waits until something was added or `wake` was called since the last time. For one reader. */
  readonly changed: Effect.Effect<void> = Effect.callback((resume) => {
    const go = () => {
      this.#changed = false
      this.#awaited = undefined
      resume(Effect.void)
    }
    if (this.#changed) go()
    else this.#awaited = go
  })

  /** What comes next; `undefined` where nothing is there. */
  take(): Uint8Array | undefined {
    let size = 0
    let count = 0
    while (count < this.#pieces.length && (count === 0 || size + this.#pieces[count]!.length <= most)) size += this.#pieces[count++]!.length
    if (count > 0) {
      this.#size -= size
      return Buffer.concat(this.#pieces.splice(0, count))
    }
    if (this.#lost === 0) return undefined
    const note = `\n[yix: ${this.#lost} bytes of log were not sent, since they were taken too slowly]\n`
    this.#lost = 0
    return Buffer.from(note)
  }
}
