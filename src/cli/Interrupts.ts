/**
 * Who is meant by SIGINT: the program, or something in it that can be interrupted by itself and says so while it runs.
 */
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
