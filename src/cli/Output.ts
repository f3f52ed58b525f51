/**
 * The two ways out: results on standard output, all else on standard error. Writes are synchronous and whole, so nothing is lost when the process
 * ends. A reader that went away (`yix … | head -1`) ends the program quietly with the status that SIGPIPE gives.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type ByteString, toBytes } from "../nix/Bytes.ts"

/** Nobody reads standard output any more. */
export class OutputClosed extends Schema.TaggedError<OutputClosed>()("OutputClosed", {}) {
  get exitCode(): number {
    return 141
  }
  override get message(): string {
    return "the reader of the output went away"
  }
}

const pause = new Int32Array(new SharedArrayBuffer(4))

/** Writes everything, waiting while a non-blocking pipe is full. */
const writeAll = (fd: number, bytes: Uint8Array): void => {
  for (let offset = 0; offset < bytes.length;) {
    try {
      offset += fs.writeSync(fd, bytes, offset)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error
      Atomics.wait(pause, 0, 0, 1)
    }
  }
}

const encoder = new TextEncoder()

/** Bytes to standard output. */
export const printBytes = (bytes: Uint8Array): Effect.Effect<void, OutputClosed> =>
  Effect.suspend(() => {
    try {
      writeAll(1, bytes)
      return Effect.void
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPIPE" ? Effect.fail(new OutputClosed()) : Effect.die(error)
    }
  })

/** Runs what writes bytes to standard output piece by piece, and does not keep them. What it throws otherwise goes through `fault`. */
export const printPieces = <E>(
  run: (put: (bytes: Uint8Array) => void) => void,
  fault: (cause: unknown) => Effect.Effect<never, E>
): Effect.Effect<void, OutputClosed | E> =>
  Effect.suspend((): Effect.Effect<void, OutputClosed | E> => {
    let closed = false
    try {
      run((bytes) => {
        try {
          writeAll(1, bytes)
        } catch (error) {
          closed = (error as NodeJS.ErrnoException).code === "EPIPE"
          throw error
        }
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

/** A text for the user on standard error, as it is. Lost when nobody listens: that is no reason to fail. */
export const tellPart = (text: string): void => {
  try {
    writeAll(2, encoder.encode(text))
  } catch {
    // Standard error is closed.
  }
}

/** Lines for the user on standard error. */
export const tell = (text: string): void => tellPart(`${text}\n`)

// Colour and other SGR sequences may pass; anything else that a terminal obeys (cursor, title, clipboard, control characters) may not.
const obeyed = /\x1b\[[0-9;]*m|\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]|[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]/g
const colour = /^\x1b\[[0-9;]*m$/

/** A text from outside (a builder, a server) made harmless for a terminal. Without `color` colours go too. */
export const harmless = (text: string, color: boolean): string =>
  text.replace(obeyed, (sequence) => (color && colour.test(sequence) ? sequence : ""))
