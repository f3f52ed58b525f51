/**
 * Standard output for commands whose other work goes on while they write: where the reader of a pipe is slow they wait without blocking, so that they can be
 * interrupted meanwhile. Lines are written whole, one after the other.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { OutputClosed } from "./Output.ts"
import { put } from "./StandardStreams.ts"

/** Milliseconds until a full pipe is tried again. */
const patience = 5

/** The pipe that standard output is, opened once more so that it never blocks, which others who have it do not notice; `undefined` where it is no pipe, or cannot be opened. */
const openPipe = (): number | undefined => {
  try {
    if (!fs.fstatSync(1).isFIFO()) return undefined
    return fs.openSync("/proc/self/fd/1", fs.constants.O_WRONLY | fs.constants.O_NONBLOCK)
  } catch {
    return undefined
  }
}

/** So many bytes as the pipe takes now. */
const writeSome = (fd: number, bytes: Uint8Array): Effect.Effect<number, OutputClosed> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(fs.writeSync(fd, bytes))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === "EAGAIN") return Effect.as(Effect.sleep(patience), 0)
      return code === "EPIPE" ? Effect.fail(new OutputClosed()) : Effect.die(error)
    }
  })

/** What writes a Unicode text and a line end, until the scope ends. */
export const openLines = Effect.gen(function* () {
  const pipe = yield* Effect.acquireRelease(Effect.sync(openPipe), (fd) => Effect.sync(() => fd !== undefined && fs.closeSync(fd)))
  const one = yield* Semaphore.make(1)
  const encoder = new TextEncoder()
  const write = Effect.fnUntraced(function* (bytes: Uint8Array) {
    if (pipe === undefined) return put(bytes) ? undefined : yield* new OutputClosed()
    for (let at = 0; at < bytes.length;) at += yield* writeSome(pipe, bytes.subarray(at))
  })
  return (text: string): Effect.Effect<void, OutputClosed> => Semaphore.withPermit(one, write(encoder.encode(`${text}\n`)))
})
