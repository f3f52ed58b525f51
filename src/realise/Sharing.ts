/**
 * Work that is under way, shared: who asks for the same key while it runs, waits for the same run. When the last of them leaves, the run is
 * interrupted. Nothing is kept afterwards but failures, and these only within a run (one command, one evaluation): work that failed is not
 * tried again for a second dependent, and is tried again for the next command.
 *
 * Effect's `Cache` shares in the same way, but starts, ends and interrupts a look-up within its caller's turn: a chain of two thousand dependencies
 * overflows the stack and the interruption gets lost on the way to the builder. Here each step takes a turn of its own.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** What failed so far in one command, by key. */
export interface Run<E> {
  readonly failures: Map<string, E>
}

/** The run that the current fiber works for. */
export const CurrentRun = Context.Reference<Run<unknown> | undefined>("yix/realise/CurrentRun", { defaultValue: () => undefined })

/** Gives `effect` a run of its own, unless it is part of one already. */
export const withinRun = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(CurrentRun, (run) => (run === undefined ? Effect.provideService(effect, CurrentRun, { failures: new Map() }) : effect))

/** A table of shared work whose failures have type `E`. One key must always mean work with the same answer. */
export interface Sharing<E> {
  /** The answer of `work`, or of the equal work that is under way already. */
  once<A>(key: string, work: Effect.Effect<A, E>): Effect.Effect<A, E>
}

interface Entry<E> {
  readonly fiber: Fiber.Fiber<unknown, E>
  waiters: number
}

export const make = <E>(): Sharing<E> => {
  const running = new Map<string, Entry<E>>()

  const start = (key: string, work: Effect.Effect<unknown, E>): Effect.Effect<Entry<E>> =>
    Effect.map(Effect.forkDetach(Effect.interruptible(work)), (fiber) => {
      const entry: Entry<E> = { fiber, waiters: 0 }
      running.set(key, entry)
      fiber.addObserver(() => forget(key, entry))
      return entry
    })

  const forget = (key: string, entry: Entry<E>): void => {
    if (running.get(key) === entry) running.delete(key)
  }

  const leave = (key: string, entry: Entry<E>): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (--entry.waiters > 0 || entry.fiber.pollUnsafe() !== undefined) return Effect.void
      // Forgotten first, so that nobody joins a run that is being ended.
      forget(key, entry)
      return Effect.andThen(Fiber.interrupt(entry.fiber), Effect.yieldNow)
    })

  const share = <A>(key: string, work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const entry = running.get(key) ?? (yield* start(key, work))
        entry.waiters++
        return yield* Effect.onExit(restore(Fiber.join(entry.fiber)), () =>
          Effect.andThen(Effect.yieldNow, leave(key, entry))
        ) as Effect.Effect<A, E>
      })
    )

  return {
    once: (key, work) =>
      Effect.flatMap(CurrentRun, (run) => {
        const failure = run?.failures.get(key) as E | undefined
        if (failure !== undefined) return Effect.fail(failure)
        return Effect.tapError(share(key, work), (error) => Effect.sync(() => run?.failures.set(key, error)))
      })
  }
}
