/**
 * Standard input as a stream of bytes.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

export class InputUnreadable extends Schema.TaggedError<InputUnreadable>()("InputUnreadable", { detail: Schema.String }) {
  override get message(): string {
    return `standard input cannot be read: ${this.detail}`
  }
}

const pieceSize = 1 << 20

/** In pieces of up to 1 MiB. */
export const standardInput: Stream.Stream<Uint8Array, InputUnreadable> = Stream.suspend(() =>
  Stream.fromAsyncIterable(
    fs.createReadStream("", { fd: 0, autoClose: false, highWaterMark: pieceSize }) as AsyncIterable<Uint8Array>,
    (error) => new InputUnreadable({ detail: error instanceof Error ? error.message : String(error) })
  )
)

/** All of it, for what must be whole before it is of use, such as an expression. */
export const readStandardInput = Effect.fnUntraced(function* () {
  return Buffer.concat(yield* Stream.runCollect(standardInput))
})
