/**
 * Look-ups that are under way, shared: who asks for the same key meanwhile waits for the same run. Nothing is kept afterwards. Whoever waits may leave;
 * when the last one leaves, the run is interrupted.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** A table of runs. One key must always mean work with the same answer. */
export interface InFlight<A, E> {
  /** The answer of `work`, or of the run for that key which is under way. */
  share(key: string, work: Effect.Effect<A, E>): Effect.Effect<A, E>
}

interface Run<A, E> {
  readonly fiber: Fiber.Fiber<A, E>
  waiters: number
}

export const make = <A, E>(): InFlight<A, E> => {
  const running = new Map<string, Run<A, E>>()

  const forget = (key: string, run: Run<A, E>): void => {
    if (running.get(key) === run) running.delete(key)
  }

  const start = (key: string, work: Effect.Effect<A, E>): Effect.Effect<Run<A, E>> =>
    Effect.map(Effect.forkDetach(Effect.interruptible(work)), (fiber) => {
      const run: Run<A, E> = { fiber, waiters: 0 }
      running.set(key, run)
      fiber.addObserver(() => forget(key, run))
      return run
    })

  const leave = (key: string, run: Run<A, E>): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (--run.waiters > 0 || run.fiber.pollUnsafe() !== undefined) return Effect.void
      // Forgotten first, so that nobody joins a run that is being ended.
      forget(key, run)
      return Effect.asVoid(Fiber.interrupt(run.fiber))
    })

  return {
    share: (key, work) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const run = running.get(key) ?? (yield* start(key, work))
          run.waiters++
          return yield* Effect.onExit(restore(Fiber.join(run.fiber)), () => leave(key, run))
        })
      )
  }
}
