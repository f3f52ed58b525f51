/**
 * Work that is under way, shared: who asks for the same key while it runs, waits for the same run. When the last of them leaves, the run is
 * interrupted. Nothing is kept afterwards but failures, and these only within a run (one command, one evaluation): work that failed is not
 * tried again for a second dependent, and is tried again for the next command.
 */
import * as Cache from "effect/Cache"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"

/** What failed so far in one command, by key. */
export interface Run<E> {
  readonly failures: Map<string, E>
}

/** The run that the current fiber works for. */
export const CurrentRun = Context.Reference<Run<unknown> | undefined>("yix/realise/CurrentRun", { defaultValue: () => undefined })

/** Gives `effect` a run of its own, unless it is part of one already. */
export const withinRun = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(CurrentRun, (run) => (run === undefined ? Effect.provideService(effect, CurrentRun, { failures: new Map() }) : effect))

/** The key carries its work, so that the cache's look-up needs no table beside it. Equal by `key` alone. */
class Job<E> implements Equal.Equal {
  readonly key: string
  readonly work: Effect.Effect<unknown, E>
  constructor(key: string, work: Effect.Effect<unknown, E>) {
    this.key = key
    this.work = work
  }
  [Hash.symbol](): number {
    return Hash.string(this.key)
  }
  [Equal.symbol](that: Equal.Equal): boolean {
    return that instanceof Job && that.key === this.key
  }
}

/** A table of shared work whose failures have type `E`. One key must always mean work with the same answer. */
export interface Sharing<E> {
  /** The answer of `work`, or of the equal work that is under way already. */
  once<A>(key: string, work: Effect.Effect<A, E>): Effect.Effect<A, E>
}

export const make = <E>(): Effect.Effect<Sharing<E>> =>
  Effect.map(
    Cache.makeWith((job: Job<E>) => job.work, { capacity: Number.POSITIVE_INFINITY, timeToLive: () => Duration.zero }),
    (cache): Sharing<E> => ({
      once: <A>(key: string, work: Effect.Effect<A, E>) =>
        Effect.flatMap(CurrentRun, (run) => {
          const failure = run?.failures.get(key) as E | undefined
          if (failure !== undefined) return Effect.fail(failure)
          // A look-up starts within its caller's turn; without the yield a chain of n dependencies would be n calls deep on the stack.
          const job = new Job<E>(key, Effect.andThen(Effect.yieldNow, work))
          return Effect.tapError(Cache.get(cache, job) as Effect.Effect<A, E>, (error) => Effect.sync(() => run?.failures.set(key, error)))
        })
    })
  )
