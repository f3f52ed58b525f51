/**
 * The process around a command: signals in, exit status out.
 *
 * The first SIGINT, SIGTERM or SIGHUP interrupts the command, which cleans up after itself (builders die, scratch directories go); the status is then 130, 143
 * or 129. A second one, later than a moment after the first, ends at once. A SIGINT may be taken by what runs (`Interrupts.ts`).
 */
import * as net from "node:net"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { reportFailure, type TellingOptions } from "./Failure.ts"
import { type EndingSignal, giveInterrupt, onSignals, sameSignal, signalStatuses } from "./Interrupts.ts"

/** Runs the program and ends the process with its status. */
export const runToExit = (program: Effect.Effect<void, unknown>, options: TellingOptions): void => {
  let received: EndingSignal | undefined
  let receivedAt = 0
  const fiber = Effect.runFork(program)
  const onSignal = (signal: EndingSignal) => {
    if (signal === "SIGINT" && giveInterrupt()) return
    if (received === undefined) {
      received = signal
      receivedAt = Date.now()
      fiber.interruptUnsafe()
    } else if (Date.now() - receivedAt > sameSignal) process.exit(signalStatuses[signal])
  }
  onSignals(onSignal)
  watchParent(() => onSignal("SIGTERM"))
  // Keeps the process until the fiber ends, whatever it waits for.
  const alive = setInterval(() => {}, 0x7fffffff)
  fiber.addObserver((exit) => {
    clearInterval(alive)
    if (Exit.isSuccess(exit)) process.exit(received === undefined ? 0 : signalStatuses[received])
    if (received !== undefined) process.exit(signalStatuses[received])
    process.exit(reportFailure(exit.cause, options))
  })
}

/** When an older Node started this one (bin/own-node.js) and is gone without a word, nobody waits for the result. */
const watchParent = (gone: () => void): void => {
  const fd = Number(process.env["YIX_PARENT_FD"])
  delete process.env["YIX_PARENT_FD"]
  if (!(fd > 2)) return
  try {
    const pipe = new net.Socket({ fd, readable: true, writable: false })
    pipe.on("error", () => {})
    pipe.on("close", gone)
    pipe.resume()
    pipe.unref()
  } catch {
    // Not a pipe of ours.
  }
}
