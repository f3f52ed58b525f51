/**
 * Results on standard output. A reader that went away (`yix … | head -1`) ends the program quietly with the status that SIGPIPE gives.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type ByteString, toBytes } from "../nix/Bytes.ts"
import { closedStatus, put } from "./StandardStreams.ts"

/** Nobody reads standard output any more. */
export class OutputClosed extends Schema.TaggedError<OutputClosed>()("OutputClosed", {}) {
  get exitCode(): number {
    return closedStatus
  }
  override get message(): string {
    return "the reader of the output went away"
  }
}

const encoder = new TextEncoder()

/** Bytes to standard output. */
export const printBytes = (bytes: Uint8Array): Effect.Effect<void, OutputClosed> =>
  Effect.suspend(() => (put(bytes) ? Effect.void : Effect.fail(new OutputClosed())))

/** Runs what writes bytes to standard output piece by piece, and does not keep them. What it throws otherwise goes through `fault`. */
export const printPieces = <E>(
  run: (put: (bytes: Uint8Array) => void) => void,
  fault: (cause: unknown) => Effect.Effect<never, E>
): Effect.Effect<void, OutputClosed | E> =>
  Effect.suspend((): Effect.Effect<void, OutputClosed | E> => {
    let closed = false
    try {
      run((bytes) => {
        closed = !put(bytes)
        if (closed) throw new OutputClosed()
      })
      return Effect.void
    } catch (error) {
      return closed ? Effect.fail(new OutputClosed()) : fault(error)
    }
  })

/** A byte string to standard output, as its bytes. */
export const print = (text: ByteString): Effect.Effect<void, OutputClosed> => printBytes(toBytes(text))

/** A byte string and a line end. */
export const printLine = (text: ByteString): Effect.Effect<void, OutputClosed> => print(`${text}\n`)

/** A Unicode text (JSON, help) and a line end. */
export const printTextLine = (text: string): Effect.Effect<void, OutputClosed> => printBytes(encoder.encode(`${text}\n`))
