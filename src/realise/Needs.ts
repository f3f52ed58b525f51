/**
 * Several things needed at once, and what becomes of the failures of some.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { RealiseFailed, type RealiseError } from "./RealiseError.ts"
import { RealiseOptions } from "./Realiser.ts"

/** One thing that something else needs: `what` names it in messages. */
export interface Need<A> {
  readonly what: string
  readonly work: Effect.Effect<A, RealiseError>
}

/** The failures at the bottom of one, which made the others. */
export const rootsOf = (error: RealiseError): ReadonlyArray<RealiseError> =>
  error._tag === "DependencyFailed"
    ? (error.roots as ReadonlyArray<RealiseError>)
    : error._tag === "RealiseFailed"
      ? (error.failures as ReadonlyArray<RealiseError>).flatMap(rootsOf)
      : [error]

/**
 * All needs at once. Without `keepGoing` the first failure ends the others; with it they all come to their end. `failed` makes the error of the failures.
 */
export const together = <A>(
  needs: ReadonlyArray<Need<A>>,
  failed: (failures: ReadonlyArray<{ readonly what: string; readonly error: RealiseError }>) => RealiseError
): Effect.Effect<ReadonlyArray<A>, RealiseError> =>
  Effect.flatMap(RealiseOptions, ({ keepGoing }) =>
    keepGoing
      ? Effect.flatMap(
          Effect.forEach(needs, (need) => Effect.result(need.work), { concurrency: "unbounded" }),
          (results) => {
            const failures = results.flatMap((result, i) =>
              Result.isFailure(result) ? [{ what: needs[i]!.what, error: result.failure }] : []
            )
            return failures.length > 0
              ? Effect.fail(failed(failures))
              : Effect.succeed(results.flatMap((result) => (Result.isSuccess(result) ? [result.success] : [])))
          }
        )
      : Effect.forEach(needs, (need) => Effect.mapError(need.work, (error) => failed([{ what: need.what, error }])), {
          concurrency: "unbounded"
        })
  )

/** One failure as it is, several as one; each once. */
export const severalFailures = (failures: ReadonlyArray<{ readonly error: RealiseError }>): RealiseError =>
  failures.length === 1
    ? failures[0]!.error
    : new RealiseFailed({
        failures: [...new Set(failures.flatMap(({ error }) => (error._tag === "RealiseFailed" ? error.failures : [error])))]
      })
