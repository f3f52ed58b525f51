/**
 * Signals that end the program, and who is meant by SIGINT: the program, or something in it that can be interrupted by itself and says so while it runs.
 */

/** The status that each gives. */
export const signalStatuses = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

export type EndingSignal = keyof typeof signalStatuses

/** A terminal and a launcher may both deliver one Ctrl-C: within this many milliseconds it is the same one. */
export const sameSignal = 500

/** Calls `received` for each of them until the returned function is called. */
export const onSignals = (received: (signal: EndingSignal) => void): (() => void) => {
  const signals = Object.keys(signalStatuses) as ReadonlyArray<EndingSignal>
  for (const signal of signals) process.on(signal, received)
  return () => {
    for (const signal of signals) process.off(signal, received)
  }
}

const takers: Array<() => void> = []

/** Until the returned function is called, SIGINT calls `taker` and does not end the program. */
export const takeInterrupts = (taker: () => void): (() => void) => {
  takers.push(taker)
  return () => {
    const at = takers.lastIndexOf(taker)
    if (at >= 0) takers.splice(at, 1)
  }
}

/** Gives an interrupt to the last who asked for them; false where nobody did. */
export const giveInterrupt = (): boolean => {
  const taker = takers.at(-1)
  taker?.()
  return taker !== undefined
}
