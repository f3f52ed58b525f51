/**
 * Standard output for commands whose other work goes on while they write: where the reader of a pipe is slow they wait without blocking, so that they can be
 * interrupted meanwhile. Lines are written whole, one after the other.
 */
import * as fs from "node:fs"
import * as net from "node:net"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { OutputClosed, printBytes } from "./Output.ts"

/** Standard output as something that can be waited for; `undefined` where writing does not have to wait for anybody, as to files. */
const openStream = (): net.Socket | undefined => {
  const stat = fs.fstatSync(1)
  // Node itself makes it blocking again at the end for those who share it.
  if (stat.isSocket()) return new net.Socket({ fd: 1, readable: false, writable: true })
  if (!stat.isFIFO()) return undefined
  try {
    // Opened once more, it does not block here and does for whoever shares it.
    const fd = fs.openSync("/proc/self/fd/1", fs.constants.O_WRONLY | fs.constants.O_NONBLOCK)
    return new net.Socket({ fd, readable: false, writable: true })
  } catch {
    // Another user's, or no /proc.
    return undefined
  }
}

const stream = Effect.acquireRelease(
  Effect.sync(() => openStream()?.on("error", () => {})),
  (stream) => Effect.sync(() => stream?.destroy())
)

/** What writes a Unicode text and a line end, until the scope ends. */
export const openLines = Effect.gen(function* () {
  const out = yield* stream
  const one = yield* Semaphore.make(1)
  const encoder = new TextEncoder()
  const write = (bytes: Uint8Array): Effect.Effect<void, OutputClosed> =>
    out === undefined
      ? printBytes(bytes)
      : Effect.callback((resume) => {
          out.write(bytes, (error) => resume(error ? Effect.fail(new OutputClosed()) : Effect.void))
        })
  return (text: string): Effect.Effect<void, OutputClosed> => Semaphore.withPermit(one, write(encoder.encode(`${text}\n`)))
})
