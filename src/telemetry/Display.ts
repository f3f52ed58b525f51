/**
 * What shows the events of a run: it takes them as they happen, is woken from time to time, and is told how the run ended.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { type Event, EventSink } from "../wire/Events.ts"

export type Outcome = "done" | "failed" | "interrupted"

export interface Display {
  readonly emit: (event: Event) => void
  /** Milliseconds between two calls of `tick`. */
  readonly every: number
  readonly tick: () => void
  /** The last call; nothing is shown after it. */
  readonly end: (outcome: Outcome) => void
}

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): Outcome =>
  Exit.isSuccess(exit) ? "done" : Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "failed"

/** Runs `use` with its events shown. `make` gets a clock that gives milliseconds. The display is ended whatever ends `use`. */
export const withDisplay = <A, E, R>(make: (now: () => number) => Display, use: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const display = make(() => clock.currentTimeMillisUnsafe())
      const ticks = Effect.forever(Effect.andThen(Effect.sleep(display.every), Effect.sync(display.tick)))
      return { display, ticker: yield* Effect.forkDetach(Effect.interruptible(ticks)) }
    }),
    ({ display }) => Effect.provideService(use, EventSink, display.emit),
    ({ display, ticker }, exit) =>
      Effect.andThen(
        Fiber.interrupt(ticker),
        Effect.sync(() => display.end(outcomeOf(exit)))
      )
  )
