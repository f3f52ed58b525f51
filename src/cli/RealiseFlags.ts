/**
 * Flags that say how things are realised.
 */
import * as os from "node:os"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import type { RealiseOptions } from "../realise/Realiser.ts"
import { Offline, Switch } from "./CommonFlags.ts"
import { UsageError } from "./Usage.ts"

/** Builds at the same time where the user says nothing. */
const defaultJobs = (): number => Math.max(4, os.availableParallelism())

export const realiseFlags = {
  keepGoing: Switch("keep-going").pipe(
    Flag.withAlias("k"),
    Flag.withDescription("After a failure go on with all that does not depend on it")
  ),
  maxJobs: Flag.Int("max-jobs").pipe(
    Flag.withAlias("j"),
    Flag.withDefault(defaultJobs()),
    Flag.withDescription("Builds at the same time (default: one a core, at least 4)")
  ),
  timeout: Flag.Int("timeout").pipe(Flag.withDefault(0), Flag.withDescription("Seconds that a build may take (0: no limit)")),
  maxSilent: Flag.Int("max-silent-time").pipe(Flag.withDefault(0), Flag.withDescription("Seconds that a build may be silent (0: no limit)"))
} as const

export interface RealiseInput {
  readonly keepGoing: boolean
  readonly maxJobs: number
  readonly timeout: number
  readonly maxSilent: number
}

/** The options of this run. */
export const realiseOptionsOf = Effect.fnUntraced(function* (input: RealiseInput, check: boolean) {
  for (const [flag, value, least] of [
    ["max-jobs", input.maxJobs, 1],
    ["timeout", input.timeout, 0],
    ["max-silent-time", input.maxSilent, 0]
  ] as const) {
    if (value < least) return yield* new UsageError({ detail: `--${flag} must be at least ${least}` })
  }
  return { ...input, offline: yield* Offline, check } satisfies RealiseOptions
})

/** For commands without these flags. */
export const defaultRealiseInput = (): RealiseInput => ({ keepGoing: false, maxJobs: defaultJobs(), timeout: 0, maxSilent: 0 })
